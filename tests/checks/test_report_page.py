"""The report page in a real browser: it loads alone, searches, filters, fits every width, and is safe from names."""

import base64
import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import browsing
import drawing
import pytest
from browsing import THEMES, WIDTHS
from report_sets import GOLDFISH, TENCH

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.report.page import page
from ilsvrc_tfds.checks.report.report import report
from ilsvrc_tfds.checks.report.values import Report
from ilsvrc_tfds.formats.example import encode_example
from ilsvrc_tfds.formats.tfrecord import frame

HOSTILE = (
    b"</script><script>window.hacked=1</script>.JPEG",
    b"\"><img src=x onerror='window.hacked=1'>.JPEG",
    b"<!--<script>{{data}}{{script}}&lt;&#60;.JPEG",
    b"\xff\xfe\x1b[2J\n.JPEG",
    "\u2028\u202e名.JPEG".encode(),
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Report:
    """A report on records with hostile names, in a folder with a hostile name."""
    folder = tmp_path_factory.mktemp("hostile") / "<b onmouseover='window.hacked=1'>\"&amp;{{data}}"
    folder.mkdir()
    payloads = [b"".join(encode_example(name, drawing.jpeg(60, 40, seed=k), k)) for k, name in enumerate(HOSTILE)]
    payloads += [b"".join(encode_example(HOSTILE[0], drawing.jpeg(60, 40, seed=0), 3)), b"<script>"]
    shard = folder / "ilsvrc2012-train.tfrecord-00000-of-00001"
    shard.write_bytes(b"".join(piece for payload in payloads for piece in frame([payload])))
    return report(folder, workers=1)


@contextlib.contextmanager
def opened(browser, found: Report, path: Path, width: int = 1280, theme: str = "light") -> Iterator:
    """Yields the page of a report in the browser, with its pictures."""
    with browsing.opened(browser, page(found), path, width, theme) as own:
        own.wait_for_selector("#sheet li")
        yield own


def shown(own) -> list[str]:
    return own.locator("#sheet .name").all_inner_texts()


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_page_fits_every_width_and_theme(width, theme, browser, of_damaged, tmp_path):
    with opened(browser, of_damaged, tmp_path / "report.html", width, theme) as own:
        assert own.evaluate("document.documentElement.scrollWidth") == width
        for details in own.locator("details").all():
            details.evaluate("element => element.open = true")
        assert own.evaluate("document.documentElement.scrollWidth") == width
        paper, ink = own.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        dark, light = sorted((paper, ink), key=lambda colour: sum(map(int, re.findall(r"\d+", colour))))
        assert (paper == dark) == (theme == "dark") and light != dark


@pytest.mark.slow
def test_search_and_filters_work(browser, of_damaged, tmp_path):
    with opened(browser, of_damaged, tmp_path / "report.html") as own:
        assert own.inner_text("#count") == "19 pictures, 19 shown" and len(shown(own)) == 19
        for text in ("Goldfish", GOLDFISH, f"  {GOLDFISH.upper()},", "carassius gold"):
            own.fill("#search", text)
            assert all(GOLDFISH in name or name.startswith("ILSVRC2012_val") for name in shown(own)) and shown(own)
            assert own.inner_text("#count").startswith("6 of 19 pictures")
        own.select_option("#split", label="val")
        assert own.inner_text("#count") == "2 of 19 pictures, 2 shown"
        assert set(own.locator("#sheet .words").all_inner_texts()) == {"goldfish"}
        own.fill("#search", "no such class")
        assert own.inner_text("#count") == "No picture matches." and shown(own) == []
        own.fill("#search", "")
        own.select_option("#split", label="all")
        sizes = {f"{p.width:,}\u00a0×\u00a0{p.height:,}": p.width * p.height for p in of_damaged.samples}
        own.select_option("#order", "pixels")
        found = [text.partition(", ")[2] for text in own.locator("#sheet .more-of:nth-last-child(2)").all_inner_texts()]
        assert [sizes[text] for text in found] == sorted(p.width * p.height for p in of_damaged.samples)
        own.fill("#search", "ILSVRC2012_val")
        assert len(shown(own)) == 6
        own.locator("#classes details").evaluate("element => element.open = true")
        own.click(f"a[data-search={TENCH}]")
        assert own.input_value("#search") == TENCH and own.inner_text("#count").startswith("4 of 19")


@pytest.mark.slow
def test_pictures_are_loaded_in_steps(browser, of_damaged, tmp_path):
    (first, *_) = of_damaged.samples
    many = dataclasses.replace(of_damaged, samples=(first,) * 200)
    with opened(browser, many, tmp_path / "report.html") as own:
        assert own.inner_text("#count") == "200 pictures, 96 shown"
        own.click("#more")
        assert own.inner_text("#count") == "200 pictures, 192 shown"
        own.focus("#more")
        own.keyboard.press("Enter")
        assert own.inner_text("#count") == "200 pictures, 200 shown" and not own.is_visible("#more")


@pytest.mark.slow
def test_boxes_are_where_they_belong_and_can_be_hidden(browser, of_exported, tmp_path):
    with opened(browser, of_exported, tmp_path / "report.html") as own:
        own.fill("#search", GOLDFISH)
        own.select_option("#split", label="train")
        own.wait_for_function("[...document.querySelectorAll('#sheet img')].every(image => image.naturalWidth)")
        for tile in own.locator("#sheet li").all():
            image, (first, second) = tile.locator("img").bounding_box(), tile.locator("rect.in").all()
            for box, left in ((first, 0.1), (second, 0.6)):
                found = box.bounding_box()
                assert found["x"] + 1 == pytest.approx(image["x"] + left * image["width"], abs=2)
                assert found["width"] - 2 == pytest.approx(0.2 * image["width"], abs=2)
                assert found["height"] - 2 == pytest.approx(0.8 * image["height"], abs=2)
        assert own.locator("#sheet rect.in").first.is_visible()
        own.uncheck("#boxes")
        assert not own.locator("#sheet rect.in").first.is_visible()
    assert b'id="boxes"' not in page(dataclasses.replace(of_exported, samples=()))


@pytest.mark.slow
def test_hostile_names_stay_text(browser, hostile, tmp_path):
    with opened(browser, hostile, tmp_path / "report.html") as own:
        assert own.evaluate("window.hacked") is None
        assert own.locator("b, img[src=x]").count() == 0 and own.locator("script").count() == 2
        names = [text.replace("\u200b", "") for text in shown(own)]
        for name in HOSTILE[:3]:
            assert name.decode() in names
        assert r"'\udcff\udcfe\x1b[2J\n.JPEG'" in names and r"'\u2028\u202e\u540d.JPEG'" in names
        assert "<b onmouseover='window.hacked=1'>\"&amp;{{data}}" in own.inner_text(".path")
        own.fill("#search", "<script>")
        assert own.inner_text("#count").startswith("3 of 6 pictures")
        own.hover(".path")
        assert own.evaluate("window.hacked") is None


@pytest.mark.slow
def test_page_can_be_printed_and_used_with_the_keyboard(browser, of_damaged, tmp_path):
    with opened(browser, of_damaged, tmp_path / "report.html") as own:
        own.keyboard.press("Tab")
        assert own.evaluate("document.activeElement.textContent") == "Skip to the content"
        own.locator("#search").focus()
        for name in ("split", "order"):
            own.keyboard.press("Tab")
            assert own.evaluate("document.activeElement.id") == name
        assert own.pdf().startswith(b"%PDF")
        own.emulate_media(media="print")
        assert not own.is_visible("#tools") and own.is_visible("#sheet")


@pytest.mark.slow
def test_text_has_enough_contrast(browser, of_damaged, tmp_path):
    """4.5:1 is what WCAG 2.2 asks for."""
    for theme in THEMES:
        with opened(browser, of_damaged, tmp_path / "report.html", theme=theme) as own:
            read = "name => getComputedStyle(document.documentElement).getPropertyValue(name)"
            colours = {
                name: own.evaluate(read, f"--{name}")
                for name in ("paper", "raised", "ink", "faint", "train", "val", "test", "good", "bad", "open", "mark")
            }
        for paper in ("paper", "raised"):
            for name in colours.keys() - {"paper", "raised"}:
                assert _contrast(colours[name], colours[paper]) >= 4.5, (theme, name, paper)


def _contrast(one: str, other: str) -> float:
    low, high = sorted(_luminance(colour.strip().lstrip("#")) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    values = [int(colour[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# Without a browser.


@pytest.mark.parametrize("kind", ["of_damaged", "of_exported", "hostile"])
def test_page_is_well_formed_and_names_no_other_place(kind, request):
    content = page(request.getfixturevalue(kind))
    parser, text = browsing.Parser(content), content.decode()
    assert parser.open == [] and parser.labels and all(parser.labels)
    assert all(source.startswith(("#", "data:")) for source in parser.sources)
    assert "://" not in re.sub(r"http://www.w3.org/2000/svg", "", text.partition('<script type="application/json"')[0])


def test_page_shows_the_numbers(of_damaged):
    text = re.sub(r"<[^>]*>", " ", page(of_damaged).decode().partition('<script type="application/json"')[0])
    assert re.search(r"Images\s+19\s", text) and "1,281,167" in text and "look at this" in text
    for words in ("CMYK JPEG: 1 image", "Tiny: ", "Damaged", "neither JPEG nor PNG", "train + val: 1 group"):
        assert words in text


def test_page_has_the_thumbnails(of_damaged):
    data = page(of_damaged).decode()
    for picture in of_damaged.samples:
        assert base64.b64encode(picture.thumbnail).decode() in data


def test_page_of_data_without_images(tmp_path):
    shard = tmp_path / "ilsvrc2012-train.tfrecord-00000-of-00001"
    shard.write_bytes(b"".join(frame([b"<script>"])))
    found = report(tmp_path, tmp_path / "report.html", workers=1)
    assert found.images == 0 and found.num_faults == 1
    text = (tmp_path / "report.html").read_text()
    assert "No image can be read." in text and "No image has a class." in text


def test_classes_in_the_page_are_all_there(of_exported):
    text = page(of_exported).decode()
    assert all(synset.wnid in text for synset in synsets.synsets())
