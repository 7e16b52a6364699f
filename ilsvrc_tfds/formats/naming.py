"""The names of splits and shards, and the order of records, which follows from the file names of the images."""

import hashlib
import re
from collections.abc import Iterable

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, first_few
from ilsvrc_tfds.formats.kinds import CLASSIC, TFDS

# The data set's own names of splits, and the names that readers of classic TFRecords expect.
CLASSIC_NAMES = {"train": "train", "val": "validation", "test": "test"}

PATTERNS = {
    TFDS: re.compile(r"ilsvrc2012-(?P<split>train|val|test)\.(?P<format>[a-z_]+)-(?P<index>\d{5})-of-(?P<count>\d{5})"),
    CLASSIC: re.compile(r"(?P<split>train|validation|test)-(?P<index>\d{5})-of-(?P<count>\d{5})"),
}


def own_split(name: str) -> str | None:
    """Returns the data set's own name of a split (train, val, test), or None if there is no such split.

    Args:
      name: The data set's own name, or that of classic TFRecords.

    >>> own_split("validation"), own_split("val"), own_split("dev")
    ('val', 'val', None)
    """
    return {**{classic: own for own, classic in CLASSIC_NAMES.items()}, **dict(zip(CLASSIC_NAMES, CLASSIC_NAMES))}.get(
        name
    )


def own_splits(names: str | Iterable[str]) -> tuple[str, ...]:
    """Returns the data set's own names of splits, in the order train, val, test.

    Args:
      names: One or more names, each the data set's own or that of classic TFRecords.

    Raises OptionError if a name is not that of a split, or if there are no names.

    >>> own_splits(["validation", "train"])
    ('train', 'val')
    """
    names = [names] if isinstance(names, str) else list(names)
    strange = [name for name in names if own_split(name) is None]
    if strange or not names:
        what = f"There is no split {first_few(map(repr, strange))}" if strange else "No splits are named"
        raise OptionError(f"{what}; expected some of train, val (or validation), test.")
    own = set(map(own_split, names))
    return tuple(split for split in synsets.OFFICIAL_COUNTS if split in own)


def shard_name(kind: str, split: str, index: int, count: int, file_format: str = "tfrecord") -> str:
    """Returns the file name of a shard.

    Args:
      kind: Kind of the records, `tfds` or `classic`.
      split: The data set's own name of the split.
      index: Number of the shard, from 0.
      count: Number of shards in the split.
      file_format: File format of TFDS. Classic shards are always TFRecords.

    >>> shard_name("tfds", "val", 0, 64)
    'ilsvrc2012-val.tfrecord-00000-of-00064'
    >>> shard_name("classic", "val", 0, 128)
    'validation-00000-of-00128'
    """
    stem = f"ilsvrc2012-{split}.{file_format}" if kind == TFDS else CLASSIC_NAMES[split]
    return f"{stem}-{index:05d}-of-{count:05d}"


def disk_order(split: str, names: np.ndarray) -> np.ndarray:
    """Returns the row numbers of images in the order of records; int64 of shape (n,).

    This is the ascending order of md5(split + name), as in TFDS (core/hashing.py).

    Args:
      split: Name of the split, which is the salt of the hash.
      names: File names of the images, S of shape (n,).

    >>> disk_order("val", np.array([b"a.JPEG", b"b.JPEG", b"c.JPEG"])).tolist()
    [1, 2, 0]
    """
    salted = hashlib.md5(split.encode(), usedforsecurity=False)  # which FIPS machines refuse
    digests = bytearray()
    for name in names.tolist():
        digest = salted.copy()
        digest.update(name)
        digests += digest.digest()
    halves = np.frombuffer(digests, ">u8").reshape(-1, 2)
    return np.lexsort((halves[:, 1], halves[:, 0]))
