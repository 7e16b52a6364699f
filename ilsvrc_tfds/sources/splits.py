"""The places of the splits in a folder, found by the names of archives and folders."""

import dataclasses
import os
import stat
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, first_few, shown, unreadable
from ilsvrc_tfds.sources.members import is_image
from ilsvrc_tfds.sources.names import ARCHIVES, FOLDERS, SPLITS, split_of_archive, split_of_folder
from ilsvrc_tfds.sources.sightings import contents

USUAL_NAMES = frozenset(name for names in (*ARCHIVES.values(), *FOLDERS.values()) for name in names)


@dataclasses.dataclass(frozen=True)
class Place:
    """The archive or folder of one split.

    Attributes:
      split: Name of the split: `train`, `val` or `test`.
      path: Path of the archive or folder.
      folder: Path of a folder relative to the source. For an archive, the name of the split.
      kind: Either `archive` or `folder`.
      usual: Whether it has a usual name. Places with other names rank behind all usual ones.
    """

    split: str
    path: str
    folder: str
    kind: str
    usual: bool = True


def places_in(source: Path, root: str) -> list[Place]:
    """Returns the places of all splits with usual names in one folder, best ones first.

    >>> [(place.split, place.kind, place.folder) for place in places_in(Path("/data/folders"), "")]
    [('train', 'folder', 'train'), ('val', 'folder', 'val')]

    Args:
      source: Folder of the source.
      root: Folder to search, relative to the source.
    """
    folder = source / root
    places = []
    for split in SPLITS:
        for name in ARCHIVES[split]:
            if kind_of(folder / name) == "file":
                places.append(Place(split, absolute(folder / name), split, "archive"))
        for name in FOLDERS[split]:
            if kind_of(folder / name) == "folder" and names_in(folder / name):
                places.append(_folder_place(source, folder / name, split))
    return places


def other_places_in(source: Path, root: str, without: frozenset[str] = USUAL_NAMES) -> list[Place]:
    """Returns the places of all splits with known names except those in `without`, in the order of the names."""
    places = []
    for name in names_in(source / root):
        path = source / root / name
        if name in without:
            continue
        if (split := split_of_archive(name)) and kind_of(path) == "file":
            places.append(Place(split, absolute(path), split, "archive", usual=False))
        elif (split := split_of_folder(name)) and kind_of(path) == "folder":
            place = dataclasses.replace(_folder_place(source, path, split), usual=False)
            # A name such as `dev` may belong to something else, as /dev does.
            if contents(place.path) not in ("", "shards"):
                places.append(place)
    return places


def _folder_place(source: Path, folder: Path, split: str) -> Place:
    inner = _innermost(folder, split)
    return Place(split, absolute(inner), os.path.relpath(inner, source), "folder")


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


def _innermost(folder: Path, split: str) -> Path:
    """Returns the folder, or the one in it that has all its images: `val/val/`, from a tar with `val/`."""
    names = names_in(folder)
    if any(is_image(os.fsencode(name)) or synsets.is_wnid(name.removesuffix(".tar")) for name in names):
        return folder
    if any(is_stray(folder, name, split) for name in names):
        return folder
    inner = [folder / name for name in names if name in FOLDERS[split] and names_in(folder / name)]
    inner += [folder / name for name in names if split_of_folder(name) == split and contents(folder / name)]
    return inner[0] if inner else folder


def is_stray(folder: str | os.PathLike, name: str, split: str) -> bool:
    """Returns whether `name` in the folder of a split is a folder of images that is neither a class's nor `val/val/`.

    >>> is_stray("/data/folders/train", "n01440764", "train"), is_stray("/data/folders", "val", "train")
    (False, True)
    """
    # By name first: in a flat folder this saves 50,000 looks at the file system.
    if is_image(os.fsencode(name)) or synsets.is_wnid(name) or name in FOLDERS[split] or split_of_folder(name) == split:
        return False
    path = os.path.join(folder, name)
    return any(is_image(os.fsencode(below)) and os.path.isfile(os.path.join(path, below)) for below in names_in(path))


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
    """Returns an absolute path that is otherwise unchanged."""
    # Not os.path.abspath, which removes `link/..`: that is not the folder that holds the link.
    return str(path.absolute())


def is_same(place: Place, other: Place) -> bool:
    """Returns whether two places are the same, even if their paths differ."""
    return os.path.samefile(place.path, other.path)
