"""The place of a split: the archives or the folder that hold its images; and what finding it needs."""

import dataclasses
import os
import stat
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, first_few, shown, unreadable
from ilsvrc_tfds.sources.names import FOLDERS, split_of_folder
from ilsvrc_tfds.storage.files import without_dots


@dataclasses.dataclass(frozen=True)
class Place:
    """The archive or folder of one split.

    Attributes:
      split: Name of the split: `train`, `val` or `test`.
      path: Path of the archive or folder.
      folder: Path of a folder relative to the source. For an archive, the name of the split.
      kind: Kind of the layout that it belongs to: `archive`, `folder`; see `layouts`.
      usual: Whether it has a usual name. Places with other names rank behind all usual ones.
      files: Paths of the files in `path` that hold the split, if there are several.
      set: Path that the splits of one set have in common: that of its folder or archive. Empty for archives and folders
        of single splits, which belong together wherever they are.
      listing: What was read to find the splits: the contents of an archive, see `trees`; the set of the shards, or
        the error that tells why they are none, see `layouts.records`.
      may_be_repaired: Whether the CMYK JPEGs and the PNG may have been converted before; see `official`.
    """

    split: str
    path: str
    folder: str
    kind: str
    usual: bool = True
    files: tuple[str, ...] = ()
    set: str = ""
    may_be_repaired: bool = False
    listing: object = dataclasses.field(default=None, compare=False, repr=False)


def refuse_rivals(chosen: Place, found: list[Place]) -> None:
    """Raises SourceError if the chosen place has an unusual name and another one of its kind may be the split too."""
    rivals = [
        place
        for place in found
        if (place.split, place.kind) == (chosen.split, chosen.kind) and not is_same(place, chosen)
    ]
    if rivals and not chosen.usual:
        paths = first_few(shown(place.path) for place in (chosen, *rivals))
        raise SourceError(
            f"{paths} may both be the split {chosen.split}. Rename the right one to {FOLDERS[chosen.split][0]}, "
            "or move the other one away."
        )


def set_of_folder(folder: Path) -> str:
    """Returns `Place.set` of shards in a folder: the folder, or the one above it if it is that of one split."""
    return absolute(folder.parent if split_of_folder(folder.name) else folder)


def names_in(folder: str | os.PathLike) -> list[str]:
    """Returns the names in a folder that are not hidden, sorted. Raises SourceError if it cannot be read.

    The result is empty if the path is not a folder.

    >>> names_in("/data/imagenet")
    ['ILSVRC2012_img_train.tar', 'ILSVRC2012_img_val.tar']
    """
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith(".")) if os.path.isdir(folder) else []
    except OSError as error:
        raise unreadable(os.fspath(folder), error) from error


def kind_of(path: Path) -> str:
    """Returns `file`, `folder`, or an empty string. Raises SourceError for a broken link and other errors."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(path):
            raise unreadable(os.fspath(path), error) from error
        return ""
    except OSError as error:
        raise unreadable(os.fspath(path), error) from error
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else ""


def absolute(path: Path) -> str:
    """Returns an absolute path without `..`; see `without_dots`."""
    return str(without_dots(path.absolute()))


def is_same(place: Place, other: Place) -> bool:
    """Returns whether two places are the same, even if their paths differ."""
    files = [list(map(os.path.basename, own.files)) for own in (place, other)]
    return place.kind == other.kind and files[0] == files[1] and os.path.samefile(place.path, other.path)
