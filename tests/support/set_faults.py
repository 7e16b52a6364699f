"""A whole set in a folder, and faults to be put into a copy of it."""

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
from tensorflow_datasets.proto import tf_example_pb2

from ilsvrc_tfds.checks.findings import Report
from ilsvrc_tfds.checks.verify import verify
from ilsvrc_tfds.formats.naming import shard_name
from ilsvrc_tfds.formats.tfrecord import frame, read_records, read_spans

COUNTS = {"train": 4, "val": 2}  # shards, of 12 and 6 records
KEYS = {
    "tfds": {"name": "file_name", "image": "image", "label": "label"},
    "classic": {"name": "image/filename", "image": "image/encoded", "label": "image/class/label"},
}


# What the lines about a fault begin with, or hold.
MANIFEST, INFO, SYNSETS = "manifest.json says", "dataset_info.json says", "metadata.h5: n01"


@dataclasses.dataclass(frozen=True)
class Set:
    """A folder of shards to be damaged; record 3 of the second train shard is the one that faults are done to."""

    kind: str
    folder: Path

    def shard(self, index: int = 1, split: str = "train") -> Path:
        return self.folder / shard_name(self.kind, split, index, COUNTS[split])

    def payloads(self, index: int = 1, split: str = "train") -> list[bytes]:
        return [record.payload for record in read_records(self.shard(index, split))]

    def write(self, payloads: list[bytes], index: int = 1, split: str = "train") -> None:
        self.shard(index, split).write_bytes(b"".join(piece for payload in payloads for piece in frame([payload])))

    def change(self, change: Callable, index: int = 1) -> None:
        """Changes the features of record 3, its checksums right."""
        payloads = self.payloads(index)
        example = tf_example_pb2.Example.FromString(payloads[3])
        change(example.features.feature, KEYS[self.kind])
        self.write([*payloads[:3], example.SerializeToString(deterministic=True), *payloads[4:]], index)

    def change_bytes(self, change: Callable[[bytearray, int, int], object]) -> None:
        """Changes the bytes of the shard: `change(data, offset, size)` has offset and size of record 3."""
        data = bytearray(self.shard().read_bytes())
        change(data, *read_spans(self.shard())[3])
        self.shard().write_bytes(data)

    def place(self, number: int = 3, index: int = 1) -> str:
        """Returns the words for a record's place, as a pattern."""
        offset, _ = read_spans(self.shard(index))[number]
        return re.escape(f"{self.shard(index).name}: record {number}, byte {offset:,}: ")


def report_of(folder: str | os.PathLike, **options) -> Report:
    return verify(folder, **{"workers": 1, **options})


def flip(position: Callable[[int, int], int]) -> Callable[[Set], None]:
    """Returns the fault of a changed bit, in the byte of record 3 that follows from its offset and size."""

    def flip_bit(data: bytearray, offset: int, size: int) -> None:
        data[position(offset, size)] ^= 1

    return lambda shards: shards.change_bytes(flip_bit)


def cut(position: Callable[[int, int], int]) -> Callable[[Set], None]:
    """Returns the fault of a file that ends early."""

    def cut_off(data: bytearray, offset: int, size: int) -> None:
        del data[position(offset, size) :]

    return lambda shards: shards.change_bytes(cut_off)


def put(key: str, value: bytes | int | Callable[[bytes], bytes]) -> Callable[[Set], None]:
    """Returns the fault of another value of a feature in record 3; `name`, `image`, `label` name those of either kind."""

    def put_value(features, keys) -> None:
        feature = features[keys.get(key, key)]
        values = feature.int64_list.value if isinstance(value, int) else feature.bytes_list.value
        values[0] = value(values[0]) if callable(value) else value

    return lambda shards: shards.change(put_value)


def without(key: str) -> Callable[[Set], None]:
    return lambda shards: shards.change(lambda features, keys: features.pop(keys.get(key, key)))


def as_text(features, keys) -> None:
    label = features[keys["label"]]
    label.bytes_list.value[:] = [b"%d" % label.int64_list.value[0]]


def doubled_value(features, keys) -> None:
    features[keys["name"]].bytes_list.value.append(b"another.JPEG")


def stranger(features, keys) -> None:
    features["caption"].bytes_list.value.append(b"a tench")


def boxes(**values) -> Callable[[Set], None]:
    """Returns the fault of other boxes in record 3."""

    def put_boxes(features, keys) -> None:
        whole = {"xmin": [0.25], "ymin": [0.25], "xmax": [0.5], "ymax": [0.5]}
        for corner, numbers in {**whole, **values}.items():
            if corner != "label":
                features[f"image/object/bbox/{corner}"].float_list.value[:] = numbers
        label = values.get("label", features["image/class/label"].int64_list.value)
        features["image/object/bbox/label"].int64_list.value[:] = label

    return lambda shards: shards.change(put_boxes)


def removed(shards: Set) -> None:
    payloads = shards.payloads()
    shards.write(payloads[:3] + payloads[4:])


def doubled(shards: Set) -> None:
    payloads = shards.payloads()
    shards.write(payloads[:4] + payloads[3:])


def exchanged(shards: Set) -> None:
    here, there = shards.payloads(1), shards.payloads(2)
    here[3], there[5] = there[5], here[3]
    shards.write(here, 1)
    shards.write(there, 2)


def moved_from_val(shards: Set) -> None:
    *rest, last = shards.payloads(1, "val")
    shards.write(rest, 1, "val")
    shards.write([*shards.payloads()[:3], last, *shards.payloads()[3:]])


def swapped(shards: Set) -> None:
    here, there = shards.shard(1).read_bytes(), shards.shard(2).read_bytes()
    shards.shard(1).write_bytes(there)
    shards.shard(2).write_bytes(here)


def renumbered(shards: Set) -> None:
    """Adds 1 to every label."""
    for split, count in COUNTS.items():
        for index in range(count):
            examples = [tf_example_pb2.Example.FromString(payload) for payload in shards.payloads(index, split)]
            for example in examples:
                example.features.feature[KEYS[shards.kind]["label"]].int64_list.value[0] += 1
            shards.write([example.SerializeToString(deterministic=True) for example in examples], index, split)


def unlink(name: str) -> Callable[[Set], None]:
    return lambda shards: (shards.folder / name.format(shard=shards.shard().name)).unlink()


def write(name: str, text: str) -> Callable[[Set], object]:
    return lambda shards: (shards.folder / name.format(shard=shards.shard().name)).write_text(text)


def in_json(name: str, change: Callable[[dict], object]) -> Callable[[Set], None]:
    """Returns the fault of another JSON file."""

    def change_json(shards: Set) -> None:
        values = json.loads((shards.folder / name).read_text())
        change(values)
        (shards.folder / name).write_text(json.dumps(values))

    return change_json


def in_info(change: Callable[[dict], object], split: int = 0) -> Callable[[Set], None]:
    return in_json("dataset_info.json", lambda info: change(info["splits"][split]))


def in_metadata(change: Callable[[h5py.Group], object]) -> Callable[[Set], None]:
    def change_hdf5(shards: Set) -> None:
        with h5py.File(shards.folder / "metadata.h5", "r+") as file:
            change(file)

    return change_hdf5


def renamed_row(file: h5py.Group) -> None:
    file["train/image_filenames"][0, 20] = ord("7")  # train/n01440764/n01440764_10.JPEG


def another_shard(name: str) -> Callable[[Set], object]:
    return lambda shards: shutil.copy(shards.shard(), shards.folder / name)
