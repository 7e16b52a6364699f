"""Shards that cannot be opened, or are gone while they are read: an error within seconds that names them, and never a wait."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import pipeline
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats import record_index
from ilsvrc_tfds.formats.kinds import CLASSIC, KINDS
from ilsvrc_tfds.pipeline import split, subsets

pytestmark = pytest.mark.slow

GONE = "was removed or renamed since reading began. If the data set was replaced or moved, start again"
FORBIDDEN = "cannot be read: Permission denied. Check the permissions of it"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A prepared data set of 24 images of train in 3 shards, and 6 of val in 2."""
    root = tmp_path_factory.mktemp("unopened")
    source = drawing.official_archives(root / "source", drawing.miniature(train=8))
    shards = {"train": 3, "val": 2}
    return ilsvrc_tfds.prepare(
        source, root / "data", config="raw256", workers=1, allow_incomplete=True, num_shards=shards
    ).data_path


@pytest.fixture(scope="module")
def outcomes(prepared, tmp_path_factory) -> dict[str, list[str]]:
    """The class and the text of the error of each case of `unopened.py`, all in one process."""
    command = [
        sys.executable,
        Path(drawing.__file__).with_name("unopened.py"),
        prepared,
        tmp_path_factory.mktemp("work"),
    ]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=240).stdout
    return {name: error for name, *error in map(json.loads, printed.splitlines())}


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("part", ["all", "subset"])
@pytest.mark.parametrize("reader", ["training", "evaluation"])
def test_stream_with_a_shard_that_cannot_be_opened_is_an_error(reader, part, on_error, outcomes):
    for harm, text in {"unlink": GONE, "forbid": FORBIDDEN}.items():
        kind, message = outcomes[f"{reader}-{part}-{on_error}-{harm}"]
        assert kind == "SourceError" and f"00001-of-0000{3 if reader == 'training' else 2} {text}" in message


@pytest.mark.parametrize("command", ["train", "evaluate", "bench"])
def test_command_with_a_shard_that_is_gone_is_an_error(command, outcomes):
    kind, message = outcomes[command]
    assert kind == "SourceError" and GONE in message


def test_shard_that_may_not_be_read_is_named_before_anything_is_read(outcomes):
    kind, message = outcomes["forbidden_from_the_start"]
    assert kind == "SourceError" and message.startswith("1 shard cannot be read (Permission denied): ")


def test_data_made_anew_under_a_training_are_an_error_that_says_so(prepared, tmp_path):
    source = drawing.official_archives(tmp_path / "source", drawing.miniature(train=8))
    options = {"workers": 1, "allow_incomplete": True}
    folder = ilsvrc_tfds.prepare(source, tmp_path / "data", **options, num_shards={"train": 3}).data_path
    batches = iter(pipeline.for_training(folder, batch_size=4, ops=(), shuffle_buffer=4))
    next(batches)
    ilsvrc_tfds.prepare(source, tmp_path / "data", **options, num_shards={"train": 2}, overwrite=True)
    with pytest.raises(SourceError, match=f"0000[0-2]-of-00003 {GONE}"), pipeline.source_errors(folder):
        for _ in batches:
            pass


def test_shard_that_is_gone_is_an_error_where_a_subset_is_looked_for(prepared, tmp_path):
    exported = ilsvrc_tfds.export(
        prepared, tmp_path / "out", workers=1, allow_incomplete=True, num_shards={"train": 2}, index=True
    )
    shard = exported / "train-00000-of-00002"
    spans = record_index.shard_spans(str(shard))
    shard.unlink()
    for look in (
        record_index.shard_spans,
        split._length,
        lambda path: subsets._labels_in(path, spans, KINDS[CLASSIC].fields),
    ):
        with pytest.raises(SourceError, match="train-00000-of-00002 cannot be read: No such file or directory"):
            look(str(shard))


def test_folder_that_may_not_be_listed_is_an_error(prepared, tmp_path, permissions_count):
    folder = shutil.copytree(prepared, tmp_path / "data/ilsvrc2012/raw256/1.0.0")
    os.chmod(tmp_path / "data/ilsvrc2012", 0)
    try:
        for data in ("ilsvrc2012/raw256", folder):
            with pytest.raises(SourceError, match="cannot be read: Permission denied"):
                pipeline.find_split(data, "train", data_dir=tmp_path / "data")
    finally:
        os.chmod(tmp_path / "data/ilsvrc2012", 0o755)


@pytest.mark.parametrize("options", [{}, {"fraction": 1.0}, {"on_error": "skip"}], ids=["all", "subset", "skip"])
def test_other_data_of_as_many_shards_under_a_training_are_an_error(options, tmp_path):
    sources = [
        drawing.official_archives(tmp_path / wnid, drawing.miniature(train=24, wnids=(wnid,)))
        for wnid in ("n01440764", "n01443537")
    ]
    made = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 24, "val": 1}}
    folder = ilsvrc_tfds.prepare(sources[0], tmp_path / "data", **made).data_path
    stream = pipeline.for_training(folder, batch_size=1, epochs=1, ops=(), shuffle_buffer=1, **options)
    batches = iter(stream)
    labels = [int(next(batches)[1][0])]
    ilsvrc_tfds.prepare(sources[1], tmp_path / "data", **made, overwrite=True)
    with pytest.raises(SourceError, match=r"-of-00024 has changed since reading began. If .* start again"):
        with pipeline.source_errors(folder):
            labels += [int(label[0]) for _, label in batches]
    assert set(labels) == {0}


def test_shard_of_the_same_size_is_another_one(prepared, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "data")
    stream = pipeline.for_evaluation(folder, batch_size=1, ops=())
    shard = folder / "ilsvrc2012-val.tfrecord-00001-of-00002"
    data = shard.read_bytes()
    os.utime(shard, ns=(0, 0))
    with pytest.raises(SourceError, match=f"^{shard} has changed since reading began"), pipeline.source_errors(folder):
        list(stream)
    assert shard.read_bytes() == data
