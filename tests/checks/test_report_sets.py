"""Reports on sources in every layout, and on prepared and exported sets."""

import dataclasses
import os
from pathlib import Path

import drawing
import forms
import pytest
from report_sets import (
    GOLDFISH,
    checks_of,
    files,
    odd_of,
    split_of,
)

import ilsvrc_tfds
from ilsvrc_tfds.checks.report.report import report
from ilsvrc_tfds.errors import OptionError

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


def test_set_without_its_records_says_what_is_not_known(prepared, tmp_path):
    for path in prepared.glob("*.tfrecord-*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    found = report(tmp_path, workers=1)
    assert dict(found.facts)["Recorded in"] == "no file" and dict(found.facts)["Images"] == "not recorded"
    checks = checks_of(found)
    assert checks["Digests of the shards"] == ("open", "not compared: manifest.json is missing")
    assert checks["Numbers of records"][0] == "open" and checks["Checksums of the records"][0] == "passed"


def test_set_without_any_of_its_shards_is_reported_all_the_same(prepared, tmp_path):
    for path in prepared.iterdir():
        if ".tfrecord-" not in path.name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    found = report(tmp_path, tmp_path / "report.html", workers=1)
    assert found.images == 0 and found.splits == () and checks_of(found)["All shards are there"][0] == "failed"
    assert found.sampling == "The page has 0 images."


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
    assert found.kind == ("prepared" if form == "imagenet2012" else "source") and all(
        picture.thumbnail for picture in found.samples
    )


def test_damaged_stream_is_listed_with_the_number_of_its_lost_images(tmp_path):
    options = {"row_group_size": 40, "write_page_checksum": True, "compression": "zstd"}
    forms.hugging_face(tmp_path, drawing.miniature(train=30), how="pyarrow", shards=1, **options)
    [path] = tmp_path.glob("data/train*")
    forms.damage_second_row_group(path)
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
