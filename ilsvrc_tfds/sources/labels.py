"""Which class an image belongs to: by its name, and checked against every second source that is there.

A train image's class is the wnid of its folder or inner archive; the wnid that its file name begins with must agree. A
validation image's class follows from the number in its file name, never from a position in a list; the class folder it lies
in, the development kit's ground truth and Kaggle's table must agree.
"""

import csv
import os
import re
import tarfile
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, first_few

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_GROUND_TRUTH_BYTES = 1 << 20  # 50,000 numbers of up to 4 digits and a line end: 250 KB at most.

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
    in_folder = _class_of_folder(folder, where) if folder else None
    labels = [_LABEL_OF_NAME[split](name, where) for name in names]
    if in_folder is None:
        _refuse_unnamed(split, names, labels, where)
        return np.array(labels, np.int16)
    wrong = [name for name, label in zip(names, labels) if label not in (None, in_folder)]
    if wrong:
        example = labels[names.index(wrong[0])]
        raise LabelError(
            f"{where}: {len(wrong):,} images lie in class {folder} but their names say otherwise, as "
            f"{os.fsdecode(wrong[0])} of {synsets.wnids()[example]}. First: {first_few(map(os.fsdecode, wrong))}. "
            "Move them to their class, or take the official archives."
        )
    return np.full(len(names), in_folder, np.int16)


def check_ground_truth(path: Path) -> str:
    """Compares the development kit's validation labels with ours; returns what agreed, raises LabelError where they differ."""
    lines = _ground_truth_text(path).split()
    numbers = [int(line) if line.isdigit() else 0 for line in lines]
    ours = [synsets.synsets()[label].ilsvrc2012_id for label in synsets.validation_labels()]
    return _compare(path, dict(enumerate(numbers, 1)), dict(enumerate(ours, 1)))


def check_solution(path: Path) -> str:
    """Compares Kaggle's `LOC_val_solution.csv` with our validation labels, likewise."""
    theirs = {}
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        for row in csv.DictReader(file):
            number = synsets.validation_number(os.fsencode((row.get("ImageId") or "") + ".JPEG"))
            theirs[number or 0] = (row.get("PredictionString") or "").partition(" ")[0]
    wnids = synsets.wnids()
    ours = {number: wnids[label] for number, label in enumerate(synsets.validation_labels(), 1)}
    return _compare(path, theirs, ours)


def check_synset_mapping(path: Path) -> str:
    """Compares the wnids of Kaggle's `LOC_synset_mapping.txt` with the 1000 classes, likewise."""
    with open(path, encoding="utf-8", errors="replace") as file:
        theirs = dict(enumerate(line.partition(" ")[0] for line in file if line.strip()))
    return _compare(path, theirs, dict(enumerate(synsets.wnids())))


def _class_of_folder(folder: str, where: str) -> int:
    if not synsets.is_class(folder):
        raise SourceError(
            f"{where}: {folder!r} is none of the 1000 classes of ILSVRC2012. A class folder is named by its wnid, as n01440764; "
            "move it away if it belongs to something else."
        )
    return synsets.index_of(folder)


def _train_label(name: bytes, where: str) -> int | None:
    """Returns the class that a train image's name begins with, None where it begins otherwise."""
    match = _TRAIN_NAME.fullmatch(name)
    return _class_of_folder(match[1].decode(), f"{where}: {os.fsdecode(name)}") if match else None


def _validation_label(name: bytes, where: str) -> int | None:
    """Returns the class of a validation image's number, None where the name has none."""
    number = synsets.validation_number(name)
    if number is None:
        return None
    if not 1 <= number <= synsets.NUM_VALIDATION:
        raise SourceError(f"{where}: {os.fsdecode(name)} has the number {number}; validation images are numbered 1 to 50000.")
    return int(synsets.validation_labels()[number - 1])


_LABEL_OF_NAME = {"train": _train_label, "val": _validation_label}
_EXAMPLE_NAME = {"train": "n01440764_10026.JPEG", "val": "ILSVRC2012_val_00000001.JPEG"}


def _refuse_unnamed(split: str, names: list[bytes], labels: list[int | None], where: str) -> None:
    unnamed = [os.fsdecode(name) for name, label in zip(names, labels) if label is None]
    if unnamed:
        raise SourceError(
            f"{where}: {len(unnamed):,} images of split {split!r} lie in no class folder and their names tell no class: "
            f"{first_few(unnamed)}. Expected names as {_EXAMPLE_NAME[split]}."
        )


def _ground_truth_text(path: Path) -> str:
    """Returns the text of the ground truth, from the file itself or from inside the development kit's tar."""
    try:
        if not tarfile.is_tarfile(path):
            with open(path, "rb") as file:
                return file.read(_GROUND_TRUTH_BYTES).decode("ascii", errors="replace")
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isreg() and member.name.rpartition("/")[2] == GROUND_TRUTH:
                    return archive.extractfile(member).read(_GROUND_TRUTH_BYTES).decode("ascii", errors="replace")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise SourceError(f"{path} cannot be read ({error}). Get it again, or move it away to go without this check.") from error
    raise SourceError(f"{path} holds no {GROUND_TRUTH}. Get it again, or move it away to go without this check.")


def _compare(path: Path, theirs: dict, ours: dict) -> str:
    wrong = sorted(key for key in ours.keys() | theirs.keys() if theirs.get(key) != ours.get(key))
    if wrong:
        offenders = first_few(f"{key}: {theirs.get(key)!r}, not {ours.get(key)!r}" for key in wrong)
        raise LabelError(
            f"{path} contradicts the official labels in {len(wrong):,} of {len(ours):,} entries ({offenders}). "
            "It belongs to another data set or is damaged: get it again, or move it away if the images are the official ones."
        )
    return f"{path.name} agrees with the official labels in all {len(ours):,} entries"
