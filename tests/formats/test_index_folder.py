"""Indexes in a folder of their own, under the names of the shards, as DALI loaders are given it: `IDX/train-*`."""

import shutil

import pytest

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import DestinationError, OptionError
from ilsvrc_tfds.outputs.index import index_records

SHARDS = ["train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001"]


@pytest.fixture
def folder(archives, tmp_path):
    shards = {"train": 2, "val": 1}
    return ilsvrc_tfds.export(archives, tmp_path / "out", num_shards=shards, workers=1, allow_incomplete=True)


def test_indexes_have_the_names_of_the_shards(folder, tmp_path):
    beside = {path.name.removeprefix("index-"): path.read_bytes() for path in index_records(folder, workers=1)}
    shards = {name: (folder / name).read_bytes() for name in SHARDS}
    paths = index_records(folder, out=tmp_path / "new/idx", workers=1)
    assert [path.name for path in paths] == SHARDS
    assert {path.name: path.read_bytes() for path in (tmp_path / "new/idx").iterdir()} == beside
    assert index_records(folder, out=tmp_path / "new/idx", workers=2) == paths  # a rerun
    assert {name: (folder / name).read_bytes() for name in SHARDS} == shards


def test_folder_of_the_shards_is_refused(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for out in (folder, tmp_path / "link", folder / ".." / "out"):
        with pytest.raises(DestinationError, match="is the folder of the shards, and indexes .* would replace them"):
            index_records(folder, out=out, workers=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["notes.txt", "train-00000-of-00003", "train-00000-of-00002", "manifest.json"])
def test_files_of_others_are_kept(name, folder, tmp_path):
    """Also shards of another export, under the names that the indexes get."""
    out = tmp_path / "idx"
    out.mkdir()
    shutil.copy(folder / "train-00001-of-00002", out / name)
    with pytest.raises(
        DestinationError, match=f"idx holds files that are not indexes of these shards: {name}. Name an"
    ):
        index_records(folder, out=out, workers=1)
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_bytes() == (folder / "train-00001-of-00002").read_bytes()


def test_indexes_of_another_data_set_are_kept(folder, archives, tmp_path):
    shards = {"train": 2, "val": 1}
    options = {"num_shards": shards, "workers": 1, "allow_incomplete": True, "config": "raw256"}
    index_records(folder, out=tmp_path / "idx", workers=1)
    before = {path.name: path.read_bytes() for path in (tmp_path / "idx").iterdir()}
    with pytest.raises(DestinationError, match="idx holds files that are not indexes of these shards: train-00000"):
        index_records(ilsvrc_tfds.export(archives, tmp_path / "other", **options), out=tmp_path / "idx", workers=1)
    assert {path.name: path.read_bytes() for path in (tmp_path / "idx").iterdir()} == before


def test_rest_of_a_killed_run_is_removed_because_readers_would_take_it_for_an_index(folder, tmp_path):
    out = tmp_path / "idx"
    out.mkdir()
    (out / "train-00000-of-00002.0a1b2c3d.partial").write_text("0 ")
    index_records(folder, out=out, workers=1)
    assert sorted(path.name for path in out.iterdir()) == SHARDS


def test_url_is_refused(folder):
    with pytest.raises(OptionError, match="gs://bucket/idx is a URL"):
        index_records(folder, out="gs://bucket/idx", workers=1)


def test_command_prints_the_arguments_of_dali(folder, tmp_path, capsys):
    assert main(["index", str(folder), "--out", str(tmp_path / "idx"), "--workers", "1"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path}/idx: 3 indexes, with the names of the shards\n"
    line = f'path=sorted(glob("{folder}/train-*")), index_path=sorted(glob("{tmp_path}/idx/train-*"))'
    assert said.err.splitlines()[-1].strip() == line
