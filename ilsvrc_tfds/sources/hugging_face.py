"""Shards of Hugging Face's copies: the folders that have them, their names, and whether all are there.

| where | files |
|---|---|
| a downloaded folder | `data/train-00000-of-00294.parquet`, also `…-of-00294-<16 hexadecimal digits>.parquet` |
| the branch that the Hub makes by itself | `default/train/0000.parquet` |
| the Hub's cache | `datasets--ILSVRC--imagenet-1k/snapshots/<commit>/data/`, with links into `blobs/` |
| a data set that was saved to disk | `train/data-00000-of-00300.arrow`, `train/state.json`, `dataset_dict.json` |
| the cache of `datasets` | `ILSVRC___imagenet-1k/default/0.0.0/<hash>/imagenet-1k-train-00000-of-00300.arrow` |
"""

import contextlib
import dataclasses
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, counted, first_few, shown, unreadable
from ilsvrc_tfds.sources.names import split_of_folder
from ilsvrc_tfds.sources.places import names_in
from ilsvrc_tfds.sources.record_set import GO_WITHOUT
from ilsvrc_tfds.storage.regular import open_regular

GET_AGAIN = "Get it again, for example with `hf download`, which continues."
_STATED = re.compile(r"(?P<split>[A-Za-z]+)-(?P<index>\d{5})-of-(?P<count>\d{5})(?:-(?P<mark>[0-9a-f]{16}))?\.parquet")
_NUMBERED = re.compile(r"(?P<index>\d{4,5})\.parquet")
_ARROW = re.compile(r"(?:.+-)?(?P<split>[A-Za-z]+)(?:-(?P<index>\d{5})-of-(?P<count>\d{5}))?\.arrow")
# What `datasets` keeps of computations.
_COMPUTED = "cache-"
_REPOSITORY = re.compile(r"datasets--.*imagenet.*", re.I)
_CACHED = re.compile(r".*imagenet.*", re.I)
_OFFICIAL = "datasets--ILSVRC--imagenet-1k"
_IS_CONFIG, _IS_VERSION = re.compile(r"default(?:-[0-9a-f]{16})?|data"), re.compile(r"\d+\.\d+\.\d+")
_IS_HASH = re.compile(r"[0-9a-f]{16,64}")
_COMMIT_BYTES = 100
# A limit that keeps the search short.
_MOST_FOLDERS = 100


@dataclasses.dataclass(frozen=True)
class ShardName:
    """What the file name of a shard states.

    Attributes:
      name: File name.
      split: Split of the images.
      index: Number of the shard.
      count: Number of shards of the split, or None if the name does not state it.
      mark: Digits that distinguish uploads; empty if the name has no such digits.
    """

    name: str
    split: str
    index: int
    count: int | None
    mark: str = ""


def parse_shard(name: str, of_folder: str | None = None) -> ShardName | None:
    """Returns what the name of a parquet file states, or None if it is not that of a shard.

    >>> parse_shard("validation-00003-of-00014.parquet")
    ShardName(name='validation-00003-of-00014.parquet', split='val', index=3, count=14, mark='')
    >>> parse_shard("0000.parquet", of_folder="train").index
    0

    Args:
      name: File name.
      of_folder: Split that the folder is named for, which tells the split of a number alone.
    """
    if match := _STATED.fullmatch(name):
        split = split_of_folder(match["split"])
        return ShardName(name, split, int(match["index"]), int(match["count"]), match["mark"] or "") if split else None
    match = _NUMBERED.fullmatch(name)
    return ShardName(name, of_folder, int(match["index"]), None) if match and of_folder else None


def parse_arrow(name: str, of_folder: str | None = None) -> ShardName | None:
    """Returns what the name of an Arrow file states, or None if it is not that of a shard.

    >>> parse_arrow("imagenet-1k-train-00001-of-00300.arrow").index, parse_arrow("cache-0123456789abcdef.arrow")
    (1, None)

    Args:
      name: File name.
      of_folder: Split that the folder is named for, which tells the split of `data-00000-of-00300.arrow`.
    """
    match = None if name.startswith(_COMPUTED) else _ARROW.fullmatch(name)
    split = match and (of_folder if match["split"] == "data" else split_of_folder(match["split"]))
    if match is None or not split:
        return None
    return ShardName(name, split, int(match["index"] or 0), int(match["count"] or 1))


def folders_with_arrow(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yields (set, folder) for each folder that may hold Arrow files, like `folders_with_shards`.

    In the cache of `datasets` they are three folders below that of the repository: of the config, version and hash.

    >>> [str(below) for _, below in folders_with_arrow(Path("/data/imagenet"))]
    ['/data/imagenet']
    """
    yield folder, folder
    repositories = [folder, *(folder / name for name in names_in(folder) if "___" in name and _CACHED.fullmatch(name))]
    for repository in repositories:
        levels = [repository]
        for known in (_IS_CONFIG, _IS_VERSION, _IS_HASH):
            levels = [
                level / name for level in levels for name in names_in(level)[:_MOST_FOLDERS] if known.fullmatch(name)
            ]
        for found in levels:
            yield found, found


def folders_with_shards(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yields (set, folder) for each folder that may hold shards: the one that is named, or those of the Hub's cache.

    The set is the folder that all splits of one version have in common. In a cache the version of the branch `main`
    comes first.

    >>> [str(below) for _, below in folders_with_shards(Path("/data/imagenet"))]
    ['/data/imagenet', '/data/imagenet/data', '/data/imagenet/default']
    """
    for version in (folder, *versions_in(folder)):
        for below in ("", "data", "default"):
            yield version, version / below


def versions_in(folder: Path) -> Iterator[Path]:
    """Yields the folders of the versions of repositories in the Hub's cache, or in one repository of it.

    >>> list(versions_in(Path("/data/imagenet")))
    []
    """
    repositories = [folder] if os.path.isdir(folder / "snapshots") else []
    for cache in (folder, folder / "hub"):
        found = [cache / name for name in names_in(cache) if _REPOSITORY.fullmatch(name)]
        repositories += sorted(found, key=lambda path: (path.name != _OFFICIAL, path.name))
    return itertools.chain.from_iterable(map(_versions, repositories))


def _versions(repository: Path) -> list[Path]:
    """Returns the versions of a repository in the Hub's cache, that of `main` first."""
    main = ""
    with contextlib.suppress(OSError), open_regular(repository / "refs/main") as file:
        main = file.read(_COMMIT_BYTES).decode("ascii", "replace").strip()
    names = sorted(names_in(repository / "snapshots"), key=lambda name: (name != main, name))
    return [repository / "snapshots" / name for name in names]


def require_all(folder: str, shards: Sequence[ShardName]) -> None:
    """Raises SourceError if shards of a split are missing, there twice, of two downloads, or not whole.

    >>> require_all("/data/parquet", [ShardName("train-00001-of-00002.parquet", "train", 1, 2)])
    Traceback (most recent call last):
    ilsvrc_tfds.errors.SourceError: 1 shard of split 'train' is missing: /data/parquet/train-00000-of-00002...

    Args:
      folder: Folder of the shards.
      shards: Shards of one split that are there; at least one.
    """
    first, split = shards[0], f"split {shards[0].split!r}"
    for shard in shards[1:]:
        if (shard.count, not shard.mark) != (first.count, not first.mark):
            raise SourceError(
                f"{folder} holds shards of {split} of two downloads: {first.name} and {shard.name}. Keep one of them."
            )
    by_index: dict[int, ShardName] = {}
    for shard in shards:
        if other := by_index.setdefault(shard.index, shard):
            if other is not shard:
                raise SourceError(f"{folder}: {other.name} and {shard.name} are the same shard. Remove one of them.")
    count = max(by_index) + 1 if first.count is None else first.count
    if missing := [index for index in range(count) if index not in by_index]:
        paths = (os.path.join(folder, _name_of(first, index)) for index in missing)
        raise SourceError(
            f"{counted(len(missing), f'shard of {split} is', f'shards of {split} are')} missing: {first_few(paths)}. "
            f"Get them again, for example with `hf download`, which continues. {GO_WITHOUT}"
        )
    if beyond := [shard.name for shard in shards if shard.index >= count]:
        raise SourceError(f"{folder}: {first_few(beyond)} cannot be one of {counted(count, 'shard')}. Move it away.")
    _require_blobs([os.path.join(folder, shard.name) for shard in shards])


def _require_blobs(paths: Sequence[str]) -> None:
    """Raises SourceError if links lead to files that the Hub's client has not finished."""
    broken = [path for path in paths if os.path.islink(path) and not os.path.exists(path)]
    if broken:
        raise SourceError(
            f"{counted(len(broken), 'shard is', 'shards are')} not there, because the download has not ended: "
            f"{first_few(f'{shown(path)} is a link to {shown(os.readlink(path))}' for path in broken)}. {GET_AGAIN}"
        )
    for path in paths:
        try:
            os.stat(path)
        except OSError as error:
            raise unreadable(path, error) from error


def _name_of(shard: ShardName, index: int) -> str:
    """Returns the name of the shard with another number; the mark of that is not known."""
    if shard.count is None:
        return f"{index:04d}.parquet"
    return re.sub(r"-[0-9a-f]{16}\.", "-*.", shard.name.replace(f"-{shard.index:05d}-of-", f"-{index:05d}-of-", 1))
