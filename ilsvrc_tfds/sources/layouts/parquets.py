"""Parquet files of Hugging Face's `ILSVRC/imagenet-1k`, as they are downloaded, or in the Hub's cache.

See `hugging_face` for the folders and names, and `rows` for the columns. Images cannot be read at random: they are
written into a spool first, see `spooling`.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from io import FileIO
from pathlib import Path

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources import parquet
from ilsvrc_tfds.sources.collecting import errors_reported
from ilsvrc_tfds.sources.hugging_face import GET_AGAIN, ShardName, folders_with_shards, parse_shard, require_all
from ilsvrc_tfds.sources.names import FOLDERS, KAGGLE_ROOTS, SPLITS
from ilsvrc_tfds.sources.places import Place, absolute, names_in
from ilsvrc_tfds.sources.scan import Scan, stamped

KIND = parquet.KIND
# The Hub converts the first 5 GB only of a data set that is not in parquet.
_PARTIAL = "partial-"


def find(source: Path, root: str) -> list[Place]:
    """Returns the splits whose parquet files are in one folder of a source, in `data/` there, or in the Hub's cache.

    >>> [(place.split, len(place.files)) for place in find(Path("/data/parquet"), "")]
    [('train', 2), ('val', 1)]
    """
    if root in KAGGLE_ROOTS[1:] or not os.path.isdir(source / root):
        return []
    return [place for version, folder in folders_with_shards(source / root) for place in _places(version, folder)]


def scans(place: Place) -> tuple[list[Scan], list[str]]:
    """Returns a scan for each file of the split; and no folders that are not used.

    Raises SourceError if a file is missing, there twice, of another download, or not whole.
    """
    if not isinstance(place.listing, list):
        raise SourceError(
            f"{place.path} holds the first 5 GB only of split {place.split!r}: that is what the Hub converts by "
            f"itself. Get all of `data/`. {GET_AGAIN}"
        )
    with errors_reported():
        require_all(place.path, place.listing)
    return [parquet.ParquetScan(place.split, *file) for file in stamped(place.files)], []


def in_words(places: Collection[Place], jobs: Collection[Scan]) -> str:
    """Returns the name of the layout."""
    return "Hugging Face parquet"


def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
    """Returns one image, after reading its row group: see `parquet.read`."""
    return parquet.read(file, offset, size)


def images(path: str, stamp: str, places: Iterable[tuple[int, int]]) -> Iterator[bytes | None]:
    """Yields the images of some rows of a file: see `parquet.images`."""
    return parquet.images(path, stamp, places)


def _places(version: Path, folder: Path) -> Iterator[Place]:
    """Yields the splits that a folder has files of, by their names or else by the split of the folder they are in."""
    shards = _shards(folder, None)
    for split in SPLITS:
        own = [shard for shard in shards if shard.split == split]
        if own:
            yield _place(split, version, folder, own)
        for name in FOLDERS[split]:
            below = folder / name
            if numbered := [shard for shard in _shards(below, split) if shard.split == split]:
                yield _place(split, version, below, numbered)
            elif parts := _shards(folder / f"{_PARTIAL}{name}", split):
                yield _place(split, version, folder / f"{_PARTIAL}{name}", parts, is_whole=False)


def _place(split: str, version: Path, folder: Path, shards: list[ShardName], is_whole: bool = True) -> Place:
    files = tuple(os.path.join(absolute(folder), shard.name) for shard in shards)
    listing = shards if is_whole else None
    return Place(split, absolute(folder), split, KIND, files=files, set=absolute(version), listing=listing)


def _shards(folder: Path, split: str | None) -> list[ShardName]:
    return [shard for name in names_in(folder) if (shard := parse_shard(name, split))]
