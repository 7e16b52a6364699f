"""ReaL: `real.json`, which has a list of right classes for each validation image."""

import json
import os
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, SourceError, counted, shown, unreadable
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.pipeline.sets.found import EvaluationSet, Part, Records
from ilsvrc_tfds.pipeline.sets.published import PUBLISHED, REAL
from ilsvrc_tfds.pipeline.split import Data, find_split
from ilsvrc_tfds.storage.regular import open_regular

_NAME = "real.json"
# The file has 1 MB.
_MAX_BYTES = 64 << 20


def file_in(path: Path) -> Path | None:
    """Returns `real.json`, given its path or the folder of its repository; otherwise None.

    >>> file_in(Path("/data/my.json")), file_in(Path("/data/imagenet-a"))
    (PosixPath('/data/my.json'), None)
    """
    if path.suffix.lower() == ".json":
        return path
    return path / _NAME if (path / _NAME).is_file() else None


def find(path: Path, data: Data | None, data_dir: str | os.PathLike | None, label_offset: int | None) -> EvaluationSet:
    """Returns ReaL: the images of the split val, with the classes of `real.json`.

    Args:
      path: Path of `real.json`.
      data: Data set with the validation images, in any form that `for_evaluation` takes.
      data_dir: TFDS's data directory, if `data` is a name.
      label_offset: Label of the first class in exported TFRecords that do not state it.

    Raises:
      OptionError: No data set is named, or its labels are not the class indices.
      SourceError: `real.json` is not what it should be, or the data set cannot be read.
    """
    labels = read_lists(path)
    if data is None:
        raise OptionError(
            f"{shown(str(path))} needs the validation images: name a prepared or exported data set as DATA."
        )
    split = find_split(data, "val", data_dir=data_dir, label_offset=label_offset)
    if split.wnids is not None:
        raise OptionError(
            f"{split.folder} has {counted(split.num_labels, 'class', 'classes')} with numbers of their own; "
            f"{PUBLISHED[REAL].title} needs the validation split with all 1000."
        )
    expected = PUBLISHED[REAL].images
    missing = f"{split.folder} has {counted(split.num_examples, 'image')} in val, expected {expected:,}"
    missing = missing if split.num_examples != expected else ""
    part = Part("", split.num_examples, lambda: Records(split, labels))
    allowed = find_output(split.folder).stated_lengths("val") is not None
    return EvaluationSet(REAL, PUBLISHED[REAL].title, path, (part,), missing, allowed)


def read_lists(path: str | os.PathLike) -> tuple[tuple[int, ...], ...]:
    """Returns the class indices of each validation image, in the order of the numbers in the file names.

    Raises SourceError unless the file has 50,000 lists of class indices, and some class index.

    >>> import json
    >>> _ = Path("/data/real.json").write_text(json.dumps([[0, 1], []] * 25_000))
    >>> read_lists("/data/real.json")[:2]
    ((0, 1), ())
    """
    where = shown(os.fspath(path))
    try:
        with open_regular(path) as file:
            content = file.read(_MAX_BYTES + 1)
        lists = json.loads(content) if len(content) <= _MAX_BYTES else None
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where} is not JSON ({error}). Get {PUBLISHED[REAL].source} again.") from error
    if not isinstance(lists, list) or len(lists) != synsets.NUM_VALIDATION:
        there = counted(len(lists), "entry", "entries") if isinstance(lists, list) else "no list"
        raise SourceError(
            f"{where} has {there}, expected {synsets.NUM_VALIDATION:,} lists, one for each validation image: real.json "
            f"of {PUBLISHED[REAL].source}."
        )
    for row, entry in enumerate(lists):
        if not isinstance(entry, list) or not all(map(_is_index, entry)):
            raise SourceError(
                f"{where}: entry {row:,} is {entry!r:.60}, expected a list of class indices, 0 to 999. Get it again."
            )
    if not any(lists):
        raise SourceError(f"{where} has only empty lists. Get it again.")
    return tuple(map(tuple, lists))


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < synsets.NUM_CLASSES
