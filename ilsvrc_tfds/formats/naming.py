"""The names of splits and shards, and the order of the records that follows from the names of images."""

import hashlib
import re
from collections.abc import Iterable

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, first_few
from ilsvrc_tfds.formats.kinds import CLASSIC, TFDS

# The data set's own names, and those that readers of classic TFRecords hard-code.
CLASSIC_NAMES = {"train": "train", "val": "validation", "test": "test"}

PATTERNS = {
    TFDS: re.compile(r"ilsvrc2012-(?P<split>train|val|test)\.(?P<format>[a-z_]+)-(?P<index>\d{5})-of-(?P<count>\d{5})"),
    CLASSIC: re.compile(r"(?P<split>train|validation|test)-(?P<index>\d{5})-of-(?P<count>\d{5})"),
}


def own_split(name: str) -> str | None:
    """Returns the data set's own name of a split (train, val, test) for either name of it; None for any other."""
    return {**{classic: own for own, classic in CLASSIC_NAMES.items()}, **dict(zip(CLASSIC_NAMES, CLASSIC_NAMES))}.get(
        name
    )


def own_splits(names: str | Iterable[str]) -> tuple[str, ...]:
    """Returns the data set's own names of splits for either names of them, in the order train, val, test.

    Raises OptionError for a name that is not a split's, or if there are none.
    """
    names = [names] if isinstance(names, str) else list(names)
    strange = [name for name in names if own_split(name) is None]
    if strange or not names:
        what = f"There is no split {first_few(map(repr, strange))}" if strange else "No splits are named"
        raise OptionError(f"{what}; expected some of train, val (or validation), test.")
    own = set(map(own_split, names))
    return tuple(split for split in synsets.OFFICIAL_COUNTS if split in own)


def shard_name(kind: str, split: str, index: int, count: int, file_format: str = "tfrecord") -> str:
    """Returns the file name of a shard: `ilsvrc2012-val.tfrecord-00000-of-00064`, or `validation-00000-of-00128`."""
    stem = f"ilsvrc2012-{split}.{file_format}" if kind == TFDS else CLASSIC_NAMES[split]
    return f"{stem}-{index:05d}-of-{count:05d}"


def disk_order(split: str, names: np.ndarray) -> np.ndarray:
    """Returns the rows by md5(split + name) ascending, TFDS's own rule (core/hashing.py); int64 of shape (n,).

    Args:
      split: the hash's salt.
      names: file names, S of shape (n,).
    """
    salted = hashlib.md5(split.encode(), usedforsecurity=False)  # which FIPS machines refuse
    digests = bytearray()
    for name in names.tolist():
        digest = salted.copy()
        digest.update(name)
        digests += digest.digest()
    halves = np.frombuffer(digests, ">u8").reshape(-1, 2)
    return np.lexsort((halves[:, 1], halves[:, 0]))
