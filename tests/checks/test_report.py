"""The values of a report, against Pillow and against what the tests put into a data set."""

import collections
import io
import statistics

import drawing
import numpy as np
import pytest
from PIL import Image
from report_sets import (
    GOLDFISH,
    SHARK,
    checks_of,
    files,
    odd_of,
    split_of,
)

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.report.report import report

KINDS = {
    ("JPEG", "RGB"): "RGB JPEG", ("JPEG", "L"): "grey JPEG", ("JPEG", "CMYK"): "CMYK JPEG",
    ("PNG", "RGB"): "RGB PNG", ("PNG", "RGBA"): "RGBA PNG",
}  # fmt: skip


# Numbers.


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_sizes_and_formats_are_those_of_pillow(split, of_source, pictures):
    own, data = split_of(of_source, split), files(pictures, split)
    opened = [Image.open(io.BytesIO(image)) for image in data.values()]
    assert (own.images, own.num_bytes, own.damaged) == (len(data), sum(map(len, data.values())), 0)
    assert own.kinds == dict(collections.Counter(KINDS[image.format, image.mode] for image in opened))
    columns = {
        "width": [image.width for image in opened],
        "height": [image.height for image in opened],
        "shorter side": [min(image.size) for image in opened],
        "aspect ratio": [image.width / image.height for image in opened],
        "bytes": [len(image) for image in data.values()],
    }
    assert own.measures.keys() == columns.keys()
    for name, values in columns.items():
        measure = own.measures[name]
        assert measure.spread.smallest == pytest.approx(min(values), rel=1e-5)
        assert measure.spread.largest == pytest.approx(max(values), rel=1e-5)
        assert measure.spread.mean == pytest.approx(statistics.mean(values), rel=1e-5)
        assert measure.spread.median in [float(f"{value:.6g}") for value in values]
        assert sum(measure.histogram.counts) == len(values) and len(measure.histogram.edges) > 40


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_histogram_has_each_image_in_its_bin(split, of_source, pictures):
    histogram = split_of(of_source, split).measures["width"].histogram
    widths = [Image.open(io.BytesIO(data)).width for data in files(pictures, split).values()]
    expected, _ = np.histogram(widths, histogram.edges)
    assert list(histogram.counts) == expected.tolist()


def test_density_counts_each_image_once(of_source, pictures):
    counts = np.array(of_source.density["counts"])
    assert counts.sum() == of_source.images == sum(len(files(pictures, split)) for split in ("train", "val", "test"))
    edges = np.array(of_source.density["edges"])
    row, column = (np.searchsorted(edges, side, "right") - 1 for side in (80, 400))  # the long and thin one
    assert counts[row, column] == 1


def test_classes_are_counted(of_source, pictures):
    for name in ("train", "val"):
        expected = np.bincount(list(pictures.labels(name).values()), minlength=1000)
        own = split_of(of_source, name)
        assert own.per_class == tuple(expected.tolist()) and own.classes == 3
    assert split_of(of_source, "test").per_class == () and split_of(of_source, "test").classes == 0


# Odd images.


def test_odd_images_are_found(of_source, pictures):
    names = {way.name: {picture.name for picture in way.pictures} for way in of_source.odd}
    tench = list(pictures.train[drawing.WNIDS[0]])
    goldfish, val = list(pictures.train[GOLDFISH]), list(pictures.val)
    assert names["CMYK JPEG"] == {tench[0]} and names["Grey"] == {tench[2]}
    assert names["PNG"] == names["Format contradicts name"] == {tench[1], val[1]}
    assert names["Huge"] == {goldfish[2]} and names["Long and thin"] == {goldfish[3]}
    assert odd_of(of_source, "Tiny").counts == {"train": 10, "val": 5, "test": 2}
    assert all(picture.thumbnail for picture in odd_of(of_source, "CMYK JPEG").pictures)


def test_record_whose_label_contradicts_its_name_is_odd(exported, tmp_path):
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / "manifest.json").read_text()
    (tmp_path / "manifest.json").write_text(text.replace('"label_offset": 1', '"label_offset": 0'))
    found = report(tmp_path, workers=1)
    assert odd_of(found, "Label contradicts name").counts == {"train": 12, "val": 6}
    assert checks_of(found)["Labels"] == ("failed", "18 wrong labels")


# Duplicates.


def test_duplicates_within_and_across_splits_are_found(of_source, pictures):
    found, (goldfish, sharks) = of_source.duplicates, (list(pictures.train[wnid]) for wnid in (GOLDFISH, SHARK))
    assert (found.groups, found.images, found.across) == (3, 6, {"train + val": 1})
    leak_has_two_classes = pictures.labels("val")[list(pictures.val)[0]] != synsets.index_of(GOLDFISH)
    assert found.within == {"train": 2} and found.mislabelled == 1 + leak_has_two_classes
    first, second, third = found.listed
    assert {(p.split, p.name) for p in first.pictures} == {("train", goldfish[0]), ("val", list(pictures.val)[0])}
    assert first.splits == ("train", "val")
    assert {p.name for p in second.pictures} == {goldfish[1], sharks[0]} and second.classes == 2
    assert {p.name for p in third.pictures} == {sharks[1], sharks[2]} and third.classes == 1
    assert all(picture.thumbnail for group in found.listed for picture in group.pictures)
    assert checks_of(of_source)["No image in two splits"] == ("failed", "train + val: 1 group")


def test_data_without_duplicates_has_none(tmp_path):
    found = report(drawing.folders(tmp_path, drawing.miniature()), workers=1)
    assert found.duplicates.groups == 0 and found.duplicates.listed == ()
    assert checks_of(found)["No image in two splits"][0] == "passed"


# Damage.


def test_damaged_images_are_listed_and_do_not_end_the_report(of_damaged, damaged):
    assert of_damaged.num_faults == 2 and split_of(of_damaged, "train").damaged == 2
    first, second = of_damaged.faults
    names = sorted(path.name for path in (damaged / "train" / drawing.WNIDS[0]).iterdir())
    assert first.place.endswith(names[1]) and "ends early" in first.reason
    assert second.place.endswith(names[2]) and "neither JPEG nor PNG" in second.reason
    assert split_of(of_damaged, "train").images == 10
    assert checks_of(of_damaged)["Headers and ends of the images"] == ("failed", "2 images cannot be read")


@pytest.mark.parametrize("position", [-100, 0])
def test_damaged_record_is_listed_with_its_place(position, prepared, tmp_path):
    for path in prepared.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    shard = tmp_path / "ilsvrc2012-train.tfrecord-00001-of-00003"
    data = bytearray(shard.read_bytes())
    data[position] ^= 1
    shard.write_bytes(data)
    found = report(tmp_path, workers=1)
    assert found.num_faults == 1 and found.faults[0].place.startswith(f"{shard.name}: record at byte")
    assert split_of(found, "train").images == 11
    checks = checks_of(found)
    assert checks["Digests of the shards"] == ("failed", f"other bytes: {shard.name}")
    assert checks["Checksums of the records"][0] == "failed" and checks["Numbers of records"][0] == "passed"


def test_missing_shard_is_said(prepared, tmp_path):
    for path in prepared.iterdir():
        if not path.name.endswith("tfrecord-00002-of-00003"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    checks = checks_of(report(tmp_path, workers=1))
    assert checks["All shards are there"] == ("failed", "missing: ilsvrc2012-train.tfrecord-00002-of-00003")
    assert checks["Numbers of records"][0] == "failed" and "stated are 12" in checks["Numbers of records"][1]
