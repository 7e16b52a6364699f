"""What lies in a folder of shards."""

import os

import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats import folder as outputs

TRAIN = tuple(f"train-{k:05d}-of-00003" for k in range(3))


def test_prepared_set_is_known_by_its_manifest_and_without_it(prepare):
    folder = prepare(num_shards={"train": 3, "val": 1}).data_path
    with_manifest = outputs.find_output(folder)
    (folder / "manifest.json").unlink()
    without = outputs.find_output(folder)
    assert (
        (without.kind, without.file_format) == (with_manifest.kind, with_manifest.file_format) == ("tfds", "tfrecord")
    )
    assert without.shards == with_manifest.shards
    assert with_manifest.config() == {"op": "Original"} and without.config() == {}


def test_array_record_is_known_by_its_names(prepare):
    folder = prepare(file_format="array_record", num_shards={"train": 2}).data_path
    (folder / "manifest.json").unlink()
    assert outputs.find_output(folder).file_format == "array_record"


def test_exported_folder_is_known_by_its_manifest_and_without_it(archives, tmp_path):
    out = ilsvrc_tfds.export(
        archives, tmp_path / "out", num_shards={"train": 3}, splits=["train"], workers=1, allow_incomplete=True
    )
    assert outputs.find_output(out).shards == {"train": TRAIN}
    (out / "manifest.json").unlink()
    found = outputs.find_output(out)
    assert found.shards == {"train": TRAIN} and found.kind == "classic" and found.manifest is found.info is None


def test_missing_shards_are_known_by_the_names_of_the_others(tmp_path):
    (tmp_path / TRAIN[1]).touch()
    found = outputs.find_output(tmp_path)
    assert found.shards == {"train": TRAIN}
    with pytest.raises(SourceError, match=r"2 shards of split 'train' are missing: .*train-00000-of-00003, .*00002-of"):
        found.paths("train")


@pytest.mark.parametrize(
    "names, message",
    [
        ([], "holds no shards. Expected ilsvrc2012-train"),
        (["train-00000-of-00003", "train-00000-of-00002"], "train in 2, 3 shards"),
        (["train-00000-of-00003", "ilsvrc2012-val.tfrecord-00000-of-00001"], "holds the shards of several sets"),
    ],
)
def test_folders_that_hold_no_set_are_errors(names, message, tmp_path):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(SourceError, match=message):
        outputs.find_output(tmp_path)


def test_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="nowhere cannot be read: No such file or directory"):
        outputs.find_output(tmp_path / "nowhere")


ENDLESS = (
    '{"name": "ilsvrc2012", "splits": [{"name": "train", "shardLengths": [1e999]}]}'  # a number without an integer
)
TEXT = '{"name": "ilsvrc2012", "splits": [{"name": "train", "shardLengths": [], "numBytes": "many"}]}'


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"name": "mnist", "splits": []}', '{"name": "ilsvrc2012", "splits": [{}]}', ENDLESS, TEXT]
)
def test_info_that_makes_no_sense_is_an_error(text, tmp_path):
    (tmp_path / TRAIN[0]).touch()
    (tmp_path / "dataset_info.json").write_text(text)
    with pytest.raises(SourceError, match=os.path.join(str(tmp_path), "dataset_info.json")):
        outputs.find_output(tmp_path)
