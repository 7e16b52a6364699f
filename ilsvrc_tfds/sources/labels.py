"""The class of each image: taken from its name or folder, and checked against every other source of the labels.

A train image has the class of its folder or inner archive; if its file name begins with a wnid, that must agree. A
validation image has the class of the number in its file name, whatever its position in a list. If it is in a class
folder, that must agree; so must the development kit's ground truth, Kaggle's table, and a class that is appended
to a name as in Hugging Face's copy. In a class folder a user's own images may have any name except an official one of
another split.
"""

import os
import re

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, counted
from ilsvrc_tfds.sources.class_folders import class_of_images
from ilsvrc_tfds.sources.collecting import offenders, report
from ilsvrc_tfds.sources.names import FOLDERS

_TRAIN_NAME = re.compile(rb"(n\d{8})_.+", re.I)
_NO_LABEL = -1
_OTHER_CLASS = "images that lie in another class than their names say"


def label_images(split: str, folder: str, names: list[bytes], where: str) -> np.ndarray:
    """Returns the class index of each image, or -1 in `test`; int16 of shape (len(names),).

    >>> label_images("train", "n01440764", [b"n01440764_10026.JPEG", b"my.jpg"], "/data/imagenet/train").tolist()
    [0, 0]
    >>> label_images("val", "", [b"ILSVRC2012_val_00000001.JPEG"], "/data/imagenet/val").tolist()
    [65]

    Args:
      split: Name of the split: `train`, `val` or `test`.
      folder: Name of the class folder or inner archive; empty if the images are not in class folders. If it is not a
        wnid, the names of the images must state the class.
      names: File names of the images.
      where: Archive or folder, for messages.

    Raises:
      SourceError: The folder is not one of the classes, a name does not state a class, or belongs to another split.
      LabelError: Folder and name contradict each other.
    """
    if strangers := _of_other_splits(split, names, where):
        labels, own = np.full(len(names), _NO_LABEL, np.int16), [name not in strangers for name in names]
        labels[own] = label_images(split, folder, [name for name in names if name not in strangers], where)
        return labels
    if split == "test" or not names:
        return np.full(len(names), _NO_LABEL, np.int16)
    if folder:
        return _labels_in_class(folder, names, where)
    told = [_told(split, name, where) for name in names]
    _refuse_unnamed(split, names, told, where)
    return np.array([_NO_LABEL if label is None else label for label in told], np.int16)


def check_appended(names: list[bytes], appended: list[str], labels: np.ndarray, where: str) -> None:
    """Raises LabelError if the classes that are appended to names, as in Hugging Face's copy, are not the labels.

    Args:
      names: Official file names.
      appended: Wnid that is appended to each name.
      labels: Class index of each image according to its name or folder.
      where: Archive or folder, for messages.
    """
    told = [class_of_folder(wnid, where) for wnid in appended]
    wrong = [
        f"{os.fsdecode(names[row])} is of {synsets.wnids()[labels[row]]}, and has {appended[row]} appended"
        for row in np.flatnonzero(np.array(told) != labels)
    ]
    if wrong:
        error = LabelError(
            f"{where}: {counted(len(wrong), 'image has', 'images have')} another class appended to the name than its "
            f"own: {offenders(wrong)}. Get them again; the official archives have no such names."
        )
        report(error, "images with another class appended to their names than their own", len(wrong))


def class_of_folder(folder: str, where: str) -> int:
    """Returns the class index of a class folder or archive by its name. Raises SourceError if it has none.

    >>> class_of_folder("n01443537", "/data/imagenet/train")
    1
    """
    if not synsets.is_class(folder):
        raise SourceError(
            f"{where}: {folder!r} is not one of the 1000 classes of ILSVRC2012. A class's folder or archive is named "
            "by its wnid, as n01440764; move it away if it belongs to something else."
        )
    return synsets.index_of(folder)


def _of_other_splits(split: str, names: list[bytes], where: str) -> set[bytes]:
    """Returns the names that are official ones of other splits: their images would be in training and evaluation.

    Reports a SourceError for those of each other split.
    """
    found: dict[str, list[bytes]] = {}
    for name in names:
        # To save time: names that begin like the official ones of this split need no further check.
        is_asked = (
            name[:11].upper() == b"ILSVRC2012_" if split == "train" else not name.startswith(_BEGIN_OF_NAMES[split])
        )
        if is_asked and (other := synsets.split_of_name(name)) not in (None, split):
            found.setdefault(other, []).append(name)
    one, many = f"image of split {split!r} has the name of an", f"images of split {split!r} have the names of"
    for other, wrong in found.items():
        images = counted(len(wrong), f"{one} image", f"{many} images")
        error = SourceError(
            f"{where}: {images} of split {other!r}: {offenders(map(os.fsdecode, wrong))}. They belong in "
            f"{FOLDERS[other][0]}/: move them there, or remove them."
        )
        report(error, f"images of split {split!r} with names of split {other!r}", len(wrong))
    return set().union(*found.values())


def _labels_in_class(folder: str, names: list[bytes], where: str) -> np.ndarray:
    """Returns the index of a class folder for each image. Raises LabelError if a name states another class."""
    of_folder = class_of_folder(folder, where) if synsets.is_wnid(folder) else None
    begin = os.fsencode(folder.lower()) + b"_"  # most names begin so, and tell this class alone
    told = [
        {of_folder} if of_folder is not None and name.startswith(begin) else _classes_told(name, where)
        for name in names
    ]
    in_folder = class_of_images(folder, told, where) if of_folder is None else of_folder
    wrong = [
        f"{os.fsdecode(name)} of {synsets.wnids()[label]}"
        for name, labels in zip(names, told)
        for label in labels - {in_folder}
    ]
    if wrong:
        one, many = (
            f"image lies in class {folder} but its name says",
            f"images lie in class {folder} but their names say",
        )
        error = LabelError(
            f"{where}: {counted(len(wrong), one, many)} otherwise: {offenders(wrong)}. "
            "Move them to their class, or take the official archives."
        )
        report(error, _OTHER_CLASS, len(wrong))
    return np.full(len(names), in_folder, np.int16)


def _classes_told(name: bytes, where: str) -> set[int]:
    return {label for split in _LABEL_OF_NAME if (label := _told(split, name, where)) not in (None, _NO_LABEL)}


def _told(split: str, name: bytes, where: str) -> int | None:
    """Returns the class index that a name states as names of a split do; None if it states none, -1 for a wrong one."""
    try:
        return _LABEL_OF_NAME[split](name, where)
    except SourceError as error:
        report(error, "images whose names state a class or number that does not exist")
        return _NO_LABEL


def _train_label(name: bytes, where: str) -> int | None:
    """Returns the index of the class that a name begins with, or None if it does not begin with a wnid."""
    match = _TRAIN_NAME.fullmatch(name)
    return class_of_folder(match[1].decode().lower(), f"{where}: {os.fsdecode(name)}") if match else None


def _validation_label(name: bytes, where: str) -> int | None:
    """Returns the index of the class that belongs to a validation image's number, or None if the name has no number."""
    number = synsets.validation_number(name)
    if number is None:
        return None
    if not 1 <= number <= synsets.NUM_VALIDATION:
        raise SourceError(
            f"{where}: {os.fsdecode(name)} has the number {number}; validation images have 1 to 50000. Remove it."
        )
    return int(synsets.validation_labels()[number - 1])


_BEGIN_OF_NAMES = {"val": b"ILSVRC2012_val_", "test": b"ILSVRC2012_test_"}
_LABEL_OF_NAME = {"train": _train_label, "val": _validation_label}
_EXAMPLE_NAME = {"train": "n01440764_10026.JPEG", "val": "ILSVRC2012_val_00000001.JPEG"}


def _refuse_unnamed(split: str, names: list[bytes], labels: list[int | None], where: str) -> None:
    unnamed = [os.fsdecode(name) for name, label in zip(names, labels) if label is None]
    if unnamed:
        one = f"image of split {split!r} is not in a class folder, and its name does"
        many = f"images of split {split!r} are not in class folders, and their names do"
        error = SourceError(
            f"{where}: {counted(len(unnamed), one, many)} not state a class: {offenders(unnamed)}. Expected names like "
            f"{_EXAMPLE_NAME[split]}."
        )
        report(error, "images whose names do not state a class", len(unnamed))
