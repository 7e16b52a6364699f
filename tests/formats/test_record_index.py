"""The index of a shard's records, against the tools of the packages that read it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import ilsvrc_tfds
from ilsvrc_tfds.errors import DestinationError, SourceError
from ilsvrc_tfds.formats.framing import FRAME_BYTES, MOST_BYTES
from ilsvrc_tfds.formats.record_index import shard_spans
from ilsvrc_tfds.formats.tfrecord import FOOTER_BYTES, HEADER_BYTES
from ilsvrc_tfds.outputs.index import index_records

SHARDS = {"train": 3, "val": 2}
# Both write an index for the shard that is their first argument.
TOOLS = {
    "tfrecord": [sys.executable, "-W", "ignore", "-m", "tfrecord.tools.tfrecord2idx"],
    "nvidia.dali": [sys.executable, str(Path(sys.executable).with_name("tfrecord2idx"))],
}


@pytest.fixture
def prepared(prepare) -> Path:
    return Path(prepare(num_shards=SHARDS).data_path)


@pytest.fixture
def exported(archives, tmp_path) -> Path:
    return ilsvrc_tfds.export(archives, tmp_path / "out", num_shards=SHARDS, workers=1, allow_incomplete=True)


@pytest.fixture(params=["prepared", "exported"])
def folder(request) -> Path:
    """A folder of shards, prepared or exported."""
    return request.getfixturevalue(request.param)


def shard_of(index: Path) -> Path:
    return index.with_name(index.name.removeprefix("index-"))


def is_installed(package: str) -> bool:
    """Returns whether a package is there; does not load it, for protobuf takes the messages of TensorFlow or of `tfrecord`."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def test_every_shard_has_its_index_beside_it(folder):
    before = set(os.listdir(folder))
    written = index_records(folder, workers=1)
    assert [path.parent for path in written] == [folder] * 5
    assert {path.name for path in written} == {f"index-{name}" for name in before if "-of-" in name}
    assert set(os.listdir(folder)) == before | {path.name for path in written}


@pytest.mark.parametrize("package", TOOLS)
def test_index_is_what_the_readers_own_tools_write(package, folder, tmp_path):
    if not is_installed(package):
        pytest.skip(f"the package {package} is missing")
    for index in index_records(folder, workers=1):
        theirs = tmp_path / index.name
        subprocess.run([*TOOLS[package], shard_of(index), theirs], check=True)
        assert index.read_bytes() == theirs.read_bytes()


def test_offsets_lead_to_the_records_that_tensorflow_reads(folder):
    for index in index_records(folder, workers=1):
        shard, spans = shard_of(index), [map(int, line.split()) for line in index.read_text().splitlines()]
        data = shard.read_bytes()
        payloads = [data[offset + HEADER_BYTES : offset + size - FOOTER_BYTES] for offset, size in spans]
        assert payloads == list(tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()) != []


def test_two_workers_write_the_same(folder):
    one = {path.name: path.read_bytes() for path in index_records(folder, workers=1)}
    assert {path.name: path.read_bytes() for path in index_records(folder, workers=2)} == one


def test_index_of_an_export_is_the_one_that_is_made_with_it(archives, exported, tmp_path):
    options = {"num_shards": SHARDS, "index": True, "workers": 1, "allow_incomplete": True}
    with_index = ilsvrc_tfds.export(archives, tmp_path / "with-index", **options)
    for index in index_records(exported, workers=1):
        assert (with_index / index.name).read_bytes() == index.read_bytes()


def test_folder_without_a_manifest_is_indexed(folder):
    with_manifest = {path.name: path.read_bytes() for path in index_records(folder, workers=1)}
    (folder / "manifest.json").unlink()
    assert {path.name: path.read_bytes() for path in index_records(folder, workers=1)} == with_manifest


def test_tfds_still_reads_a_prepared_set_with_indexes(prepared, images):
    index_records(prepared, workers=1)
    examples = tfds.as_numpy(tfds.builder_from_directory(prepared).as_dataset(split="train"))
    assert {example["file_name"].decode(): example["label"] for example in examples} == images.labels("train")


def test_index_of_an_earlier_shard_is_replaced(folder):
    index, *_ = index_records(folder, workers=1)
    right = index.read_bytes()
    index.write_text("0 1\n")
    index_records(folder, workers=1)
    assert index.read_bytes() == right and not list(folder.glob("*.partial"))


def flip(shard: Path, position: int) -> None:
    data = bytearray(shard.read_bytes())
    data[position] ^= 1
    shard.write_bytes(data)


@pytest.mark.parametrize("position", [0, 4, 8], ids=["length", "length's upper half", "length's checksum"])
def test_damaged_header_is_named_by_shard_record_and_byte(position, folder):
    index = index_records(folder, workers=1)[1]
    offset = int(index.read_text().splitlines()[2].split()[0])
    index.unlink()
    flip(shard_of(index), offset + position)
    with pytest.raises(
        SourceError, match=rf"{shard_of(index)}: record 2, byte {offset:,}: no whole record begins here"
    ):
        index_records(folder, workers=1)
    assert not index.exists()


@pytest.mark.parametrize("lost", [1, 4, 500])
def test_shard_that_is_cut_off_is_named_by_its_last_record(lost, folder):
    shard = shard_of(index_records(folder, workers=1)[0])
    os.truncate(shard, shard.stat().st_size - lost)
    with pytest.raises(SourceError, match=rf"{shard}: record 3, byte [0-9,]+: no whole record begins here"):
        index_records(folder, workers=1)


@pytest.mark.parametrize("appended", [b"x", bytes(12), bytes(1000)])
def test_bytes_behind_the_last_record_are_an_error(appended, folder):
    shard = shard_of(index_records(folder, workers=1)[0])
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes() + appended)
    with pytest.raises(SourceError, match=rf"{shard}: record 4, byte {size:,}: no whole record"):
        index_records(folder, workers=2)


def test_missing_shard_is_an_error_before_anything_is_written(folder):
    shard = sorted(folder.glob("*train*-of-*"))[1]
    shard.unlink()
    with pytest.raises(SourceError, match=f"1 shard of split 'train' is missing: {shard}"):
        index_records(folder, workers=1)
    assert not list(folder.glob("index-*"))


def test_array_record_is_refused(prepare):
    folder = prepare(file_format="array_record", num_shards=SHARDS).data_path
    with pytest.raises(SourceError, match="is in the format array_record; expected tfrecord"):
        index_records(folder, workers=1)


def test_folder_without_shards_is_refused(tmp_path):
    with pytest.raises(SourceError, match="holds no shards"):
        index_records(tmp_path, workers=1)


def test_folder_that_cannot_be_written_is_an_error(folder, permissions_count):
    folder.chmod(0o555)
    try:
        with pytest.raises(DestinationError, match=r"index-\S+"):
            index_records(folder, workers=1)
    finally:
        folder.chmod(0o755)
    assert not list(folder.glob("index-*"))


@pytest.mark.slow
def test_index_that_cannot_be_written_leaves_nothing(prepare):
    folder = prepare(num_shards={"train": 1}, max_examples=3).data_path
    code = (
        "import resource, sys, ilsvrc_tfds\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "try:\n    ilsvrc_tfds.index_records(sys.argv[1], workers=1)\n"
        "except ilsvrc_tfds.errors.DestinationError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    assert "cannot be written: File too large" in done.stdout, done.stderr
    assert not list(folder.glob("index-*"))


def remove_line(lines: list[str]) -> list[str]:
    return lines[:2] + lines[3:]


def double_line(lines: list[str]) -> list[str]:
    return lines[:2] + lines[1:]


def join_lines(lines: list[str]) -> list[str]:
    (offset, size), (_, more) = (map(int, line.split()) for line in lines[1:3])
    return [lines[0], f"{offset} {size + more}", *lines[3:]]


@pytest.mark.parametrize("harm", [remove_line, double_line, join_lines])
def test_index_that_does_not_fit_is_not_believed(harm, folder):
    index = index_records(folder, workers=1)[0]
    shard, lines = str(shard_of(index)), index.read_text().splitlines()
    right = [tuple(map(int, line.split())) for line in lines]
    assert shard_spans(shard) == shard_spans(shard, len(lines)) == right
    index.write_text("".join(f"{line}\n" for line in harm(lines)))
    assert shard_spans(shard, len(lines)) == right


@pytest.mark.parametrize("text", ["", "0 10\n", "0 -5\n", "x 1\n", "0\n", "9223372036854775808 1\n", "0 1 2\n"])
def test_index_of_no_sense_is_not_believed(text, exported):
    shard = exported / "train-00000-of-00003"
    right = shard_spans(str(shard))
    shard.with_name(f"index-{shard.name}").write_text(text)
    assert len(right) == 4 and shard_spans(str(shard)) == right


def test_index_that_fits_is_believed_without_the_shard(folder):
    index = index_records(folder, workers=1)[0]
    right = shard_spans(str(shard_of(index)))
    flip(shard_of(index), 0)
    assert len(right) == 4 and shard_spans(str(shard_of(index))) == right


@pytest.mark.parametrize("size, fits", [(MOST_BYTES, True), (MOST_BYTES + 1, False), (0, True), (-1, False)])
def test_index_of_a_record_too_large_or_too_small_is_not_believed(size, fits, tmp_path):
    shard = tmp_path / "shard"
    shard.touch()
    os.truncate(shard, size + FRAME_BYTES)
    (tmp_path / "index-shard").write_text(f"0 {size + FRAME_BYTES}\n")
    if fits:
        assert shard_spans(str(shard)) == [(0, size + FRAME_BYTES)]
    else:
        with pytest.raises(SourceError, match="record 0, byte 0: no whole record begins here"):
            shard_spans(str(shard))
