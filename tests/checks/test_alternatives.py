"""Shards in other formats beside those of a set, as TFDS's info names them. TFRecords among them are read.

That `tfds convert_format` makes such folders, and that TFDS reads them, is in `test_dataset_info.py`.
"""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from ilsvrc_tfds.checks.verify import verify
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats import folder as outputs

SHARDS = {"train": 2, "val": 1}


def announce(folder: Path, *formats: str) -> None:
    """Adds formats to a set's info, as TFDS does."""
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps({**info, "alternativeFileFormats": formats}))


@pytest.fixture
def folder(prepare) -> Path:
    """A prepared set with shards of array_record beside its own, of which only names and sizes count here."""
    folder = Path(prepare(num_shards=SHARDS).data_dir)
    for path in folder.glob("*.tfrecord-*"):
        path.with_name(path.name.replace("tfrecord", "array_record")).write_bytes(b"x" * 100)
    announce(folder, "array_record")
    return folder


def found(folder: Path) -> tuple[str, ...]:
    return verify(folder, workers=1).problems


def test_shards_that_the_info_names_belong_to_the_set(folder):
    report = verify(folder, workers=1)
    assert report.problems == ()
    assert (
        "the same in the format array_record: 300 bytes in 3 shards, of which only names and sizes are checked"
        in report.facts
    )


def test_shards_that_the_info_does_not_name_do_not(folder):
    announce(folder)
    strange = "ilsvrc2012-train.array_record-00000-of-00002 is a shard that does not belong to this set"
    assert strange in found(folder) and len(found(folder)) == 3


def test_shard_that_is_named_and_not_there(folder):
    (folder / "ilsvrc2012-train.array_record-00001-of-00002").unlink()
    (folder / "ilsvrc2012-val.array_record-00000-of-00001").write_bytes(b"")
    assert found(folder) == (
        "ilsvrc2012-train.array_record-00001-of-00002 is missing, but dataset_info.json lists it",
        "ilsvrc2012-val.array_record-00000-of-00001 is empty",
    )


@pytest.mark.parametrize(
    "name", ["ilsvrc2012-train.array_record-00000-of-00003", "ilsvrc2012-val.riegeli-00000-of-00001"]
)
def test_strange_shards_are_strange_still(name, folder):
    (folder / name).write_bytes(b"x")
    assert found(folder) == (f"{name} is a shard that does not belong to this set",)


def test_without_a_manifest_the_info_tells_the_same(folder):
    (folder / "manifest.json").unlink()
    assert found(folder) == ()
    (folder / "ilsvrc2012-train.array_record-00001-of-00002").unlink()
    assert len(found(folder)) == 1


@pytest.mark.parametrize("formats", [["../x"], [3], "array_record/", {"a": 1}, 3])
def test_formats_that_make_no_sense_are_a_source_error(formats, folder):
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps({**info, "alternativeFileFormats": formats}))
    with pytest.raises(SourceError, match="dataset_info.json makes no sense"):
        outputs.find_output(folder)


@pytest.fixture
def tfrecords_beside(prepare, tmp_path) -> Path:
    """A prepared set of array_record with TFRecords beside."""
    pytest.importorskip("array_record")
    folder = Path(prepare(num_shards=SHARDS, file_format="array_record").data_dir)
    for path in Path(prepare(num_shards=SHARDS, data_dir=tmp_path / "tfrecord").data_dir).glob("*.tfrecord-*"):
        shutil.copy(path, folder)
    announce(folder, "tfrecord")
    return folder


def test_tfrecords_beside_are_read(tfrecords_beside):
    report = verify(tfrecords_beside, workers=1)
    assert report.problems == ()
    facts = "\n".join(report.facts)
    assert re.search(
        r"the same in the format tfrecord: [\d,]+ bytes in 3 shards\ntrain: 12 records of 3 classes \(4 each\)", facts
    )


def test_damage_of_tfrecords_beside_is_found(tfrecords_beside):
    first, second = (tfrecords_beside / f"ilsvrc2012-train.tfrecord-0000{k}-of-00002" for k in range(2))
    data = bytearray(first.read_bytes())
    data[-100] ^= 1
    first.write_bytes(data)
    os.truncate(second, 0)
    problems = found(tfrecords_beside)
    assert any(
        re.match(f"{first.name}: record 5, byte [\\d,]+: its data does not match the checksum", line)
        for line in problems
    )
    assert f"{second.name} is empty" in problems
    assert f"{second.name}: it has 0 records, dataset_info.json says 6" in problems
