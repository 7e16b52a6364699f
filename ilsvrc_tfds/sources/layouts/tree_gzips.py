"""Compressed tars of a tree of folders: `imagenet_object_localization_patched2019.tar.gz` of Kaggle, and CLS-LOC's.

They hold what `tree_archives` describes, or are the official archives of one split: `ILSVRC2012_img_train.tar.gz`, with
an archive for each class inside. All of an archive is decompressed to list it, and kept as a plain copy if its images
are needed as they are, see `copies`. Otherwise it is decompressed again for each split, to write its images into a
spool, see `spooling`.
"""

import contextlib
import itertools
import os
import re
from collections.abc import Collection
from pathlib import Path

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources import copies, gzips
from ilsvrc_tfds.sources.layouts.gzips import is_of_hugging_face
from ilsvrc_tfds.sources.layouts.tree_archives import is_tree_name
from ilsvrc_tfds.sources.names import split_of_archive
from ilsvrc_tfds.sources.places import Place, absolute, names_in
from ilsvrc_tfds.sources.scan import Scan, unchanged
from ilsvrc_tfds.sources.tar import ReadAhead
from ilsvrc_tfds.sources.trees import Listed, Tree, list_tree, place_of

KIND = "gzip tree"
_SUFFIX = re.compile(r"(?P<stem>.+)\.(?:tar\.gz|tgz)", re.I)
# Members that are looked at to see what an archive holds: the first ones of a tree are in its folders.
_LOOKED_AT = 50


def find(source: Path, root: str) -> list[Place]:
    """Returns the splits in the compressed tar that `source` is.

    >>> [(place.split, place.path) for place in find(Path("/data/cls-loc.tar.gz"), "")]
    [('train', '/data/cls-loc.tar.gz'), ('val', '/data/cls-loc.tar.gz')]
    """
    return _places(source) if _is_named(source.name) and os.path.isfile(source) else []


def archives_in(folder: Path) -> list[Path]:
    """Returns the compressed tars in a folder that are of a tree by their first members, or that cannot be read."""
    names = [name for name in names_in(folder) if _is_named(name)]
    return [path for name in names if os.path.isfile(path := folder / name) and _may_be_tree(path)]


def scans(place: Place) -> tuple[list[Scan], list[str]]:
    """Returns the images that were listed when the place was found; and no folders that are not used."""
    assert isinstance(place.listing, Tree)
    return [Listed(place.split, place.path, place.listing.scanned(place.split, gzips.KIND))], []


def in_words(places: Collection[Place], jobs: Collection[Scan]) -> str:
    """Returns the name of the layout."""
    return "compressed archive of all splits"


def _is_named(name: str) -> bool:
    match = _SUFFIX.fullmatch(name)
    return match is not None and is_tree_name(f"{match['stem']}.tar", ".tar") and not is_of_hugging_face(name)


def _may_be_tree(path: Path) -> bool:
    """Returns whether one of the first members of an archive is in a folder of a tree.

    The result is true if there are none, or they cannot be read: listing them says why.
    """
    try:
        with contextlib.closing(gzips.GzipStream(str(path))) as stream:
            members = list(itertools.islice(gzips.read_gzip_classes(stream, str(path)), _LOOKED_AT))
    except SourceError:
        return True
    folders = (member.name.rpartition(b"/")[0] for member in members)
    return not members or any(place_of(own, _split_of(path))[0] or b"CLS-LOC" in own.split(b"/") for own in folders)


def _split_of(path: Path) -> str | None:
    match = _SUFFIX.fullmatch(path.name)
    return split_of_archive(f"{match['stem']}.tar") if match else None


def _places(path: Path) -> list[Place]:
    def make_tree(stream: ReadAhead) -> Tree:
        members = gzips.read_gzip_classes(stream, str(path))
        return list_tree(absolute(path), stamp, members, lambda offset, size: stream.read(size, offset))

    with unchanged(str(path)) as stamp:
        copy = copies.of(absolute(path), stamp, all_splits=True)
        copies.begin()
        tree = gzips.listed(str(path), stamp, copy, make_tree)
    return tree.places(KIND)
