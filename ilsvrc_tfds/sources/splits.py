"""Where the splits lie in a folder, by the names of archives and folders."""

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
    """Where one split lies.

    Attributes:
      split: `train`, `val` or `test`.
      path: of the archive or folder.
      folder: the same relative to the source; of an archive the split, since its members' paths begin so.
      kind: `archive` or `folder`.
      usual: whether it has the usual name; other case and synonyms come behind all usual ones.
    """

    split: str
    path: str
    folder: str
    kind: str
    usual: bool = True


def places_in(source: Path, root: str) -> list[Place]:
    """Returns the places of all splits under their usual names in one folder, the better ones first."""
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
    """Returns the places of all splits under names that are known but for those `without`, in the order of the names."""
    places = []
    for name in names_in(source / root):
        path = source / root / name
        if name in without:
            continue
        if (split := split_of_archive(name)) and kind_of(path) == "file":
            places.append(Place(split, absolute(path), split, "archive", usual=False))
        elif (split := split_of_folder(name)) and kind_of(path) == "folder":
            place = dataclasses.replace(_folder_place(source, path, split), usual=False)
            # Such a name may be anything's, as /dev.
            if contents(place.path) not in ("", "shards"):
                places.append(place)
    return places


def _folder_place(source: Path, folder: Path, split: str) -> Place:
    inner = _innermost(folder, split)
    return Place(split, absolute(inner), os.path.relpath(inner, source), "folder")


def refuse_rivals(chosen: Place, found: list[Place]) -> None:
    """Raises SourceError if another place of its kind has as good a claim to a split as the one that is chosen."""
    rivals = [
        place
        for place in found
        if (place.split, place.kind) == (chosen.split, chosen.kind) and not is_same(place, chosen)
    ]
    if rivals and not chosen.usual:
        raise SourceError(
            f"{first_few(shown(place.path) for place in (chosen, *rivals))} both claim the split {chosen.split}. Name the "
            f"right one {FOLDERS[chosen.split][0]}, or move the other one away."
        )


def _innermost(folder: Path, split: str) -> Path:
    """Returns the folder, or the one inside it of the same sense that has all images: `val/val/`, of a prefixed tar."""
    names = names_in(folder)
    if any(is_image(os.fsencode(name)) or synsets.is_wnid(name.removesuffix(".tar")) for name in names):
        return folder
    if any(is_stray(folder, name, split) for name in names):
        return folder
    inner = [folder / name for name in names if name in FOLDERS[split] and names_in(folder / name)]
    inner += [folder / name for name in names if split_of_folder(name) == split and contents(folder / name)]
    return inner[0] if inner else folder


def is_stray(folder: str | os.PathLike, name: str, split: str) -> bool:
    """Returns whether `name`, in the folder of a split, is a folder of images without being a class's or `val/val/`."""
    # A flat folder of 50,000 images is not asked 50,000 times.
    if is_image(os.fsencode(name)) or synsets.is_wnid(name) or name in FOLDERS[split] or split_of_folder(name) == split:
        return False
    path = os.path.join(folder, name)
    return any(is_image(os.fsencode(below)) and os.path.isfile(os.path.join(path, below)) for below in names_in(path))


def names_in(folder: str | os.PathLike) -> list[str]:
    """Returns what a folder holds, sorted; nothing where it is none. Raises SourceError where it may not be read."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith(".")) if os.path.isdir(folder) else []
    except OSError as error:
        raise unreadable(os.fspath(folder), error) from error


def kind_of(path: Path) -> str:
    """Returns `file`, `folder`, or nothing; SourceError for a link that points nowhere, or where it may not be read."""
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
    """Returns a path from the root of the file system, as it is otherwise."""
    # Not os.path.abspath: `link/..` is not the folder that holds the link.
    return str(path.absolute())


def is_same(place: Place, other: Place) -> bool:
    """Returns whether two places are one, reached over a link or on a file system that ignores case."""
    return os.path.samefile(place.path, other.path)
