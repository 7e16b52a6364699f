"""What a set of ours records of its images is handed on to what is made of it."""

import json
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.images import Resized

KNOWN = "n02105855_2933.JPEG"


def provenance(builder) -> dict:
    return json.loads((builder.data_path / "metadata.json").read_text())


def test_converted_images_are_recorded(tmp_path):
    train = {"n02105855": {KNOWN: drawing.png(300, 280), "n02105855_1.JPEG": drawing.jpeg(300, 280)}}
    val = {f"ILSVRC2012_val_{k:08d}.JPEG": drawing.jpeg(300, 270, mode=("CMYK", "RGB")[k - 1]) for k in (1, 2)}
    archives = drawing.official_archives(tmp_path / "archives", drawing.Images(train, val, {}))
    ours = Path(ilsvrc_tfds.prepare(archives, tmp_path / "ours", **forms.PLAIN).data_path)
    exported = ilsvrc_tfds.export(archives, tmp_path / "exported", **forms.PLAIN)
    expected = ilsvrc_tfds.prepare(archives, tmp_path / "expected", config="raw256", **forms.PLAIN)
    assert "repaired_images" not in provenance(expected)
    for source in (ours, exported):
        made = ilsvrc_tfds.prepare(source, tmp_path / f"of_{source.name}", config="raw256", **forms.PLAIN)
        assert provenance(made)["repaired_images"] == {"train": [KNOWN]}
        again = ilsvrc_tfds.prepare(made.data_path, tmp_path / f"again_{source.name}", config="raw256", **forms.PLAIN)
        assert provenance(again)["repaired_images"] == {"train": [KNOWN]}
        same, other = (images_of(builder.data_path, "train") for builder in (expected, made))
        assert {name for name in same if same[name] != other[name]} <= {KNOWN}
    notes = ilsvrc_tfds.sources.index_images(ilsvrc_tfds.sources.find_layout([ours])).notes
    assert [note for note in notes if note.startswith("val: 1 image has other bytes than in the archives")]


def images_of(folder: Path, split: str) -> dict[str, bytes]:
    index = ilsvrc_tfds.sources.index_images(ilsvrc_tfds.sources.find_layout([folder]))
    members = index.splits[split]
    with ilsvrc_tfds.sources.Reader() as reader:
        return {name.decode(): reader.read(members, row) for row, name in enumerate(members.name.tolist())}


def test_skipped_images_are_handed_on(tmp_path):
    images = drawing.miniature()
    wnid = next(iter(images.train))
    damaged = next(iter(images.train[wnid]))
    images.train[wnid][damaged] = b"no image"
    archives = drawing.official_archives(tmp_path / "archives", images)
    first = ilsvrc_tfds.prepare(archives, tmp_path / "first", on_error="skip", **forms.PLAIN)
    reason = provenance(first)["skipped_images"]
    assert list(reason["train"]) == [damaged]
    second = ilsvrc_tfds.prepare(first.data_path, tmp_path / "second", config="raw256", **forms.PLAIN)
    assert provenance(second)["skipped_images"] == reason and provenance(second)["complete"] is False
    assert manifest.read(second.data_path).skipped == reason
    exported = ilsvrc_tfds.export(archives, tmp_path / "exported", on_error="skip", **forms.PLAIN)
    again = ilsvrc_tfds.export(exported, tmp_path / "again", **forms.PLAIN)
    assert manifest.read(again).skipped == manifest.read(exported).skipped == reason


def test_resized_images_without_a_manifest_are_refused(tmp_path):
    sizes = [(60 + k, 40 + k) for k in range(24)]
    train = {"n01440764": {f"n01440764_{k}.JPEG": drawing.jpeg(*size) for k, size in enumerate(sizes)}}
    val = {"ILSVRC2012_val_00000001.JPEG": drawing.jpeg()}
    archives = drawing.official_archives(tmp_path / "archives", drawing.Images(train, val, {}))
    small = Resized(32)
    for name, op in (("original", "classification"), ("resized", small)):
        exported = ilsvrc_tfds.export(archives, tmp_path / name, config=op, **forms.PLAIN)
        (exported / "manifest.json").unlink()
    assert len(images_of(tmp_path / "original", "train")) == 24
    with pytest.raises(
        SourceError, match="resized .manifest.json is missing., and 24 of 24 images of train have the short"
    ):
        images_of(tmp_path / "resized", "train")
