"""The class of each image: taken from its name or folder, and checked against every other source of the labels.

A train image has the class of its folder or inner archive; if its file name begins with a wnid, that must agree. A
validation image has the class of the number in its file name, whatever its position in a list. If it is in a class
folder, that must agree; so must the development kit's ground truth, Kaggle's table, and a class that is appended
to a name as in Hugging Face's copy. In a class folder a user's own images may have any name except an official one of
another split.
"""

import contextlib
import os
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TypeVar, cast

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, counted, first_few, shown, unreadable
from ilsvrc_tfds.sources.names import FOLDERS
from ilsvrc_tfds.sources.tables import decode, lines_of, no_table, solutions_of
from ilsvrc_tfds.sources.tar import BoundedHeader
from ilsvrc_tfds.storage.regular import open_regular, require_regular

_Key = TypeVar("_Key", int, str)  # what identifies an entry of a table: its number or a name

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
# 50,000 numbers of up to 4 digits and a line end take 250 KB; with the images' names 1.7 MB, twice that in UTF-16.
_GROUND_TRUTH_BYTES = 4 << 20
_LONGEST_ENTRY = 40
_BETWEEN_WORDS = re.compile(r"[\s,;\"]+")

_VALIDATION_STEM = re.compile(r"ILSVRC2012_val_\d")
_VALIDATION_NAME = re.compile(r"(?:.*/)?(ILSVRC2012_val_\d{1,20})(?:\.[A-Za-z]+)?")
_TRAIN_NAME = re.compile(rb"(n\d{8})_.+", re.I)


def label_images(split: str, folder: str, names: list[bytes], where: str) -> np.ndarray:
    """Returns the class index of each image, or -1 in `test`; int16 of shape (len(names),).

    >>> label_images("train", "n01440764", [b"n01440764_10026.JPEG", b"my.jpg"], "/data/imagenet/train").tolist()
    [0, 0]
    >>> label_images("val", "", [b"ILSVRC2012_val_00000001.JPEG"], "/data/imagenet/val").tolist()
    [65]

    Args:
      split: Name of the split: `train`, `val` or `test`.
      folder: Name of the class folder or inner archive, usually a wnid; empty if the images are not in class folders.
      names: File names of the images.
      where: Archive or folder, for messages.

    Raises:
      SourceError: The folder is not one of the classes, a name does not state a class, or belongs to another split.
      LabelError: Folder and name contradict each other.
    """
    _refuse_other_splits(split, names, where)
    if split == "test":
        return np.full(len(names), -1, np.int16)
    if folder:
        return _labels_in_class(folder, names, where)
    labels = [_LABEL_OF_NAME[split](name, where) for name in names]
    _refuse_unnamed(split, names, labels, where)
    return np.array(labels, np.int16)


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
        raise LabelError(
            f"{where}: {counted(len(wrong), 'image has', 'images have')} another class appended to the name than its "
            f"own: {first_few(wrong)}. Get them again; the official archives have no such names."
        )


def class_of_folder(folder: str, where: str) -> int:
    """Returns the class index of a class folder or archive by its name. Raises SourceError if it has none.

    >>> class_of_folder("n01443537", "/data/imagenet/train")
    1
    """
    if not synsets.is_class(folder):
        raise SourceError(
            f"{where}: {folder!r} is none of the 1000 classes of ILSVRC2012. A class's folder or archive is named by "
            "its wnid, as n01440764; move it away if it belongs to something else."
        )
    return synsets.index_of(folder)


def check_ground_truth(path: Path) -> str:
    """Compares the development kit's validation labels with ours. Returns a note; raises LabelError if they differ.

    Args:
      path: The ground truth file, or a tar of the development kit.
    """
    text = _ground_truth_text(path)
    ours = [str(synsets.synsets()[label].ilsvrc2012_id) for label in synsets.validation_labels()]
    if named := dict(_named_numbers(text)):
        return _compare(path, named, dict(zip(_validation_stems(), ours)))
    numbers = [number for number in _BETWEEN_WORDS.split(text) if number]
    if sum(map(str.isdecimal, numbers)) < min(len(numbers), synsets.NUM_VALIDATION // 2):
        raise no_table(path, text)
    if len(numbers) == synsets.NUM_VALIDATION + 1 and not numbers[0].isdecimal():
        del numbers[0]  # a header
    return _compare(path, dict(enumerate(numbers, 1)), dict(enumerate(ours, 1)))


def _named_numbers(text: str) -> Iterator[tuple[str, str]]:
    """Yields the name and the number of each line such as `ILSVRC2012_val_00000001.JPEG 490`. Skips other lines."""
    for words in map(_BETWEEN_WORDS.split, text.splitlines()):
        names = [match[1] for match in map(_VALIDATION_NAME.fullmatch, words) if match]
        if names:
            yield names[0], next((word for word in words if word and names[0] not in word), "")


def _validation_stems() -> Iterator[str]:
    return (f"ILSVRC2012_val_{number:08d}" for number in range(1, synsets.NUM_VALIDATION + 1))


def check_solution(path: Path, data: bytes | None = None) -> str:
    """Compares Kaggle's `LOC_val_solution.csv` with the validation labels, like `check_ground_truth`.

    For `data` see `lines_of`.
    """
    with _errors_of(path):
        rows = [(name, prediction or "") for _, name, prediction in solutions_of(path, data)]
    theirs = {shown(name[:_LONGEST_ENTRY]): prediction.partition(" ")[0] for name, prediction in rows}
    wnids = synsets.wnids()
    ours = dict(zip(_validation_stems(), (wnids[label] for label in synsets.validation_labels())))
    if not any(map(_VALIDATION_STEM.match, theirs)):
        raise no_table(path, next(iter(theirs), ""))
    return _compare(path, theirs, ours)


def check_synset_mapping(path: Path, data: bytes | None = None) -> str:
    """Compares the wnids of Kaggle's `LOC_synset_mapping.txt` with the 1000 classes, like `check_solution`."""
    with _errors_of(path):
        lines = [line.replace('"', "").strip() for _, line in lines_of(path, data)]
    theirs = [_BETWEEN_WORDS.split(line, 1)[0] for line in lines]
    if not set(theirs) & set(synsets.wnids()):
        raise no_table(path, next(iter(lines), ""))
    if len(theirs) == synsets.NUM_CLASSES + 1 and not synsets.is_wnid(theirs[0]):
        del theirs[0]  # a header
    return _compare(path, dict(enumerate(theirs)), dict(enumerate(synsets.wnids())))


def _refuse_other_splits(split: str, names: list[bytes], where: str) -> None:
    """Raises SourceError for official names of other splits: they would be in training and evaluation."""
    found: dict[str, list[str]] = {}
    for name in names:
        # To save time: names that begin like the official ones of this split need no further check.
        is_asked = (
            name[:11].upper() == b"ILSVRC2012_" if split == "train" else not name.startswith(_BEGIN_OF_NAMES[split])
        )
        if is_asked and (other := synsets.split_of_name(name)) not in (None, split):
            found.setdefault(other, []).append(os.fsdecode(name))
    if found:
        other, wrong = next(iter(found.items()))
        one, many = f"image of split {split!r} has the name of an", f"images of split {split!r} have the names of"
        images = counted(len(wrong), f"{one} image", f"{many} images")
        raise SourceError(
            f"{where}: {images} of split {other!r}: "
            f"{first_few(wrong)}. They belong in {FOLDERS[other][0]}/: move them there, or remove them."
        )


def _labels_in_class(folder: str, names: list[bytes], where: str) -> np.ndarray:
    """Returns the index of a class folder for each image. Raises LabelError if a name states another class."""
    in_folder = class_of_folder(folder, where)
    wrong = []
    for name in names:
        told = {label_of(name, where) for label_of in _LABEL_OF_NAME.values()}
        wrong += [
            f"{os.fsdecode(name)} of {synsets.wnids()[label]}" for label in told if label not in (None, in_folder)
        ]
    if wrong:
        one, many = (
            f"image lies in class {folder} but its name says",
            f"images lie in class {folder} but their names say",
        )
        raise LabelError(
            f"{where}: {counted(len(wrong), one, many)} otherwise: {first_few(wrong)}. "
            "Move them to their class, or take the official archives."
        )
    return np.full(len(names), in_folder, np.int16)


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
        raise SourceError(
            f"{where}: {counted(len(unnamed), one, many)} not state a class: {first_few(unnamed)}. Expected names like "
            f"{_EXAMPLE_NAME[split]}."
        )


@contextlib.contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turns an OSError in the block into a SourceError that names the table."""
    try:
        yield
    except OSError as error:
        raise unreadable(path, error, then=_WITHOUT) from error


def _ground_truth_text(path: Path) -> str:
    """Returns the text of the ground truth, from the file itself or from the development kit's tar."""
    try:
        if path.name == GROUND_TRUTH:
            with open_regular(path) as file:
                return decode(file.read(_GROUND_TRUTH_BYTES))
        require_regular(path)
        with tarfile.open(path, tarinfo=BoundedHeader) as archive:
            for member in archive:
                if member.isreg() and member.name.rpartition("/")[2] == GROUND_TRUTH:
                    content = cast(IO[bytes], archive.extractfile(member))  # never None for a regular file
                    return decode(content.read(_GROUND_TRUTH_BYTES))
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:  # gzip's errors about damage have none
            raise unreadable(path, error, then=_WITHOUT) from error
        # tarfile adds lines with the errors of every compression that it tried.
        reason = str(error).partition("\n")[0].rstrip(":") or "damaged"
        raise _unusable(path, f"cannot be read: {reason}") from error
    raise _unusable(path, f"holds no {GROUND_TRUTH}")


_WITHOUT = "Or move it away to go without this check."


def _unusable(path: Path, what: str) -> SourceError:
    return SourceError(f"{path} {what}. Get it again, or move it away to go without this check.")


def _compare(path: Path, theirs: Mapping[_Key, str], ours: Mapping[_Key, str]) -> str:
    """Returns a note that the labels agree. Raises LabelError, which counts different, missing and other entries."""
    differing = [key for key in ours if theirs.get(key, ours[key]) != ours[key]]
    missing, foreign = [key for key in ours if key not in theirs], [key for key in theirs if key not in ours]
    parts = []
    if differing:
        offenders = first_few(f"{key}: {_entry(theirs[key])}, not {_entry(ours[key])}" for key in differing)
        differ = "differs" if len(differing) == 1 else "differ"
        parts.append(f"{len(differing):,} of {len(ours):,} entries {differ} ({offenders})")
    if missing:
        are = "is" if len(missing) == 1 else "are"
        parts.append(f"{len(missing):,} of {len(ours):,} entries {are} missing ({first_few(missing)})")
    if foreign:
        offenders = first_few(f"{shown(str(key))[:_LONGEST_ENTRY]}: {_entry(theirs[key])}" for key in foreign)
        parts.append(f"{counted(len(foreign), 'entry is', 'entries are')} not official ({offenders})")
    if parts:
        raise LabelError(
            f"{path} contradicts the official labels: {'; '.join(parts)}. "
            "It belongs to another data set or is damaged: get it again, or move it away if the images are official."
        )
    return f"{path.name} agrees with the official labels in all {len(ours):,} entries"


def _entry(value: str) -> str:
    return ascii(value[:_LONGEST_ENTRY])
