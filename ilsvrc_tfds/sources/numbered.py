"""Tells shards of a WebDataset from whole archives whose names end with a date: `train_20240115.tar`.

Shards are numbered from 0 or 1. An archive with another number is a shard only if it holds samples: one of a set whose
first shards are missing.
"""

import itertools
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources.names import numbered_archive, split_of_folder
from ilsvrc_tfds.sources.scan import open_archive
from ilsvrc_tfds.sources.tar import read_members
from ilsvrc_tfds.sources.trees import place_of

# ImageNet has 1.3 million images: whoever writes one a shard has fewer shards. Dates and times have more digits.
_MOST_SHARDS = 2_000_000
_LOOKED_AT = 20
_OF_SAMPLES = (b"cls", b"json")


class Dated(NamedTuple):
    """An archive with a date in its name, or another number that is not that of a shard.

    Attributes:
      name: File name.
      split: Split that the name states without the number, or None if it states none.
      is_tree: Whether it holds folders of splits, as an archive of a whole tree does.
    """

    name: str
    split: str | None
    is_tree: bool


def dated_archives(folder: Path, names: Collection[str]) -> list[Dated]:
    """Returns those of the files in a folder that are numbered archives, but no shards.

    At most some files are opened: those of a number over 1 without any of 0 or 1 beside them.

    >>> dated_archives(Path("/data/webdataset"), os.listdir("/data/webdataset"))
    []
    """
    groups: dict[str, dict[str, int]] = {}
    for name in names:
        if numbered := numbered_archive(name):
            groups.setdefault(numbered[0], {})[name] = numbered[1]
    return [dated for stem, own in sorted(groups.items()) for dated in _dated(folder, stem, own)]


def _dated(folder: Path, stem: str, numbers: dict[str, int]) -> Iterator[Dated]:
    """Yields the archives of one name that are no shards; some are if the one of the lowest number is one."""
    shards = sorted((number, name) for name, number in numbers.items() if number < _MOST_SHARDS)
    are_shards = bool(shards) and (shards[0][0] <= 1 or _holds_samples(_first_names(folder / shards[0][1])))
    for name, number in sorted(numbers.items()):
        if (number >= _MOST_SHARDS or not are_shards) and os.path.isfile(folder / name):
            first = _first_names(folder / name)
            is_tree = any(place_of(member.rpartition(b"/")[0])[0] for member in first)
            yield Dated(name, split_of_folder(stem), is_tree)


def _first_names(path: Path) -> list[bytes]:
    """Returns the names of the first members of a tar; none if it cannot be read, which its scan reports."""
    try:
        with open_archive(str(path)) as file:
            return [member.name for member in itertools.islice(read_members(file.fileno(), str(path)), _LOOKED_AT)]
    except (SourceError, OSError):
        return []


def _holds_samples(names: Collection[bytes]) -> bool:
    return any(name.lower().endswith(b"." + suffix) for name in names for suffix in _OF_SAMPLES)
