"""Empty files among the images, which full disks leave behind: what each command makes of them."""

import json
import os
from pathlib import Path

import drawing
import numpy as np
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import DestinationError, ImageError
from ilsvrc_tfds.formats import hdf5, manifest
from ilsvrc_tfds.formats.naming import disk_order

WNID = drawing.WNIDS[0]
EMPTY = f"{WNID}_99.JPEG"
WHY = "it is an empty file (0 bytes)"


@pytest.fixture(params=[drawing.folders, drawing.official_archives, drawing.class_archives])
def source(request, tmp_path) -> Path:
    """13 train images, of which one is empty, and 6 of val, in one layout after the other."""
    images = drawing.miniature()
    images.train[WNID][EMPTY] = b""
    return request.param(tmp_path / "source", images)


@pytest.fixture
def prepare(source, tmp_path):
    def prepare_source(**options):
        return ilsvrc_tfds.prepare(
            source, tmp_path / "data", **{"workers": 1, "allow_incomplete": True, "num_shards": {"train": 3}, **options}
        )

    return prepare_source


def test_run_stops_at_an_empty_file_before_a_shard_is_written(prepare, source, tmp_path):
    with pytest.raises(
        ImageError, match=rf"1 image of train cannot be used: .*{EMPTY}: it is an empty file .*on-error"
    ):
        prepare()
    with pytest.raises(ImageError, match=rf"{EMPTY}: it is an empty file .*--on-error skip"):
        ilsvrc_tfds.export(source, tmp_path / "out", workers=1, allow_incomplete=True)
    assert not any(path.is_file() for path in tmp_path.rglob("*train*") if source not in path.parents)


def test_empty_file_is_skipped_and_listed(prepare, source, tmp_path, caplog):
    folder = Path(prepare(on_error="skip").data_dir)
    out = ilsvrc_tfds.export(source, tmp_path / "out", workers=1, allow_incomplete=True, on_error="skip")
    made = json.loads((folder / "metadata.json").read_text())
    assert made["complete"] is False
    assert (
        made["skipped_images"] == manifest.read(folder).skipped == manifest.read(out).skipped == {"train": {EMPTY: WHY}}
    )
    for made_folder in (folder, out):
        assert sum(entry.records for entry in manifest.read(made_folder).shards["train"]) == 12
        assert ilsvrc_tfds.verify(made_folder, workers=1).problems == ()
    names = {Path(name).name for name in hdf5.read(folder / hdf5.NAME)["train"].image_filenames}
    assert len(names) == 12 and EMPTY not in names
    assert f"Skipped 1 damaged image of the split train, which is now incomplete: {EMPTY}: {WHY}" in caplog.text


def test_file_that_is_whole_by_now_is_seen(prepare, source):
    folder = prepare(on_error="skip").data_dir
    assert prepare(on_error="skip").data_dir == folder
    with pytest.raises(DestinationError, match=f"made without damaged images .train: {EMPTY}., which --on-error skip"):
        prepare()
    path = source / "train" / WNID / EMPTY
    if path.exists():  # as a file
        path.write_bytes(drawing.jpeg())
        with pytest.raises(DestinationError, match="other images, by name, label or size"):
            prepare(on_error="skip")
        assert prepare(overwrite=True).info.splits["train"].num_examples == 13


def test_empty_file_is_no_fault_of_the_examples_that_are_taken(tmp_path):
    images = drawing.miniature()
    names = np.array(sorted(images.labels("train")), np.bytes_)
    order = [name.decode() for name in names[disk_order("train", names)]]
    images.train[order[7][:9]][order[7]] = b""
    source = drawing.folders(tmp_path / "source", images)
    options = {"workers": 1, "allow_incomplete": True, "config": "raw256"}
    assert ilsvrc_tfds.prepare(source, tmp_path / "few", **options, max_examples=7).data_dir
    with pytest.raises(ImageError, match=order[7]):
        ilsvrc_tfds.prepare(source, tmp_path / "more", **options, max_examples=8)


def test_empty_class_is_an_error_if_nothing_is_left(tmp_path):
    images = drawing.miniature(train=2, wnids=drawing.WNIDS[:1])
    images.train[WNID] = dict.fromkeys(images.train[WNID], b"")
    source = drawing.folders(tmp_path / "source", images)
    with pytest.raises(
        ImageError, match="None of the images of split 'train' can be used .2.: .*JPEG: it is an empty file"
    ):
        ilsvrc_tfds.prepare(source, tmp_path / "data", allow_incomplete=True, workers=1, on_error="skip")


def test_doctor_and_metadata_go_on(source, tmp_path, capsys, caplog):
    assert main(["doctor", str(source), "--data-dir", str(tmp_path), "--workers", "1", "--deep"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("train: 9 RGB JPEG, 1 ") for line in lines)
    found = [line for line in lines if EMPTY in line]
    assert len(found) == 1 and found[0].startswith("PROBLEM ") and found[0].endswith(f"{EMPTY}: {WHY}. Get it again")
    assert main(["doctor", str(source), "--data-dir", str(tmp_path), "--workers", "1"]) == 1
    (found,) = (line for line in capsys.readouterr().out.splitlines() if EMPTY in line)
    assert found.startswith("PROBLEM 1 image of train cannot be used: ")
    out = tmp_path / "metadata.h5"
    assert main(["metadata", str(source), "--out", str(out), "--workers", "1", "--allow-incomplete"]) == 0
    assert f"{EMPTY}: {WHY}. Get them again." in caplog.text
    assert len(hdf5.read(out)["train"].image_filenames) == 13


def test_empty_image_in_a_prepared_set_is_not_unpacked(prepare, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("ilsvrc_tfds.sources.reader.size_fault", lambda size: "")
        patch.setattr("ilsvrc_tfds.shards.run.STOP", "never")
        patch.setattr("ilsvrc_tfds.images.ops.Original.__call__", lambda op, data: data)
        folder = prepare().data_dir
    with pytest.raises(ImageError, match=f"train/{EMPTY}: it is an empty file"):
        ilsvrc_tfds.unpack(folder, tmp_path / "files", workers=1)
    assert not os.path.exists(tmp_path / "files")
