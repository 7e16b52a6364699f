"""`manifest.json`: what a folder of shards holds, how its records read, and each shard's digest.

    {"format": 1, "kind": "classic", "file_format": "tfrecord", "config": {"name": "raw256", …},
     "keys": {"image/encoded": "bytes", …}, "label_offset": 1, "classes": "<sha256 of the 1000 wnids>",
     "boxes": {"train": 544546, …},
     "shards": {"train": [{"name": "train-00000-of-01024", "records": 1251, "bytes": 55044000, "xxh3_64": "…"}, …], …}}

Written last: where it lies, the folder is whole. Fields that are not known are passed over when it is read, so that later
versions may add some; what changes the meaning of one gets another format number.
"""

import dataclasses
import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, unreadable
from ilsvrc_tfds.formats.kinds import KINDS
from ilsvrc_tfds.storage.files import write_whole
from ilsvrc_tfds.storage.regular import open_regular

NAME = "manifest.json"

_FORMAT = 1
_TYPES = ("bytes", "float", "int64")
# One of 1152 shards has 150 KB.
_MAX_BYTES = 64 << 20
# Fields that version 1.0.0 did not write.
_LATER_FIELDS = ("boxes", "skipped")
# No separator, no `..`, nothing hidden: a shard lies in the folder of its manifest.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_DIGEST = re.compile(r"[0-9a-f]{16}")


@dataclasses.dataclass(frozen=True)
class ShardEntry:
    """One shard. Raises ValueError for values that cannot be one's.

    Attributes:
      name: of the file, in the manifest's folder.
      records: in it.
      bytes: of the file.
      xxh3_64: XXH3 (64 bits) of the file, hexadecimal.
    """

    name: str
    records: int
    bytes: int
    xxh3_64: str

    def __post_init__(self):
        _require(isinstance(self.name, str) and _FILE_NAME.fullmatch(self.name), "a shard's name", self.name)
        _require(_is_count(self.records), f"records of {self.name}", self.records)
        _require(_is_count(self.bytes), f"bytes of {self.name}", self.bytes)
        _require(
            isinstance(self.xxh3_64, str) and _DIGEST.fullmatch(self.xxh3_64), f"xxh3_64 of {self.name}", self.xxh3_64
        )


def shard_entries(names: Iterable[str], receipts: Iterable) -> tuple[ShardEntry, ...]:
    """Returns the entries of shards by their names and the receipts of their writing (`shards.Receipt`)."""
    return tuple(ShardEntry(name, r.records, r.file_bytes, r.digest) for name, r in zip(names, receipts, strict=True))


@functools.cache
def classes_digest() -> str:
    """Returns the sha256 of the 1000 wnids in the order of their index, a line each; hexadecimal."""
    return hashlib.sha256("".join(f"{wnid}\n" for wnid in synsets.wnids()).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a folder of shards holds. Raises ValueError for values that make no sense.

    Attributes:
      kind: `tfds` for a prepared data set, `classic` for exported TFRecords.
      file_format: `tfrecord`, or another of TFDS's.
      config: what became of the images, in JSON's types: `{"op": "Resized", "shorter_side": 256, "quality": 95}`.
      keys: of the records, and the type of each: `bytes`, `float`, `int64`.
      label_offset: a record's label is the class index plus this; -1 in the test split.
      shards: of each split, in order. Splits have the data set's own names: train, val, test.
      classes: `classes_digest()`.
      boxes: of each split, the number of records with bounding boxes; None, and not in the file, where none were asked for.
      skipped: Images of each split that were left out because they are damaged: the reason by file name.
    """

    kind: str
    file_format: str
    config: Mapping[str, object]
    keys: Mapping[str, str]
    label_offset: int
    shards: Mapping[str, tuple[ShardEntry, ...]]
    classes: str = dataclasses.field(default_factory=classes_digest)
    boxes: Mapping[str, int] | None = None
    skipped: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        _require(self.kind in KINDS, "kind", self.kind)
        _require(isinstance(self.file_format, str), "file_format", self.file_format)
        _require(isinstance(self.config, Mapping), "config", self.config)
        _require(
            isinstance(self.keys, Mapping) and all(kind in _TYPES for kind in self.keys.values()), "keys", self.keys
        )
        _require(_is_count(self.label_offset) and self.label_offset <= 1, "label_offset", self.label_offset)
        _require(
            bool(self.shards) and set(self.shards) <= set(synsets.OFFICIAL_COUNTS), "the splits", list(self.shards)
        )
        _require(self.classes == classes_digest(), "classes (the digest of ILSVRC2012's 1000)", self.classes)
        _require(is_skipped(self.skipped), "skipped", self.skipped)
        names = [shard.name for shards in self.shards.values() for shard in shards]
        _require(len(set(names)) == len(names), "the names of shards (one comes twice)", names)
        for split, count in {} if self.boxes is None else self.boxes.items():
            shards = self.shards.get(split)
            most = synsets.OFFICIAL_COUNTS.get(split, 0) if shards is None else sum(shard.records for shard in shards)
            _require(_is_count(count) and count <= most, f"boxes of {split}", count)


def boxes_in_words(count: int, records: int) -> str:
    """Returns how many of so many records have bounding boxes, in words."""
    return f"{count:,} of {records:,} images have bounding boxes, {count / max(records, 1):.1%}"


def write(manifest: Manifest, folder: str | os.PathLike, *, sync: bool = True) -> Path:
    """Writes the manifest into a folder, all or nothing, and returns its path. Raises DestinationError."""
    return write_whole(Path(folder, NAME), _json(manifest).encode(), sync=sync)


def read(folder: str | os.PathLike) -> Manifest | None:
    """Returns the manifest of a folder, None where it has none.

    Raises SourceError for one that cannot be read, makes no sense, or is of another format or list of classes.
    """
    path = Path(folder, NAME)
    try:
        with open_regular(path) as file:
            return _manifest(file.read(_MAX_BYTES))
    except FileNotFoundError:
        return None
    except KeyError as error:
        what = f"{error} is missing"
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        what = f"{error!s:.200}"
    raise SourceError(f"{path} cannot be used: {what}. Make the data anew, or remove the file to do without it.")


def _json(manifest: Manifest) -> str:
    values = {"format": _FORMAT, **dataclasses.asdict(manifest)}
    if manifest.boxes is None:
        del values["boxes"]
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


def _manifest(data: bytes) -> Manifest:
    values = json.loads(data, parse_constant=_refuse_constant)
    if values["format"] != _FORMAT:
        raise ValueError(
            f"it has format {values['format']!r:.40}, and this version reads {_FORMAT}; use the one that wrote it"
        )
    shards = {
        split: tuple(_from_fields(ShardEntry, entry) for entry in entries)
        for split, entries in values["shards"].items()
    }
    return _from_fields(Manifest, {**values, "shards": shards})


def _from_fields(kind: type, values: dict):
    """Returns an instance of a dataclass. Raises KeyError if a field is missing that all versions write."""
    names = [
        field.name for field in dataclasses.fields(kind) if field.name in values or field.name not in _LATER_FIELDS
    ]
    return kind(**{name: values[name] for name in names})


def _refuse_constant(text: str):
    raise ValueError(f"{text} is no JSON")


def _require(condition, what: str, value) -> None:
    if not condition:
        raise ValueError(f"{what} cannot be {value!r:.80}")


def is_skipped(value) -> bool:
    """Returns whether a value, of JSON, is images of each split that were left out: the reason by file name."""
    if not isinstance(value, Mapping) or not set(value) <= set(synsets.OFFICIAL_COUNTS):
        return False
    return all(isinstance(own, Mapping) and all(isinstance(why, str) for why in own.values()) for own in value.values())


def _is_count(value) -> bool:
    return type(value) is int and value >= 0
