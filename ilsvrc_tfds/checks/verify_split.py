"""What is wrong with the records of a split together: labels, names, order, and what the metadata say of them."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.verify_record import UNKNOWN
from ilsvrc_tfds.checks.verify_shard import Rows, place
from ilsvrc_tfds.errors import first_few, shown
from ilsvrc_tfds.formats.hdf5 import SplitMetadata
from ilsvrc_tfds.formats.manifest import NAME, boxes_in_words
from ilsvrc_tfds.formats.naming import disk_order

# Up to this share of a split's records may be out of place; where there are more, the split was made so.
_FEW = 0.1
_CHUNK = 1 << 16


@dataclasses.dataclass(frozen=True, eq=False)
class SplitRows:
    """The records of a split that have a name and a label.

    Attributes:
      split: `train`, `val` or `test`.
      shards: their file names.
      rows: of the records, in the order of shards and records.
    """

    split: str
    shards: Sequence[str]
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows.name)

    def name(self, row: int) -> str:
        """Returns a record's file name, for messages."""
        return shown(os.fsdecode(self.rows.name[row]))

    def place(self, row: int) -> str:
        """Returns where a record lies: `train-00000-of-01024: record 3, byte 1,234`."""
        return f"{self.shards[self.rows.shard[row]]}: {place(self.rows.number[row], self.rows.offset[row])}"

    def classes(self, offset: int) -> np.ndarray:
        """Returns the class indices of the labels, which are the index + `offset`, -1 in `test`; int64 of shape (n,)."""
        return self.rows.label - (0 if self.split == "test" else offset)


def label_offset(splits: Iterable[SplitRows], stated: int | None) -> int:
    """Returns what the labels are more than the class index, 0 or 1: as stated, unless most records tell the other.

    Args:
      splits: all of a folder.
      stated: by manifest or kind, if it is.
    """
    told = [(split.rows, split.rows.told >= 0) for split in splits if split.split != "test"]
    wrong = [sum(int((rows.label != rows.told + offset)[known].sum()) for rows, known in told) for offset in (0, 1)]
    if stated is None:
        return 0 if wrong[0] < wrong[1] else 1  # 1 is what classic TFRecords have
    most = sum(int(known.sum()) for _, known in told) / 2
    return 1 - stated if wrong[stated] > most > wrong[1 - stated] else stated


def label_problems(split: SplitRows, offset: int) -> Iterator[str]:
    """Yields a line for each record whose label is none, or not that of its file name or synset."""
    classes, told = split.classes(offset), split.rows.told
    outside = classes != -1 if split.split == "test" else (classes < 0) | (classes >= synsets.NUM_CLASSES)
    for row in np.flatnonzero(outside | (told != UNKNOWN) & (classes != told)):
        if split.split == "test":
            expected = "expected -1 in the split test"
        elif told[row] == UNKNOWN:
            expected = f"expected {offset} to {offset + synsets.NUM_CLASSES - 1}"
        else:
            expected = f"expected {told[row] + offset} ({synsets.wnids()[told[row]]})"
        yield f"{split.place(row)}: {split.name(row)} has the label {split.rows.label[row]}, {expected}"


def double_problems(split: SplitRows) -> Iterator[str]:
    """Yields a line for each record whose file name one before it has, too."""
    names = split.rows.name
    order = np.argsort(names, kind="stable")
    doubles = np.flatnonzero(names[order][1:] == names[order][:-1])
    for first, second in zip(order[doubles], order[doubles + 1]):
        yield f"{split.place(second)}: {split.name(second)} is there twice, first as {split.place(first)}"


def order_problems(split: SplitRows, ours: bool) -> tuple[list[str], list[str]]:
    """Returns facts and problems of the order of the records, which `plan.disk_order` tells.

    Args:
      split: to be looked at.
      ours: whether this package made it. If that is not known, another order is no problem; but a few records out of it
        are, and where it is ours, numbers of records that are not.
    """
    rank = np.empty(len(split), np.int64)
    rank[disk_order(split.split, split.rows.name)] = np.arange(len(split))
    wrong = np.flatnonzero(rank[1:] < rank[:-1]) + 1
    if not ours and len(wrong) > _FEW * len(split):
        return [
            f"{split.split}: the records are in another order than that of this package, which is not looked at"
        ], []
    problem = (
        "{}: {} does not belong behind {} ({}): the order is md5(split + name); records were moved, or shards renamed"
    )
    problems = [problem.format(split.place(k), split.name(k), split.name(k - 1), split.place(k - 1)) for k in wrong]
    counts = np.unique(split.rows.shard, return_counts=True)[1].tolist()
    if not ours and counts and max(counts) - min(counts) > 1:
        spread = f"{min(counts):,} to {max(counts):,} whole records a shard"
        problems.append(
            f"{split.split}: {spread}; those of this package differ by one: some are missing, or were added"
        )
    return [], problems


def name_problems(split: SplitRows, ours: bool) -> tuple[list[str], list[str]]:
    """Returns facts and problems of file names that have the official form of another split, as `order_problems` does.

    This package refuses such images; others may have made their splits so.
    """
    own = (None, split.split)
    found = [row for row, name in enumerate(split.rows.name.tolist()) if synsets.split_of_name(name) not in own]
    if not found:
        return [], []
    if len(found) > _FEW * len(split):
        line = (
            f"{split.split}: {len(found):,} names have the form of another split's: {first_few(map(split.name, found))}"
        )
        # Some make a val split of train's images; nobody means to train on those of val.
        return ([], [line]) if ours or split.split == "train" else ([line], [])
    return [], [f"{split.place(row)}: {split.name(row)} is a name of another split than {split.split}" for row in found]


def box_lines(split: SplitRows, stated: int | None, is_whole: bool) -> tuple[list[str], list[str]]:
    """Returns facts and problems of how many records have bounding boxes.

    Args:
      split: The records to be looked at.
      stated: The number that the manifest says; None if it says none.
      is_whole: Whether these are as many records as there should be: else it is known already that some are missing.
    """
    count = int(split.rows.boxed.sum())
    if stated is not None and is_whole and count != stated:
        return [], [f"{split.split}: {boxes_in_words(count, len(split))}, {NAME} says {stated:,}"]
    return [f"{split.split}: {boxes_in_words(count, len(split))}"] if count or stated is not None else [], []


def metadata_problems(split: SplitRows, offset: int, metadata: SplitMetadata) -> Iterator[str]:
    """Yields a line for each image that only the records or only the metadata have, or whose classes differ."""
    if not np.array_equal(metadata.classes, synsets.wnids()):
        yield f"metadata.h5: the classes of {split.split} are not the 1000 of ILSVRC2012 in their order"
        return
    theirs = _base_names(metadata.image_filenames)[metadata.object_ids[:, 0]]
    found = _rows_of(split.rows.name, theirs)
    if not (found >= 0).any():
        reason = ": it belongs to other data" if len(split) else ""
        yield f"metadata.h5: none of its {len(theirs):,} images of {split.split} is in a whole record{reason}"
        return
    for row in np.flatnonzero(found < 0):
        yield f"{split.place(row)}: {split.name(row)} is not in metadata.h5"
    classes, stated = split.classes(offset), metadata.object_ids[found, 1]
    for row in np.flatnonzero((found >= 0) & (classes != stated)):
        wnid = synsets.wnids()[stated[row]]
        yield f"{split.place(row)}: {split.name(row)} has class {classes[row]}; metadata.h5 says {stated[row]} ({wnid})"
    for row in np.flatnonzero(~np.isin(np.arange(len(theirs)), found)):
        yield f"metadata.h5: {shown(os.fsdecode(theirs[row]))} is in no whole record of {split.split}"


def _base_names(paths: np.ndarray) -> np.ndarray:
    """Returns the file names of paths, S of shape (n,); a part at a time, for a million strings take 100 MB."""
    parts = (part.tolist() for part in np.array_split(paths, len(paths) // _CHUNK + 1))
    return np.concatenate(
        [np.array([os.fsencode(path.rpartition("/")[2]) for path in part], np.bytes_) for part in parts]
    )


def _rows_of(names: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Returns where each of the names stands among theirs, -1 where it does not; both sorted first, for speed."""
    rows, order, sorted_names = np.full(len(names), -1), np.argsort(theirs), np.argsort(names)
    if len(theirs):
        found = np.minimum(np.searchsorted(theirs[order], names[sorted_names]), len(theirs) - 1)
        known = theirs[order[found]] == names[sorted_names]
        rows[sorted_names[known]] = order[found[known]]
    return rows
