"""Checks the records of a split as a whole: labels, names, order, and agreement with the metadata."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.verify_record import UNKNOWN
from ilsvrc_tfds.checks.verify_shard import Rows, place
from ilsvrc_tfds.errors import counted, first_few, shown
from ilsvrc_tfds.formats.hdf5 import SplitMetadata
from ilsvrc_tfds.formats.manifest import NAME, boxes_in_words
from ilsvrc_tfds.formats.naming import disk_order

# The number of a class that a set whose classes are numbered anew does not have.
OTHER = -3
# If more than this share of a split's records is out of place, another tool made the split so on purpose.
_FEW = 0.1
_CHUNK = 1 << 16


@dataclasses.dataclass(frozen=True, eq=False)
class SplitRows:
    """The records of a split that have a name and a label.

    Attributes:
      split: `train`, `val` or `test`.
      shards: File names of the shards.
      rows: Table of the records, in the order of shards and records. `told` holds numbers of classes, as `numbered`
        returns them.
      wnids: Wnid of each label, without the offset.
    """

    split: str
    shards: Sequence[str]
    rows: Rows
    wnids: Sequence[str] = synsets.wnids()

    def __len__(self) -> int:
        return len(self.rows.name)

    def name(self, row: int) -> str:
        """Returns the file name of a record, for messages."""
        return shown(os.fsdecode(self.rows.name[row]))

    def place(self, row: int) -> str:
        """Returns the position of a record, for messages: `train-00000-of-01024: record 3, byte 1,234`."""
        return f"{self.shards[self.rows.shard[row]]}: {place(self.rows.number[row], self.rows.offset[row])}"

    def classes(self, offset: int) -> np.ndarray:
        """Returns the numbers of the classes, the labels minus `offset`; -1 in `test`; int64 of shape (n,)."""
        return self.rows.label - (0 if self.split == "test" else offset)


def numbered(told: np.ndarray, numbering: Sequence[int]) -> np.ndarray:
    """Returns the numbers of classes in a set: their indices, or their positions if the classes are numbered anew.

    Args:
      told: Class indices according to file names and synsets, as in `Rows`.
      numbering: Class index of each number; empty if the numbers are the indices.
    """
    if not numbering:
        return told
    numbers = np.full(synsets.NUM_CLASSES, OTHER, told.dtype)
    numbers[list(numbering)] = np.arange(len(numbering))
    return np.where(told >= 0, numbers[told], told)


def label_offset(splits: Iterable[SplitRows], stated: int | None) -> int:
    """Returns the label offset, 0 or 1: the stated one, unless most file names and synsets contradict it.

    Args:
      splits: Records of all splits of a folder.
      stated: Offset according to the manifest or the kind of set, or None.
    """
    told = [(split.rows, split.rows.told >= 0) for split in splits if split.split != "test"]
    wrong = [sum(int((rows.label != rows.told + offset)[known].sum()) for rows, known in told) for offset in (0, 1)]
    if stated is None:
        return 0 if wrong[0] < wrong[1] else 1  # classic TFRecords have 1
    most = sum(int(known.sum()) for _, known in told) / 2
    return 1 - stated if wrong[stated] > most > wrong[1 - stated] else stated


def label_problems(split: SplitRows, offset: int) -> Iterator[str]:
    """Yields a line for each record whose label is not valid, or contradicts its file name or synset."""
    classes, told = split.classes(offset), split.rows.told
    outside = classes != -1 if split.split == "test" else (classes < 0) | (classes >= len(split.wnids))
    for row in np.flatnonzero(outside | (told != UNKNOWN) & (classes != told)).tolist():
        if split.split == "test":
            expected = "expected -1 in the split test"
        elif told[row] == UNKNOWN:
            expected = f"expected {offset} to {offset + len(split.wnids) - 1}"
        elif told[row] == OTHER:
            expected = "but is of none of the classes of the set"
        else:
            expected = f"expected {told[row] + offset} ({split.wnids[told[row]]})"
        yield f"{split.place(row)}: {split.name(row)} has the label {split.rows.label[row]}, {expected}"


def double_problems(split: SplitRows) -> Iterator[str]:
    """Yields a line for each record whose file name occurs earlier in the split."""
    names = split.rows.name
    order = np.argsort(names, kind="stable")
    doubles = np.flatnonzero(names[order][1:] == names[order][:-1])
    for first, second in zip(order[doubles].tolist(), order[doubles + 1].tolist()):
        yield f"{split.place(second)}: {split.name(second)} occurs twice, first as {split.place(first)}"


def order_problems(split: SplitRows, ours: bool, salt: str) -> tuple[list[str], list[str]]:
    """Returns facts and problems of the order of the records, which should be that of `naming.disk_order`.

    Args:
      split: Records to check.
      ours: Whether this package made the set. Sets of other tools may have another order altogether. A few records out
        of order are a problem in any set, and then the numbers of records in the shards are checked too.
      salt: Name of the split by which its records are ordered.
    """
    rank = np.empty(len(split), np.int64)
    rank[disk_order(salt, split.rows.name)] = np.arange(len(split))
    wrong = np.flatnonzero(rank[1:] < rank[:-1]) + 1
    if not ours and len(wrong) > _FEW * len(split):
        fact = f"{split.split}: the records are in another order than TFDS's, so the order is not checked"
        return [fact], []
    problem = (
        "{}: {} does not belong after {} ({}): the order is md5(split + name); records were moved, or shards renamed"
    )
    problems = [
        problem.format(split.place(k), split.name(k), split.name(k - 1), split.place(k - 1)) for k in wrong.tolist()
    ]
    counts = np.unique(split.rows.shard, return_counts=True)[1].tolist()
    if not ours and counts and max(counts) - min(counts) > 1:
        spread = f"the shards have {min(counts):,} to {counted(max(counts), 'whole record')}"
        expected = "expected a difference of at most 1: records are missing or were added"
        problems.append(f"{split.split}: {spread}, {expected}")
    return [], problems


def name_problems(split: SplitRows, ours: bool) -> tuple[list[str], list[str]]:
    """Returns facts and problems of file names that have the official form of another split.

    This package refuses such images, but other tools may have made their splits on purpose in this way.

    Args:
      split: Records to check.
      ours: Whether this package made the set.
    """
    own = (None, split.split)
    found = [row for row, name in enumerate(split.rows.name.tolist()) if synsets.split_of_name(name) not in own]
    if not found:
        return [], []
    if len(found) > _FEW * len(split):
        names = first_few(map(split.name, found))
        line = f"{split.split}: {counted(len(found), 'name has', 'names have')} the form of another split's: {names}"
        # Other tools make a val split of images of train, but nobody means to train on images of val.
        return ([], [line]) if ours or split.split == "train" else ([line], [])
    return [], [f"{split.place(row)}: {split.name(row)} has the form of another split's name" for row in found]


def box_lines(split: SplitRows, stated: int | None, is_whole: bool) -> tuple[list[str], list[str]]:
    """Returns facts and problems of the number of records with bounding boxes.

    Args:
      split: Records to check.
      stated: Number according to the manifest, or None.
      is_whole: Whether the number of records is right. Otherwise the missing records are reported already.
    """
    count = int(split.rows.boxed.sum())
    if stated is not None and is_whole and count != stated:
        return [], [f"{split.split}: {boxes_in_words(count, len(split))}, {NAME} says {stated:,}"]
    return [f"{split.split}: {boxes_in_words(count, len(split))}"] if count or stated is not None else [], []


def metadata_problems(split: SplitRows, offset: int, metadata: SplitMetadata) -> Iterator[str]:
    """Yields a line for each image that only the records or only the metadata have, or whose classes differ.

    Args:
      split: Records to check.
      offset: Label offset.
      metadata: Table of the split in `metadata.h5`.
    """
    if not np.array_equal(metadata.classes, split.wnids):
        which = f"{len(split.wnids)} of {'ILSVRC2012' if split.wnids is synsets.wnids() else NAME}"
        yield f"metadata.h5: the classes of {split.split} are not the {which} in their order"
        return
    theirs = _base_names(metadata.image_filenames)[metadata.object_ids[:, 0]]
    found = _rows_of(split.rows.name, theirs)
    if not (found >= 0).any():
        reason = ": it belongs to other data" if len(split) else ""
        yield f"metadata.h5: none of its images of {split.split} ({len(theirs):,}) is in a whole record{reason}"
        return
    for row in np.flatnonzero(found < 0).tolist():
        yield f"{split.place(row)}: {split.name(row)} is not in metadata.h5"
    classes, stated = split.classes(offset), metadata.object_ids[found, 1]
    for row in np.flatnonzero((found >= 0) & (classes != stated)).tolist():
        wnid = split.wnids[stated[row]]
        yield f"{split.place(row)}: {split.name(row)} has class {classes[row]}; metadata.h5 says {stated[row]} ({wnid})"
    for row in np.flatnonzero(~np.isin(np.arange(len(theirs)), found)).tolist():
        yield f"metadata.h5: {shown(os.fsdecode(theirs[row]))} is in no whole record of {split.split}"


def _base_names(paths: np.ndarray) -> np.ndarray:
    """Returns the file names of paths, S of shape (n,). Works in parts, because a million str take 100 MB."""
    parts = (part.tolist() for part in np.array_split(paths, len(paths) // _CHUNK + 1))
    return np.concatenate(
        [np.array([os.fsencode(path.rpartition("/")[2]) for path in part], np.bytes_) for part in parts]
    )


def _rows_of(names: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Returns the index of each name in `theirs`, or -1. Both are sorted first, for speed."""
    rows, order, sorted_names = np.full(len(names), -1), np.argsort(theirs), np.argsort(names)
    if len(theirs):
        found = np.minimum(np.searchsorted(theirs[order], names[sorted_names]), len(theirs) - 1)
        known = theirs[order[found]] == names[sorted_names]
        rows[sorted_names[known]] = order[found[known]]
    return rows
