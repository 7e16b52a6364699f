"""Reads the lists of classes and images that describe a subset.

A list of classes has a wnid at the beginning of each line, in the order of the paper that it belongs to. A list of
images has an official file name in each line, as SimCLR's lists of 1 % and 10 % have them; `.JPEG` may be missing.
Blank lines and lines that begin with `#` are ignored.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, shown, unreadable
from ilsvrc_tfds.sources.subset import Subset
from ilsvrc_tfds.sources.tables import lines_of, without_extension

# A list in a file, or in Python.
Classes = str | os.PathLike | Iterable[str | int]
Images = str | os.PathLike | Iterable[str]


def as_subset(classes: Classes | None, relabel: bool, images: Images | None) -> Subset:
    """Returns the subset that the options of `prepare` and `export` describe.

    Args:
      classes: Path of a list of classes, or the wnids or class indices themselves; None for all classes.
      relabel: Whether the classes are numbered 0, 1, … in the order of the list.
      images: Path of a list of images, or the file names themselves; None for all images.

    Raises:
      OptionError: A value is invalid, or a list names something twice.
      SourceError: A list cannot be read.

    >>> as_subset(["n01491361", "n01440764"], False, ["n01440764_9"])
    Subset(classes=(3, 0), relabel=False, images=('n01440764_9.JPEG',))
    """
    indices: tuple[int, ...] | None = None
    names: tuple[str, ...] | None = None
    if isinstance(classes, (str, os.PathLike)):
        indices = tuple(_class_in_line(where, line) for where, line in _lines(classes))
    elif classes is not None:
        indices = synsets.indices_of(classes, relabel)
    if isinstance(images, (str, os.PathLike)):
        names = tuple(_official(line) for _, line in _lines(images))
    elif images is not None:
        names = tuple(map(_official, images))
    return Subset(indices, relabel, names)


def _lines(path: str | os.PathLike) -> Iterator[tuple[str, str]]:
    """Yields the place and the text of each line that is neither blank nor a comment."""
    path = Path(path).expanduser()
    try:
        for number, line in lines_of(path):
            if text := line.strip():
                if not text.startswith("#"):
                    yield f"{path}: line {number:,}", text
    except OSError as error:
        raise unreadable(path, error) from error


def _class_in_line(where: str, line: str) -> int:
    wnid = line.split()[0].rstrip(",;:")
    if not synsets.is_class(wnid):
        raise OptionError(
            f"{where}: {shown(wnid[:40])} is not one of the 1000 classes of ILSVRC2012. Expected a wnid in each line, "
            "such as n01440764."
        )
    return synsets.index_of(wnid)


def _official(name: str) -> str:
    """Returns the official file name of an image, without folders and with `.JPEG` if it had no extension."""
    if not isinstance(name, str):
        raise OptionError(f"images must be a list of file names, got {name!r:.80} among them.")
    name = name.strip().replace("\\", "/").rpartition("/")[2]
    name = name if without_extension(name) != name else f"{name}.JPEG"
    appended = synsets.without_class(name.encode("utf-8", "surrogateescape"))
    return name if appended is None else appended[0].decode()
