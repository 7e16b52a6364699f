"""What a folder without shards is instead, and where shards are near it. For messages that name the right folder."""

import fnmatch
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from ilsvrc_tfds.errors import first_few
from ilsvrc_tfds.formats.alias import read_alias
from ilsvrc_tfds.formats.kinds import CLASSIC, IMAGENET2012, KINDS, TFDS
from ilsvrc_tfds.formats.naming import parse_shard_name

PREPARED, OF_TFDS = KINDS[TFDS].words, KINDS[IMAGENET2012].words
EXPORTED, UNPACKED = "exported TFRecords", "image files that `unpack` wrote"
# The file that `unpack` writes into its folder.
MARK_NAME = "unpacked.json"

# Folders that are looked into, by the layout of a data directory: itself, `ilsvrc2012`, a config, or one above it.
_BELOW = ("*", "*/[0-9]*.[0-9]*", "*/*/[0-9]*.[0-9]*", "*/*/*/[0-9]*.[0-9]*")
# Limits that keep the search short in a folder of something else.
_MOST_FOLDERS, _MOST_ENTRIES = 100, 2000


def kind_of_set(folder: str | os.PathLike) -> str:
    """Returns what is in a folder, in words, or an empty string if this package cannot read it.

    >>> kind_of_set(folder)
    'exported TFRecords'
    """
    names = list(_names(folder))
    kinds = {shard.kind for shard in map(parse_shard_name, names) if shard is not None}
    if TFDS in kinds:
        return PREPARED
    if IMAGENET2012 in kinds:
        return OF_TFDS
    if CLASSIC in kinds:
        return EXPORTED
    return UNPACKED if MARK_NAME in names else ""


def advice(folder: Path) -> str:
    """Returns a sentence for a folder without shards: where there are some, or what it is; empty if neither is known.

    >>> advice(Path(folder, "source"))
    ' It looks like the images themselves: make a data set of them with `ilsvrc-tfds prepare`.'
    """
    found = [path for path in _folders_below(folder) if kind_of_set(path) not in (UNPACKED, "") or read_alias(path)]
    if found:
        return f" There are some in {first_few(found)}: name {'that folder' if len(found) == 1 else 'one of them'}."
    if kind_of_set(folder) == UNPACKED:
        return f" It has {UNPACKED}: name the prepared data set instead."
    if any(fnmatch.fnmatch(name, "ILSVRC2012_img_*.tar") or name in ("train", "val") for name in _names(folder)):
        return " It looks like the images themselves: make a data set of them with `ilsvrc-tfds prepare`."
    return ""


def _folders_below(folder: Path) -> list[Path]:
    found = (path for pattern in _BELOW for path in sorted(folder.glob(pattern)))
    paths = (path for path in found if not path.name.startswith("incomplete."))  # TFDS works in it
    try:
        return list(itertools.islice(paths, _MOST_FOLDERS))
    except OSError:  # a folder that cannot be read
        return []


def _names(folder: str | os.PathLike) -> Iterator[str]:
    """Yields the first names in a folder; none if it cannot be read."""
    try:
        with os.scandir(os.fspath(folder)) as entries:
            yield from (entry.name for entry in itertools.islice(entries, _MOST_ENTRIES))
    except OSError:
        return
