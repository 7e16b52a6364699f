"""Sets whose files do not fit each other: no example is lost, doubled or given another label in silence."""

import dataclasses
import gzip
import shutil
from pathlib import Path

import drawing
import pytest
import tensorflow as tf

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, preprocess
from ilsvrc_tfds.checks.verify import verify
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


@pytest.mark.slow
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
    with pytest.raises(SourceError, match=f"{shard} has 8 records, expected 10. Make the shard again"):
        pipeline.for_evaluation(prepared, batch_size=4, ops=(Name(),), **options)


def test_metadata_of_as_many_other_images_is_an_error_for_a_subset(prepared, tmp_path):
    images = drawing.miniature(train=TRAIN // 3, val=VAL // 3)
    renamed = {
        wnid: {f"{wnid}_{100 + k}.JPEG": own[name] for k, name in enumerate(own)} for wnid, own in images.train.items()
    }
    source = drawing.official_archives(tmp_path / "source", dataclasses.replace(images, train=renamed))
    other = ilsvrc_tfds.prepare(source, tmp_path / "other", workers=1, allow_incomplete=True).data_path
    shutil.copy(other / "metadata.h5", prepared / "metadata.h5")
    with pytest.raises(
        SourceError, match="train.*: record 0 is b'n.*', but n.* by .*metadata.h5, which belongs to other images"
    ):
        pipeline.for_training(prepared, batch_size=1, ops=(Name(),), per_class=3)


def test_compressed_shards_are_refused(prepared, exported):
    for folder in (prepared, exported):
        shards = sorted(folder.glob("*train*-of-00003"))
        for shard in shards:
            shard.write_bytes(gzip.compress(shard.read_bytes()))
        for options in ({}, {"label_offset": 1} if folder == exported else {}):
            with pytest.raises(
                SourceError, match="-of-00003 is compressed with gzip, which is not supported. Decompress"
            ):
                pipeline.find_split(folder, "train", **options)


def test_shards_without_records_are_named(exported, caplog):
    shards = sorted(exported.glob("train-*-of-00003"))
    for index in exported.glob("index-*"):
        index.unlink()
    shards[1].write_bytes(b"")
    assert pipeline.find_split(exported, "train").lengths == (10, 0, 10)
    assert f"1 shard of split 'train' has no records: {shards[1]}" in caplog.text
    for shard in shards:
        shard.write_bytes(b"")
    with pytest.raises(SourceError, match="train-00000-of-00003: it has no records; no sound record was found"):
        pipeline.find_split(exported, "train")
    for shard in shards:
        shard.write_bytes(bytes(1000))
    with pytest.raises(
        SourceError, match="train-00000-of-00003: record 0, byte 0: .* zeros.*; no sound record was found"
    ):
        pipeline.find_split(exported, "train")


def test_training_on_validation_images_is_a_warning_and_a_problem(exported, caplog):
    for shard in exported.glob("*train-*"):
        shard.unlink()
    for shard in exported.glob("*validation-*"):
        shard.rename(exported / shard.name.replace("validation", "train"))
    pipeline.find_split(exported, "train")
    assert "record 0 of split 'train' has the name of an image of split 'val', 'ILSVRC2012_val_" in caplog.text
    found = verify(exported, workers=1)
    assert any("train: 21 names have the form of another split's: ILSVRC2012_val_" in line for line in found.problems)


@pytest.mark.slow
def test_skipped_record_warns_of_what_does_not_hold_any_more(prepared, caplog):
    shard = prepared / "ilsvrc2012-train.tfrecord-00000-of-00003"
    data = bytearray(shard.read_bytes())
    data[40] ^= 1
    shard.write_bytes(data)
    made = {"batch_size": 2, "epochs": 2, "ops": (Name(),), "on_error": "skip"}
    for options, text in (
        ({}, ""),
        ({"shard": (0, 2)}, "hosts may have different numbers of batches"),
        ({"start_step": 1}, "start_step=1 starts at another batch"),
    ):
        caplog.clear()
        names(pipeline.for_training(prepared, **made, **options))
        assert "Skipped; 1 different record so far" in caplog.text
        assert caplog.text.count("A record was skipped (on_error='skip'), so ") == bool(text)
        assert text in caplog.text
