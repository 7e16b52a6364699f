"""Checks which splits and images of a source are missing, and whether that is allowed."""

import dataclasses
import logging
import os
from collections.abc import Collection, Iterable

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import IncompleteError, counted
from ilsvrc_tfds.sources.members import Index, Whole

_log = logging.getLogger(__name__)

ALLOW_VARIABLE = "ILSVRC2012_ALLOW_INCOMPLETE"


def incomplete_is_allowed(argument: bool | None) -> bool:
    """Returns whether incomplete splits are allowed.

    Args:
      argument: The caller's choice. None leaves the choice to the user: ILSVRC2012_ALLOW_INCOMPLETE=1 allows them.
    """
    return os.environ.get(ALLOW_VARIABLE) == "1" if argument is None else argument


def of_splits(index: Index, splits: Collection[str] | None) -> Index:
    """Returns the index with only these splits, or with all if None. Raises IncompleteError if one of them is missing.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> index = index_images(find_layout(["/data/imagenet"]))
    >>> list(of_splits(index, ["val"]).splits)
    ['val']
    """
    if splits is None:
        return index
    require_splits(index.source, index.splits, splits)
    return dataclasses.replace(
        index,
        splits={split: members for split, members in index.splits.items() if split in splits},
        repaired={split: names for split, names in index.repaired.items() if split in splits},
    )


def require_splits(source: str, there: Iterable[str], splits: Collection[str]) -> None:
    """Raises IncompleteError if one of the splits that were asked for is not there.

    >>> require_splits("/data/imagenet", ["train", "val"], ["test"])
    Traceback (most recent call last):
    ilsvrc_tfds.errors.IncompleteError: /data/imagenet does not have the split test, which was asked for; it has ...
    """
    there = list(there)
    if missing := [split for split in splits if split not in there]:
        raise IncompleteError(
            f"{source} does not have the split {', '.join(missing)}, which was asked for; it has {', '.join(there)}."
        )


def log_shortfalls(
    index: Index, allow_incomplete: bool, splits: Collection[str] | None = None, *, subset_as_whole: bool = True
) -> None:
    """Logs which splits and images are missing. Raises IncompleteError if any are, and that is not allowed.

    What a prepared or exported data set was made without is allowed: it was when that was made.

    Args:
      index: Index of the source.
      allow_incomplete: Whether missing splits and images are allowed.
      splits: Splits that were asked for; see `missing_splits`.
      subset_as_whole: Whether a subset is taken without permission where no list asks for it again: by `export`, whose
        result is that subset; not by `prepare`, whose result has the name of the whole data set.
    """
    short = {} if allow_incomplete else shortfalls(index)
    refused = {
        s: text
        for s, text in short.items()
        if not is_as_recorded(index, s) or not subset_as_whole and _is_part_of(index, s)
    }
    _log_allowed(index, splits, refused, allow_incomplete)


def log_missing_splits(index: Index, allow_incomplete: bool, splits: Collection[str] | None = None) -> None:
    """Logs which splits and images are missing. Raises IncompleteError for missing splits only, unless allowed."""
    _log_allowed(index, splits, {}, allow_incomplete)


def _log_allowed(index: Index, splits: Collection[str] | None, refused: dict[str, str], allow_incomplete: bool) -> None:
    """Raises IncompleteError for `refused` shortfalls, and for missing splits unless allowed. Logs all others."""
    missing = missing_splits(index, splits)
    lost = {split: text for split, text in missing.items() if not is_as_recorded(index, split)}
    if refused or lost and not allow_incomplete:
        texts = "; ".join(f"{split}: {text}" for split, text in {**lost, **refused}.items())
        of_what = "the subset" if index.whole else "ILSVRC2012"
        raise IncompleteError(
            f"{index.source} is not the whole of {of_what} ({texts}). Complete it; or, if this is intended, "
            f"{_choice(index, refused) if lost else ''}allow it: --allow-incomplete, allow_incomplete=True, or "
            f"ILSVRC2012_ALLOW_INCOMPLETE=1.{_advice(index)}"
        )
    for split, text in missing.items():
        _log.warning("Incomplete%s: the split %s is %s.", _why_allowed(index, split, allow_incomplete), split, text)
    if splits is None and "test" not in index.splits and not index.whole:
        _log.info("There is no test split in the source.")
    for split in (split for split, whole in index.whole.items() if whole.at_least):
        _log.info("%s: whether each class has all of its images is not known: the source is a part itself.", split)
    for split, text in shortfalls(index).items():  # `metadata` needs no permission for them
        _log.warning("Incomplete%s: %s has %s.", _why_allowed(index, split, allow_incomplete), split, text)


def _why_allowed(index: Index, split: str, allow_incomplete: bool) -> str:
    if is_as_recorded(index, split):
        return ", like the data set it was read from"
    return ", and allowed" if allow_incomplete else ""


def is_as_recorded(index: Index, split: str) -> bool:
    """Returns whether a split lacks only what the prepared or exported data set that it is read from was made without.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> folders = "/data/imagenet", "/data/tfds/ilsvrc2012/classification/1.0.0"
    >>> [is_as_recorded(index_images(find_layout([folder])), "train") for folder in folders]
    [False, True]
    """
    if split not in index.splits:
        return split in index.left_out
    return split in index.recorded and len(index.splits[split]) >= index.recorded[split]


def _is_part_of(index: Index, split: str) -> bool:
    """Returns whether a split of a subset is taken for the whole split of ILSVRC2012."""
    return split in index.parts and split not in index.whole


def shortfalls(index: Index) -> dict[str, str]:
    """Returns a description of each split whose number of images is not the official one, or not that of the subset.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> shortfalls(index_images(find_layout(["/data/imagenet"])))["val"]
    '6 of 50,000 images, 997 classes missing'
    """
    found = {}
    for split, members in index.splits.items():
        official = Whole(synsets.OFFICIAL_COUNTS[split], synsets.NUM_CLASSES)
        whole = index.whole.get(split, official)
        if len(members) != whole.images:
            classes = whole.classes - int(np.count_nonzero(np.bincount(members.label))) if split != "test" else 0
            missing = f", {counted(classes, 'class', 'classes')} missing" if classes > 0 else ""
            least = "at least " if whole.at_least else ""
            found[split] = f"{len(members):,} of {least}{whole.images:,} images{missing}"
    return found


def missing_splits(index: Index, splits: Collection[str] | None = None) -> dict[str, str]:
    """Returns, for each expected split that is missing, a text that says what was found instead.

    Args:
      index: Index of the source.
      splits: Splits that were asked for. If None, train and val are expected, and test is not.
    """
    expected = ("train", "val") if splits is None else splits
    return {
        split: "; ".join(["not there", *([index.missing[split]] if split in index.missing else [])])
        for split in expected
        if split not in index.splits
    }


def _advice(index: Index) -> str:
    """Returns a sentence for a message about a source that is a subset; empty for others."""
    parts = "; ".join(dict.fromkeys(part.words for part in index.parts.values()))
    return f" It is {parts}: name the same list (--classes, --images) to make that subset again." if parts else ""


def _choice(index: Index, refused: Collection[str]) -> str:
    """Returns the option that chooses exactly the splits that can be taken, as part of a message; empty if none can."""
    whole = [split for split in index.splits if split not in refused]
    return f"name the splits to take, --splits {','.join(whole)} (splits={whole}), or " if whole else ""
