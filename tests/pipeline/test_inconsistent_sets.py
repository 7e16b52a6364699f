"""Sets whose files do not fit each other: no example is lost, doubled or given another label in silence."""

import shutil
from pathlib import Path

import drawing
import pytest
import tensorflow as tf

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, preprocess
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats.tfrecord import read_spans

TRAIN, VAL = 30, 21


class Name(preprocess.Op):
    """The file name in place of the image."""

    def __call__(self, example, seed):
        return {**example, "image": example["file_name"]}


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> Path:
    """A folder with the set `prepared`, and with `exported`, which has indexes and no manifest."""
    root = tmp_path_factory.mktemp("sets")
    source = drawing.official_archives(root / "source", drawing.miniature(train=TRAIN // 3, val=VAL // 3))
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 3, "val": 2}}
    ilsvrc_tfds.prepare(source, root / "data", **options).data_path.rename(root / "prepared")
    ilsvrc_tfds.export(source, root / "exported", index=True, **options)
    (root / "exported/manifest.json").unlink()
    return root


@pytest.fixture
def prepared(sets, tmp_path) -> Path:
    return Path(shutil.copytree(sets / "prepared", tmp_path / "prepared"))


@pytest.fixture
def exported(sets, tmp_path) -> Path:
    return Path(shutil.copytree(sets / "exported", tmp_path / "exported"))


def names(data: tf.data.Dataset) -> list[str]:
    return [name.decode() for batch, _ in data.as_numpy_iterator() for name in batch]


@pytest.mark.parametrize("options", [{}, {"fraction": 1.0}], ids=["all", "subset"])
def test_wrong_index_loses_no_example(options, exported):
    index = exported / "index-train-00001-of-00003"
    lines = index.read_text().splitlines(keepends=True)
    for wrong in (lines[:3] + lines[4:], lines[:4] + lines[3:]):
        index.write_text("".join(wrong))
        data = pipeline.for_training(exported, batch_size=1, epochs=1, ops=(Name(),), **options)
        found = names(data)
        assert len(found) == len(set(found)) == TRAIN


def test_index_of_joined_records_is_an_error_for_a_subset(exported):
    index = exported / "index-train-00001-of-00003"
    (offset, size), (_, more), *rest = (tuple(map(int, line.split())) for line in index.read_text().splitlines())
    index.write_text("".join(f"{start} {count}\n" for start, count in [(offset, size + more), *rest]))
    with pytest.raises(SourceError, match=f"train-00001-of-00003: byte 0: no record of {size + more:,} bytes begins"):
        pipeline.for_training(exported, batch_size=1, ops=(Name(),), fraction=1.0)


@pytest.mark.parametrize("options", [{"per_class": 3}, {"classes": [0, 1]}, {"fraction": 1.0, "on_error": "skip"}])
def test_subset_of_a_set_with_a_short_shard_is_an_error(options, prepared):
    shard = prepared / "ilsvrc2012-val.tfrecord-00000-of-00002"
    offset, _ = read_spans(shard)[-2]
    shard.write_bytes(shard.read_bytes()[:offset])
    with pytest.raises(SourceError, match=f"{shard} has 8 records, expected 10. Make the shard anew"):
        pipeline.for_evaluation(prepared, batch_size=4, ops=(Name(),), **options)
