"""Destinations that are links, or hold something of the user's: nothing of others is replaced."""

import json
import os
import shutil
from pathlib import Path

import drawing
import pytest
import tensorflow_datasets as tfds

import ilsvrc_tfds
from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.outputs.unpack import unpack
from ilsvrc_tfds.shards import run

PREPARED = "data/ilsvrc2012/classification/1.0.0"


@pytest.fixture
def export(archives, tmp_path):
    def export_miniature(source=archives, out=tmp_path / "out", **options):
        options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 2, "val": 1}, **options}
        return ilsvrc_tfds.export(source, out, **options)

    return export_miniature


def test_export_through_a_link_leaves_the_link_and_can_be_done_again(export, tmp_path):
    (tmp_path / "disk/real").mkdir(parents=True)
    (tmp_path / "link").symlink_to("disk/real")
    assert export(out=tmp_path / "link") == tmp_path / "disk/real"
    export(out=tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").is_symlink() and os.listdir(tmp_path / "disk") == ["real"]
    assert (tmp_path / "disk/real/manifest.json").exists()
    assert sorted(os.listdir(tmp_path)) == ["disk", "link", "source"]


def test_prepare_through_a_link_leaves_the_link_and_can_be_done_again(prepare, tmp_path):
    parent = tmp_path / "data/ilsvrc2012/classification"
    parent.mkdir(parents=True), (tmp_path / "disk").mkdir()
    (parent / "1.0.0").symlink_to(tmp_path / "disk/imagenet")  # is not there yet
    prepare(max_examples=3)
    builder = prepare(overwrite=True)
    assert (parent / "1.0.0").is_symlink() and os.listdir(parent) == ["1.0.0"]
    assert os.listdir(tmp_path / "disk") == ["imagenet"]
    assert len(list(tfds.builder_from_directory(builder.data_dir).as_dataset(split="train"))) == 12
    assert prepare().info.splits["train"].num_examples == 12


def listed(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one of everything: `source`, `data` (prepared), `export`, `files` (unpacked)."""
    folder = tmp_path_factory.mktemp("made")
    source = drawing.official_archives(folder / "source", drawing.miniature())
    options = {"workers": 1, "allow_incomplete": True}
    ilsvrc_tfds.prepare(source, folder / "data", **options)
    ilsvrc_tfds.export(source, folder / "export", num_shards={"train": 2, "val": 1}, index=True, **options)
    unpack(folder / PREPARED, folder / "files", workers=1)
    return folder


NO_EXPORTS = {
    "a prepared set": (PREPARED, {}, "does not hold an export: it is a prepared data set"),
    "a web project": ("", {"manifest.json": '{"name": "app"}', "index.html": "<p>"}, "manifest.json cannot be used"),
    "a model beside": ("export", {"my_model.keras": "mine"}, "it has 'my_model.keras' beside one. Move that away"),
    "runs beside": ("export", {"runs/events": "mine"}, "it has 'runs' beside one"),
    "shards of another": ("export", {"train-00000-of-00009": "mine"}, "it has 'train-00000-of-00009' beside"),
    "unpacked files": ("files", {}, "it has no manifest.json"),
}


@pytest.mark.parametrize("copied, added, message", NO_EXPORTS.values(), ids=NO_EXPORTS)
def test_export_replaces_an_export_alone(copied, added, message, made, export, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(made / copied, out) if copied else out.mkdir()
    for name, text in added.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text)
    before = listed(out)
    for overwrite in (False, True):
        with pytest.raises(DestinationError, match=message):
            export(overwrite=overwrite)
    assert listed(out) == before


def test_export_with_indexes_is_replaced(made, export, tmp_path):
    shutil.copytree(made / "export", tmp_path / "out")
    (tmp_path / "out/index-train-00000-of-00002.0a1b2c3d.partial").touch()
    assert not list(export(overwrite=True).glob("index-*"))


def test_source_is_no_destination_of_its_own_export(made, export, tmp_path):
    data = shutil.copytree(made / PREPARED, tmp_path / "data")
    source = shutil.copytree(made / "source", tmp_path / "images")
    before = listed(tmp_path)
    for folder in (data, source):
        with pytest.raises(DestinationError, match="is not empty and does not hold an export"):
            export(source=folder, out=folder, overwrite=True)
    assert listed(tmp_path) == before


MARKS = {
    "of another program": "{}",
    "no object": "[]",
    "no JSON": "unpacked",
    "files that are no numbers": '{"files": {"train": "many"}}',
    "other folders": json.dumps({"format": 1, "files": {"val": 6}}),
}


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
def test_unpack_reads_the_mark_before_it_replaces(mark, made, tmp_path):
    (tmp_path / "out/train").mkdir(parents=True)
    (tmp_path / "out/train/mine.jpg").touch(), (tmp_path / "out/unpacked.json").write_text(mark)
    with pytest.raises(
        DestinationError, match="unpacked.json that is not|has 1 file in 'train', where 0 were unpacked"
    ):
        unpack(made / PREPARED, tmp_path / "out", workers=1, overwrite=True)
    assert (tmp_path / "out/train/mine.jpg").exists()


@pytest.mark.slow
def test_unpack_keeps_files_that_came_into_its_folders(made, tmp_path):
    out = shutil.copytree(made / "files", tmp_path / "out")
    unpack(made / PREPARED, out, workers=1, overwrite=True)
    (out / "train/n01440764/mine.jpg").touch()
    with pytest.raises(DestinationError, match="has 13 files in 'train', where 12 were unpacked"):
        unpack(made / PREPARED, out, workers=1, overwrite=True)
    assert (out / "train/n01440764/mine.jpg").exists()


def test_prepare_keeps_files_that_are_no_data_sets(made, prepare, tmp_path):
    shutil.copytree(made / "data", tmp_path / "data")
    folder = tmp_path / PREPARED
    for name in ("model.keras", "runs/events"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")
    with pytest.raises(
        DestinationError, match="is not replaced because it holds more than a data set: 'model.keras', 'runs'"
    ):
        prepare(overwrite=True)
    assert (folder / "runs/events").read_text() == (folder / "model.keras").read_text() == "mine"
    shutil.rmtree(folder / "runs"), (folder / "model.keras").unlink()
    prepare(overwrite=True)


@pytest.mark.parametrize("kind", ["prepare", "export"])
def test_what_came_to_the_destination_meanwhile_is_kept(kind, prepare, export, tmp_path, monkeypatch):
    out = tmp_path / (PREPARED if kind == "prepare" else "out")
    finish_shards = run.finish_shards

    def finish_slowly(*arguments):
        out.mkdir(parents=True), (out / "thesis.tex").write_text("mine")
        return finish_shards(*arguments)

    monkeypatch.setattr(run, "finish_shards", finish_slowly)
    with pytest.raises(DestinationError, match="thesis.tex|is not empty and does not hold an export"):
        {"prepare": prepare, "export": export}[kind](overwrite=True)
    assert os.listdir(out) == ["thesis.tex"]
