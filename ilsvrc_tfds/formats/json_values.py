"""Checks of values that were parsed from JSON, which may be anything."""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from ilsvrc_tfds import synsets


def is_skipped(value: object) -> TypeGuard[Mapping[str, Mapping[str, str]]]:
    """Returns whether a JSON value is a mapping of each split's skipped images: the reason by file name.

    >>> is_skipped({"train": {"n01440764_18.JPEG": "The JPEG ends early"}}), is_skipped({"dev": {}})
    (True, False)
    """
    if not isinstance(value, Mapping) or not set(value) <= set(synsets.OFFICIAL_COUNTS):
        return False
    return all(isinstance(own, Mapping) and all(isinstance(why, str) for why in own.values()) for own in value.values())


def is_numbering(value: object) -> bool:
    """Returns whether a value is a tuple of wnids of the 1000 classes, each once.

    >>> is_numbering(("n01491361", "n01440764")), is_numbering(("n01491361", "n01491361"))
    (True, False)
    """
    if not isinstance(value, tuple) or not value or not all(isinstance(wnid, str) for wnid in value):
        return False
    return len(set(value)) == len(value) and all(map(synsets.is_class, value))


def is_names(value: object) -> TypeGuard[Mapping[str, Sequence[str]]]:
    """Returns whether a JSON value is a mapping of each split's file names of images.

    >>> is_names({"val": ["ILSVRC2012_val_00019877.JPEG"]}), is_names(["ILSVRC2012_val_00019877.JPEG"])
    (True, False)
    """
    if not isinstance(value, Mapping) or not set(value) <= set(synsets.OFFICIAL_COUNTS):
        return False
    return all(
        isinstance(own, list | tuple) and all(isinstance(name, str) and name.isascii() for name in own)
        for own in value.values()
    )


def is_count(value: object) -> TypeGuard[int]:
    """Returns whether a JSON value is an integer that is not negative.

    >>> is_count(3), is_count(True), is_count(-1)
    (True, False, False)
    """
    return type(value) is int and value >= 0
