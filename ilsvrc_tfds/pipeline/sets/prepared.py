"""Evaluation sets that TensorFlow Datasets has prepared: `imagenet_v2/matched-frequency/3.0.0` and so on."""

import functools
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ilsvrc_tfds.errors import LabelError, OptionError, SourceError, counted, shown, unreadable
from ilsvrc_tfds.formats.info import INFO_NAME, MAX_INFO_BYTES, named_labels
from ilsvrc_tfds.formats.kinds import TFDS, Fields
from ilsvrc_tfds.formats.naming import TFRECORD
from ilsvrc_tfds.pipeline.sets.corruptions import of_parts, place_of
from ilsvrc_tfds.pipeline.sets.found import EvaluationSet, Part, Records
from ilsvrc_tfds.pipeline.sets.numbered_folders import titled
from ilsvrc_tfds.pipeline.sets.published import PUBLISHED, REAL, V2, C
from ilsvrc_tfds.pipeline.split import Split, stamp_of
from ilsvrc_tfds.storage.files import default_data_dir
from ilsvrc_tfds.storage.regular import open_regular

_KINDS = {published.tfds: kind for kind, published in PUBLISHED.items()}
_NAME = re.compile(rf"(?P<name>{'|'.join(_KINDS)})(?:/(?P<config>[\w.-]+))?(?::(?P<version>\d+\.\d+\.\d+))?")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_CORRUPTED = re.compile(r"(?P<corruption>\w+)_(?P<severity>[1-5])")
_AGAIN = "Move it away and prepare it again."


class _Named(Split):
    """Shards whose records have the key `original_label` instead of `label`."""

    @property
    def fields(self) -> Fields:
        """Keys of a record's features."""
        return Fields("file_name", "image", "original_label")


def folder_of_name(path: str | os.PathLike, data_dir: str | os.PathLike | None) -> Path:
    """Returns the folder of a name such as `imagenet_v2/topimages`, or the path itself if that is not such a name.

    Raises OptionError if nothing of that name is prepared.

    >>> folder_of_name("/data/imagenet-a", None)
    PosixPath('/data/imagenet-a')
    """
    match = _NAME.fullmatch(path) if isinstance(path, str) else None
    if match is None:
        return Path(path).expanduser()
    root = Path(data_dir or default_data_dir()).expanduser()
    folder = root.joinpath(*filter(None, match.group("name", "config", "version")))
    if not folder.is_dir():
        raise OptionError(
            f"{path!r} is not in {root}. Prepare it with TensorFlow Datasets, or choose another data_dir. For a folder "
            f"of that name, write ./{path}."
        )
    return folder


def find(folder: Path) -> EvaluationSet | None:
    """Returns the set in a folder that TensorFlow Datasets has made, or None if it has another layout.

    The folder is that of a version, or one above it: of a config or of the whole set. If there are several versions,
    the latest is taken.

    Raises:
      OptionError: The folder has several configs, and only one of them can be meant.
      SourceError: The shards are missing or in another format.
      LabelError: The labels are numbered in another order.
    """
    versions = _versions(folder)
    if not versions:
        return None
    infos = {path: _read_info(path) for path in versions}
    names = {str(info.get("name")) for info in infos.values()}
    kinds = {_KINDS.get(name) for name in names}
    if kinds == {C}:
        return _corrupted(folder, infos)
    if None in kinds:
        return None
    if len(infos) > 1:
        configs = ", ".join(sorted(shown(os.path.relpath(path, folder)) for path in infos))
        raise OptionError(f"{folder} has several sets: {configs}. Name the folder of one of them.")
    ((path, info),) = infos.items()
    kind = _KINDS[names.pop()]
    split = _split(path, info, _Named if kind == REAL else Split)
    expected = PUBLISHED[kind].images
    missing = f"it has {counted(split.num_examples, 'image')}, expected {expected:,}"
    title = titled(str(path)) if kind == V2 else PUBLISHED[kind].title
    part = Part("", split.num_examples, lambda: Records(split, key="real_label" if kind == REAL else ""))
    return EvaluationSet(kind, title, path, (part,), missing if split.num_examples != expected else "")


def _versions(folder: Path) -> list[Path]:
    """Returns the folders with TFDS's info: this one, or the latest version in it, or in each config in it."""
    if (folder / INFO_NAME).is_file():
        return [folder]
    try:
        below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        versions = [path for path in below if _VERSION.fullmatch(path.name) and (path / INFO_NAME).is_file()]
        if versions:
            return [max(versions, key=lambda path: tuple(map(int, path.name.split("."))))]
        if folder.name not in _KINDS:
            return []
    except OSError as error:
        raise unreadable(folder, error) from error
    return [version for path in below for version in _versions(path)]


def _corrupted(folder: Path, infos: Mapping[Path, dict[str, Any]]) -> EvaluationSet:
    parts, faults = [], []
    for path, info in infos.items():
        match = _CORRUPTED.fullmatch(str(info.get("configName")))
        if match is None:
            raise SourceError(f"{path / INFO_NAME} names the config {info.get('configName')!r}. {_AGAIN}")
        split = _split(path, info, Split)
        name = f"{match['corruption']}/{match['severity']}"
        parts.append(Part(name, split.num_examples, functools.partial(Records, split)))
        if split.num_examples != PUBLISHED[C].images:
            faults.append(f"{name} has {counted(split.num_examples, 'image')}, expected {PUBLISHED[C].images:,}")
    parts.sort(key=lambda part: (place_of(part.name.rpartition("/")[0]), part.name))
    return of_parts(folder, parts, faults)


def _split(folder: Path, info: Mapping[str, Any], kind: type[Split]) -> Split:
    """Returns the only split of a set. Raises SourceError, LabelError."""
    if named_labels(folder) is not None:
        raise LabelError(f"{folder}: its labels are not the 1000 wnids in sorted order. {_AGAIN}")
    try:
        (split,) = info["splits"]
        name, lengths = str(split["name"]), tuple(int(length) for length in split["shardLengths"])
        file_format = str(info.get("fileFormat", TFRECORD))
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{folder / INFO_NAME} does not describe one split ({error!r:.100}). {_AGAIN}") from error
    if file_format != TFRECORD:
        raise SourceError(
            f"{folder} is in the format {shown(file_format)}; expected {TFRECORD}. Prepare it in this format."
        )
    count = len(lengths)
    paths = [folder / f"{info['name']}-{name}.{TFRECORD}-{k:05d}-of-{count:05d}" for k in range(count)]
    try:
        stamps = tuple(stamp_of(str(path)) for path in paths)
    except OSError as error:
        raise unreadable(folder, error, then=_AGAIN) from error
    return kind("val", folder, tuple(map(str, paths)), lengths, TFDS, 0, stamps)


def _read_info(folder: Path) -> dict[str, Any]:
    path = folder / INFO_NAME
    try:
        with open_regular(path) as file:
            return dict(json.loads(file.read(MAX_INFO_BYTES)))
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise SourceError(
            f"{path} is not TensorFlow Datasets' description of a set ({error!r:.100}). {_AGAIN}"
        ) from error
