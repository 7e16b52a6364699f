"""Finds the records of some classes, or of a part of each class, without reading the others.

The order on disk is that of md5(split + file name). So the names in `metadata.h5` determine the label of each record of
a prepared data set. Records of exported TFRecords have their label in front of the image.
"""

import dataclasses
import itertools
import numbers
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, SourceError, counted, reading, require_integers
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.example_in_place import parse_start
from ilsvrc_tfds.formats.kinds import TFDS, Fields
from ilsvrc_tfds.formats.naming import disk_order
from ilsvrc_tfds.formats.record_index import shard_spans
from ilsvrc_tfds.formats.tfrecord import FOOTER_BYTES, FRAME_BYTES, HEADER_BYTES, read_records
from ilsvrc_tfds.pipeline.split import Split

# In a canonical record, the image begins within this many bytes, and the label comes before it.
_HEAD_BYTES = 512
# Number of shards whose first record's name is compared with the metadata.
_SHARDS_COMPARED = 8


@dataclasses.dataclass(frozen=True)
class Subset:
    """Some classes, or a part of each class.

    Attributes:
      classes: Class indices, in the order of their new labels.
      relabel: Whether the labels become 0, 1, … in the order of `classes`.
      fraction: Part of each class, in (0, 1]. The number of images is rounded, but at least 1. The first images in the
        order of md5(split + file name) are taken.
      per_class: Largest number of images of each class, taken in the same order.

    Raises OptionError for invalid values.

    >>> subset = Subset(classes=(3, 0), relabel=True, per_class=2)
    >>> subset.new_labels()[:4].tolist(), subset.chosen(np.array([0, 3, 0, 1, 0])).tolist()
    ([1, -1, -1, 0], [0, 1, 2])
    """

    classes: tuple[int, ...]
    relabel: bool = False
    fraction: float | None = None
    per_class: int | None = None

    def __post_init__(self) -> None:
        if not self.classes or len(set(self.classes)) < len(self.classes):
            different = len(set(self.classes))
            raise OptionError(
                f"classes must have at least one class and none twice, got {len(self.classes)} with {different} "
                "different."
            )
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
        """Number of labels, which are in [0, num_labels)."""
        return len(self.classes) if self.relabel else synsets.NUM_CLASSES

    def new_labels(self) -> np.ndarray:
        """Returns the label of each class index, or -1 for a class outside the subset, as int64 of shape (1000,)."""
        labels = np.full(synsets.NUM_CLASSES, -1, np.int64)
        labels[list(self.classes)] = np.arange(len(self.classes)) if self.relabel else self.classes
        return labels

    def chosen(self, labels: np.ndarray) -> np.ndarray:
        """Returns the sorted rows of the records in the subset.

        Args:
          labels: Labels of all records in the order on disk.
        """
        rows = [self._part(np.flatnonzero(labels == index)) for index in self.classes]
        return np.sort(np.concatenate(rows))

    def _part(self, rows: np.ndarray) -> np.ndarray:
        if self.fraction is not None and len(rows):
            return rows[: max(1, round(len(rows) * self.fraction))]
        return rows[: self.per_class]


@dataclasses.dataclass(frozen=True, eq=False)
class Places:
    """The places of records on disk, in their order. All columns are int64.

    Attributes:
      shard: Number of each record's shard.
      number: Number of the record in its shard.
      offset: Offset of its first byte.
      size: Size in bytes, with framing.

    >>> len(Places(*np.zeros([4, 10], np.int64)).rows(3, 5))
    2
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
    classes: Iterable[str | int] | None,
    relabel: bool,
    fraction: float | None,
    per_class: int | None,
    renumbered: int | None = None,
) -> Subset | None:
    """Returns the subset that the options of `for_training` describe, or None for all examples.

    Args:
      classes: Option of `for_training`, as the next three are.
      relabel: See there.
      fraction: See there.
      per_class: See there.
      renumbered: Number of classes of the data if it is a subset whose classes are numbered anew; otherwise None.

    Raises OptionError for invalid options.

    >>> as_subset(["n01440764", 3], relabel=False, fraction=None, per_class=None).classes
    (0, 3)
    """
    if classes is None and not relabel and fraction is None and per_class is None:
        return None
    if relabel and classes is None:
        last = (renumbered or synsets.NUM_CLASSES) - 1
        raise OptionError(
            f"relabel=True needs classes=[…], because all {last + 1} classes already have the numbers 0 to {last}."
        )
    if renumbered is not None:
        if classes is not None:
            raise OptionError(
                f"The data was made with relabel: its {renumbered} classes have the numbers 0 to {renumbered - 1}, so "
                "that classes=[…] cannot name some of them. Leave it out, or make the data without relabel."
            )
        return Subset(tuple(range(renumbered)), True, fraction, per_class)
    wanted = tuple(range(synsets.NUM_CLASSES)) if classes is None else synsets.indices_of(classes, relabel)
    return Subset(wanted, relabel, fraction, per_class)


def find_places(split: Split, subset: Subset) -> Places:
    """Returns the places of the records in a subset.

    Args:
      split: Split to search.
      subset: Classes, and how much of each, to find.

    Raises SourceError if the places cannot be determined, or if the subset is empty.

    >>> from ilsvrc_tfds.pipeline.split import find_split
    >>> val = find_split("ilsvrc2012", "val", data_dir="/data/tfds")
    >>> find_places(val, Subset(classes=(1,))).number.tolist()
    [1, 2]
    """
    spans = {}
    if split.kind == TFDS:
        labels = _labels_by_name(split)
    else:
        spans = {index: _spans_of(split, index) for index in range(len(split.paths))}
        labels = (
            np.concatenate([_labels_in(path, spans[k], split.fields) for k, path in enumerate(split.paths)])
            - split.label_offset
        )
    rows = subset.chosen(labels)
    if not len(rows):
        raise SourceError(
            f"{split.folder}: split {split.name!r} has no image of the "
            f"{counted(len(subset.classes), 'chosen class', 'chosen classes')}."
        )
    starts = np.concatenate([[0], np.cumsum(split.lengths)])
    shard = np.searchsorted(starts, rows, side="right") - 1
    number = rows - starts[shard]
    spans = spans or {index: _spans_of(split, index) for index in np.unique(shard).tolist()}
    offsets, sizes = np.array([spans[i][k] for i, k in zip(shard.tolist(), number.tolist())], np.int64).T
    return Places(shard.astype(np.int64), number.astype(np.int64), offsets, sizes)


def _spans_of(split: Split, index: int) -> list[tuple[int, int]]:
    """Returns offset and size of a shard's records. Raises SourceError if their number is not that of the split."""
    path, length = split.paths[index], split.lengths[index]
    spans = shard_spans(path, length)
    if len(spans) != length:
        raise SourceError(f"{path} has {counted(len(spans), 'record')}, expected {length:,}. Make the shard again.")
    return spans


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _labels_by_name(split: Split) -> np.ndarray:
    """Returns the label of each record in the order on disk, from the names in the metadata."""
    path = Path(split.folder, hdf5.NAME)
    table = hdf5.read(path).get(split.name)
    if table is None or len(table.image_filenames) != split.num_examples:
        there = "no names" if table is None else counted(len(table.image_filenames), "name")
        raise SourceError(
            f"{path} has {there} of split {split.name!r}, which has {counted(split.num_examples, 'record')}."
        )
    names = np.array([os.fsencode(os.path.basename(name)) for name in table.image_filenames.tolist()], np.bytes_)
    order = disk_order(split.name, names)
    _require_names(split, path, names[order])
    return table.object_ids[order, 1]


def _require_names(split: Split, metadata: Path, names: np.ndarray) -> None:
    """Raises SourceError if the first records of some shards have other names than in the metadata."""
    starts = np.concatenate([[0], np.cumsum(split.lengths)])
    for shard in sorted({len(split.paths) * k // _SHARDS_COMPARED for k in range(_SHARDS_COMPARED)}):
        for record in itertools.islice(read_records(split.paths[shard]), min(1, split.lengths[shard])):
            where, expected = f"{split.paths[shard]}: record 0", names[starts[shard]].decode("ascii", "replace")
            found = b"" if record.damage else parse_example(record.payload, where).get(split.fields.file_name, [b""])[0]
            if not record.damage and found != names[starts[shard]]:
                raise SourceError(
                    f"{where} is {found!r:.80}, but {expected} by {metadata}, which belongs to other images."
                )


def _labels_in(path: str, spans: list[tuple[int, int]], fields: Fields) -> np.ndarray:
    """Returns the label of each record of a shard of exported TFRecords. Only their first bytes are read."""
    with reading(path), open(path, "rb", buffering=0) as file:
        return np.array([_label_at(file.fileno(), path, *span, fields) for span in spans], np.int64)


def _label_at(fd: int, path: str, offset: int, size: int, fields: Fields) -> int:
    head = os.pread(fd, min(size - FOOTER_BYTES, _HEAD_BYTES), offset)
    if int.from_bytes(head[:8], "little") != size - FRAME_BYTES:
        raise SourceError(
            f"{path}: byte {offset:,}: no record of {size:,} bytes begins here. Make the shard again, or "
            "its index if it has one."
        )
    features = parse_start(head[HEADER_BYTES:], fields.image)
    where = f"{path}: byte {offset:,}"
    if fields.label not in features:  # the features are in another writer's order
        features = parse_example(os.pread(fd, size, offset)[HEADER_BYTES:-FOOTER_BYTES], where)
    values = features.get(fields.label, [])
    if len(values) != 1 or not isinstance(values[0], int):
        raise SourceError(f"{where}: expected one whole number as its {fields.label}. Its keys are {sorted(features)}.")
    return values[0]
