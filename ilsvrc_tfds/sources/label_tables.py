"""Compares the tables of labels beside the images with ours: the development kit's and Kaggle's."""

import contextlib
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TypeVar, cast

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, counted, shown, unreadable
from ilsvrc_tfds.sources.collecting import offenders
from ilsvrc_tfds.sources.tables import decode, lines_of, no_table, solutions_of
from ilsvrc_tfds.sources.tar import BoundedHeader
from ilsvrc_tfds.storage.regular import open_regular, require_regular

_Key = TypeVar("_Key", int, str)  # what identifies an entry of a table: its number or a name

# What tables with errors are, in the plural.
UNLIKE = "tables that contradict the official labels, or cannot be read"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
# 50,000 numbers of up to 4 digits and a line end take 250 KB; with the images' names 1.7 MB, twice that in UTF-16.
_GROUND_TRUTH_BYTES = 4 << 20
_LONGEST_ENTRY = 40
_BETWEEN_WORDS = re.compile(r"[\s,;\"]+")

_VALIDATION_STEM = re.compile(r"ILSVRC2012_val_\d")
_VALIDATION_NAME = re.compile(r"(?:.*/)?(ILSVRC2012_val_\d{1,20})(?:\.[A-Za-z]+)?")


def check_ground_truth(path: Path) -> str:
    """Compares the development kit's validation labels with ours. Returns a note; raises LabelError if they differ.

    Args:
      path: The ground truth file, or a tar of the development kit.
    """
    text = _ground_truth_text(path)
    ours = [str(synsets.synsets()[label].ilsvrc2012_id) for label in synsets.validation_labels()]
    if named := list(_named_numbers(text)):
        return _compare(path, named, dict(zip(_validation_stems(), ours)))
    numbers = [number for number in _BETWEEN_WORDS.split(text) if number]
    if sum(map(str.isdecimal, numbers)) < min(len(numbers), synsets.NUM_VALIDATION // 2):
        raise no_table(path, text)
    if len(numbers) == synsets.NUM_VALIDATION + 1 and not numbers[0].isdecimal():
        del numbers[0]  # a header
    return _compare(path, enumerate(numbers, 1), dict(enumerate(ours, 1)))


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
    theirs = [(shown(name[:_LONGEST_ENTRY]), prediction.partition(" ")[0]) for name, prediction in rows]
    wnids = synsets.wnids()
    ours = dict(zip(_validation_stems(), (wnids[label] for label in synsets.validation_labels())))
    if not any(_VALIDATION_STEM.match(name) for name, _ in theirs):
        raise no_table(path, next((name for name, _ in theirs), ""))
    return _compare(path, theirs, ours)


def check_synset_mapping(path: Path, data: bytes | None = None) -> str:
    """Compares the wnids of Kaggle's `LOC_synset_mapping.txt` with the 1000 classes, like `check_solution`.

    >>> check_synset_mapping(Path("LOC_synset_mapping.txt"), "\\n".join(synsets.wnids()).encode())
    'LOC_synset_mapping.txt agrees with the official labels in all 1,000 entries'
    """
    with _errors_of(path):
        lines = [line.replace('"', "").strip() for _, line in lines_of(path, data)]
    theirs = [_BETWEEN_WORDS.split(line, 1)[0] for line in lines]
    if not set(theirs) & set(synsets.wnids()):
        raise no_table(path, next(iter(lines), ""))
    if len(theirs) == synsets.NUM_CLASSES + 1 and not synsets.is_wnid(theirs[0]):
        del theirs[0]  # a header
    return _compare(path, enumerate(theirs), dict(enumerate(synsets.wnids())))


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


def _compare(path: Path, entries: Iterable[tuple[_Key, str]], ours: Mapping[_Key, str]) -> str:
    """Returns a note that the labels agree. Raises LabelError, which counts different, missing and other entries.

    An entry that comes twice must be right both times.
    """
    theirs: dict[_Key, set[str]] = {}
    for key, value in entries:
        theirs.setdefault(key, set()).add(value)
    wrong = {key: sorted(theirs[key] - {ours[key]}) for key in ours if key in theirs}
    differing = [key for key, values in wrong.items() if values]
    missing, foreign = [key for key in ours if key not in theirs], [key for key in theirs if key not in ours]
    parts = []
    if differing:
        found = offenders(f"{key}: {_entry(wrong[key][0])}, not {_entry(ours[key])}" for key in differing)
        differ = "differs" if len(differing) == 1 else "differ"
        parts.append(f"{len(differing):,} of {len(ours):,} entries {differ} ({found})")
    if missing:
        are = "is" if len(missing) == 1 else "are"
        parts.append(f"{len(missing):,} of {len(ours):,} entries {are} missing ({offenders(missing)})")
    if foreign:
        found = offenders(f"{shown(str(key))[:_LONGEST_ENTRY]}: {_entry(min(theirs[key]))}" for key in foreign)
        parts.append(f"{counted(len(foreign), 'entry is', 'entries are')} not official ({found})")
    if parts:
        raise LabelError(
            f"{path} contradicts the official labels: {'; '.join(parts)}. "
            "It belongs to another data set or is damaged: get it again, or move it away if the images are official."
        )
    return f"{path.name} agrees with the official labels in all {len(ours):,} entries"


def _entry(value: str) -> str:
    return ascii(value[:_LONGEST_ENTRY])
