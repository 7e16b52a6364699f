"""Some classes, or a part of each class: which records those are, found without reading the others.

The order on disk is that of md5(split + file name), so `metadata.h5`, which has the names, tells the label of each record of a
prepared data set. A record of exported TFRecords has its label in front of the image.
"""

import dataclasses
import itertools
import numbers
import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, SourceError, require_integers
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.kinds import TFDS
from ilsvrc_tfds.formats.naming import disk_order
from ilsvrc_tfds.formats.record_index import shard_spans
from ilsvrc_tfds.formats.tfrecord import FOOTER_BYTES, FRAME_BYTES, HEADER_BYTES, read_records
from ilsvrc_tfds.pipeline.split import Split, reading

# Before the label of a canonical record come its channels and frame, 40 bytes; others write the class's words before it too.
_HEAD_BYTES = 256
# Of so many shards the first record's name is compared with the metadata.
_SHARDS_COMPARED = 8
# Entry of the map of features: key, Feature {int64_list {value: packed varint}}.
_LABEL = re.compile(
    rb"\x0a\x11image/class/label\x12[\x05-\x10]\x1a[\x03-\x0e]\x0a([\x01-\x0a])([\x80-\xff]{0,9}[\x00-\x7f])"
)


@dataclasses.dataclass(frozen=True)
class Subset:
    """Some classes, or a part of each. Raises OptionError for values that make no sense.

    Attributes:
      classes: indices, in the order of their new labels.
      relabel: whether the labels become 0, 1, …, in the order of `classes`.
      fraction: of each class, in (0, 1]; rounded, one image at least. The first ones in the order of md5(split + file name).
      per_class: images of each class at most, in the same order.
    """

    classes: tuple[int, ...]
    relabel: bool = False
    fraction: float | None = None
    per_class: int | None = None

    def __post_init__(self) -> None:
        if not self.classes or len(set(self.classes)) < len(self.classes):
            different = len(set(self.classes))
            raise OptionError(f"classes must be some, each once, got {len(self.classes)} with {different} different.")
        if self.fraction is not None and self.per_class is not None:
            raise OptionError("fraction and per_class exclude each other. Give one of them.")
        if self.fraction is not None and not (_is_number(self.fraction) and 0 < self.fraction <= 1):
            raise OptionError(f"fraction must be in (0, 1], got {self.fraction!r}.")
        if self.per_class is not None:
            require_integers(per_class=self.per_class)
        if self.per_class is not None and self.per_class < 1:
            raise OptionError(f"per_class must be at least 1, got {self.per_class}.")

    @property
    def num_labels(self) -> int:
        """Labels are in [0, num_labels)."""
        return len(self.classes) if self.relabel else synsets.NUM_CLASSES

    def new_labels(self) -> np.ndarray:
        """Returns the label of each class index, -1 for a class that is not wanted; int64 of shape (1000,)."""
        labels = np.full(synsets.NUM_CLASSES, -1, np.int64)
        labels[list(self.classes)] = np.arange(len(self.classes)) if self.relabel else self.classes
        return labels

    def chosen(self, labels: np.ndarray) -> np.ndarray:
        """Returns the wanted rows of `labels`, which are those of all records in the order on disk; sorted."""
        rows = [self._part(np.flatnonzero(labels == index)) for index in self.classes]
        return np.sort(np.concatenate(rows))

    def _part(self, rows: np.ndarray) -> np.ndarray:
        if self.fraction is not None and len(rows):
            return rows[: max(1, round(len(rows) * self.fraction))]
        return rows[: self.per_class]


@dataclasses.dataclass(frozen=True, eq=False)
class Places:
    """Where chosen records lie, in the order on disk; a row each.

    Attributes:
      shard: number of the shard; int64.
      number: of the record in the shard; int64.
      offset: of its first byte; int64.
      size: in bytes, framing included; int64.
    """

    shard: np.ndarray
    number: np.ndarray
    offset: np.ndarray
    size: np.ndarray

    def __len__(self) -> int:
        return len(self.shard)

    def rows(self, start: int, stop: int) -> "Places":
        """Returns the rows in [start, stop)."""
        return Places(*(column[start:stop] for column in (self.shard, self.number, self.offset, self.size)))


def as_subset(
    classes: Iterable[str | int] | None, relabel: bool, fraction: float | None, per_class: int | None
) -> Subset | None:
    """Returns the subset that options of `for_training` describe, None for all. Raises OptionError for what makes no sense."""
    if classes is None and not relabel and fraction is None and per_class is None:
        return None
    if relabel and classes is None:
        raise OptionError("relabel=True needs classes=[…]: all 1000 have their numbers.")
    if relabel and isinstance(classes, (set, frozenset)):  # of texts, it has another order in each process
        raise OptionError("relabel=True needs classes in their order, as a list, got a set. Perhaps sorted(…)?")
    if classes is not None and (isinstance(classes, (str, bytes)) or not isinstance(classes, Iterable)):
        raise OptionError(f"classes must be a list of wnids or class indices, got {classes!r}.")
    wanted = range(synsets.NUM_CLASSES) if classes is None else map(_class_index, classes)
    return Subset(tuple(wanted), relabel, fraction, per_class)


def find_places(split: Split, subset: Subset) -> Places:
    """Returns where the records of a subset lie. Raises SourceError where that cannot be found, or there are none."""
    spans = {}
    if split.kind == TFDS:
        labels = _labels_by_name(split)
    else:
        spans = {index: _spans_of(split, index) for index in range(len(split.paths))}
        labels = np.concatenate([_labels_in(path, spans[k]) for k, path in enumerate(split.paths)]) - split.label_offset
    rows = subset.chosen(labels)
    if not len(rows):
        raise SourceError(f"{split.folder}: split {split.name!r} has no image of the {len(subset.classes)} classes.")
    starts = np.concatenate([[0], np.cumsum(split.lengths)])
    shard = np.searchsorted(starts, rows, side="right") - 1
    number = rows - starts[shard]
    spans = spans or {index: _spans_of(split, index) for index in np.unique(shard).tolist()}
    offsets, sizes = np.array([spans[i][k] for i, k in zip(shard.tolist(), number.tolist())], np.int64).T
    return Places(shard.astype(np.int64), number.astype(np.int64), offsets, sizes)


def _spans_of(split: Split, index: int) -> list[tuple[int, int]]:
    """Returns where the records of a shard lie. Raises SourceError if there are more or fewer than the split has there."""
    path, length = split.paths[index], split.lengths[index]
    spans = shard_spans(path, length)
    if len(spans) != length:
        raise SourceError(f"{path} has {len(spans):,} records, expected {length:,}. Make the shard anew.")
    return spans


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _class_index(value: str | int) -> int:
    if isinstance(value, str):
        return synsets.index_of(value)
    require_integers(**{"A class index": value})
    if not 0 <= value < synsets.NUM_CLASSES:
        raise OptionError(f"A class index is in [0, {synsets.NUM_CLASSES}), got {value}.")
    return int(value)


def _labels_by_name(split: Split) -> np.ndarray:
    """Returns the label of each record in the order on disk, by the names in the metadata."""
    path = Path(split.folder, hdf5.NAME)
    table = hdf5.read(path).get(split.name)
    if table is None or len(table.image_filenames) != split.num_examples:
        count = "no" if table is None else f"{len(table.image_filenames):,}"
        raise SourceError(
            f"{path} has {count} names of split {split.name!r}, which has {split.num_examples:,} records."
        )
    names = np.array([os.fsencode(os.path.basename(name)) for name in table.image_filenames.tolist()], np.bytes_)
    order = disk_order(split.name, names)
    _require_names(split, path, names[order])
    return table.object_ids[order, 1]


def _require_names(split: Split, metadata: Path, names: np.ndarray) -> None:
    """Raises SourceError if the first records of some shards have other names than the metadata say: then all others may."""
    starts = np.concatenate([[0], np.cumsum(split.lengths)])
    for shard in sorted({len(split.paths) * k // _SHARDS_COMPARED for k in range(_SHARDS_COMPARED)}):
        for record in itertools.islice(read_records(split.paths[shard]), min(1, split.lengths[shard])):
            where, expected = f"{split.paths[shard]}: record 0", names[starts[shard]].decode("ascii", "replace")
            found = b"" if record.damage else parse_example(record.payload, where).get(split.fields.file_name, [b""])[0]
            if not record.damage and found != names[starts[shard]]:
                raise SourceError(f"{where} is {found!r:.80}, {metadata} says {expected}: it belongs to other images.")


def _labels_in(path: str, spans: list[tuple[int, int]]) -> np.ndarray:
    """Returns the label of each record of exported TFRecords, reading its first bytes."""
    with reading(path), open(path, "rb", buffering=0) as file:
        return np.array([_label_at(file.fileno(), path, *span) for span in spans], np.int64)


def _label_at(fd: int, path: str, offset: int, size: int) -> int:
    head = os.pread(fd, min(size - FOOTER_BYTES, _HEAD_BYTES), offset)
    if int.from_bytes(head[:8], "little") != size - FRAME_BYTES:
        raise SourceError(
            f"{path}: byte {offset:,}: no record of {size:,} bytes begins here. Make the shard anew, or its index if it has one."
        )
    match = _LABEL.search(head, HEADER_BYTES)
    if match and match[1][0] == len(match[2]):
        return _varint(match[2])
    where = f"{path}: byte {offset:,}"  # another writer's order of the features
    features = parse_example(os.pread(fd, size, offset)[HEADER_BYTES:-FOOTER_BYTES], where)
    values = features.get("image/class/label", [])
    if len(values) != 1 or not isinstance(values[0], int):
        raise SourceError(f"{where} has no number as its image/class/label; its keys are {sorted(features)}.")
    return values[0]


def _varint(data: bytes) -> int:
    value = sum((byte & 0x7F) << 7 * k for k, byte in enumerate(data)) & 0xFFFF_FFFF_FFFF_FFFF  # as protobuf does
    return value - (1 << 64) if value >> 63 else value
