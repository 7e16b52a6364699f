"""The values of a report, against Pillow and against what the tests put into a data set."""

import collections
import dataclasses
import io
import json
import os
import statistics
from pathlib import Path

import drawing
import forms
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from report_sets import GOLDFISH, SHARK, damaged_source, exported_with_boxes, odd_images

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.report.report import report
from ilsvrc_tfds.checks.report.values import Report
from ilsvrc_tfds.errors import DestinationError, NotFoundError, OptionError, SourceError

KINDS = {
    ("JPEG", "RGB"): "RGB JPEG", ("JPEG", "L"): "grey JPEG", ("JPEG", "CMYK"): "CMYK JPEG",
    ("PNG", "RGB"): "RGB PNG", ("PNG", "RGBA"): "RGBA PNG",
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures() -> drawing.Images:
    return odd_images()


@pytest.fixture(scope="module")
def source(pictures, tmp_path_factory) -> Path:
    return drawing.folders(tmp_path_factory.mktemp("source"), pictures)


@pytest.fixture(scope="module")
def damaged(pictures, tmp_path_factory) -> Path:
    return damaged_source(tmp_path_factory.mktemp("damaged"), pictures)


@pytest.fixture(scope="module")
def prepared(source, tmp_path_factory) -> Path:
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 3, "val": 2}}
    return Path(ilsvrc_tfds.prepare(source, tmp_path_factory.mktemp("data"), **options).data_dir)


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory) -> Path:
    return exported_with_boxes(source, tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def of_source(source) -> Report:
    return report(source, workers=1)


@pytest.fixture(scope="module")
def of_damaged(damaged) -> Report:
    return report(damaged, workers=1)


@pytest.fixture(scope="module")
def of_prepared(prepared) -> Report:
    return report(prepared, workers=1)


@pytest.fixture(scope="module")
def of_exported(exported) -> Report:
    return report(exported, workers=1)


def split_of(found: Report, name: str):
    (own,) = (split for split in found.splits if split.split == name)
    return own


def odd_of(found: Report, name: str):
    return next((way for way in found.odd if way.name == name), None)


def checks_of(found: Report) -> dict[str, tuple[str, str]]:
    return {check.name: (check.state, check.detail) for check in found.checks}


def files(pictures: drawing.Images, split: str) -> dict[str, bytes]:
    if split == "train":
        return {name: data for own in pictures.train.values() for name, data in own.items()}
    return pictures.val if split == "val" else pictures.test


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


def test_histogram_has_each_image_in_its_bin(of_source, pictures):
    histogram = split_of(of_source, "val").measures["width"].histogram
    widths = [Image.open(io.BytesIO(data)).width for data in pictures.val.values()]
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
    assert odd_of(of_source, "Tiny").counts == {"train": 10, "val": 5, "test": 3}
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


# Sources, prepared and exported sets.


def test_report_on_a_prepared_set(of_prepared, of_source, prepared):
    assert of_prepared.kind == "prepared" and of_prepared.title == "ILSVRC2012 classification"
    assert [(s.split, s.images) for s in of_prepared.splits] == [("train", 12), ("val", 6), ("test", 3)]
    assert odd_of(of_prepared, "CMYK JPEG") is None  # converted
    facts = {fact.name: fact.value for fact in of_prepared.facts}
    assert facts["Made from"] == "folders" and facts["TFDS name"] == "ilsvrc2012/classification/1.0.0"
    assert facts["Complete"].startswith("no: ") and f"ilsvrc-tfds {of_prepared.version}" in facts["Written by"]
    assert (
        "3 images" not in facts["Converted to RGB JPEG, train"] and "2 images" in facts["Converted to RGB JPEG, train"]
    )
    states = {name: state for name, (state, _) in checks_of(of_prepared).items()}
    for name in ("All shards are there", "Digests of the shards", "Numbers of records", "Checksums of the records"):
        assert states[name] == "passed"
    assert states["Pixels"] == "open" and of_prepared.verify == f"ilsvrc-tfds verify {prepared} --decode"


def test_boxes_of_an_exported_set_are_counted_and_kept(of_exported):
    train = split_of(of_exported, "train")
    assert (train.boxed, train.boxes) == (4, 8) and split_of(of_exported, "val").boxed == 0
    boxed = {picture.name: picture.boxes for picture in of_exported.samples if picture.boxes}
    assert len(boxed) == 4 and all(name.startswith(GOLDFISH) for name in boxed)
    assert set(boxed.values()) == {((0.1, 0.1, 0.3, 0.9), (0.6, 0.1, 0.8, 0.9))}


def test_boxes_of_a_source_are_read_where_they_are_named(source, exported):
    found = report(source, bbox=[exported.parent / "xml"], workers=1)
    assert (split_of(found, "train").boxed, split_of(found, "train").boxes) == (4, 8)
    assert sum(bool(picture.boxes) for picture in found.samples) == 4
    with pytest.raises(OptionError, match="bbox is for a source, and .* is a set of records"):
        report(exported, bbox=[exported.parent / "xml"])


def test_boxes_in_pixels_without_a_size_are_those_of_the_image(source, tmp_path):
    (tmp_path / "LOC_train_solution.csv").write_text(
        f"ImageId,PredictionString\n{GOLDFISH}_1,{GOLDFISH} 10 20 30 40 \n"
    )
    name = sorted(os.listdir(source / "train" / GOLDFISH))[0]
    text = f"ImageId,PredictionString\n{Path(name).stem},{GOLDFISH} 10 6 20 12 \n"
    (tmp_path / "LOC_train_solution.csv").write_text(text)
    found = report(source, bbox=[tmp_path / "LOC_train_solution.csv"], workers=1)
    (picture,) = (picture for picture in found.samples if picture.boxes)
    expected = (10 / picture.width, 6 / picture.height, 20 / picture.width, 12 / picture.height)
    assert picture.name == name and picture.boxes[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("layout", ["official_archives", "class_archives"])
def test_another_layout_has_the_same_images(layout, of_source, pictures, tmp_path):
    found = report(getattr(drawing, layout)(tmp_path / "other", pictures), workers=1)
    for name in ("train", "val"):
        assert split_of(found, name) == split_of(of_source, name)
    assert {p.name for p in found.samples} <= {p.name for p in of_source.samples}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["hugging_face", "hugging_face_archives", "webdataset", "imagenet2012"])
def test_forms_of_others_are_read(form, tmp_path):
    pictures = forms.consecutive()
    if form == "imagenet2012":
        archives = drawing.official_archives(tmp_path / "archives", pictures)
        folder = forms.imagenet2012(tmp_path / "other", archives)
    else:
        folder = getattr(forms, form)(tmp_path / "other", pictures)
        folder = folder if folder is not None else tmp_path / "other"
    found = report(folder, tmp_path / "report.html", workers=1)
    for name in ("train", "val"):
        own = split_of(found, name)
        assert (own.images, own.num_bytes) == (
            len(files(pictures, name)),
            sum(map(len, files(pictures, name).values())),
        )
        assert sum(own.per_class) == own.images and own.damaged == 0
    assert found.kind == "source" and all(picture.thumbnail for picture in found.samples)


def test_damaged_stream_is_listed_with_the_number_of_its_lost_images(tmp_path):
    options = {"row_group_size": 40, "write_page_checksum": True, "compression": "zstd"}
    forms.hugging_face(tmp_path, drawing.miniature(train=30), how="pyarrow", shards=1, **options)
    [path] = tmp_path.glob("data/train*")
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data, middle = bytearray(path.read_bytes()), chunk.total_compressed_size // 2
    middle += chunk.dictionary_page_offset or chunk.data_page_offset
    data[middle : middle + 20] = bytes(20)
    path.write_bytes(data)
    found = report(tmp_path, workers=1)
    assert (found.num_faults, split_of(found, "train").damaged, split_of(found, "train").images) == (50, 50, 40)
    assert "row group 1 is damaged" in found.faults[0].reason and len(found.faults) == 1
    assert all(picture.thumbnail for picture in found.samples if picture.split == "train")


@pytest.mark.slow
def test_array_records_are_read_as_a_source(source, tmp_path, of_prepared):
    pytest.importorskip("array_record")
    options = {"workers": 1, "allow_incomplete": True, "file_format": "array_record"}
    folder = ilsvrc_tfds.prepare(source, tmp_path, **options).data_dir
    found = report(folder, workers=1)
    assert [split_of(found, s) == split_of(of_prepared, s) for s in ("train", "val")] == [True, True]
    assert "array_record" in {fact.name: fact.value for fact in found.facts}["Form"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["damaged", "exported"])
def test_report_does_not_depend_on_the_workers(kind, request):
    folder, expected = request.getfixturevalue(kind), request.getfixturevalue(f"of_{kind}")
    found = report(folder, workers=2)
    assert dataclasses.replace(found, created=expected.created) == expected


# The sample.


def test_thumbnails_are_small_pictures_of_the_images(of_source, pictures):
    for picture in of_source.samples:
        with Image.open(io.BytesIO(picture.thumbnail)) as image:
            assert image.format == "WEBP" and max(image.size) == min(160, max(picture.width, picture.height))
    picture = next(p for p in of_source.samples if p.name == list(pictures.train[GOLDFISH])[3])
    with Image.open(io.BytesIO(pictures.train[GOLDFISH][picture.name])) as whole:
        small = np.asarray(whole.convert("RGB").resize((160, 32), Image.Resampling.BOX), int)
    with Image.open(io.BytesIO(picture.thumbnail)) as image:
        assert np.abs(np.asarray(image.convert("RGB"), int) - small).mean() < 12


def test_sample_is_chosen_by_the_seed_and_says_so(source, of_source):
    assert of_source.sampling == "All 21 images are shown."
    few = [report(source, samples=7, seed=seed, workers=1) for seed in (0, 0, 1)]
    names = [{(p.split, p.name) for p in found.samples} for found in few]
    assert names[0] == names[1] != names[2] and len(names[0]) == len(names[2]) == 7
    assert few[0].sampling.startswith(
        "4 of 12 images of train, 2 of 6 images of val and 1 of 3 images of test are shown"
    )
    assert "(seed 1)" in few[2].sampling
    train = {p.label for p in few[0].samples if p.split == "train"}
    assert len(train) == 3  # each class once


def test_data_that_does_not_fit_is_cut_at_the_least_important(source, of_source, monkeypatch):
    from ilsvrc_tfds.checks.report import report as module

    def size(found: Report) -> int:
        groups = (*found.odd, *found.duplicates.listed)
        return sum(len(p.thumbnail) for p in (*found.samples, *(p for group in groups for p in group.pictures)))

    samples = sum(len(picture.thumbnail) for picture in of_source.samples)
    most = size(of_source) - samples // 2
    monkeypatch.setattr(module, "_MOST_BYTES", most)
    found = report(source, workers=1)
    assert 0 < len(found.samples) < 21 and most - 20_000 < size(found) <= most
    assert "of 12 images of train" in found.sampling


# Files and errors.


def test_data_set_is_named_as_elsewhere(prepared, of_prepared):
    data_dir = prepared.parents[2]
    for found in (report(data_dir, workers=1), report("ilsvrc2012/classification", data_dir=data_dir, workers=1)):
        assert dataclasses.replace(found, created=of_prepared.created) == of_prepared


def test_json_has_the_values_and_no_pictures(source, of_source, tmp_path):
    report(source, json=tmp_path / "report.json", workers=1)
    values = json.loads((tmp_path / "report.json").read_text())
    assert values["format"] == 1 and values["images"] == 21
    expected = json.loads(json.dumps(of_source.as_json()))
    assert {**values, "created": ""} == {**expected, "created": ""}
    fields = [field.name for field in dataclasses.fields(Report)]
    assert list(values) == ["format", "images", *fields]
    assert "thumbnail" not in (tmp_path / "report.json").read_text()
    assert values["splits"][1]["per_class"][0] == 2 and len(synsets.synsets()) == 1000


def test_page_replaces_a_file_whole(source, tmp_path):
    (tmp_path / "report.html").write_text("older")
    report(source, tmp_path / "report.html", samples=1, workers=1)
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"samples": -1}, OptionError, r"samples must be in \[0, 6000\], got -1"),
        ({"samples": 7000}, OptionError, r"samples must be in \[0, 6000\]"),
        ({"seed": 1.5}, OptionError, "seed must be a whole number"),
        ({"out": "gs://bucket/report.html"}, OptionError, "is a URL"),
        ({"out": "/"}, DestinationError, "it is a folder, and only a file is replaced"),
    ],
)
def test_impossible_options_are_refused_before_the_work(options, error, message, source, monkeypatch):
    monkeypatch.setattr("ilsvrc_tfds.checks.report.report.open_data", None)
    with pytest.raises(error, match=message):
        report(source, **options)


def test_what_a_source_has_and_is_not_read_is_said(source, tmp_path):
    drawing.folders(tmp_path, drawing.miniature())
    (tmp_path / "train" / GOLDFISH / "more").mkdir()
    (tmp_path / "train" / GOLDFISH / "more" / f"{GOLDFISH}_77.JPEG").write_bytes(drawing.jpeg())
    state, detail = checks_of(report(tmp_path, workers=1))["Everything was read"]
    assert state == "failed" and "1 image in 1 folder is not read" in detail


def test_subset_is_not_called_incomplete(source, tmp_path):
    classes = [GOLDFISH, SHARK]
    folder = ilsvrc_tfds.export(
        source, tmp_path / "out", classes=classes, relabel=True, workers=1, allow_incomplete=True
    )
    found = report(folder, workers=1)
    assert checks_of(found)["All of ILSVRC2012"] == ("open", f"it is {dict(found.facts)['Subset']}")
    assert "2, numbered anew" in dict(found.facts)["Classes"]
    index = [synsets.index_of(wnid) for wnid in classes]
    assert [split_of(found, "train").per_class[k] for k in index] == [4, 4] and split_of(found, "train").classes == 2


def test_folder_without_a_data_set_is_an_error(tmp_path, prepared):
    with pytest.raises(NotFoundError, match="No ILSVRC2012 found"):
        report(tmp_path)
    for path in prepared.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(SourceError, match="manifest.json cannot be used"):
        report(tmp_path)
