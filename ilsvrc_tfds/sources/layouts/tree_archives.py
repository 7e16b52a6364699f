"""Plain tars of a tree of folders, such as `ILSVRC2017_CLS-LOC.tar`: one archive with all splits.

The images are in `ILSVRC/Data/CLS-LOC/{train/<wnid>,val,test}`, or in `train/<wnid>`, `val` and `test` alone.
"""

import itertools
import os
import re
from collections.abc import Collection
from io import FileIO
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, unreadable
from ilsvrc_tfds.sources.names import USUAL_NAMES, numbered_archive, split_hinted, split_of_archive, split_of_folder
from ilsvrc_tfds.sources.numbered import dated_archives
from ilsvrc_tfds.sources.places import Place, absolute, names_in
from ilsvrc_tfds.sources.scan import Scan, open_archive, unchanged
from ilsvrc_tfds.sources.tar import read_members
from ilsvrc_tfds.sources.trees import Listed, Tree, is_inner_archive, list_tree, place_of

KIND = "tree"

_TREE_NAME = re.compile(r"imagenet|ilsvrc|cls.?loc", re.I)
_OTHERS = re.compile(r"bbox|devkit|annotation|_t3$", re.I)  # t3: the dogs of another task
# Members that are looked at to see what an archive holds: the first ones of a tree are in its folders.
_LOOKED_AT = 50


def find(source: Path, root: str) -> list[Place]:
    """Returns the splits in the tar of a tree that `source` is.

    >>> [(place.split, place.path) for place in find(Path("/data/cls-loc.tar"), "")]
    [('train', '/data/cls-loc.tar'), ('val', '/data/cls-loc.tar')]
    """
    is_other = split_of_archive(source.name) or _OTHERS.search(source.stem)
    return _places(source) if source.suffix.lower() == ".tar" and not is_other and os.path.isfile(source) else []


def archives_in(folder: Path) -> list[Path]:
    """Returns the tars in a folder that are of a tree, by their names and first members, or that cannot be read."""
    there = names_in(folder)
    dated = [own.name for own in dated_archives(folder, there) if own.split and own.is_tree]
    names = [name for name in there if name in dated or is_tree_name(name, ".tar") and not _is_other_layouts(name)]
    return [path for name in names if os.path.isfile(path := folder / name) and _may_be_tree(path)]


def is_tree_name(name: str, suffix: str) -> bool:
    """Returns whether a file may be an archive of a tree by its name. Archives of other things are left out.

    >>> is_tree_name("ILSVRC2017_CLS-LOC.tar", ".tar"), is_tree_name("ILSVRC2012_bbox_val.tar", ".tar")
    (True, False)
    """
    stem = name[: -len(suffix)] if name.lower().endswith(suffix) else ""
    known = _TREE_NAME.search(stem) or split_of_archive(f"{stem}.tar") or split_hinted(stem)
    return bool(stem and known and not _OTHERS.search(stem))


def scans(place: Place) -> tuple[list[Scan], list[str]]:
    """Returns the images that were listed when the place was found; and no folders that are not used."""
    assert isinstance(place.listing, Tree)
    return [Listed(place.split, place.path, place.listing.scanned(place.split, KIND))], []


def in_words(places: Collection[Place], jobs: Collection[Scan]) -> str:
    """Returns the name of the layout."""
    return "archive of all splits"


def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
    """Returns the bytes of an image, which are stored as they are."""
    return os.pread(file.fileno(), size, offset)


def _is_other_layouts(name: str) -> bool:
    numbered = numbered_archive(name)
    is_shard = numbered is not None and split_of_folder(numbered[0]) is not None
    return is_shard or name in USUAL_NAMES or split_of_archive(name) is not None


def _may_be_tree(path: Path) -> bool:
    """Returns whether one of the first members of a tar is in a folder of a tree, or an archive that may hold images.

    The result is true if there are none, or they cannot be read: listing them says why.
    """
    try:
        with open_archive(str(path)) as file:
            members = list(itertools.islice(read_members(file.fileno(), str(path)), _LOOKED_AT))
            return not members or any(_is_of_tree(*member.name.rpartition(b"/")[::2]) for member in members)
    except (SourceError, OSError):
        return True


def _is_of_tree(folder: bytes, base: bytes) -> bool:
    return place_of(folder)[0] is not None or b"CLS-LOC" in folder.split(b"/") or is_inner_archive(base)


def _places(path: Path) -> list[Place]:
    with unchanged(str(path)) as stamp, open_archive(str(path)) as file:
        try:
            fd = file.fileno()
            members = read_members(fd, str(path))
            tree = list_tree(absolute(path), stamp, members, lambda start, size: os.pread(fd, size, start))
        except OSError as error:
            raise unreadable(path, error) from error
    return tree.places(KIND)
