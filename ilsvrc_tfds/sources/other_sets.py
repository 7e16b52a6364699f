"""Other data sets that are taken for ILSVRC2012, and parts of it: recognized by the names of files and folders.

They have folders `train/` and `val/` with wnids, too, but other images, or another split between train and val.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, shown

_TINY = "Tiny ImageNet: 200 classes of 500 images of 64 x 64 pixels, whose names do not tell the original images"
_NETTE = "a set of ten classes (Imagenette, Imagewoof), which are split between train/ and val/ in their own way"
_WHOLE = "ImageNet-21k, which does not have the same images as ILSVRC2012"
_BLURRED = "the copy with blurred faces, whose images are not those of ILSVRC2012"
# Files that only the other set has, relative to the folder that holds its train/ and val/.
_FILES = {
    ("wnids.txt", "words.txt", "val/val_annotations.txt"): _TINY,
    ("noisy_imagenette.csv",): _NETTE,
    ("noisy_imagewoof.csv",): _NETTE,
}
# Patterns of the whole names of files and folders, as the sets are published: `imagenette2-320.tgz`, `train_blurred`.
_NAMES = {
    re.compile(r"tiny[-_]imagenet(?:[-_]200)?", re.I): _TINY,
    re.compile(r"image(?:nette|woof)2?(?:-\d+)?", re.I): _NETTE,
    re.compile(r"(?:winter21|fall11)_whole", re.I): _WHOLE,
    re.compile(r"(?:train|val|valid|validation|ilsvrc2012|imagenet)[-_]blurred", re.I): _BLURRED,
}
_SUFFIX = re.compile(r"(?:\.(?:tar|gz|tgz|zip))+$", re.I)
# Classes of another set beside ours: so many are no mistake with a name or two.
_MANY_CLASSES = 20


def refuse_other_sets(folders: Iterable[str | os.PathLike]) -> None:
    """Raises SourceError if a folder with `train/` or `val/` is that of another data set.

    >>> refuse_other_sets(["/data/folders"])

    Args:
      folders: Folders that hold the folders of splits.
    """
    for folder in map(Path, folders):
        for files, what in _FILES.items():
            if all(os.path.isfile(folder / name) for name in files):
                raise _other(folder, what)
        if named := _what_is(folder.name):
            raise _other(folder, f"{named}, by its name")


def other_sets_among(names: Iterable[str]) -> list[str]:
    """Returns a text for each name of a file or folder that belongs to another data set.

    >>> other_sets_among(["train_blurred", "val"])
    ['train_blurred is the copy with blurred faces, whose images are not those of ILSVRC2012']
    """
    return [f"{shown(name)} is {what}" for name in names if (what := _what_is(name))]


def many_foreign_classes(path: str, wnids: list[str]) -> SourceError | None:
    """Returns the error about a folder with many class folders of other classes, or None if they are few.

    >>> many_foreign_classes("/data/imagenet/train", ["n00004475"]) is None
    True

    Args:
      path: Path of the folder.
      wnids: Wnids of class folders or archives that are not among the 1000 classes.
    """
    if len(wnids) < _MANY_CLASSES:
        return None
    return SourceError(
        f"{path} has folders or archives of {len(wnids):,} classes that are not among the 1000 of ILSVRC2012, such as "
        f"{wnids[0]} and {wnids[1]}. They look like ImageNet-21k (winter21_whole, fall11_whole), which does not have "
        "the same images of the 1000 classes as ILSVRC2012. Take the official archives; or, to use these images all "
        "the same, make a folder with links to the class folders of the 1000 classes."
    )


def _what_is(name: str) -> str | None:
    stem = _SUFFIX.sub("", name)
    return next((what for pattern, what in _NAMES.items() if pattern.fullmatch(stem)), None)


def _other(folder: Path, what: str) -> SourceError:
    return SourceError(
        f"{folder} is {what}. It is another data set than ILSVRC2012; name a folder that holds ILSVRC2012."
    )
