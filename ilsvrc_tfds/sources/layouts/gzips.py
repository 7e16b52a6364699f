"""Compressed tars of single splits, as Hugging Face's copy had them at first: `data/train_images_0.tar.gz` to `_4`.

`val_images.tar.gz` and `test_images.tar.gz` are beside them. The class is appended to the names. Images cannot be read
at random: they are written into a spool first, see `spooling`. So are those of `train/<wnid>.tar.gz`, which `folders`
finds.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator
from io import FileIO
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, counted, first_few
from ilsvrc_tfds.sources import copies, gzips
from ilsvrc_tfds.sources.collecting import report
from ilsvrc_tfds.sources.hugging_face import GET_AGAIN, folders_with_shards
from ilsvrc_tfds.sources.names import KAGGLE_ROOTS, SPLITS
from ilsvrc_tfds.sources.places import Place, absolute, names_in
from ilsvrc_tfds.sources.record_set import GO_WITHOUT
from ilsvrc_tfds.sources.scan import Scan, stamped

KIND = gzips.KIND
_NAME = re.compile(r"(?P<split>train|val|test)_images(?:_(?P<index>\d))?\.tar\.gz")
_EXPECTED = {
    "train": [f"train_images_{index}.tar.gz" for index in range(5)],
    "val": ["val_images.tar.gz"],
    "test": ["test_images.tar.gz"],
}


def find(source: Path, root: str) -> list[Place]:
    """Returns the splits whose archives are in one folder of a source, in `data/` there, or in the Hub's cache.

    >>> find(Path("/data/imagenet"), "")
    []
    """
    if root in KAGGLE_ROOTS[1:] or not os.path.isdir(source / root):
        return []
    return [place for version, folder in folders_with_shards(source / root) for place in _places(version, folder)]


def scans(place: Place) -> tuple[list[Scan], list[str]]:
    """Returns a scan for each archive of the split; and no folders that are not used.

    Raises SourceError if an archive is missing.
    """
    missing = sorted({*_EXPECTED[place.split]} - {*map(os.path.basename, place.files)})
    if missing:
        archives = counted(len(missing), "archive", "archives")
        error = SourceError(
            f"{place.path}: {archives} of split {place.split!r} {'is' if len(missing) == 1 else 'are'} missing: "
            f"{first_few(missing)}. {GET_AGAIN} {GO_WITHOUT}"
        )
        report(error)
    return [gzips.GzipScan(place.split, *file, copy=copies.of(*file)) for file in stamped(place.files)], []


def in_words(places: Collection[Place], jobs: Collection[Scan]) -> str:
    """Returns the name of the layout."""
    return "Hugging Face archives"


def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
    """Returns one image, after decompressing what is before it: see `gzips.read`."""
    return gzips.read(file, offset, size)


def images(path: str, stamp: str, places: Iterable[tuple[int, int]]) -> Iterator[bytes | None]:
    """Yields the images at some places of an archive: see `gzips.images`."""
    return gzips.images(path, stamp, places)


def is_of_hugging_face(name: str) -> bool:
    """Returns whether a file is, by its name, one of the archives of Hugging Face's copy.

    >>> is_of_hugging_face("train_images_0.tar.gz")
    True
    """
    return _NAME.fullmatch(name) is not None


def _places(version: Path, folder: Path) -> Iterator[Place]:
    found = [match for match in map(_NAME.fullmatch, names_in(folder)) if match]
    for split in SPLITS:
        if files := tuple(os.path.join(absolute(folder), match[0]) for match in found if match["split"] == split):
            yield Place(split, absolute(folder), split, KIND, files=files, set=absolute(version))
