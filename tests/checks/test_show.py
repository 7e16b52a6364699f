"""Records in words, and the contact sheet, opened with Pillow."""

import io
import os
import re
import shutil
from pathlib import Path

import drawing
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks import show as show_module
from ilsvrc_tfds.checks.show import show
from ilsvrc_tfds.errors import DestinationError, OptionError, SourceError
from ilsvrc_tfds.formats.example import bytes_feature, encode_example, feature_entry, float_feature, int64_feature
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.tfrecord import frame, read_record, read_spans

TENCH = drawing.WNIDS[0]
YELLOW = (255, 214, 10)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return drawing.official_archives(tmp_path_factory.mktemp("source"), drawing.miniature(test=3))


@pytest.fixture(scope="module")
def prepared(source, tmp_path_factory) -> Path:
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 4, "val": 2}}
    return Path(ilsvrc_tfds.prepare(source, tmp_path_factory.mktemp("data"), **options).data_dir)


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory) -> Path:
    """Classic TFRecords, in which each tench has two boxes."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "xml").mkdir()
    for k in range(9, 13):
        objects = "".join(
            f"<object><name>{TENCH}</name>"
            f"<bndbox><xmin>{x}</xmin><ymin>10</ymin><xmax>{x + 20}</xmax><ymax>90</ymax></bndbox></object>"
            for x in (10, 60)
        )
        size = "<size><width>100</width><height>100</height></size>"
        (folder / f"xml/{TENCH}_{k}.xml").write_text(
            f"<annotation><filename>{TENCH}_{k}</filename>{size}{objects}</annotation>"
        )
    options = {"bbox": [folder / "xml"], "num_shards": {"train": 4, "val": 2}, "workers": 1, "allow_incomplete": True}
    return ilsvrc_tfds.export(source, folder / "out", **options)


def blocks(text: str) -> list[dict[str, str]]:
    """Returns what is said of each record, by the word in front."""
    said = []
    for block in text.split("\n\n")[2:]:
        first, *lines = block.splitlines()
        number, name = re.fullmatch(r"record ([\d,]+): (.*)", first).groups()
        said.append({"number": number, "name": name, **dict(line.split(maxsplit=1) for line in lines)})
    return said


def with_record(folder: Path, name: str, *payloads: bytes) -> Path:
    """Replaces the records of a shard and removes manifest and info, as if another tool wrote it; returns the folder."""
    (folder / name).write_bytes(b"".join(piece for payload in payloads for piece in frame([payload])))
    (folder / "manifest.json").unlink(missing_ok=True), (folder / "dataset_info.json").unlink(missing_ok=True)
    return folder


def example(**features: bytes) -> bytes:
    """Returns a `tf.train.Example`; `_` is a slash in a key."""
    body = b"".join(feature_entry(key.replace("_", "/").encode(), feature) for key, feature in features.items())
    size = len(body)
    return b"\n" + (bytes((size & 0x7F | 0x80, size >> 7)) if size > 0x7F else bytes((size,))) + body


def tiles(path: Path) -> tuple[int, int, Image.Image]:
    """Returns the columns and rows of a contact sheet, by its mats' colour, and the sheet."""
    with Image.open(path) as sheet:
        assert (sheet.format, sheet.mode) == ("PNG", "RGB")
        sheet.load()
    pixels = np.asarray(sheet)
    mat = (pixels == (0xEF, 0xEF, 0xF1)).all(2)

    def runs(line):
        return np.count_nonzero(np.diff(np.flatnonzero(line)) > 1) + 1

    return runs(mat[36 + 100]), runs(mat[:, 36]), sheet  # along the upper and the left edges of the tiles


# In words.


def test_prepared_folder_in_words(prepared, images):
    text = show(prepared, num=100)
    lines = text.splitlines()
    assert lines[0] == str(prepared)
    assert lines[1] == "a prepared data set; images: unchanged; labels: class index"
    assert re.fullmatch(r"  train +12 examples in +4 shards, +[0-9.]+ kB", lines[2])
    assert re.fullmatch(r"  val +6 examples in +2 shards, +[0-9.]+ kB", lines[3])
    assert re.fullmatch(r"  test +3 examples in +1 shard, +[0-9.]+ kB", lines[4])
    assert lines[6] == "12 of the 12 records of train, evenly spread:"
    said = blocks(text)
    assert [record["number"] for record in said] == [str(k) for k in range(12)]
    assert {record["name"] for record in said} == set(images.labels("train"))
    for record in said:
        synset = synsets.synsets()[images.labels("train")[record["name"]]]
        assert record["label"] == f"{synset.index}: class {synset.index}, {synset.wnid}, {synset.words}"
        assert "boxes" not in record


def test_record_in_words(prepared, images):
    name = f"{TENCH}_12.JPEG"
    data = images.train[TENCH][name]
    (record,) = [record for record in blocks(show(prepared, num=12)) if record["name"] == name]
    assert record["label"] == "0: class 0, n01440764, tench, Tinca tinca"
    assert record["image"] == f"JPEG, RGB, 43 x 30 pixels, {len(data):,} bytes"
    place = re.fullmatch(r"(ilsvrc2012-train.tfrecord-0000\d-of-00004): record (\d), byte ([\d,]+)", record["place"])
    shard, row, offset = prepared / place[1], int(place[2]), int(place[3].replace(",", ""))
    assert read_spans(shard)[row][0] == offset and data in read_record(shard, *read_spans(shard)[row])


def test_grey_and_fixed_images_in_words(prepared, images):
    said = {record["name"]: record["image"] for record in blocks(show(prepared, num=12))}
    cmyk, png, grey = list(images.train[TENCH])[:3]
    assert (
        "JPEG, RGB, 50 x 40" in said[cmyk] and "JPEG, RGB, 45 x 35" in said[png] and "JPEG, grey, 44 x 33" in said[grey]
    )


def test_classic_records_in_words(exported):
    text = show(exported, num=12)
    assert text.splitlines()[1] == "classic TFRecords; images: unchanged; labels: class index + 1"
    for record in blocks(text):
        label, index = map(int, re.match(r"(\d+): class (\d+), n\d+", record["label"]).groups())
        assert label == index + 1
        there = "2: (x 0.100 to 0.300, y 0.100 to 0.900), (x 0.600 to 0.800, y 0.100 to 0.900)"
        assert record["boxes"] == (there if TENCH in record["name"] else "none")
        assert re.match(r"train-0000\d-of-00004: record \d", record["place"])


@pytest.mark.parametrize("split, number", [("val", 6), ("validation", 6), ("test", 3), ("train", 12), (None, 12)])
def test_splits_by_either_name(split, number, prepared, exported):
    for folder in (prepared, exported):
        assert len(blocks(show(folder, split=split, num=50))) == number


def test_test_split_has_no_label(prepared, exported):
    for folder in (prepared, exported):
        said = blocks(show(folder, split="test"))
        assert [record["label"] for record in said] == ["-1: none, as in the test split"] * 3


@pytest.mark.parametrize("num", [1, 2, 4, 5, 11, 12, 1000])
def test_records_are_spread_evenly_over_the_shards(num, prepared):
    said = blocks(show(prepared, num=num))
    numbers = np.array([int(record["number"]) for record in said])
    assert len(numbers) == min(num, 12) and len(set(numbers)) == len(numbers)
    assert len({record["place"].partition(":")[0] for record in said}) == min(num, 4)
    gaps = np.diff([-numbers[0] - 1, *numbers, 2 * 12 - 1 - numbers[-1]])  # as far from the ends as from each other
    assert gaps.max() - gaps.min() <= 2
    assert show(prepared, num=num) == show(prepared, num=num)


def test_only_the_wanted_shards_are_read(prepared, tmp_path):
    for path in prepared.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for k in (0, 2):  # the middles of the two halves lie in the others
        (tmp_path / f"ilsvrc2012-train.tfrecord-{k:05d}-of-00004").write_bytes(b"damage")
    (tmp_path / "ilsvrc2012-val.tfrecord-00001-of-00002").unlink()
    text = show(tmp_path, num=2)
    assert [record["number"] for record in blocks(text)] == ["3", "9"]
    assert re.search(r"val +6 examples in +2 shards, +[0-9.]+ kB, 1 MISSING", text)


# Folders of others.


def test_without_a_manifest_the_records_are_counted_and_named_by_their_wnid(exported, tmp_path):
    for path in exported.glob("*-of-*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text, described = show(tmp_path, num=5), show(exported, num=5)
    assert text.splitlines()[1] == "classic TFRecords; images: not recorded; labels: unknown numbering"
    assert re.fullmatch(r"  train +4 shards, +[0-9.]+ k?B", text.splitlines()[2])
    assert blocks(text) == blocks(described)


def test_size_of_a_split_is_in_millions_of_bytes(tmp_path):
    for k in range(2):
        (tmp_path / f"train-0000{k}-of-00003").touch()
        os.truncate(tmp_path / f"train-0000{k}-of-00003", 70 * 10**9)
    assert show_module._header(find_output(tmp_path))[2] == "  train     3 shards,    140 GB, 1 MISSING"


def test_without_a_manifest_tfds_info_counts(prepared, tmp_path):
    for path in prepared.iterdir():
        if path.name != "manifest.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert blocks(show(tmp_path, num=5)) == blocks(show(prepared, num=5))


def test_label_offset_that_the_names_contradict_is_said_loudly(exported, tmp_path):
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert "PROBLEM" not in show(tmp_path, num=12) and "BUT" not in show(tmp_path, split="test")
    stated = (tmp_path / "manifest.json").read_text()
    (tmp_path / "manifest.json").write_text(stated.replace('"label_offset": 1', '"label_offset": 0'))
    text = show(tmp_path, num=12, out=tmp_path / "sheet.png")
    assert "PROBLEM 12 of these 12 records: the label gives another class than" in text and "label_offset 0" in text
    for record in blocks(text):
        assert re.search(rf"BUT BY ITS NAME OR SYNSET \d+, {record['name'][:9]}, ", record["label"])
    assert "PROBLEM" not in show(tmp_path, split="test")  # has no classes


def test_text_of_a_hostile_record_is_fit_for_a_terminal(tmp_path):
    payload = b"".join(encode_example(b"\x1b[2J\xff\nrecord 1: fake", b"\x1b[31m", 5000))
    with_record(tmp_path, "ilsvrc2012-train.tfrecord-00000-of-00001", payload)
    text = show(tmp_path, out=tmp_path / "sheet.png")
    assert all(line.isprintable() for line in text.splitlines())
    (record,) = blocks(text)
    assert record["name"] == r"'\x1b[2J\udcff\nrecord 1: fake'"
    assert record["label"] == "5000: none of the 1000 classes"
    assert record["image"] == r"5 bytes that are not a valid image: neither JPEG nor PNG: it begins with b'\x1b[31m'"
    assert tiles(tmp_path / "sheet.png")[:2] == (1, 1)


@pytest.mark.parametrize(
    "features",
    [
        {},
        {"image_encoded": bytes_feature([b""]), "image_class_label": int64_feature([1])},
        {
            "image_encoded": int64_feature([1]),
            "image_class_label": int64_feature([1]),
            "image_filename": bytes_feature([b"a"]),
        },
        {
            "image_encoded": bytes_feature([b""]),
            "image_class_label": float_feature([1]),
            "image_filename": bytes_feature([b"a"]),
        },
        {
            "image_encoded": bytes_feature([]),
            "image_class_label": int64_feature([1]),
            "image_filename": bytes_feature([b"a"]),
        },
    ],
)
def test_record_of_another_kind_is_an_error(features, tmp_path):
    with_record(tmp_path, "train-00000-of-00001", example(**features) if features else b"")
    with pytest.raises(
        SourceError,
        match="train-00000-of-00001: record 0, byte 0 has the keys .*; expected one value for each of image/",
    ):
        show(tmp_path)


@pytest.mark.parametrize(
    "box", [(0.9, 0.1, 0.5, 0.5), (-1, 0, 2, 1), (float("nan"),) * 4, (0.5, 0.5, 0.5, 0.5), (1e38, 0, 1e38, 1)]
)
def test_boxes_that_are_none_are_told_and_not_drawn(box, tmp_path):
    sides = {
        f"image_object_bbox_{side}": float_feature([value])
        for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box)
    }
    features = {
        "image_encoded": bytes_feature([drawing.jpeg(20, 16, quality=20)]),
        "image_class_label": int64_feature([1]),
    }
    payload = example(**features, **sides, image_filename=bytes_feature([b"a.JPEG"]))
    text = show(with_record(tmp_path, "train-00000-of-00001", payload), out=tmp_path / "sheet.png")
    assert blocks(text)[0]["boxes"].startswith("1: (x ")
    assert YELLOW not in {colour for _, colour in tiles(tmp_path / "sheet.png")[2].getcolors(1 << 20)}


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (0.5, 0.5, 0.5001, 0.5001), (0.999, 0, 1, 1)])
def test_boxes_of_every_size_are_drawn(box, tmp_path):
    sides = {
        f"image_object_bbox_{side}": float_feature([value])
        for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box)
    }
    features = {
        "image_encoded": bytes_feature([drawing.jpeg(20, 16, quality=20)]),
        "image_class_label": int64_feature([1]),
    }
    payload = example(**features, **sides, image_filename=bytes_feature([b"a.JPEG"]))
    show(with_record(tmp_path, "train-00000-of-00001", payload), out=tmp_path / "sheet.png")
    assert YELLOW in {colour for _, colour in tiles(tmp_path / "sheet.png")[2].getcolors(1 << 20)}


# The contact sheet.


@pytest.mark.parametrize("num, grid", [(1, (1, 1)), (2, (2, 1)), (3, (3, 1)), (6, (3, 2)), (8, (4, 2)), (12, (4, 3))])
def test_sheet_has_a_tile_for_each_record(num, grid, prepared, tmp_path):
    show(prepared, num=num, out=tmp_path / "sheet.png")
    columns, rows, sheet = tiles(tmp_path / "sheet.png")
    assert (columns, rows) == grid
    assert sheet.size == (36 * 2 + columns * 284 - 20, 36 * 2 + 100 + rows * 300 - 40)
    assert os.listdir(tmp_path) == ["sheet.png"]


def test_sheet_shows_the_records_images(prepared, images, tmp_path):
    text = show(prepared, num=12, out=tmp_path / "sheet.png")
    sheet = tiles(tmp_path / "sheet.png")[2]
    odd = list(images.train[TENCH])[:2]
    for k, record in enumerate(blocks(text)):
        if record["name"] in odd:
            continue
        data = images.train[record["name"].partition("_")[0]][record["name"]]
        with Image.open(io.BytesIO(data)) as image:
            expected = image.convert("RGB")
        scale = min(248 / expected.width, 196 / expected.height)
        width, height = round(expected.width * scale), round(expected.height * scale)
        left, top = 36 + k % 4 * 284 + (264 - width) // 2, 36 + 100 + k // 4 * 300 + (212 - height) // 2
        found = sheet.crop((left, top, left + width, top + height)).resize(expected.size, Image.Resampling.BOX)
        assert np.abs(np.asarray(found, int) - np.asarray(expected, int)).mean() < 6


@pytest.mark.parametrize("kind, title", [("prepared", "classification train"), ("exported", "classification train")])
def test_sheet_names_config_split_and_folder(kind, title, request, tmp_path):
    folder = request.getfixturevalue(kind)
    show(folder, num=8, out=tmp_path / "sheet.png")
    head = tiles(tmp_path / "sheet.png")[2].crop((36, 0, 36 + 4 * 284 - 20, 89))
    expected = Image.new("RGB", head.size, "#ffffff")
    pen = ImageDraw.Draw(expected)
    pen.text((0, 56), f"ILSVRC2012 {title}", "#1c1c1e", ImageFont.load_default(28), anchor="ls")
    pen.text((0, 83), str(folder), "#76767c", ImageFont.load_default(15), anchor="ls")
    np.testing.assert_array_equal(np.asarray(head), np.asarray(expected))


def test_boxes_are_drawn_where_they_are(exported, tmp_path):
    text = show(exported, num=12, out=tmp_path / "sheet.png")
    pixels = np.asarray(tiles(tmp_path / "sheet.png")[2])
    for k, record in enumerate(blocks(text)):
        x, y = 36 + k % 4 * 284, 36 + 100 + k // 4 * 300
        yellow = (pixels[y : y + 212, x : x + 264] == YELLOW).all(2)
        assert yellow.any() == (TENCH in record["name"])
        if yellow.any():
            size = re.search(r"(\d+) x (\d+) pixels", record["image"])
            scale = min(248 / int(size[1]), 196 / int(size[2]))
            width, height = round(int(size[1]) * scale), round(int(size[2]) * scale)
            rows, columns = np.nonzero(yellow)
            expected = [132 - 0.4 * width, 132 + 0.3 * width, 106 - 0.4 * height, 106 + 0.4 * height]
            assert np.abs(np.subtract([columns.min(), columns.max(), rows.min(), rows.max()], expected)).max() <= 2


def test_same_records_make_the_same_sheet(prepared, tmp_path):
    one, two = tmp_path / "one.png", tmp_path / "two.PNG"
    show(prepared, num=5, out=one), show(prepared, num=5, out=two)
    assert one.read_bytes() == two.read_bytes()


def test_long_and_thin_images_and_long_names_fit(tmp_path):
    payloads = [
        b"".join(encode_example(b"n" * 250 + b".JPEG", drawing.jpeg(width, height), 1))
        for width, height in ((2000, 1), (1, 2000), (1, 1), (700, 500))
    ]
    with_record(tmp_path, "ilsvrc2012-train.tfrecord-00000-of-00001", *payloads)
    show(tmp_path, out=tmp_path / "sheet.png")
    columns, rows, sheet = tiles(tmp_path / "sheet.png")
    assert (columns, rows) == (4, 1)
    gap = np.asarray(sheet)[36 + 100 :, 36 + 264 : 36 + 284]  # between two tiles there is paper alone
    assert (gap == 255).all()


def test_sheet_replaces_a_file_and_home_is_expanded(prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "sheet.png").write_text("older")
    show(prepared, num=1, out="~/sheet.png")
    assert tiles(tmp_path / "sheet.png")[:2] == (1, 1) and os.listdir(tmp_path) == ["sheet.png"]


# What cannot be.


@pytest.mark.parametrize(
    "options, message",
    [
        ({"split": "trian"}, "There is no split 'trian' in .*; it has train, val, test"),
        ({"num": 0}, r"num must be in \[1, 1000\], got 0"),
        ({"num": -1}, "num must be in"),
        ({"num": 1001}, "num must be in"),
        ({"out": "sheet.jpg"}, "The contact sheet is a PNG, and 'sheet.jpg' does not end in .png"),
    ],
)
def test_impossible_options_are_refused(options, message, prepared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match=message):
        show(prepared, **options)
    assert os.listdir(tmp_path) == []


def test_split_that_is_not_there_is_refused(prepare):
    with pytest.raises(OptionError, match="There is no split 'test' in .*; it has train, val"):
        show(prepare().data_dir, split="test")


@pytest.mark.parametrize("place", ["missing/sheet.png", "file/sheet.png", "folder.png"])
def test_sheet_that_cannot_be_written_is_a_destination_error(place, prepared, tmp_path):
    (tmp_path / "file").touch(), (tmp_path / "folder.png").mkdir()
    with pytest.raises(DestinationError, match=f"{place} cannot be written"):
        show(prepared, out=tmp_path / place)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.png"]


def test_empty_split_is_an_error(tmp_path):
    with_record(tmp_path, "train-00000-of-00001")
    with pytest.raises(SourceError, match="split 'train' has no records"):
        show(tmp_path)


def test_folder_without_splits_is_an_error(prepare):
    folder = prepare().data_path
    (folder / "manifest.json").unlink()
    (folder / "dataset_info.json").write_text('{"name": "ilsvrc2012", "splits": []}')
    with pytest.raises(OptionError, match="There is no split 'train' in .*; it has none"):
        show(folder)


def test_other_formats_and_other_folders_are_errors(prepare, tmp_path):
    with pytest.raises(SourceError, match="is in the format array_record; expected tfrecord"):
        show(prepare(file_format="array_record").data_dir)
    with pytest.raises(SourceError, match="holds no shards"):
        show(tmp_path)


def damage(prepare, position: int) -> Path:
    """Returns a prepared folder with a bit flipped in the only train shard."""
    folder = prepare(num_shards={"train": 1}).data_path
    path = Path(folder, "ilsvrc2012-train.tfrecord-00000-of-00001")
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    return folder


@pytest.mark.parametrize("position", [-1, -100])
def test_damaged_record_is_an_error_where_it_is_shown(position, prepare):
    folder = damage(prepare, position)
    with pytest.raises(
        SourceError, match="tfrecord-00000-of-00001: byte [0-9,]+: the record is damaged. Run `ilsvrc-tfds verify`"
    ):
        show(folder, num=12)
    assert len(blocks(show(folder, num=1))) == 1  # another one


def test_damaged_length_is_an_error(prepare):
    with pytest.raises(SourceError, match="record 0, byte 0: no whole record begins here"):
        show(damage(prepare, 0))


def test_shard_of_another_length_is_an_error(prepared, tmp_path):
    for path in prepared.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    shard = tmp_path / "ilsvrc2012-train.tfrecord-00000-of-00004"
    shard.write_bytes(shard.read_bytes() * 2)
    with pytest.raises(
        SourceError, match="00000-of-00004 has 6 records, expected 3. Run `ilsvrc-tfds verify` for details"
    ):
        show(tmp_path)


def test_sheet_names_a_folder_below_the_current_one_without_that(prepared, tmp_path, monkeypatch):
    sheets = []
    for name in ("one", "another"):
        shutil.copytree(prepared, tmp_path / name / "data")
        monkeypatch.chdir(tmp_path / name)
        show("data", out="sheet.png")
        sheets.append((tmp_path / name / "sheet.png").read_bytes())
    show("data", out="same.png")
    monkeypatch.chdir(tmp_path)
    show("another/data", out="sheet.png")
    assert sheets[0] == sheets[1] == (tmp_path / "another/same.png").read_bytes()
    assert sheets[0] != (tmp_path / "sheet.png").read_bytes()
