"""Which class an image belongs to: by its name, and checked against every second source that is there.

A train image's class is the wnid of its folder or inner archive; the wnid that its file name begins with must agree. A
validation image's class follows from the number in its file name, never from a position in a list; the class folder it
lies in, the development kit's ground truth and Kaggle's table must agree. In a class folder an image of the user's own
may have any name.
"""

import os
import re
import tarfile
import zlib
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, first_few, unreadable
from ilsvrc_tfds.sources.members import shown
from ilsvrc_tfds.sources.tar import BoundedHeader

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_GROUND_TRUTH_BYTES = 1 << 20  # 50,000 numbers of up to 4 digits and a line end: 250 KB at most.
_LONGEST_ENTRY = 40

_TRAIN_NAME = re.compile(rb"(n\d{8})_.+")


def label_images(split: str, folder: str, names: list[bytes], where: str) -> np.ndarray:
    """Returns the class index of each image, -1 in `test`; int16 of shape (len(names),).

    Args:
      split: `train`, `val` or `test`.
      folder: wnid (or other name) of the class folder or inner archive; empty where the images lie flat.
      names: file names.
      where: archive or folder, for messages.

    Raises:
      SourceError: the folder is none of the classes, or a name says nothing.
      LabelError: folder and name contradict each other.
    """
    if split == "test":
        return np.full(len(names), -1, np.int16)
    if folder:
        return _labels_in_class(folder, names, where)
    labels = [_LABEL_OF_NAME[split](name, where) for name in names]
    _refuse_unnamed(split, names, labels, where)
    return np.array(labels, np.int16)


def class_of_folder(folder: str, where: str) -> int:
    """Returns the class index of a class folder or archive by its name; SourceError where it is none of the classes."""
    if not synsets.is_class(folder):
        raise SourceError(
            f"{where}: {folder!r} is none of the 1000 classes of ILSVRC2012. A class's folder or archive is named by "
            "its wnid, as n01440764; move it away if it belongs to something else."
        )
    return synsets.index_of(folder)


def check_ground_truth(path: Path) -> str:
    """Compares the development kit's validation labels with ours; returns what agreed, LabelError where they differ."""
    numbers = _ground_truth_text(path).split()
    ours = (str(synsets.synsets()[label].ilsvrc2012_id) for label in synsets.validation_labels())
    return _compare(path, dict(enumerate(numbers, 1)), dict(enumerate(ours, 1)))


def check_solution(path: Path) -> str:
    """Compares Kaggle's `LOC_val_solution.csv` with our validation labels, likewise."""
    theirs = {}
    for line in _lines(path)[1:]:
        name, _, prediction = line.replace('"', "").partition(",")
        theirs[shown(name[:_LONGEST_ENTRY])] = prediction.partition(" ")[0]
    wnids = synsets.wnids()
    ours = {f"ILSVRC2012_val_{number:08d}": wnids[label] for number, label in enumerate(synsets.validation_labels(), 1)}
    return _compare(path, theirs, ours)


def check_synset_mapping(path: Path) -> str:
    """Compares the wnids of Kaggle's `LOC_synset_mapping.txt` with the 1000 classes, likewise."""
    theirs = (line.partition(" ")[0] for line in _lines(path))
    return _compare(path, dict(enumerate(theirs)), dict(enumerate(synsets.wnids())))


def _labels_in_class(folder: str, names: list[bytes], where: str) -> np.ndarray:
    """Returns a class folder's index for each image; LabelError where a name, as of train or validation, differs."""
    in_folder = class_of_folder(folder, where)
    wrong = []
    for name in names:
        told = {label_of(name, where) for label_of in _LABEL_OF_NAME.values()} - {None, in_folder}
        wrong += [f"{os.fsdecode(name)} of {synsets.wnids()[label]}" for label in told]
    if wrong:
        raise LabelError(
            f"{where}: {len(wrong):,} images lie in class {folder} but their names say otherwise: {first_few(wrong)}. "
            "Move them to their class, or take the official archives."
        )
    return np.full(len(names), in_folder, np.int16)


def _train_label(name: bytes, where: str) -> int | None:
    """Returns the class that a train image's name begins with, None where it begins otherwise."""
    match = _TRAIN_NAME.fullmatch(name)
    return class_of_folder(match[1].decode(), f"{where}: {os.fsdecode(name)}") if match else None


def _validation_label(name: bytes, where: str) -> int | None:
    """Returns the class of a validation image's number, None where the name has none."""
    number = synsets.validation_number(name)
    if number is None:
        return None
    if not 1 <= number <= synsets.NUM_VALIDATION:
        raise SourceError(
            f"{where}: {os.fsdecode(name)} has the number {number}; validation images have 1 to 50000. Remove it."
        )
    return int(synsets.validation_labels()[number - 1])


_LABEL_OF_NAME = {"train": _train_label, "val": _validation_label}
_EXAMPLE_NAME = {"train": "n01440764_10026.JPEG", "val": "ILSVRC2012_val_00000001.JPEG"}


def _refuse_unnamed(split: str, names: list[bytes], labels: list[int | None], where: str) -> None:
    unnamed = [os.fsdecode(name) for name, label in zip(names, labels) if label is None]
    if unnamed:
        raise SourceError(
            f"{where}: {len(unnamed):,} images of split {split!r} lie in no class folder and their names tell no "
            f"class: {first_few(unnamed)}. Expected names as {_EXAMPLE_NAME[split]}."
        )


def _lines(path: Path) -> list[str]:
    """Returns the lines of a table that are not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise unreadable(path, error, then=_WITHOUT) from error
    return [line.strip() for line in text.split("\n") if line.strip()]


def _ground_truth_text(path: Path) -> str:
    """Returns the text of the ground truth, from the file itself or from inside the development kit's tar."""
    try:
        if path.name == GROUND_TRUTH:
            return path.read_text(encoding="ascii", errors="replace")
        with tarfile.open(path, tarinfo=BoundedHeader) as archive:
            for member in archive:
                if member.isreg() and member.name.rpartition("/")[2] == GROUND_TRUTH:
                    return archive.extractfile(member).read(_GROUND_TRUTH_BYTES).decode("ascii", errors="replace")
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:  # what gzip says of damage has none
            raise unreadable(path, error, then=_WITHOUT) from error
        # tarfile lists on further lines what every compression said.
        reason = str(error).partition("\n")[0].rstrip(":") or "damaged"
        raise _unusable(path, f"cannot be read: {reason}") from error
    raise _unusable(path, f"holds no {GROUND_TRUTH}")


_WITHOUT = "Or move it away to go without this check."


def _unusable(path: Path, what: str) -> SourceError:
    return SourceError(f"{path} {what}. Get it again, or move it away to go without this check.")


def _compare(path: Path, theirs: dict, ours: dict) -> str:
    wrong = [key for key in {**ours, **theirs} if theirs.get(key) != ours.get(key)]
    if wrong:
        offenders = first_few(f"{key}: {_entry(theirs, key)}, not {_entry(ours, key)}" for key in wrong)
        raise LabelError(
            f"{path} contradicts the official labels in {len(wrong):,} of {len(ours):,} entries ({offenders}). "
            "It belongs to another data set or is damaged: get it again, or move it away if the images are official."
        )
    return f"{path.name} agrees with the official labels in all {len(ours):,} entries"


def _entry(table: dict, key) -> str:
    return ascii(table[key][:_LONGEST_ENTRY]) if key in table else "nothing"
