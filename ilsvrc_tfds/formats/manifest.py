"""`manifest.json`: the contents of a folder of shards, the keys of its records, and the digest of each shard.

    {"format": 1, "kind": "classic", "file_format": "tfrecord", "config": {"name": "raw256", …},
     "keys": {"image/encoded": "bytes", …}, "label_offset": 1, "classes": "<sha256 of the 1000 wnids>",
     "boxes": {"train": 544546, …},
     "made_of": {"images": {"train": {"images": 1281167, "names": "…", "digest": "…"}, …}},
     "subset": {"classes": {"listed": 100, "xxh3_128": "…"}, …}, "wnids": ["n02869837", …],
     "shards": {"train": [{"name": "train-00000-of-01024", "records": 1251, "bytes": 55044000, "xxh3_64": "…"}, …], …}}

The manifest is written last, so a folder that has one is complete. Unknown fields are ignored when it is read, so that
later versions can add some. A change to the meaning of a field needs a new format number.
"""

import dataclasses
import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, counted, unreadable
from ilsvrc_tfds.formats.json_values import is_count, is_names, is_numbering, is_skipped
from ilsvrc_tfds.formats.kinds import KINDS
from ilsvrc_tfds.storage.files import write_whole
from ilsvrc_tfds.storage.regular import open_regular

NAME = "manifest.json"

_FORMAT = 1
_TYPES = ("bytes", "float", "int64")
# The manifest of 1,152 shards has 150 KB.
_MAX_BYTES = 64 << 20
# Fields that version 1.0.0 did not write.
_LATER_FIELDS = ("boxes", "skipped", "repaired_images", "subset", "wnids", "made_of")
# No separator, no `..` and no hidden file: a shard is in the folder of its manifest.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_DIGEST = re.compile(r"[0-9a-f]{16}")


@dataclasses.dataclass(frozen=True)
class ShardEntry:
    """One shard. Raises ValueError for impossible values.

    Attributes:
      name: Name of the file in the manifest's folder.
      records: Number of records.
      bytes: Size of the file, in bytes.
      xxh3_64: XXH3 (64 bits) of the file, hexadecimal.

    >>> ShardEntry("../passwd", records=1, bytes=100, xxh3_64="0123456789abcdef")
    Traceback (most recent call last):
    ValueError: a shard's name cannot be '../passwd'
    """

    name: str
    records: int
    bytes: int
    xxh3_64: str

    def __post_init__(self) -> None:
        _require(isinstance(self.name, str) and _FILE_NAME.fullmatch(self.name), "a shard's name", self.name)
        _require(is_count(self.records), f"records of {self.name}", self.records)
        _require(is_count(self.bytes), f"bytes of {self.name}", self.bytes)
        _require(
            isinstance(self.xxh3_64, str) and _DIGEST.fullmatch(self.xxh3_64), f"xxh3_64 of {self.name}", self.xxh3_64
        )


class Receipt(Protocol):
    """Properties of a finished shard, as `shards.Receipt` has them."""

    @property
    def records(self) -> int:
        """Number of records."""

    @property
    def file_bytes(self) -> int:
        """Size of the file, in bytes."""

    @property
    def digest(self) -> str:
        """XXH3 (64 bits) of the file, hexadecimal."""


def shard_entries(names: Iterable[str], receipts: Iterable[Receipt]) -> tuple[ShardEntry, ...]:
    """Returns the entries of shards from their names and the receipts of their writers, both in the same order."""
    return tuple(ShardEntry(name, r.records, r.file_bytes, r.digest) for name, r in zip(names, receipts, strict=True))


@functools.cache
def classes_digest(wnids: tuple[str, ...] | None = None) -> str:
    """Returns the sha256 of wnids in the order of their labels, one in each line; hexadecimal.

    Args:
      wnids: Wnid of each label; None for the 1000 classes in the order of their indices.

    >>> classes_digest()[:16]
    '70002b0ff5de60a3'
    """
    lines = synsets.wnids() if wnids is None else wnids
    return hashlib.sha256("".join(f"{wnid}\n" for wnid in lines).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The contents of a folder of shards. Raises ValueError for impossible values.

    Attributes:
      kind: Kind of the records: `tfds` for a prepared data set, `classic` for exported TFRecords.
      file_format: `tfrecord`, or another of TFDS's file formats.
      config: Operation on the images, in JSON's types: `{"op": "Resized", "shorter_side": 256, "quality": 95}`.
      keys: Keys of the records, and the type of each: `bytes`, `float` or `int64`.
      label_offset: Difference between a record's label and its class index, 0 or 1. Labels of the test split are always
        -1.
      shards: Shards of each split, in order. The keys are the data set's own names: train, val, test.
      classes: Digest of the classes, `classes_digest(wnids)`. Versions that do not know `wnids` refuse other digests
        than that of the 1000.
      boxes: Number of records with bounding boxes in each split. None, and not in the file, if no boxes were asked for.
      skipped: Images of each split that were skipped because they are damaged: the reason by file name.
      repaired_images: File names of each split's images that are CMYK JPEGs or PNGs in the archives, and became RGB
        JPEGs of quality 100, or were made from such JPEGs. Omitted from the file if empty.
      subset: Description of the subset that the set is, in JSON's types; empty if it has all classes and images.
      wnids: Wnid of each label, without the offset, if the classes are numbered anew. None, and not in the file, if
        labels are the class indices.
      made_of: Record of the source of an export, by which it is recognized: the images of each split by number and
        digest, or a digest of the shards of a prepared data set. Omitted from the file if empty.

    >>> entry = ShardEntry("train-00000-of-00001", records=2, bytes=43, xxh3_64="0123456789abcdef")
    >>> made = Manifest("classic", "tfrecord", {"op": "Original"}, KINDS["classic"].keys, 1, {"train": (entry,)})
    >>> _ = write(made, folder)
    >>> read(folder) == made
    True
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
    repaired_images: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    subset: Mapping[str, object] = dataclasses.field(default_factory=dict)
    wnids: tuple[str, ...] | None = None
    made_of: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(isinstance(self.kind, str) and self.kind in KINDS, "kind", self.kind)
        _require(isinstance(self.file_format, str), "file_format", self.file_format)
        _require(isinstance(self.config, Mapping), "config", self.config)
        _require(
            isinstance(self.keys, Mapping) and all(kind in _TYPES for kind in self.keys.values()), "keys", self.keys
        )
        _require(is_count(self.label_offset) and self.label_offset <= 1, "label_offset", self.label_offset)
        _require(
            bool(self.shards) and set(self.shards) <= set(synsets.OFFICIAL_COUNTS), "the splits", list(self.shards)
        )
        _require(self.wnids is None or is_numbering(self.wnids), "wnids", self.wnids)
        of_list = "of ILSVRC2012's 1000" if self.wnids is None else "of its wnids"
        _require(self.classes == classes_digest(self.wnids), f"classes (the digest {of_list})", self.classes)
        _require(isinstance(self.subset, Mapping), "subset", self.subset)
        _require(isinstance(self.made_of, Mapping), "made_of", self.made_of)
        _require(is_skipped(self.skipped), "skipped", self.skipped)
        _require(is_names(self.repaired_images), "repaired_images", self.repaired_images)
        names = [shard.name for shards in self.shards.values() for shard in shards]
        _require(len(set(names)) == len(names), "the names of shards (one occurs twice)", names)
        for split, count in {} if self.boxes is None else self.boxes.items():
            shards = self.shards.get(split)
            most = synsets.OFFICIAL_COUNTS.get(split, 0) if shards is None else sum(shard.records for shard in shards)
            _require(is_count(count) and count <= most, f"boxes of {split}", count)

    @property
    def num_classes(self) -> int:
        """Number of labels of the classes: 1000, or those of the subset if they are numbered anew."""
        return synsets.NUM_CLASSES if self.wnids is None else len(self.wnids)


def boxes_in_words(count: int, records: int) -> str:
    """Returns a sentence on how many of the records have bounding boxes.

    >>> boxes_in_words(3, 12)
    '3 of 12 images have bounding boxes, 25.0%'
    """
    have = "has" if count == 1 else "have"
    return f"{count:,} of {counted(records, 'image')} {have} bounding boxes, {count / max(records, 1):.1%}"


def write(manifest: Manifest, folder: str | os.PathLike, *, sync: bool = True) -> Path:
    """Writes the manifest into a folder, all or nothing, and returns its path.

    Args:
      manifest: Contents of the folder.
      folder: Folder of the shards.
      sync: Whether the bytes are on disk when this returns.

    Raises DestinationError if the file cannot be written.
    """
    return write_whole(Path(folder, NAME), _json(manifest).encode(), sync=sync)


def read(folder: str | os.PathLike) -> Manifest | None:
    """Returns the manifest of a folder, or None if it has none.

    Raises SourceError if the manifest cannot be read, has impossible values, or is of another format or other classes.
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
    raise SourceError(
        f"{path} cannot be used: {what}. Make the data again with --overwrite (overwrite=True), or remove the file to "
        "work without it."
    )


def _json(manifest: Manifest) -> str:
    values = {"format": _FORMAT, **dataclasses.asdict(manifest)}
    for name in ("boxes", "wnids"):
        if values[name] is None:
            del values[name]
    for name in ("subset", "repaired_images", "made_of"):
        if not values[name]:
            del values[name]
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


def _manifest(data: bytes) -> Manifest:
    values = json.loads(data, parse_constant=_refuse_constant)
    if values["format"] != _FORMAT:
        raise ValueError(
            f"it has format {values['format']!r:.40}, but this version reads format {_FORMAT}; "
            "use the version that wrote it"
        )
    shards = {
        split: tuple(_from_fields(ShardEntry, entry) for entry in entries)
        for split, entries in values["shards"].items()
    }
    if isinstance(values.get("wnids"), list):
        values["wnids"] = tuple(values["wnids"])
    return _from_fields(Manifest, {**values, "shards": shards})


_Described = TypeVar("_Described", ShardEntry, Manifest)


def _from_fields(kind: type[_Described], values: Mapping[str, Any]) -> _Described:
    """Returns an instance of a dataclass. Raises KeyError if a field that all versions write is missing."""
    names = [
        field.name for field in dataclasses.fields(kind) if field.name in values or field.name not in _LATER_FIELDS
    ]
    return kind(**{name: values[name] for name in names})


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not valid JSON")


def _require(condition: object, what: str, value: object) -> None:
    if not condition:
        raise ValueError(f"{what} cannot be {value!r:.80}")
