"""Where a contact sheet has what, against Pillow's own drawing of its parts."""

import io

import drawing
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.contact_sheet import draw_sheet
from ilsvrc_tfds.checks.samples import Sample

WIDTH, HEIGHT, CAPTION = 264, 212, 68
SIZE = (0, 62, "60 x 40 pixels", 13, "#76767c", "ls")
INK, FAINT, MAT, YELLOW = "#1c1c1e", "#76767c", (0xEF, 0xEF, 0xF1), (255, 214, 10)
TENCH, GOLDFISH, SHARK = (synsets.synsets()[k] for k in (0, 1, 2))


def sample(**values) -> Sample:
    whole = {"number": 0, "place": "", "file_name": "a.JPEG", "label": 0, "synset": TENCH, "told": None, "boxes": None}
    return Sample(**{**whole, "image": drawing.jpeg(60, 40), **values})


def drawn(*samples: Sample, title: str = "title", place: str = "/data", subtitle: str = "subtitle") -> Image.Image:
    return Image.open(io.BytesIO(draw_sheet(samples, title, place, subtitle))).convert("RGB")


def tile_of(sheet: Image.Image, column: int = 0, row: int = 0) -> Image.Image:
    x, y = 36 + column * 284, 36 + 100 + row * 300
    return sheet.crop((x, y, x + WIDTH, y + HEIGHT + CAPTION))


def assert_text(strip: Image.Image, *texts: tuple) -> None:
    """Asserts that a strip of paper has these texts alone: (x, y of the baseline, text, size, colour, anchor)."""
    expected = Image.new("RGB", strip.size, "#ffffff")
    for x, y, text, size, colour, anchor in texts:
        ImageDraw.Draw(expected).text((x, y), text, colour, ImageFont.load_default(size), anchor=anchor)
    np.testing.assert_array_equal(np.asarray(strip), np.asarray(expected))


@pytest.mark.parametrize(
    "values, words, index",
    [
        ({}, "tench", "0"),
        ({"synset": GOLDFISH, "told": SHARK}, "goldfish? great white shark?", "1"),
        ({"synset": None}, "no class", ""),
        ({"synset": None, "told": GOLDFISH}, "no class? goldfish?", ""),
    ],
)
def test_caption_is_class_index_and_file_name(values, words, index):
    caption = tile_of(drawn(sample(file_name="né.JPEG", **values))).crop((0, HEIGHT, WIDTH, HEIGHT + CAPTION))
    left, right = (0, 24, words, 17, INK, "ls"), (WIDTH, 24, index, 15, FAINT, "rs")
    assert_text(caption, left, right, (0, 44, r"n\xe9.JPEG", 13, FAINT, "ls"), SIZE)


def test_text_that_is_too_long_is_cut_with_an_ellipsis():
    name, title = "n" * 250, "t" * 100
    sheet = drawn(sample(file_name=name), title=title, subtitle="s" * 200)
    for text, size, y in ((name, 13, 36 + 100 + HEIGHT + 44), (title, 28, 36 + 20), ("s" * 200, 15, 36 + 69)):
        font = ImageFont.load_default(size)
        kept = max(n for n in range(len(text)) if font.getlength(text[:n] + "…") <= WIDTH)
        strip = sheet.crop((36, y - size, 36 + WIDTH, y + 5))
        colour = INK if size == 28 else FAINT
        assert_text(strip, (0, size, text[:kept] + "…", size, colour, "ls"))


def test_folder_that_is_too_long_keeps_its_end():
    place, font = "/very" + "/long" * 40 + "/raw256/1.0.0", ImageFont.load_default(15)
    kept = max(n for n in range(len(place)) if font.getlength("…" + place[-n:]) <= WIDTH)
    strip = drawn(sample(), place=place).crop((36, 36 + 47 - 15, 36 + WIDTH, 36 + 47 + 5))
    assert_text(strip, (0, 15, "…" + place[-kept:], 15, FAINT, "ls"))


def test_class_that_is_too_long_leaves_room_for_its_index():
    long = max(synsets.synsets(), key=lambda synset: len(synset.words.partition(",")[0]))
    words, font = long.words.partition(",")[0], ImageFont.load_default(17)
    text = f"{words}? {words}?"
    kept = max(n for n in range(len(text)) if font.getlength(text[:n] + "…") <= WIDTH - 40)
    caption = tile_of(drawn(sample(synset=long, told=long))).crop((0, HEIGHT, WIDTH - 40, HEIGHT + 30))
    assert_text(caption, (0, 24, text[:kept] + "…", 17, INK, "ls"))


def test_title_is_above_the_tiles():
    sheet = drawn(*[sample()] * 3, title="ILSVRC2012 val", subtitle="3 of 6 images")
    head = sheet.crop((36, 0, sheet.width, 36 + 100))
    last = (0, 105, "3 of 6 images", 15, FAINT, "ls")
    assert_text(head, (0, 56, "ILSVRC2012 val", 28, INK, "ls"), (0, 83, "/data", 15, FAINT, "ls"), last)


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (248, 196), (500, 2), (2, 300), (1, 1)], ids=str)
def test_image_is_in_the_middle_of_its_mat(size):
    data = io.BytesIO()
    Image.new("RGB", size, "#c03020").save(data, "PNG")
    tile = np.asarray(tile_of(drawn(sample(image=data.getvalue()))))[:HEIGHT].astype(int)
    rows, columns = np.nonzero(np.abs(tile - MAT).sum(2) > 60)
    scale = min(248 / size[0], 196 / size[1])
    width, height = (max(1, round(side * scale)) for side in size)
    assert (columns.max() - columns.min() + 1, rows.max() - rows.min() + 1) == (width, height)
    assert (columns.min(), rows.min()) == ((WIDTH - width) // 2, (HEIGHT - height) // 2)


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (0.25, 0.5, 0.75, 0.875)], ids=str)
def test_box_is_two_yellow_pixels_with_a_dark_line_around(box):
    white = io.BytesIO()
    Image.new("RGB", (248, 196), "#ffffff").save(white, "PNG")
    tile = tile_of(drawn(sample(image=white.getvalue(), boxes=[box]))).crop((0, 0, WIDTH, HEIGHT))
    expected = Image.new("RGB", (WIDTH, HEIGHT), MAT)
    expected.paste("#ffffff", (8, 8, 256, 204))
    x, right = (round(8 + share * 247) for share in box[::2])
    y, bottom = (round(8 + share * 195) for share in box[1::2])
    pen = ImageDraw.Draw(expected)
    for k in range(-1, 3):
        pen.rectangle((x + k, y + k, right - k, bottom - k), None, YELLOW if k in (0, 1) else INK, 1)
    np.testing.assert_array_equal(np.asarray(tile), np.asarray(expected))


def test_image_that_is_not_sound_is_an_empty_tile_that_says_so():
    tile = tile_of(drawn(sample(image=b"text"))).crop((0, 0, WIDTH, HEIGHT))
    expected = Image.new("RGB", (WIDTH, HEIGHT), MAT)
    font = ImageFont.load_default(15)
    ImageDraw.Draw(expected).text((132, 106), "damaged image", FAINT, font, anchor="mm")
    np.testing.assert_array_equal(np.asarray(tile), np.asarray(expected))


@pytest.mark.parametrize("num, columns, rows", [(1, 1, 1), (5, 3, 2), (7, 4, 2), (16, 6, 3), (60, 10, 6)])
def test_tiles_are_in_rows_and_the_last_may_be_shorter(num, columns, rows):
    sheet = drawn(*(sample(file_name=str(k), image=b"") for k in range(num)))
    assert sheet.size == (72 + columns * 284 - 20, 72 + 100 + rows * 300 - 40)
    for k in range(columns * rows):
        tile = tile_of(sheet, k % columns, k // columns)
        assert (tile.getpixel((0, 0)) == MAT) == (k < num)
        if k < num:
            name = tile.crop((0, HEIGHT + 30, WIDTH, HEIGHT + 50))
            assert_text(name, (0, 14, str(k), 13, FAINT, "ls"))
