"""TFDS's files beside the shards of a data set: `dataset_info.json` and the names of the labels."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, unreadable
from ilsvrc_tfds.formats import json_values
from ilsvrc_tfds.formats.kinds import IMAGENET2012, KINDS
from ilsvrc_tfds.formats.naming import OWN, TFRECORD
from ilsvrc_tfds.storage.regular import open_regular

INFO_NAME = "dataset_info.json"
# TFDS's list of the names of labels, one in each line.
LABELS_NAME = "label.labels.txt"
# The `dataset_info.json` of 1,152 shards has 20 KB.
MAX_INFO_BYTES = 64 << 20


def read_info(folder: str | os.PathLike) -> dict | None:
    """Returns TFDS's `dataset_info.json` of a folder, or None if it does not have one.

    The splits have this package's own names: the `validation` of TFDS's `imagenet2012` is `val`.

    >>> read_info(folder) is None
    True

    Raises:
      SourceError: The file cannot be read or parsed, or describes another data set.
    """
    path = Path(folder, INFO_NAME)
    try:
        info = parsed_info(folder)
        if info is None:
            return None
        if info["name"] not in (OWN, IMAGENET2012):
            raise SourceError(f"{path} describes {info['name']!r}; expected {OWN} or {IMAGENET2012}.")
        if info["name"] == IMAGENET2012:
            own = {name: split for split, name in KINDS[IMAGENET2012].splits.items()}
            info = {**info, "splits": [{**split, "name": own[split["name"]]} for split in info["splits"]]}
        _check_info(info)
    except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise senseless(path, error) from error
    return info


def parsed_info(folder: str | os.PathLike) -> Any:
    """Returns the values in the `dataset_info.json` of a folder, of any data set, or None if it does not have one.

    >>> parsed_info(folder) is None
    True

    Raises:
      SourceError: The file cannot be read, or is not JSON.
    """
    path = Path(folder, INFO_NAME)
    try:
        with open_regular(path) as file:
            data = file.read(MAX_INFO_BYTES + 1)
        if len(data) > MAX_INFO_BYTES:
            raise ValueError(f"it has more than {MAX_INFO_BYTES:,} bytes")
        return json.loads(data)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    except (ArithmeticError, ValueError, RecursionError) as error:
        raise senseless(path, error) from error


def named_labels(folder: Path) -> tuple[str, ...] | None:
    """Returns the wnid of each label by TFDS's list of them, or None if that is missing or the official one.

    >>> named_labels(Path(folder)) is None
    True

    Raises SourceError if it cannot be read.
    """
    names = _label_names(folder)
    if names is None:
        return None
    return names if names != synsets.wnids() and json_values.is_numbering(names) else None


def is_official(folder: Path) -> bool:
    """Returns whether TFDS's list of the names of labels, if there is one, is that of the 1000 classes.

    >>> is_official(Path(folder))
    True

    Raises SourceError if it cannot be read.
    """
    names = _label_names(folder)
    return names in (None, synsets.wnids())


def senseless(path: str | os.PathLike, error: Exception) -> SourceError:
    """Returns the exception for a file of a prepared data set that cannot be parsed.

    >>> senseless("dataset_info.json", KeyError("name"))
    SourceError("dataset_info.json makes no sense (KeyError('name')). Move its folder away and prepare ...")
    """
    # Not `--overwrite`: `prepare` may need the file even then.
    advice = "Move its folder away and prepare the data set again."
    return SourceError(f"{path} makes no sense ({error!r:.200}). {advice}")


def _check_info(info: Mapping) -> None:
    """Raises ValueError, KeyError or TypeError if entries of an info that are read here are missing or invalid."""
    others = info.get("alternativeFileFormats", [])
    if not isinstance(others, list):
        raise TypeError(f"alternativeFileFormats cannot be {others!r:.40}")
    for name in (info.get("fileFormat", TFRECORD), *others):
        if re.fullmatch(r"[a-z_]+", name) is None:
            raise ValueError(f"a file format cannot be {name!r:.40}")
    for split in info["splits"]:
        if split["name"] not in synsets.OFFICIAL_COUNTS:
            raise ValueError(f"unknown split {split['name']!r}")
        int(split.get("numBytes", 0)), [int(length) for length in split["shardLengths"]]


def _label_names(folder: Path) -> tuple[str, ...] | None:
    try:
        with open_regular(folder / LABELS_NAME) as file:
            return tuple(file.read(MAX_INFO_BYTES).decode("ascii", "replace").split())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(folder / LABELS_NAME, error) from error
