"""Zip archives of a tree of folders: `imagenet-object-localization-challenge.zip` as Kaggle's command downloads it.

The images are in `ILSVRC/Data/CLS-LOC/{train/<wnid>,val,test}`, the tables `LOC_*` beside that; other zips of `train/`,
`val/` and `test/` are read too. Entries may be stored or deflated, and are inflated one at a time.
"""

import os
from collections.abc import Collection
from functools import partial
from io import FileIO
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, unreadable
from ilsvrc_tfds.sources.layouts.tree_archives import is_tree_name
from ilsvrc_tfds.sources.places import Place, absolute, names_in
from ilsvrc_tfds.sources.scan import Scan, open_archive, unchanged
from ilsvrc_tfds.sources.trees import Listed, Tree, list_tree, place_of
from ilsvrc_tfds.sources.zip import read_entries, read_entry

KIND = "zip"


def find(source: Path, root: str) -> list[Place]:
    """Returns the splits in the zip archive that `source` is.

    >>> [(place.split, place.path) for place in find(Path("/data/kaggle.zip"), "")]
    [('train', '/data/kaggle.zip'), ('val', '/data/kaggle.zip')]
    """
    return _places(source) if source.suffix.lower() == ".zip" and os.path.isfile(source) else []


def archives_in(folder: Path) -> list[Path]:
    """Returns the zip archives in a folder that may be of a tree, by their names, or else by what they hold."""
    names = [name for name in names_in(folder) if name.lower().endswith(".zip") and os.path.isfile(folder / name)]
    known = [name for name in names if is_tree_name(name, ".zip")]
    others = [name for name in names if name not in known and _holds_images(folder / name)]
    return [folder / name for name in (*known, *others)]


def _holds_images(path: Path) -> bool:
    """Returns whether a zip archive of any name has an image of an official name in a folder of a tree."""
    try:
        with open_archive(str(path)) as file:
            for name, _, _ in read_entries(file.fileno(), str(path)):
                folder, _, base = name.rpartition(b"/")
                if synsets.split_of_name(base) and place_of(folder)[0]:
                    return True
    except (SourceError, OSError):  # it may belong to something else
        pass
    return False


def scans(place: Place) -> tuple[list[Scan], list[str]]:
    """Returns the images that were listed when the place was found; and no folders that are not used."""
    assert isinstance(place.listing, Tree)
    return [Listed(place.split, place.path, place.listing.scanned(place.split, KIND))], []


def in_words(places: Collection[Place], jobs: Collection[Scan]) -> str:
    """Returns the name of the layout."""
    return "zip archive"


def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
    """Returns the inflated bytes of an image after comparing its name and checksum. Raises ImageError for others."""
    return read_entry(file.fileno(), offset, size, name)


def _places(path: Path) -> list[Place]:
    with unchanged(str(path)) as stamp, open_archive(str(path)) as file:
        try:
            entries = read_entries(file.fileno(), str(path))
            tree = list_tree(absolute(path), stamp, entries, partial(read_entry, file.fileno()))
        except OSError as error:
            raise unreadable(path, error) from error
    return tree.places(KIND)
