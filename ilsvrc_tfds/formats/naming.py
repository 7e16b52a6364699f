"""The names of splits and shards, and the order of records, which follows from the file names of the images."""

import dataclasses
import functools
import hashlib
import re
import string
from collections.abc import Iterable

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, first_few
from ilsvrc_tfds.formats.kinds import IMAGENET2012, KINDS

TFRECORD, ARRAY_RECORD = "tfrecord", "array_record"

# Names of data sets, as users write them: `ilsvrc2012/raw256`, `ilsvrc2012`, `imagenet2012:5.1.0`.
OWN, DEFAULT_CONFIG = "ilsvrc2012", "classification"
SET_NAME = re.compile(
    rf"(?:{OWN}(?:/(?P<config>[\w.-]+))?|(?P<imagenet>{IMAGENET2012}))(?::(?P<version>\d+\.\d+\.\d+))?"
)

# The data set's own name of a split, by each name that a kind of records has for it.
_OWN_NAMES = {name: own for kind in KINDS.values() for own, name in kind.splits.items()}


@dataclasses.dataclass(frozen=True)
class ShardName:
    """What the file name of a shard states.

    Attributes:
      kind: Kind of its records: `tfds`, `imagenet2012` or `classic`.
      split: The data set's own name of the split.
      index: Number of the shard, from 0.
      count: Number of shards in the split.
      file_format: File format of TFDS.
    """

    kind: str
    split: str
    index: int
    count: int
    file_format: str


def own_split(name: str) -> str | None:
    """Returns the data set's own name of a split (train, val, test), or None if there is no such split.

    Args:
      name: The data set's own name, or that of classic TFRecords.

    >>> own_split("validation"), own_split("val"), own_split("dev")
    ('val', 'val', None)
    """
    return _OWN_NAMES.get(name)


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


def shard_name(kind: str, split: str, index: int, count: int, file_format: str = TFRECORD) -> str:
    """Returns the file name of a shard.

    Args:
      kind: Kind of the records: `tfds`, `imagenet2012` or `classic`.
      split: The data set's own name of the split.
      index: Number of the shard, from 0.
      count: Number of shards in the split.
      file_format: File format of TFDS. Classic shards are always TFRecords.

    >>> shard_name("tfds", "val", 0, 64)
    'ilsvrc2012-val.tfrecord-00000-of-00064'
    >>> shard_name("classic", "val", 0, 128)
    'validation-00000-of-00128'
    """
    own = KINDS[kind]
    numbers = {"index": f"{index:05d}", "count": f"{count:05d}"}
    return own.template.format(split=own.splits[split], file_format=file_format, **numbers)


def parse_shard_name(name: str) -> ShardName | None:
    """Returns what the file name of a shard states, or None if it is not one. The inverse of `shard_name`.

    >>> parse_shard_name("validation-00000-of-00128")
    ShardName(kind='classic', split='val', index=0, count=128, file_format='tfrecord')
    >>> parse_shard_name("metadata.h5") is None
    True
    """
    for kind in KINDS:
        if match := _compiled(kind).fullmatch(name):
            parts = {"file_format": TFRECORD, **match.groupdict()}
            index, count = int(parts["index"]), int(parts["count"])
            return ShardName(kind, _OWN_NAMES[parts["split"]], index, count, parts["file_format"])
    return None


@functools.cache
def _compiled(kind: str) -> re.Pattern[str]:
    return re.compile(shard_pattern(kind))


def shard_pattern(kind: str) -> str:
    """Returns the regular expression of the file names of a kind's shards, which follows from their template.

    >>> shard_pattern("classic")
    '(?P<split>train|validation|test)\\\\-(?P<index>[0-9]{5})\\\\-of\\\\-(?P<count>[0-9]{5})'
    """
    own = KINDS[kind]
    fields = {
        "split": "|".join(own.splits.values()),
        "file_format": "[a-z_]+",
        "index": "[0-9]{5}",
        "count": "[0-9]{5}",
    }
    parts = string.Formatter().parse(own.template)
    return "".join(re.escape(text) + (f"(?P<{name}>{fields[name]})" if name else "") for text, name, _, _ in parts)


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
