"""Class folders whose name is not a wnid: `1`, `tench`, `n01440764_tench`. The names of the images tell the class.

The name of the folder is then a second source of the label, if it has a meaning: a wnid inside it, a number (a class
index, counted from 0 or 1, or an ILSVRC2012_ID of the development kit), or one of the words of a class.
"""

import functools
import re
from collections import defaultdict
from collections.abc import Sequence

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, counted, first_few, shown

_WNID = re.compile(r"(?<![a-z0-9])n\d{8}(?!\d)", re.I)
_MOST_DIGITS = 4
_ADVICE = "A class's folder or archive is named by its wnid, as n01440764"


def class_of_images(folder: str, told: Sequence[set[int]], where: str) -> int:
    """Returns the class index of a folder whose name is not a wnid, by the names of its images.

    >>> class_of_images("tench", [{0}, {0}], "/data/imagenet/train/tench")
    0

    Args:
      folder: Name of the folder.
      told: Class indices that the name of each image states.
      where: Path of the folder, for messages.

    Raises:
      SourceError: The names do not state one class.
      LabelError: The name of the folder belongs to other classes.
    """
    classes = set().union(*told)
    unnamed = sum(not labels for labels in told)
    if unnamed or len(classes) != 1:
        stated = f"the names of {counted(unnamed, 'image')} do not state a class" if unnamed else _several(classes)
        raise SourceError(
            f"{where}: {shown(folder)!r} is not one of the 1000 classes of ILSVRC2012, and {stated}.{_look(folder)} "
            f"{_ADVICE}; move it away if it belongs to something else."
        )
    [label] = classes
    if (named := _WNID.findall(folder.replace("_", "-"))) and not any(synsets.is_class(wnid.lower()) for wnid in named):
        raise LabelError(
            f"{where}: the images are of {_named(label)} by their names, but {shown(folder)!r} names {named[0]}, which "
            "is not one of the 1000 classes. Rename the folder if its images are right, or move it away."
        )
    if (meanings := meanings_of(folder)) and label not in meanings:
        own, others = synsets.synsets()[label], first_few(f"{what} of {_named(k)}" for k, what in meanings.items())
        raise LabelError(
            f"{where}: the images are of {_named(label)} by their names (class index {label}, ILSVRC2012_ID "
            f"{own.ilsvrc2012_id}), but {shown(folder)!r} is the {others}. Rename the folder to {own.wnid} if its "
            "images are right, or take the official archives."
        )
    return label


def meanings_of(folder: str) -> dict[int, str]:
    """Returns the classes that the name of a folder may mean, and how; empty if it means none.

    >>> meanings_of("goldfish"), meanings_of("n01440764_tench"), meanings_of("my_pictures")
    ({1: 'name'}, {0: 'wnid'}, {})
    >>> meanings_of("2")
    {2: 'class index', 1: 'class index, counted from 1,', 212: 'ILSVRC2012_ID'}
    """
    if wnids := [wnid.lower() for wnid in _WNID.findall(folder.replace("_", "-"))]:
        return {synsets.index_of(wnid): "wnid" for wnid in wnids if synsets.is_class(wnid)}
    if not (folder.isascii() and folder.isdecimal()):
        return dict.fromkeys(_classes_of_words().get(_folded(folder), ()), "name")
    digits, found = folder.lstrip("0") or "0", {}
    number = int(digits) if len(digits) <= _MOST_DIGITS else -1
    if 0 <= number < synsets.NUM_CLASSES:
        found[number] = "class index"
    if 1 <= number <= synsets.NUM_CLASSES:
        found.setdefault(number - 1, "class index, counted from 1,")
        found.setdefault(synsets.from_ilsvrc2012_id(number).index, "ILSVRC2012_ID")
    return found


def _several(classes: set[int]) -> str:
    return f"its images are of {len(classes)} classes: {first_few(synsets.wnids()[label] for label in sorted(classes))}"


def _look(folder: str) -> str:
    """Returns a sentence that says which numbering the name of a folder looks like, or an empty string."""
    meanings = meanings_of(folder)
    if not meanings:
        return ""
    if folder.isdecimal():
        texts = " or ".join(f"the {what} of {_named(label)}" for label, what in meanings.items())
        return f" It looks like a number: {texts.replace(',', '')}. Nothing tells which one."
    return f" It looks like the name of {' or '.join(map(_named, meanings))}: rename it if that is right."


def _named(label: int) -> str:
    return f"{synsets.wnids()[label]} ({synsets.synsets()[label].words.partition(',')[0]})"


@functools.cache
def _classes_of_words() -> dict[str, list[int]]:
    """Returns the indices of the classes that have each word or phrase; some, such as `crane`, belong to two."""
    found = defaultdict(list)
    for synset in synsets.synsets():
        for words in {_folded(part) for part in (synset.words, *synset.words.split(", "))}:
            found[words].append(synset.index)
    return found


def _folded(words: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", words.casefold().replace("'", "")))
