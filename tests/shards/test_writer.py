"""Shards are read back with TensorFlow and array_record."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import drawing
import numpy as np
import pytest
import tensorflow as tf
import xxhash

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import DestinationError, ImageError, OptionError, SourceError
from ilsvrc_tfds.images import Original, Resized
from ilsvrc_tfds.shards import plan, writer
from ilsvrc_tfds.shards.encoders import ClassicExample, TfdsExample
from ilsvrc_tfds.sources import find_layout, index_images
from ilsvrc_tfds.sources.boxes import Boxes
from ilsvrc_tfds.storage import staging


def task(source: Path, folder: Path, file_format: str = "tfrecord", op=Original()) -> writer.ShardTask:
    """Returns the task of the only shard of a source's train split."""
    index = index_images(find_layout([source]))
    (shard,) = plan.plan_split(index.splits["train"], num_shards=1).shards()
    folder.mkdir(exist_ok=True)
    return writer.ShardTask(shard, str(folder / f"train.{file_format}"), TfdsExample(op), file_format)


@pytest.fixture
def train(archives, tmp_path) -> writer.ShardTask:
    return task(archives, tmp_path / "out")


def records(path: str) -> list[bytes]:
    return [record.numpy() for record in tf.data.TFRecordDataset(path)]


def parse(record: bytes) -> tuple[str, int, bytes]:
    features = tf.train.Example.FromString(record).features.feature
    return (
        features["file_name"].bytes_list.value[0].decode(),
        features["label"].int64_list.value[0],
        features["image"].bytes_list.value[0],
    )


def test_shard_holds_each_image_once_in_order_with_its_label(train, images):
    writer.finish_shard(train)
    rows = [parse(record) for record in records(train.path)]
    assert [name for name, _, _ in rows] == [name.decode() for name in train.shard.members.name]
    assert {name: label for name, label, _ in rows} == images.labels("train")
    first = synsets.wnids()[0]
    for name, label, image in rows:
        original = images.train[synsets.wnids()[label]][name]
        odd = label == 0 and name in list(images.train[first])[:2]  # CMYK, PNG
        assert (image != original) == odd


def test_resized_shard_has_images_of_that_side(archives, tmp_path):
    resized = task(archives, tmp_path / "out", op=Resized(24))
    receipt = writer.finish_shard(resized)
    shapes = [tf.io.decode_jpeg(parse(record)[2]).shape for record in records(resized.path)]
    assert {min(shape[:2]) for shape in shapes} == {24}
    assert receipt.changed == receipt.records == 12


def test_receipt_counts_as_tfds_does(train):
    receipt = writer.finish_shard(train)
    payloads = records(train.path)
    assert dataclasses.astuple(receipt)[:3] == ("train", 0, 12)
    assert receipt.payload_bytes == sum(map(len, payloads))
    assert receipt.file_bytes == os.path.getsize(train.path) == receipt.payload_bytes + 16 * 12
    assert receipt.digest == xxhash.xxh3_64(Path(train.path).read_bytes()).hexdigest()
    assert receipt.changed == 2
    assert json.loads(Path(staging.receipt_path(train.path)).read_text()) == dataclasses.asdict(receipt)


def test_nothing_but_the_shard_and_its_receipt_is_left(train, tmp_path):
    writer.finish_shard(train)
    assert sorted(os.listdir(tmp_path / "out")) == ["train.tfrecord", "train.tfrecord.json"]


def test_finished_shard_is_not_written_again(train):
    receipt = writer.finish_shard(train)
    before = os.stat(train.path)
    assert writer.finish_shard(train) == receipt
    assert (os.stat(train.path).st_mtime_ns, os.stat(train.path).st_ino) == (before.st_mtime_ns, before.st_ino)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "a flipped bit": lambda path, receipt: flip(path),
    "cut short": lambda path, receipt: os.truncate(path, 1000),
    "longer": lambda path, receipt: path.write_bytes(path.read_bytes() + b"\0"),
    "no shard": lambda path, receipt: path.unlink(),
    "no receipt": lambda path, receipt: receipt.unlink(),
    "an empty receipt": lambda path, receipt: receipt.write_text(""),
    "a garbled receipt": lambda path, receipt: receipt.write_bytes(b"\xff\xfe{"),
    "a receipt that is a list": lambda path, receipt: receipt.write_text("[1, 2]"),
    "a receipt of an older version": lambda path, receipt: receipt.write_text('{"split": "train"}'),
    "another shard's receipt": lambda path, receipt: receipt.write_text(
        receipt.read_text().replace('"file_bytes": ', '"file_bytes": 1')
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_shard_that_is_not_whole_is_written_anew(train, damage):
    receipt = writer.finish_shard(train)
    path = Path(train.path)
    whole = path.read_bytes()
    damage(path, Path(staging.receipt_path(train.path)))
    assert writer.finish_shard(train) == receipt
    assert path.read_bytes() == whole
    assert writer._existing(train.path) == receipt


def test_array_record_holds_the_same_records(train, archives, tmp_path):
    from array_record.python import array_record_data_source

    writer.finish_shard(train)
    other = task(archives, tmp_path / "out", "array_record")
    receipt = writer.finish_shard(other)
    with array_record_data_source.ArrayRecordDataSource(other.path) as source:
        assert [source[k] for k in range(len(source))] == records(train.path)
    assert receipt.payload_bytes == sum(map(len, records(train.path)))
    assert receipt.digest == xxhash.xxh3_64(Path(other.path).read_bytes()).hexdigest()
    assert writer.finish_shard(other) == receipt


def test_file_format_whose_package_is_missing_is_an_option_error(archives, tmp_path):
    with pytest.raises(
        OptionError, match="'riegeli' needs a package: No module named 'riegeli'. Install it, or use 'tfrecord'"
    ):
        writer.finish_shard(task(archives, tmp_path / "out", "riegeli"))
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_damaged_image_is_named_and_leaves_nothing(tmp_path, file_format):
    images = drawing.miniature()
    images.train["n01443537"]["n01443537_10.JPEG"] = drawing.jpeg()[:-200]
    source = drawing.official_archives(tmp_path / "source", images)
    place = "source/ILSVRC2012_img_train.tar: train/n01443537/n01443537_10.JPEG"
    message = rf"{place}: the JPEG ends early: .*Get it again\. Damaged images"
    with pytest.raises(ImageError, match=message):
        writer.finish_shard(task(source, tmp_path / "out", file_format))
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_receipt_counts_changed_boxed_and_skipped_images(tmp_path, file_format):
    images = drawing.miniature()
    images.train["n01443537"]["n01443537_10.JPEG"] = drawing.jpeg()[:-200]
    source = drawing.official_archives(tmp_path / "source", images)
    boxes = {name[:-5].encode(): Boxes(1.0, 1.0, ((0, 0, 1, 1),)) for name in list(images.train["n01443537"])[:3]}
    encode = ClassicExample(boxes={**boxes, b"n01443537_12": Boxes(1.0, 1.0, ())})
    skipping = dataclasses.replace(task(source, tmp_path / "out", file_format), encode=encode, on_error="skip")
    receipt = writer.finish_shard(skipping)
    assert (receipt.records, receipt.changed, receipt.boxed) == (11, 2, 2)
    (skipped,) = receipt.skipped.items()
    assert skipped == ("n01443537_10.JPEG", "the JPEG ends early: it has no end marker")
    before = os.stat(skipping.path).st_mtime_ns
    assert writer.finish_shard(skipping) == receipt and os.stat(skipping.path).st_mtime_ns == before
    with pytest.raises(ImageError, match="n01443537_10.JPEG: the JPEG ends early"):
        writer.finish_shard(dataclasses.replace(skipping, on_error="stop"))


def test_on_error_is_stop_or_skip():
    writer.require_known("stop"), writer.require_known("skip")
    with pytest.raises(OptionError, match="on_error must be 'stop' or 'skip', got 'stops'"):
        writer.require_known("stops")


def test_archive_that_has_changed_since_the_index_is_a_source_error(train, archives, tmp_path):
    os.utime(archives / "ILSVRC2012_img_train.tar", (1, 1))
    with pytest.raises(SourceError, match="ILSVRC2012_img_train.tar has changed since it was indexed"):
        writer.finish_shard(train)
    assert os.listdir(tmp_path / "out") == []


def test_archive_that_changes_while_it_is_read_makes_no_shard(train, archives):
    def encode(name: bytes, data: bytes, label: int):
        os.utime(archives / "ILSVRC2012_img_train.tar", (1, 1))
        return train.encode(name, data, label)

    with pytest.raises(SourceError, match="train.tar has changed since it was indexed. Run the command again"):
        writer.finish_shard(dataclasses.replace(train, encode=encode))
    assert os.listdir(os.path.dirname(train.path)) == []


def test_missing_folder_is_a_destination_error(train):
    with pytest.raises(
        DestinationError, match="cannot be written: No such file or directory.*Finished shards are kept"
    ):
        writer.finish_shard(dataclasses.replace(train, path=train.path + "/below/train.tfrecord"))


# Writes a source's train split in shards under a limit for the size of files, as a full disk would end it.
LIMITED = """
import resource, sys
from ilsvrc_tfds import errors
from ilsvrc_tfds.shards import plan, writer
from ilsvrc_tfds.images import Original
from ilsvrc_tfds.shards.encoders import TfdsExample
from ilsvrc_tfds.sources import find_layout, index_images
source, folder, file_format, limit = sys.argv[1:]
members = index_images(find_layout([source])).splits["train"]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    for shard in plan.plan_split(members, num_shards=2).shards():
        task = writer.ShardTask(shard, f"{folder}/{shard.index}", TfdsExample(Original()), file_format)
        print(writer.finish_shard(task).file_bytes)
except errors.DestinationError as error:
    print(error)
"""


def write_limited(source: Path, folder: Path, file_format: str, limit: int) -> list[str]:
    """Returns what was printed: the size of each shard, or the error."""
    command = [sys.executable, "-c", LIMITED, str(source), str(folder), file_format, str(limit)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
@pytest.mark.slow
def test_full_disk_keeps_finished_shards_alone_and_the_next_run_continues(tmp_path, file_format):
    images = drawing.miniature(train=30)
    images.train["n01491361"]["n01491361_100000.JPEG"] = drawing.jpeg(600, 600, quality=100)
    source, out, other = drawing.official_archives(tmp_path / "source", images), tmp_path / "out", tmp_path / "other"
    out.mkdir(), other.mkdir()
    sizes = list(map(int, write_limited(source, other, file_format, -1)))
    # Which of both has the large image follows from md5; the limit lets the first through only if it is the smaller.
    lines = write_limited(source, out, file_format, max(sizes) - 1)
    assert (
        "cannot be written" in lines[-1] and "File too large" in lines[-1] and "run the same command again" in lines[-1]
    )
    finished = len(lines) - 1
    assert sorted(os.listdir(out)) == ["0", "0.json"] * finished
    assert list(map(int, write_limited(source, out, file_format, -1))) == sizes
    assert (out / "1").read_bytes() == (other / "1").read_bytes() or file_format != "tfrecord"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_full_file_system_is_a_destination_error(train, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", small], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(
            DestinationError,
            match="No space left on device. The file system is full.*Finished shards are kept: run the same",
        ):
            writer.finish_shard(dataclasses.replace(train, path=str(small / "train.tfrecord")))
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_worker_that_writes_tfrecord_loads_nothing_heavy(archives, tmp_path):
    code = LIMITED + "print({'tensorflow', 'h5py', 'dask', 'rich'} & set(sys.modules))"
    command = [sys.executable, "-c", code, str(archives), str(tmp_path), "tfrecord", "-1"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[-1] == "set()" and len(lines) == 3


def test_same_images_make_the_same_shard_from_tars_and_folders(train, images, tmp_path):
    writer.finish_shard(train)
    other = task(drawing.folders(tmp_path / "folders", images), tmp_path / "other")
    writer.finish_shard(other)
    assert Path(other.path).read_bytes() == Path(train.path).read_bytes()
    assert np.array_equal(other.shard.members.name, train.shard.members.name)
