"""What lies in a folder of shards."""

import json
import os
from pathlib import Path

import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats import folder as outputs
from ilsvrc_tfds.formats.info import read_info

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


def write_info(folder: Path, **values) -> Path:
    """Writes TFDS's info of a set with two shards of val, of which only the names and lengths count here."""
    splits = [{"name": "val", "shardLengths": ["3", "4"], "numBytes": "99"}]
    (folder / "dataset_info.json").write_text(json.dumps({"name": "ilsvrc2012", "splits": splits, **values}))
    return folder


VAL = tuple(f"ilsvrc2012-val.tfrecord-{k:05d}-of-00002" for k in range(2))
OTHER = tuple(name.replace("tfrecord", "array_record") for name in VAL)


def test_info_names_the_shards_their_format_and_their_lengths(tmp_path):
    found = outputs.find_output(write_info(tmp_path))
    assert (found.kind, found.file_format, found.shards) == ("tfds", "tfrecord", {"val": VAL})
    assert found.stated_lengths("val") == (3, 4) and found.stated_lengths("train") is None
    assert found.label_offset == 0 and found.alternatives() == []
    found = outputs.find_output(write_info(tmp_path, fileFormat="array_record"))
    assert (found.file_format, found.shards) == ("array_record", {"val": OTHER})


def test_length_below_zero_is_none(tmp_path):
    found = outputs.find_output(write_info(tmp_path, splits=[{"name": "val", "shardLengths": [-1, "2"]}]))
    assert found.stated_lengths("val") == (0, 2)


def test_lengths_of_a_manifest_are_those_of_its_shards(prepare):
    found = outputs.find_output(prepare(num_shards={"train": 5, "val": 1}).data_path)
    assert found.stated_lengths("train") == (2, 3, 2, 3, 2) and found.stated_lengths("val") == (6,)
    assert found.label_offset == 0


def test_tfrecords_beside_shards_of_another_format_are_found(tmp_path):
    both = {"fileFormat": "array_record", "alternativeFileFormats": ["array_record", "tfrecord"]}
    found = outputs.find_output(write_info(tmp_path, **both))
    (beside,) = found.alternatives()
    assert beside == found.in_tfrecord() and (beside.file_format, beside.shards) == ("tfrecord", {"val": VAL})
    assert beside.in_tfrecord() == beside
    only = outputs.find_output(write_info(tmp_path, fileFormat="riegeli", alternativeFileFormats=["array_record"]))
    with pytest.raises(
        SourceError, match="is in the format riegeli, array_record; expected tfrecord. Prepare the source"
    ):
        only.in_tfrecord()


def test_strange_shards_are_those_of_no_format_of_the_set(tmp_path):
    strange = ["ilsvrc2012-val.riegeli-00000-of-00002", "ilsvrc2012-val.tfrecord-00002-of-00003", TRAIN[0]]
    for name in (*VAL, *OTHER, *strange, "notes", f"index-{TRAIN[0]}"):
        (tmp_path / name).touch()
    found = outputs.find_output(write_info(tmp_path, alternativeFileFormats=["array_record"]))
    assert found.strange_shards() == strange
    assert outputs.find_output(write_info(tmp_path)).strange_shards() == sorted([*OTHER, *strange])


@pytest.mark.parametrize(
    "name, expected", [("dataset_info.json", True), (TRAIN[2], True), (VAL[1], True), ("a", False)]
)
def test_output_is_known_by_its_info_or_a_shard(name, expected, tmp_path):
    (tmp_path / name).touch()
    assert outputs.is_output(tmp_path) == expected
    assert not outputs.is_output(tmp_path / name)


def test_info_of_more_than_64_mebibytes_is_an_error(tmp_path):
    (tmp_path / "dataset_info.json").touch()
    os.truncate(tmp_path / "dataset_info.json", (64 << 20) + 1)
    with pytest.raises(SourceError, match="dataset_info.json makes no sense .*it has more than 67,108,864 bytes"):
        read_info(tmp_path)
    write_info(tmp_path)
    with (tmp_path / "dataset_info.json").open("a") as file:
        file.write(" " * ((64 << 20) - file.tell()))
    assert read_info(tmp_path)["name"] == "ilsvrc2012"


@pytest.mark.parametrize(
    "values, message",
    [
        ({"name": "mnist"}, "describes 'mnist'; expected ilsvrc2012"),
        ({"alternativeFileFormats": "tfrecord"}, "alternativeFileFormats cannot be 'tfrecord'"),
        ({"alternativeFileFormats": ["../x"]}, "a file format cannot be '../x'"),
        ({"fileFormat": "TFRECORD"}, "a file format cannot be 'TFRECORD'"),
        ({"splits": [{"name": "dev", "shardLengths": []}]}, "unknown split 'dev'"),
    ],
)
def test_entries_of_an_info_that_make_no_sense_are_named(values, message, tmp_path):
    with pytest.raises(SourceError, match=f"dataset_info.json .*{message}"):
        outputs.find_output(write_info(tmp_path, **values))
