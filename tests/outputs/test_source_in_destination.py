"""Sources that lie in the destination: what is read is not replaced. Nor is it compared with itself."""

import os
import shutil
from pathlib import Path

import drawing
import numpy as np
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.outputs import replaceable
from ilsvrc_tfds.outputs.replaceable import read_within
from ilsvrc_tfds.sources.members import Container, Index, Members

PLAIN = {"workers": 1, "allow_incomplete": True}
PREPARED = "data/ilsvrc2012/classification/1.0.0"
SHARDS = {"train": 2, "val": 1}
REFUSED = "is not replaced because the images are read from it: .*They would be lost. Choose another destination"


@pytest.fixture(scope="module")
def once(tmp_path_factory) -> Path:
    """A folder with `data` (prepared) and `export`."""
    folder = tmp_path_factory.mktemp("once")
    source = drawing.official_archives(folder / "source", drawing.miniature())
    ilsvrc_tfds.prepare(source, folder / "data", **PLAIN)
    ilsvrc_tfds.export(source, folder / "export", num_shards=SHARDS, **PLAIN)
    return folder


@pytest.fixture
def made(once, tmp_path) -> Path:
    """A copy of that."""
    return shutil.copytree(once, tmp_path / "made")


def listed(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "options", [{"max_examples": 2}, {"splits": ["val"]}, {"config": "all"}, {}], ids=["max", "splits", "all", "plain"]
)
def test_prepare_does_not_replace_its_source(options, made):
    before = listed(made)
    with pytest.raises(DestinationError, match=f"{PREPARED} {REFUSED}"):
        if options.get("config") == "all":
            ilsvrc_tfds.prepare_all(made / PREPARED, made / "data", overwrite=True, **PLAIN)
        else:
            ilsvrc_tfds.prepare(made / PREPARED, made / "data", overwrite=True, **options, **PLAIN)
    assert listed(made) == before


@pytest.mark.parametrize("way", ["itself", "through a link", "links elsewhere", "links there"])
def test_export_does_not_replace_its_source(way, made, tmp_path):
    source = out = made / "export"
    if way == "through a link":
        source = tmp_path / "link"
        source.symlink_to(out)
    elif way == "links elsewhere":  # to the shards
        source = tmp_path / "links"
        source.mkdir()
        [(source / path.name).symlink_to(path) for path in out.iterdir()]
    elif way == "links there":  # which would be gone, while the shards are kept
        [path.rename(tmp_path / path.name) for path in out.glob("*-of-*")]
        [(out / path.name).symlink_to(path) for path in tmp_path.glob("*-of-*")]
    before = listed(made)
    with pytest.raises(DestinationError, match=f"export {REFUSED}"):
        ilsvrc_tfds.export(source, out, config="raw256", num_shards=SHARDS, overwrite=True, **PLAIN)
    assert listed(made) == before


@pytest.mark.slow
def test_unpack_does_not_replace_its_source(made):
    out = ilsvrc_tfds.unpack(made / PREPARED, made / "files", workers=1)
    shutil.rmtree(out / "train")
    shutil.copytree(made / PREPARED, out / "train")  # fewer files than were unpacked there
    before = listed(made)
    with pytest.raises(DestinationError, match=f"files {REFUSED}"):
        ilsvrc_tfds.unpack(out / "train", out, workers=1, overwrite=True)
    assert listed(made) == before


def test_source_beside_the_destination_is_no_reason_to_refuse(made):
    for _ in range(2):
        ilsvrc_tfds.prepare(made / PREPARED, made / "data", config="raw256", overwrite=True, **PLAIN)
    inside = made / PREPARED / "exports"
    for _ in range(2):
        ilsvrc_tfds.export(made / PREPARED, inside, num_shards=SHARDS, overwrite=True, **PLAIN)


def test_other_names_of_a_folder_count(tmp_path):
    (tmp_path / "Set").mkdir()
    (tmp_path / "Set/shard").touch()
    (tmp_path / "other").symlink_to(tmp_path / "Set")
    for path in ("Set/shard", "other/shard", "other/../Set/shard"):
        assert read_within(tmp_path / "Set", index_of(f"{tmp_path}/{path}")) == [f"{tmp_path}/{path}"]
    for path in ("Set2/shard", "other/../shard", "Setshard"):
        assert read_within(tmp_path / "Set", index_of(f"{tmp_path}/{path}")) == []


def index_of(*paths: str) -> Index:
    containers = tuple(Container(path, "train", "", "records") for path in paths)
    none = np.zeros(0, np.int64)
    return Index("/no/source", "", {"train": Members("train", containers, none, none, none, none, none)})


def test_parents_are_looked_at_once(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    index = index_of(*(f"{tmp_path}/source/train/n{number:08d}" for number in range(1000)))
    looked_at, own = [], {tmp_path / "set": os.stat(tmp_path / "set")}
    monkeypatch.setattr(replaceable, "_status", lambda path: looked_at.append(path) or own.get(path))
    assert read_within(tmp_path / "set", index) == [] and len(looked_at) == len(set(looked_at)) < 1020


def test_all_configs_of_a_set_in_its_own_data_dir(made, tmp_path):
    before = listed(made / "data")
    builders = ilsvrc_tfds.prepare_all(made / PREPARED, made / "data", **PLAIN)
    assert list(builders) == ["classification", "raw256"]
    assert before.items() <= listed(made / "data").items()
    elsewhere = ilsvrc_tfds.prepare(made / PREPARED, tmp_path / "other", config="raw256", **PLAIN)
    for name in filter(lambda name: "tfrecord" in name, os.listdir(elsewhere.data_dir)):
        assert (builders["raw256"].data_path / name).read_bytes() == (elsewhere.data_path / name).read_bytes()
    ilsvrc_tfds.prepare_all(made / PREPARED, made / "data", **PLAIN)  # all are there
    with pytest.raises(DestinationError, match="max_examples"):
        ilsvrc_tfds.prepare(made / PREPARED, made / "data", max_examples=3, **PLAIN)
