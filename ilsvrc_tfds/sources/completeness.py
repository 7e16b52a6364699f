"""What is missing from a source, and whether that is allowed."""

import dataclasses
import logging
import os
from collections.abc import Collection

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import IncompleteError
from ilsvrc_tfds.sources.members import Index

_log = logging.getLogger(__name__)

ALLOW_VARIABLE = "ILSVRC2012_ALLOW_INCOMPLETE"


def incomplete_is_allowed(argument: bool | None) -> bool:
    """Returns whether incomplete splits are allowed: by the argument, or by ILSVRC2012_ALLOW_INCOMPLETE=1 where it is None."""
    return os.environ.get(ALLOW_VARIABLE) == "1" if argument is None else argument


def of_splits(index: Index, splits: Collection[str] | None) -> Index:
    """Returns the index of these splits alone, all where None. Raises IncompleteError if one of them is not there."""
    if splits is None:
        return index
    missing = missing_splits(index, splits)
    if missing:
        raise IncompleteError(
            f"{index.source} does not have the split {', '.join(missing)}, which was asked for; it has {', '.join(index.splits)}."
        )
    return dataclasses.replace(
        index, splits={split: members for split, members in index.splits.items() if split in splits}
    )


def log_shortfalls(index: Index, allow_incomplete: bool, splits: Collection[str] | None = None) -> None:
    """Says what is missing from the source; raises IncompleteError where that is not allowed.

    Args:
      index: of the source.
      allow_incomplete: whether it is allowed.
      splits: that were asked for; see `missing_splits`.
    """
    _log_allowed(index, splits, {} if allow_incomplete else shortfalls(index), allow_incomplete)


def log_missing_splits(index: Index, allow_incomplete: bool, splits: Collection[str] | None = None) -> None:
    """Says what is missing, likewise, for a description of the images that are there: only splits may not be missing."""
    _log_allowed(index, splits, {}, allow_incomplete)


def _log_allowed(index: Index, splits: Collection[str] | None, refused: dict[str, str], allow_incomplete: bool) -> None:
    """Raises IncompleteError for what is `refused`, and for missing splits unless they are allowed; warns of all else."""
    missing = missing_splits(index, splits)
    if refused or missing and not allow_incomplete:
        texts = "; ".join(f"{split}: {text}" for split, text in {**missing, **refused}.items())
        raise IncompleteError(
            f"{index.source} is not the whole of ILSVRC2012 ({texts}). Complete it; or, if that is meant, "
            f"{_choice(index) if missing else ''}allow it: --allow-incomplete, allow_incomplete=True, or "
            "ILSVRC2012_ALLOW_INCOMPLETE=1."
        )
    for split, text in missing.items():
        _log.warning("Incomplete, and allowed: the split %s is %s.", split, text)
    if splits is None and "test" not in index.splits:
        _log.info("There is no test split in the source.")
    for split, text in shortfalls(index).items():
        _log.warning("Incomplete, and allowed: %s has %s.", split, text)


def shortfalls(index: Index) -> dict[str, str]:
    """Returns, for each split whose number of images is not the official one, what is missing or too many."""
    found = {}
    for split, members in index.splits.items():
        official = synsets.OFFICIAL_COUNTS[split]
        if len(members) != official:
            classes = synsets.NUM_CLASSES - len(np.unique(members.label)) if split != "test" else 0
            missing = f", {classes:,} classes missing" if classes else ""
            found[split] = f"{len(members):,} of {official:,} images{missing}"
    return found


def missing_splits(index: Index, splits: Collection[str] | None = None) -> dict[str, str]:
    """Returns, for each split that is expected and not there, what was seen in its place.

    Args:
      index: The images of the source.
      splits: The splits that were asked for; train and val are expected for None, and test is not.
    """
    expected = ("train", "val") if splits is None else splits
    return {
        split: "; ".join(["not there", *([index.missing[split]] if split in index.missing else [])])
        for split in expected
        if split not in index.splits
    }


def _choice(index: Index) -> str:
    """Returns how the splits that are there are chosen, in words."""
    return f"name the splits to take, --splits {','.join(index.splits)} (splits={list(index.splits)}), or "
