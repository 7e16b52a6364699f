"""Aliases: folders by which TFDS reads one of our data sets under another name, such as `imagenet2012`.

    <data_dir>/imagenet2012/5.1.0/
        dataset_info.json       names the shards of the data set, `../../ilsvrc2012/raw256/1.0.0/…`, for each split
        features.json           as in the data set
        label.labels.txt        as in the data set

No shard is copied or linked. The split `val` has the name that code for `imagenet2012` asks for, `validation`. The path
is relative, so that the data directory can be moved.
"""

import dataclasses
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, counted
from ilsvrc_tfds.formats.info import INFO_NAME, LABELS_NAME, named_labels, parsed_info, read_info
from ilsvrc_tfds.formats.kinds import IMAGENET2012, KINDS, TFDS
from ilsvrc_tfds.formats.naming import own_split
from ilsvrc_tfds.storage.files import without_dots

# The version of TFDS's `imagenet2012` that many codes ask for.
VERSION = "5.1.0"
# The files of an alias.
FILES = (INFO_NAME, "features.json", LABELS_NAME)
# The name of a config in a path of an alias.
CONFIG_NAME = r"[A-Za-z0-9_][\w.-]*"

_FOLDER = re.compile(rf"\.\./\.\./ilsvrc2012/({CONFIG_NAME})/\d+\.\d+\.\d+", re.A)


@dataclasses.dataclass(frozen=True)
class Alias:
    """An alias of one of our data sets.

    Attributes:
      folder: Folder of the alias.
      relative: Path of the data set's folder, from that of the alias.
      info: TFDS's info of the alias.
    """

    folder: Path
    relative: str
    info: Mapping

    @property
    def config(self) -> str:
        """Name of the config that the alias stands for."""
        return self.relative.split("/")[-2]

    @property
    def target(self) -> Path:
        """Folder of the data set, absolute and with links resolved."""
        return Path(os.path.realpath(self.folder / self.relative))

    @property
    def splits(self) -> tuple[str, ...]:
        """The data set's own names of the splits that the alias states."""
        return tuple(own for split in self.info["splits"] if (own := own_split(split["name"])))

    @property
    def cure(self) -> str:
        """The command that makes the alias again, in words."""
        name, data_dir = self.info["name"], os.fspath(without_dots(self.folder.absolute()).parents[1])
        renamed = [] if name == IMAGENET2012 else ["--as", name]
        return f"`{shlex.join(['ilsvrc-tfds', 'alias', data_dir, '--config', self.config, *renamed])}`"


def shard_template(relative: str, split: str) -> str:
    """Returns TFDS's template of the paths of a split's shards, for an alias.

    >>> shard_template("../../ilsvrc2012/raw256/1.0.0", "val")
    '../../ilsvrc2012/raw256/1.0.0/ilsvrc2012-val.{FILEFORMAT}-{SHARD_X_OF_Y}'

    Args:
      relative: Path of the data set's folder, from that of the alias.
      split: The data set's own name of the split.
    """
    kind = KINDS[TFDS]
    template = kind.template.replace("{index}-of-{count}", "{number}")
    number, file_format = "{SHARD_X_OF_Y}", "{FILEFORMAT}"
    return f"{relative}/{template.format(split=kind.splits[split], file_format=file_format, number=number)}"


def read_alias(folder: str | os.PathLike) -> Alias | None:
    """Returns the alias in a folder, or None if it holds none, or one whose info cannot be read.

    >>> read_alias(folder) is None
    True
    """
    try:
        info = parsed_info(folder)
        templates = [(split["filepathTemplate"], own_split(split["name"]) or "") for split in info["splits"]]
        (relative,) = {template.rpartition("/")[0] for template, _ in templates}
        is_alias = _FOLDER.fullmatch(relative) and re.fullmatch(r"\w+", info["name"], re.A) is not None
        is_alias = is_alias and all(text == shard_template(relative, split) for text, split in templates)
        _stated(info)
    except (SourceError, ArithmeticError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Alias(Path(folder), relative, info) if is_alias else None


def followed(folder: Path) -> Path:
    """Returns the folder of the data set that an alias stands for. Other folders are returned as they are.

    >>> followed(Path(folder)) == Path(folder)
    True

    Raises:
      SourceError: The data set of an alias does not exist, or has changed since the alias was made.
    """
    alias = read_alias(folder)
    if alias is None:
        return folder
    require_current(alias)
    return alias.target


def require_current(alias: Alias) -> None:
    """Raises SourceError if the data set of an alias does not exist, or has changed since the alias was made.

    TFDS reads the numbers of records and shards, and the names of the labels, from the files of the alias.
    """
    info = read_info(alias.target) if alias.target.is_dir() else None
    if info is None:
        raise SourceError(
            f"{alias.folder} is an alias of {alias.target}, which is not a prepared data set. Prepare it again and run "
            f"{alias.cure}, or remove the alias."
        )
    differing = _differences(_stated(alias.info), _stated(info))
    if named_labels(alias.folder) != named_labels(alias.target):
        differing.append(f"{LABELS_NAME} names other classes")
    if differing:
        raise SourceError(
            f"{alias.folder} is an alias of {alias.target}, which has changed since the alias was made: "
            f"{'; '.join(differing)}. Run {alias.cure} again."
        )


def _stated(info: Mapping) -> dict[str, tuple]:
    """Returns the formats that an info states, and for each split the bytes of its data and the shards' lengths."""
    formats = (info.get("fileFormat"), *info.get("alternativeFileFormats", ()))
    sizes = {
        str(own_split(split["name"])): (int(split.get("numBytes", 0)), *map(int, split["shardLengths"]))
        for split in info["splits"]
    }
    return {"format": formats, **sizes}


def _differences(then: Mapping[str, tuple], now: Mapping[str, tuple]) -> list[str]:
    """Returns the differences between what an alias and its data set state, in words."""
    names = [name for name in {**now, **then} if now.get(name) != then.get(name)]
    return [f"{name} is {_in_words(now.get(name))} now, and was {_in_words(then.get(name))}" for name in names]


def _in_words(stated: tuple | None) -> str:
    if stated is None:
        return "missing"
    if not isinstance(stated[0], int):
        return " and ".join(map(str, stated))
    size, *lengths = stated
    return f"{counted(sum(lengths), 'example')} in {counted(len(lengths), 'shard')} of {counted(size, 'byte')}"
