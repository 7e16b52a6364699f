"""Every kind of fault, put into a copy of a whole set: what `verify` reports, and that it reports nothing of whole sets."""

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import drawing
import h5py
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_pb2

import ilsvrc_tfds
from ilsvrc_tfds import Ilsvrc2012
from ilsvrc_tfds.checks.findings import Report
from ilsvrc_tfds.checks.verify import verify
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats.naming import shard_name
from ilsvrc_tfds.formats.tfrecord import frame, read_records, read_spans
from ilsvrc_tfds.sources import find_layout, index_images

COUNTS = {"train": 4, "val": 2}  # shards, of 12 and 6 records
KEYS = {
    "tfds": {"name": "file_name", "image": "image", "label": "label"},
    "classic": {"name": "image/filename", "image": "image/encoded", "label": "image/class/label"},
}


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


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> dict[str, Set]:
    """A whole prepared set and a whole export, with boxes."""
    folder = tmp_path_factory.mktemp("whole")
    source = drawing.official_archives(folder / "source", drawing.miniature(train=16, val=4))
    options = {"workers": 1, "allow_incomplete": True, "num_shards": COUNTS}
    prepared = ilsvrc_tfds.prepare(source, folder / "data", **options)
    raw = ilsvrc_tfds.prepare(source, folder / "data", config="raw256", **options)
    boxes = folder / "LOC_train_solution.csv"
    names = [f"{drawing.WNIDS[1]}_{k}" for k in range(9, 25)]
    rows = "".join(f"{name},{drawing.WNIDS[1]} 10 0 20 30 {drawing.WNIDS[1]} 1 2 3 4 \n" for name in names)
    boxes.write_text(f"ImageId,PredictionString\n{rows}")
    exported = ilsvrc_tfds.export(source, folder / "out", bbox=[boxes], **options)
    return {
        "prepared": Set("tfds", Path(prepared.data_dir)),
        "raw256": Set("tfds", Path(raw.data_dir)),
        "exported": Set("classic", exported),
    }


@pytest.fixture
def copy_of(whole, tmp_path):
    """Copies a whole set, with its manifest or without."""

    def copied(name: str, with_manifest: bool = True) -> Set:
        folder = shutil.copytree(whole[name].folder, tmp_path / "copy")
        if not with_manifest:
            (folder / "manifest.json").unlink()
        return Set(whole[name].kind, folder)

    return copied


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


# The faults of single records and what is said of them where `{here}` is their place, whatever the set.
RECORD_FAULTS = {
    "bit of the image": (flip(lambda offset, size: offset + size // 2), "{here}its data does not match the checksum"),
    "bit of the data's checksum": (
        flip(lambda offset, size: offset + size - 2),
        "{here}the checksum of its data is damaged",
    ),
    "bit of the length": (flip(lambda offset, size: offset), "{here}its length is damaged: it states"),
    "bit of the length's checksum": (
        flip(lambda offset, size: offset + 9),
        "{here}the checksum of its length is damaged",
    ),
    "cut in a header": (
        cut(lambda offset, size: offset + 7),
        "{here}the file ends inside a header, or 7 bytes were app",
    ),
    "cut in the data": (cut(lambda offset, size: offset + 200), "{here}the file ends inside its data, .* bytes early"),
    "cut in a footer": (
        cut(lambda offset, size: offset + size - 1),
        "{here}the file ends inside the checksum of its data",
    ),
    "foreign record": (
        lambda shards: shards.write([*shards.payloads()[:3], b"\xff no example", *shards.payloads()[4:]]),
        "{here}its payload is not a tf.train.Example",
    ),
    "empty record": (
        lambda shards: shards.write([*shards.payloads()[:3], b"", *shards.payloads()[4:]]),
        "{here}it has no (file_name; it has no image; it has no label|image/channels; it has no image/class/label; .*)$",
    ),
    "wrong label": (put("label", 7), "{here}n01.* has the label 7, expected [0-4] .n01"),
    "label that is none": (put("label", 1001), "{here}n01.* has the label 1001, expected"),
    "wrong file name": (
        put("name", b"n02123045_1.JPEG"),
        "{here}(n02123045_1.JPEG has the label|its image/class/synset is)",
    ),
    "path for a file name": (
        put("name", b"train/n01440764_9.JPEG"),
        "{here}its .*name is b'train/n0.*', which is not a file name",
    ),
    "key missing": (without("label"), "{here}it has no (image/class/)?label"),
    "key of the image missing": (without("image"), "{here}it has no image"),
    "key of another type": (
        lambda shards: shards.change(as_text),
        "{here}its (image/class/)?label is bytes, expected int64",
    ),
    "two values": (lambda shards: shards.change(doubled_value), "{here}its .*name has 2 values, expected 1"),
    "image cut short": (
        put("image", lambda data: data[:-100]),
        "{here}its image: the JPEG ends early: it has no end marker",
    ),
    "text for an image": (
        put("image", b"Not found"),
        "{here}its image: neither JPEG nor PNG: it begins with b'Not foun'",
    ),
    "PNG": (put("image", drawing.png()), "{here}its image is a PNG of 4 components"),
    "CMYK": (put("image", drawing.jpeg(mode="CMYK")), "{here}its image is a JPEG of 4 components"),
}
CLASSIC_FAULTS = {
    "synset of another class": (
        put("image/class/synset", b"n02123045"),
        "{here}its image/class/synset is n02123045, its fil",
    ),
    "unknown synset": (
        put("image/class/synset", b"n99999999"),
        "{here}its image/class/synset b'n99999999' is not one of",
    ),
    "words of another class": (
        put("image/class/text", b"tabby"),
        "{here}its image/class/text is b'tabby'; the words of n01",
    ),
    "height": (
        put("image/height", 7),
        "{here}its image has .* pixels, its image/width and image/height say [0-9]+ x 7",
    ),
    "channels": (put("image/channels", 1), "{here}its image/channels is 1, expected 3"),
    "format": (put("image/format", b"PNG"), "{here}its image/format is b'PNG', expected b'JPEG'"),
    "box outside": (
        boxes(xmax=[1.5]),
        r"{here}it has the box \(xmin, ymin, xmax, ymax\) = \(0.25, 0.25, 1.5, 0.5\); expected 0",
    ),
    "box the wrong way round": (boxes(xmin=[0.75]), r"{here}it has the box .*\(0.75, 0.25, 0.5, 0.5\)"),
    "box of no numbers": (boxes(ymin=[float("nan")]), r"{here}it has the box .*nan"),
    "boxes of unequal number": (boxes(xmin=[0.1, 0.2]), "{here}its boxes have 2, 1, 1, 1, 1 values of xmin"),
    "box of another class": (boxes(label=[7]), r"{here}its boxes have the labels \[7\], the image has"),
}


@pytest.mark.parametrize("with_manifest", [True, False], ids=["manifest", "no manifest"])
@pytest.mark.parametrize(
    "name, fault",
    [(name, fault) for name in ("prepared", "exported") for fault in RECORD_FAULTS]
    + [("exported", fault) for fault in CLASSIC_FAULTS],
)
def test_fault_of_a_record_is_named_with_its_place(name, fault, with_manifest, copy_of):
    shards = copy_of(name, with_manifest)
    damage, message = (RECORD_FAULTS | CLASSIC_FAULTS)[fault]
    pattern, shard = message.format(here=shards.place()), shards.shard().name
    damage(shards)
    problems = report_of(shards.folder).problems
    assert any(re.match(pattern, problem) for problem in problems), problems
    assert any("manifest.json says" in problem for problem in problems) == with_manifest
    assert all(
        problem.startswith((shard, "metadata.h5: n01", "dataset_info.json: train", "train: ")) for problem in problems
    )


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


MANIFEST, INFO, SYNSETS = "manifest.json says", "dataset_info.json says", "metadata.h5: n01"
# The faults of shards and folders. All lines that are said of them match these patterns, and each pattern one of them: what
# only the manifest tells, what is said with it and without it, and what is said without it. `{n}` is shard n of train.
PREPARED_FAULTS = {
    "record removed": (
        removed,
        [f"{{1}}: it has 11 records, {MANIFEST} 12", f"{{1}}: it has [0-9,]+ bytes, {MANIFEST}"],
        [
            f"{{1}}: it has 11 records, {INFO} 12",
            "dataset_info.json: train has [0-9,]+ bytes of data; there are [0-9,]+",
            "metadata.h5: n01.* is in no whole record of train",
        ],
    ),
    "record doubled": (
        doubled,
        [f"{{1}}: it has 13 records, {MANIFEST} 12", f"{{1}}: it has [0-9,]+ bytes, {MANIFEST}"],
        [
            f"{{1}}: it has 13 records, {INFO} 12",
            "{1}: record 4, byte [0-9,]+: n01.* occurs twice, first as {1}: record 3, byte",
            "dataset_info.json: train has [0-9,]+ bytes of data; there are [0-9,]+",
        ],
    ),
    "two records exchanged": (
        exchanged,
        [f"{{1}}: its xxh3_64 is .*, {MANIFEST}|{{1}}: it has [0-9,]+ bytes, {MANIFEST}", f"{{2}}: .*, {MANIFEST}"],
        ["{1}: record 4, byte [0-9,]+: n01.* does not belong after n01.*{1}: record 3,", "{2}: record 5, byte .* after"],
    ),
    "record of another split": (
        moved_from_val,
        [f"{{1}}: .*, {MANIFEST}", f".*-val.*: .*, {MANIFEST}"],
        [
            f"{{1}}: it has 13 records, {INFO} 12",
            ".*-val.*: it has 5 records, dataset_info.json says 6",
            "dataset_info.json: (train|val) has",
            "{1}: record [34], .* does not belong after",
            "{1}: record 3, .*: ILSVRC2012_val_.* has the form of another split's name",
            "{1}: record 3, byte [0-9,]+: ILSVRC2012_val_.* is not in metadata.h5",
            "metadata.h5: ILSVRC2012_val_.* is in no whole record of val",
        ],
    ),
    "two shards exchanged": (
        swapped,
        [f"{{1}}: .*, {MANIFEST}", f"{{2}}: .*, {MANIFEST}"],
        [r"{2}: record 0, byte 0: n01.* does not belong after n01.* \({1}: record 11, byte"],
    ),
    "labels from 1": (
        renumbered,
        [f".*: its xxh3_64 is .*, {MANIFEST}"],
        [r"labels are the class index \+ 1, according to most file names; expected \+ 0"],
    ),
    "shard missing": (unlink("{shard}"), [], ["{1} is missing", SYNSETS]),
    "shard without records": (
        write("{shard}", ""),
        [f"{{1}}: it has 0 records, {MANIFEST} 12", f"{{1}}: it has 0 bytes, {MANIFEST} [0-9,]+"],
        [f"{{1}}: it has 0 records, {INFO} 12", SYNSETS, "dataset_info.json: train has"],
    ),
    "bytes appended": (
        lambda shards: shards.change_bytes(lambda data, *place: data.extend(b"garbage" * 9)),
        [f"{{1}}: it has [0-9,]+ bytes, {MANIFEST}", f"{{1}}: it has 13 records, {MANIFEST} 12"],
        ["{1}: record 12, byte [0-9,]+: 63 bytes are not a record, up to the file's end", f"{{1}}: it has 13 .*{INFO} 12"],
    ),
    "shard of another number": (
        lambda shards: shards.shard().rename(shards.folder / "ilsvrc2012-train.tfrecord-00009-of-00004"),
        [],
        ["{1} is missing", "ilsvrc2012-train.tfrecord-00009-of-00004 is a shard that does not belong to this set", SYNSETS],
    ),
    "shards of another set": (
        another_shard("ilsvrc2012-train.tfrecord-00001-of-00005"),
        [],
        ["ilsvrc2012-train.tfrecord-00001-of-00005 is a shard that does not belong to this set"],
    ),
    "unfinished file": (
        another_shard("ilsvrc2012-train.tfrecord-00001-of-00004.12ab.partial"),
        [],
        ["{1}.12ab.partial was left over by a run that was stopped"],
    ),
    "info missing": (unlink("dataset_info.json"), [], ["dataset_info.json is missing"]),
    "info damaged": (write("dataset_info.json", "{"), [], [".*dataset_info.json makes no sense .JSONDecodeError"]),
    "info of other shards": (
        in_info(lambda split: split.update(shardLengths=["11", "13", "12", "12"])),
        [],
        [f"{{0}}: it has 12 records, {INFO} 11", f"{{1}}: it has 12 records, {INFO} 13"],
    ),
    "info of other bytes": (
        in_info(lambda split: split.update(numBytes="7")),
        [],
        ["dataset_info.json: train has 7 bytes of data; there are [0-9,]+"],
    ),
    "metadata damaged": (write("metadata.h5", "HDF5"), [], [".*metadata.h5 cannot be read as HDF5"]),
    "metadata of another class": (
        in_metadata(lambda file: file["train/object_ids"].__setitem__((0, 1), 7)),
        [],
        [r".*: record [0-9]+, byte [0-9,]+: n01440764_10.JPEG has class 0; metadata.h5 says 7 \(n01514668\)"],
    ),
    "metadata of another image": (
        in_metadata(renamed_row),
        [],
        [
            ".*: record [0-9]+, byte [0-9,]+: n01440764_10.JPEG is not in metadata.h5",
            "metadata.h5: n014.*7.*JPEG is in no whole record of train",
        ],
    ),
    "metadata of fewer splits": (
        in_metadata(lambda file: file.__delitem__("val")),
        [],
        ["metadata.h5 does not have the split: val"],
    ),
    "metadata of other images": (
        in_metadata(lambda file: file["train/image_filenames"].__setitem__((slice(None), 19), ord("x"))),
        [],
        ["metadata.h5: none of its images of train .48. is in a whole record: it belongs to other data"],
    ),
    "metadata of other classes": (
        in_metadata(lambda file: file["train/classes"].__setitem__((0, 8), ord("9"))),
        [],
        ["metadata.h5: the classes of train are not the 1000 of ILSVRC2012 in their order"],
    ),
}  # fmt: skip

EXPORTED_FAULTS = {
    "record removed": (*PREPARED_FAULTS["record removed"][:2], []),  # nothing else tells how many there were
    "record doubled": (*PREPARED_FAULTS["record doubled"][:2], [PREPARED_FAULTS["record doubled"][2][1]]),
    "two records exchanged": PREPARED_FAULTS["two records exchanged"],
    "two shards exchanged": PREPARED_FAULTS["two shards exchanged"],
    "shard missing": (unlink("{shard}"), [], ["{1} is missing"]),
    "shard without records": (
        PREPARED_FAULTS["shard without records"][0],
        PREPARED_FAULTS["shard without records"][1],
        [],
        ["{1}: it has no records"],
    ),
    "several records removed": (
        lambda shards: shards.write(shards.payloads()[:4]),
        [f"{{1}}: it has 4 records, {MANIFEST} 12", f"{{1}}: it has [0-9,]+ bytes, {MANIFEST}"],
        [],
        [
            "train: the shards have 4 to 12 whole records, expected a difference of at most 1: records are missing or "
            "were added"
        ],
    ),
    "record of another split": (
        moved_from_val,
        [f"{{1}}: .*, {MANIFEST}", f"validation-.*: .*, {MANIFEST}"],
        [
            "{1}: record [34], .* does not belong after",
            "{1}: record 3, .*: ILSVRC2012_val_.* has the form of another split's name",
        ],
    ),
    "bytes appended": (*PREPARED_FAULTS["bytes appended"][:2], [PREPARED_FAULTS["bytes appended"][2][0]]),
    "shard of another number": (
        lambda shards: shards.shard().rename(shards.folder / "train-00009-of-00004"),
        [],
        ["{1} is missing", "train-00009-of-00004 is a shard that does not belong to this set"],
    ),
    "unfinished file": (
        another_shard("train-00001-of-00004.12ab.partial"),
        [],
        [r"{1}.12ab.partial was left over by a run that was stopped"],
    ),
}


@pytest.mark.parametrize("with_manifest", [True, False], ids=["manifest", "no manifest"])
@pytest.mark.parametrize(
    "name, fault",
    [("prepared", fault) for fault in PREPARED_FAULTS] + [("exported", fault) for fault in EXPORTED_FAULTS],
)
def test_fault_of_a_folder_is_named_and_nothing_else(name, fault, with_manifest, copy_of):
    shards = copy_of(name, with_manifest)
    damage, by_manifest, always, *otherwise = {"prepared": PREPARED_FAULTS, "exported": EXPORTED_FAULTS}[name][fault]
    names = [shards.shard(index).name for index in range(COUNTS["train"])]
    damage(shards)
    problems = report_of(shards.folder).problems
    patterns = [pattern.format(*names) for pattern in always + (by_manifest if with_manifest else [*chain(*otherwise)])]
    assert all(any(re.match(pattern, problem) for pattern in patterns) for problem in problems), problems
    assert all(any(re.match(pattern, problem) for problem in problems) for pattern in patterns), problems


def in_manifest(change: Callable[[dict], object]) -> Callable[[Set], None]:
    return in_json("manifest.json", change)


# The faults of the manifest itself, likewise; `{n}` as above.
MANIFEST_FAULTS = {
    "damaged": (
        write("manifest.json", '{"format": 1'),
        [".*manifest.json cannot be used: Expecting ',' delimiter.*Make the data"],
    ),
    "of a later version": (
        in_manifest(lambda values: values.update(format=2)),
        [".*manifest.json cannot be used: it has format 2"],
    ),
    "of other digests": (
        in_manifest(lambda values: values["shards"]["train"][1].update(xxh3_64="0123456789abcdef")),
        [f"{{1}}: its xxh3_64 is [0-9a-f]{{{{16}}}}, {MANIFEST} 0123456789abcdef"],
    ),
    "of other sizes": (
        in_manifest(lambda values: values["shards"]["train"][1].update(bytes=7)),
        [f"{{1}}: it has [0-9,]+ bytes, {MANIFEST} 7"],
    ),
    "of other numbers of records": (
        in_manifest(lambda values: values["shards"]["train"][1].update(records=7)),
        [f"{{1}}: it has 12 records, {MANIFEST} 7"],
    ),
    "of other keys": (
        in_manifest(lambda values: values["keys"].update({next(iter(values["keys"])): "float", "caption": "bytes"})),
        [
            ".*record .*: it has no caption",
            "manifest.json: the type of (file_name|image/channels) is float, expected (bytes|int64)",
        ],
    ),
    "of another kind": (
        in_manifest(lambda values: values.update(kind={"tfds": "classic", "classic": "tfds"}[values["kind"]])),
        [
            ".*: record [0-9]+, byte [0-9,]+: it has no",
            ".*dataset_info.json is missing",
            "manifest.json: the type of",
            ".*metadata",
        ],
    ),
    "of another offset": (
        in_manifest(lambda values: values.update(label_offset=1 - values["label_offset"])),
        [r"labels are the class index \+ [01], according to most file names; expected \+ [01]"],
    ),
    "of fewer splits": (
        in_manifest(lambda values: values["shards"].pop("val")),
        [
            ".*val.* is a shard that does not belong to this set",
            "dataset_info.json has the split val",
            "metadata.h5 has a split",
        ],
    ),
    "of more shards": (
        in_manifest(lambda values: values["shards"]["train"].append({**values["shards"]["val"][0], "name": "more"})),
        ["more is missing", "dataset_info.json: train has 4 shards, manifest.json says 5"],
    ),
    "of another size of images": (
        in_manifest(lambda values: values.update(config={"op": "Resized", "shorter_side": 30})),
        [".*: its image has [0-9]+ x [0-9]+ pixels; expected a shorter side of 30"],
    ),
}


@pytest.mark.parametrize("fault", MANIFEST_FAULTS)
@pytest.mark.parametrize("name", ["prepared", "exported"])
def test_fault_of_the_manifest_is_named_and_the_check_goes_on(name, fault, copy_of):
    shards = copy_of(name)
    damage, patterns = MANIFEST_FAULTS[fault]
    damage(shards)
    patterns = [pattern.format(*(shards.shard(index).name for index in range(4))) for pattern in patterns]
    report = report_of(shards.folder)
    assert all(any(re.match(pattern, problem) for pattern in patterns) for problem in report.problems), report.problems
    assert any(re.match(patterns[0], problem) for problem in report.problems), report.problems
    assert any("train: 48 records" in fact for fact in report.facts)


def test_damage_inside_of_an_image_is_found_by_decoding(copy_of):
    shards = copy_of("exported", with_manifest=False)
    put("image", lambda data: data[:-40] + data[-2:])(shards)
    assert report_of(shards.folder).problems == ()
    (problem,) = report_of(shards.folder, decode=True).problems
    assert re.match(shards.place() + "its image: the JPEG ends early", problem)


@pytest.mark.parametrize("with_manifest", [True, False], ids=["manifest", "no manifest"])
def test_image_of_another_size_is_found_in_raw256(with_manifest, copy_of):
    shards = copy_of("raw256", with_manifest)
    place = shards.place()
    put("image", drawing.jpeg(300, 255))(shards)
    problems = report_of(shards.folder).problems
    assert any(
        re.match(place + "its image has 300 x 255 pixels; expected a shorter side of 256$", line) for line in problems
    )


def test_all_of_the_damage_is_listed(copy_of):
    shards = copy_of("prepared", with_manifest=False)
    data = bytearray(shards.shard().read_bytes())
    spans = read_spans(shards.shard())
    for offset, size in spans:
        data[offset + size // 2] ^= 1
    shards.shard().write_bytes(data)
    problems = [line for line in report_of(shards.folder, workers=2).problems if line.startswith(shards.shard().name)]
    places = [f"{shards.shard().name}: record {k}, byte {offset:,}" for k, (offset, _) in enumerate(spans)]
    assert problems == [f"{place}: its data does not match the checksum" for place in places]


@pytest.mark.parametrize("with_manifest", [True, False], ids=["manifest", "no manifest"])
@pytest.mark.parametrize("decode", [True, False], ids=["decode", "no decode"])
@pytest.mark.parametrize("name", ["prepared", "raw256", "exported"])
def test_whole_set_has_no_problems(name, with_manifest, decode, copy_of):
    report = report_of(copy_of(name, with_manifest).folder, decode=decode)
    assert report.problems == ()
    assert (
        any("sizes and digests are not compared: manifest.json is missing" in fact for fact in report.facts)
        != with_manifest
    )


def test_images_that_were_skipped_are_told(tmp_path):
    images = drawing.miniature()
    names = [f"n01443537_{k}.JPEG" for k in (9, 10, 11, 12)]
    images.train["n01443537"].update(dict.fromkeys(names, b"\xff\xd8\xff"))
    source = drawing.official_archives(tmp_path / "source", images)
    out = ilsvrc_tfds.export(source, tmp_path / "out", workers=1, allow_incomplete=True, on_error="skip")
    report = report_of(out)
    shown = ", ".join(f"n01443537_{k}.JPEG" for k in (12, 11, 10))  # in the order of records
    assert f"train: 4 damaged images were skipped when it was made: {shown} and 1 more" in report.facts
    assert report.problems == ()


def test_facts_tell_what_there_is(whole):
    folder = whole["raw256"].folder
    assert (
        report_of(folder).facts[0] == f"{folder}: a prepared data set, tfrecord (images: shorter side 256, quality 95)"
    )
    facts = "\n".join(report_of(whole["exported"].folder).facts)
    pattern = (
        "train: 48 records of 3 classes .16 each., [0-9,]+ bytes in 4 shards .12 records each.; official: 1,281,167"
    )
    assert re.search(pattern, facts)
    assert "labels are the class index + 1" in facts and "test: not there" in facts


def test_split_that_is_not_there_hides_no_other(archives, tmp_path):
    options = {"splits": ["val"], "num_shards": {"val": 1}, "workers": 1, "allow_incomplete": True}
    train, val, test, _ = report_of(ilsvrc_tfds.export(archives, tmp_path / "out", **options)).facts[-4:]
    assert (train, test) == ("train: not there", "test: not there")
    assert re.fullmatch(
        r"val: 6 records of 3 classes \(2 each\), [0-9,]+ bytes in 1 shard \(6 records each\); official: 50,000", val
    )


@pytest.mark.parametrize("offset", [0, 1])
def test_label_offset_is_told_where_no_manifest_says_it(offset, archives, tmp_path):
    out = ilsvrc_tfds.export(archives, tmp_path / "out", label_offset=offset, workers=1, allow_incomplete=True)
    assert report_of(out).problems == ()
    (out / "manifest.json").unlink()
    report = report_of(out)
    assert report.problems == ()
    assert (
        f"labels are the class index + {offset}, according to the file names and synsets: there is no manifest"
        in report.facts
    )


@pytest.fixture
def own_layout(tmp_path) -> Path:
    """Returns a source with a test split, and with images under names of the user's own."""
    folder = drawing.folders(tmp_path / "own", drawing.miniature(test=3), val_in_classes=True)
    for wnid in drawing.WNIDS:
        (folder / f"val/{wnid}/{wnid}_mine.JPEG").write_bytes(drawing.jpeg())
        (folder / f"train/{wnid}/mine {wnid}.jpg").write_bytes(drawing.jpeg())
    return folder


@pytest.mark.parametrize("with_manifest", [True, False], ids=["manifest", "no manifest"])
@pytest.mark.parametrize("exports", [True, False], ids=["exported", "prepared"])
def test_own_layout_has_no_problems(own_layout, exports, with_manifest, prepare, tmp_path):
    if exports:
        folder = ilsvrc_tfds.export(own_layout, tmp_path / "out", workers=1, allow_incomplete=True)
    else:
        folder = prepare(source=own_layout).data_path
    if not with_manifest:
        os.unlink(folder / "manifest.json")
    assert report_of(folder).problems == ()


def test_names_of_another_split_are_a_problem_where_this_package_made_the_set(archives, prepare, tmp_path):
    index = index_images(find_layout([archives]))
    train = index.splits["train"]  # as version 1.0 took a validation split of train images
    swapped = dataclasses.replace(index, splits={"train": train, "val": dataclasses.replace(train, split="val")})
    prepared = prepare(source=swapped).data_path
    expected = "val: 12 names have the form of another split's: n01"
    assert [line for line in report_of(prepared).problems if line.startswith(expected)] == list(
        report_of(prepared).problems
    )
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 1, "val": 1}}
    with pytest.raises(SourceError, match="12 of 12 records are not of the split val"):
        ilsvrc_tfds.export(prepared, tmp_path / "out", **options)
    exported = ilsvrc_tfds.export(archives, tmp_path / "out", **options)
    shutil.copy(exported / "train-00000-of-00001", exported / "validation-00000-of-00001")
    os.unlink(exported / "manifest.json")  # of others it is not known whether they want it so
    report = report_of(exported)
    assert report.problems == () and any(fact.startswith(expected) for fact in report.facts)


def restated(folder: Path, boxes) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "boxes": boxes}))


def test_share_of_records_with_boxes_is_compared_with_the_manifest(copy_of):
    folder = copy_of("exported").folder
    lines = ["train: 16 of 48 images have bounding boxes, 33.3%", "val: 0 of 12 images have bounding boxes, 0.0%"]
    assert [fact for fact in report_of(folder).facts if "bounding boxes" in fact] == lines
    restated(folder, {"train": 17, "val": 0})
    assert report_of(folder).problems == (f"{lines[0]}, {MANIFEST} 17",)
    restated(folder, None)  # as version 1.0 wrote it
    report = report_of(folder)
    assert report.problems == () and [fact for fact in report.facts if "bounding boxes" in fact] == lines[:1]


def test_share_of_boxes_is_not_compared_where_records_are_damaged(copy_of):
    shards = copy_of("exported")
    flip(lambda offset, size: offset + size // 2)(shards)
    assert not any("bounding boxes" in problem for problem in report_of(shards.folder).problems)


def test_records_of_the_base_class_writer_have_no_problems(archives, tmp_path):
    base = Ilsvrc2012(source=archives, data_dir=tmp_path / "base")
    base.data_path.mkdir(parents=True)
    config = tfds.download.DownloadConfig()
    tfds.core.GeneratorBasedBuilder._download_and_prepare(base, base._make_download_manager(None, config), config)
    base.info.write_to_directory(base.data_path)
    report = report_of(base.data_path)
    assert report.problems == ()
    assert "names and classes are not compared with metadata.h5: it is missing" in report.facts


def test_other_formats_are_compared_as_whole_files(prepare):
    folder = Path(prepare(file_format="array_record", num_shards={"train": 2}).data_dir)
    report = report_of(folder)
    assert report.problems == ()
    assert (
        "records are not read: the format is array_record, of which only whole files are compared; `doctor --decode` "
        "reads them"
    ) in report.facts
    shard = folder / "ilsvrc2012-train.array_record-00001-of-00002"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    (problem,) = report_of(folder).problems
    assert re.match(f"{shard.name}: its xxh3_64 is [0-9a-f]{{16}}, {MANIFEST} [0-9a-f]{{16}}", problem)
    (folder / "manifest.json").unlink()
    (problem,) = report_of(folder).problems
    assert problem.startswith("nothing could be compared: records in array_record are not read")


def test_foreign_records_are_judged_by_less(copy_of):
    shards = copy_of("exported", with_manifest=False)
    for index in range(4):  # no boxes, keys of their own, and in another order
        examples = [tf_example_pb2.Example.FromString(payload) for payload in reversed(shards.payloads(index))]
        for example in examples:
            for key in [key for key in example.features.feature if "bbox" in key]:
                del example.features.feature[key]
            stranger(example.features.feature, KEYS["classic"])
        shards.write([example.SerializeToString() for example in examples], index)
    report = report_of(shards.folder)
    assert report.problems == ()
    fact = "train: the records are in another order than TFDS's, so the order is not checked"
    assert fact in report.facts


@pytest.mark.parametrize("name", ["prepared", "exported"])
def test_key_that_is_not_expected_is_a_problem_where_the_keys_are_known(name, copy_of):
    shards = copy_of(name)
    place = shards.place()
    shards.change(stranger)
    assert any(
        re.match(place + "it has the key 'caption', which is not", line) for line in report_of(shards.folder).problems
    )


def test_two_workers_say_the_same(copy_of):
    shards = copy_of("prepared")
    removed(shards)
    flip(lambda offset, size: offset + size // 2)(shards)
    assert report_of(shards.folder, workers=2) == report_of(shards.folder)


def test_shard_that_cannot_be_read_is_a_problem(copy_of, permissions_count):
    shards = copy_of("exported")
    shards.shard().chmod(0)
    (problem,) = report_of(shards.folder).problems
    assert re.match(f"{shards.shard().name}: .* cannot be read: Permission denied", problem)


def test_image_is_found_among_features_in_any_order_and_form(copy_of):
    shards = copy_of("exported", with_manifest=False)
    features = tf_example_pb2.Example.FromString(shards.payloads()[3]).features.feature
    entries = [tf_example_pb2.Example() for _ in features]
    for example, key in zip(entries, sorted(features, reverse=True)):
        example.features.feature[key].CopyFrom(features[key])
    # An example is the concatenation of examples of its entries: the image's is not where one writer puts it.
    payloads = shards.payloads()
    payloads[3] = b"".join(example.SerializeToString() for example in entries)
    shards.write(payloads)
    assert report_of(shards.folder).problems == ()


@pytest.mark.parametrize(
    "names, message",
    [
        ([], "holds no shards. Expected ilsvrc2012-train"),
        (["train-00000-of-00003", "train-00000-of-00002"], "holds the shards of several sets .*train in 2, 3 shards"),
    ],
)
def test_folders_that_hold_no_set_are_errors(names, message, tmp_path):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(SourceError, match=message):
        verify(tmp_path)


def test_split_without_any_shard_is_a_problem(copy_of):
    shards = copy_of("prepared")
    for index in range(COUNTS["val"]):
        shards.shard(index, "val").unlink()
    report = report_of(shards.folder)
    names = [f"{shards.shard(index, 'val').name} is missing" for index in range(COUNTS["val"])]
    assert list(report.problems) == [
        *names,
        "metadata.h5: none of its images of val (12) is in a whole record",
    ]


def test_folder_in_place_of_a_shard_is_a_problem(copy_of):
    shards = copy_of("exported")
    shards.shard().unlink()
    shards.shard().mkdir()
    assert report_of(shards.folder).problems == (f"{shards.shard().name} is missing",)
