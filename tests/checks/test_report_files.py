"""The pictures that a report chooses, its files, and what it refuses."""

import dataclasses
import io
import json
import os
import re
from pathlib import Path

import drawing
import numpy as np
import pytest
from PIL import Image
from report_sets import GOLDFISH, SHARK, checks_of, split_of

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.report.report import report
from ilsvrc_tfds.checks.report.values import Report
from ilsvrc_tfds.errors import DestinationError, NotFoundError, OptionError, SourceError

DOCS = Path(__file__).parents[2] / "docs"
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
    assert of_source.sampling == "The page has all 21 images."
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
    assert values["schema"] == 1 and values["images"] == 21
    expected = json.loads(json.dumps(of_source.as_json()))
    assert {**values, "created": ""} == {**expected, "created": ""}
    fields = [field.name for field in dataclasses.fields(Report)]
    assert list(values) == ["schema", "images", *fields]
    assert "thumbnail" not in (tmp_path / "report.json").read_text()
    assert values["splits"][1]["per_class"][0] == 2 and len(synsets.synsets()) == 1000


def keys_of(value, place: str = "") -> set[str]:
    """Returns the places of all keys: `splits[].images`. Keys that are data, such as names of splits, are left out."""
    if isinstance(value, list):
        return {key for item in value for key in keys_of(item, f"{place}[]")}
    if not isinstance(value, dict) or place.endswith(("kinds", "within", "across", "[].counts")):
        return set()
    if place.endswith("measures"):
        return {key for item in value.values() for key in keys_of(item, f"{place}.*")}
    below = {f"{place}.{key}".lstrip("."): item for key, item in value.items()}
    return below.keys() | {key for name, item in below.items() for key in keys_of(item, name)}


def test_every_key_of_the_json_file_is_documented(of_damaged, of_exported):
    section = (DOCS / "json.md").read_text().partition("## `report`\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([^`]+)`", section))
    found = keys_of(json.loads(json.dumps([of_damaged.as_json(), of_exported.as_json()]))) - {"[].schema"}
    assert len(found) > 60
    for key in found:
        key = key.removeprefix("[].")
        assert key in named or key.rpartition(".")[2] in named, key


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
