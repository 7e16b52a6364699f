"""Finds the folder of a data set, which users name in three ways.

| form | example |
|---|---|
| a name, which is looked up in a data directory | `ilsvrc2012/raw256` |
| a data directory that has one data set, or a folder in it | `/data/tfds`, `/data/tfds/ilsvrc2012/raw256` |
| the folder of a prepared data set, an alias or an export | `/data/tfds/ilsvrc2012/raw256/1.0.0` |

`imagenet2012` is the name of an alias of a prepared data set, or of the data set that TFDS's own builder has made.
"""

import itertools
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Union

from ilsvrc_tfds.errors import OptionError, SourceError, counted, first_few, reading, shown
from ilsvrc_tfds.formats.alias import VERSION, read_alias
from ilsvrc_tfds.formats.folder import is_output
from ilsvrc_tfds.formats.in_buckets import folder_in_bucket
from ilsvrc_tfds.formats.kinds import IMAGENET2012
from ilsvrc_tfds.formats.naming import DEFAULT_CONFIG, OWN, SET_NAME
from ilsvrc_tfds.formats.nearby import OF_TFDS, PREPARED, kind_of_set
from ilsvrc_tfds.storage.files import default_data_dir, require_known_scheme, without_dots
from ilsvrc_tfds.storage.staging import staging_folder

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

# A name such as `ilsvrc2012/raw256`, a data directory, a folder, or a TFDS builder.
Data = Union[str, os.PathLike, "tfds.core.DatasetBuilder"]

_VERSION = re.compile(r"\d+\.\d+\.\d+")
# Limits for a folder of something else, and for messages.
_MOST_ENTRIES, _MOST_LINES = 2000, 20


def folder_of(data: Data, data_dir: str | os.PathLike | None = None) -> Path:
    """Returns the folder of a data set. It need not hold shards, if it is named by its path.

    >>> folder_of("ilsvrc2012/raw256", data_dir) == folder_of(f"{data_dir}/ilsvrc2012/raw256")
    True
    >>> folder_of(data_dir)
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: ... has 2 data sets. Name one of them:
      ...ilsvrc2012/classification/1.0.0
      ...ilsvrc2012/raw256/1.0.0

    Args:
      data: Name such as `ilsvrc2012/raw256` or `imagenet2012`, data directory that has one data set, folder of a data
        set, or TFDS builder. A string in the form of a name is always a name. Write `./ilsvrc2012/raw256` for the
        folder.
      data_dir: TFDS's data directory, in which names are looked up. If None, the environment's TFDS_DATA_DIR, or
        ~/tensorflow_datasets.

    Raises:
      OptionError: The data set does not exist, or a data directory has several.
      SourceError: The folder does not exist, cannot be read, or is not finished.
    """
    if (folder := folder_in_bucket(data, data_dir)) is not None:
        return folder
    if hasattr(data, "data_dir"):
        return _folder_of_builder(data)
    require_known_scheme(data)
    match = SET_NAME.fullmatch(data) if isinstance(data, str) else None
    if match is None:
        return _at(without_dots(Path(data).expanduser()), data_dir)
    return _named(match, without_dots(Path(data_dir or default_data_dir()).expanduser()))


def is_name(data: object) -> bool:
    """Returns whether a data set is named by a name, and not by a path.

    >>> is_name("ilsvrc2012/raw256"), is_name("./ilsvrc2012/raw256"), is_name(Path("ilsvrc2012/raw256"))
    (True, False, False)
    """
    return isinstance(data, str) and SET_NAME.fullmatch(data) is not None


def prepared_in(folder: Path) -> list[Path]:
    """Returns the prepared data sets in a data directory, its folder `ilsvrc2012`, or the folder of a config.

    Of several versions, the latest is taken. Aliases are not listed, because their data sets are.

    >>> [path.parts[-2] for path in prepared_in(Path(data_dir))]
    ['classification', 'raw256']
    """
    roots = [folder / OWN]
    if OWN in (folder.name, os.path.basename(os.path.realpath(folder))):
        roots.append(folder)
    configs = [folder, *itertools.chain.from_iterable(map(_folders_in, roots))]
    return [path for config in configs for path in _latest_set(config)]


def _at(path: Path, data_dir: str | os.PathLike | None) -> Path:
    """Returns the folder of the data set at a path: the path itself, or the only data set below it."""
    if is_output(path):
        return path
    found = prepared_in(path) or [own for root in (path, path / IMAGENET2012) if (own := _chosen(root))]
    if len(found) > 1:
        lines = "".join(f"\n  {shlex.quote(shown(str(one)))}" for one in found[:_MOST_LINES])
        more = f"\n  and {len(found) - _MOST_LINES:,} more" if len(found) > _MOST_LINES else ""
        raise OptionError(f"{path} has {counted(len(found), 'data set')}. Name one of them:{lines}{more}")
    return found[0] if found else _existing(path, data_dir)


def _named(match: re.Match, root: Path) -> Path:
    name = match[0]
    if match["imagenet"]:
        return _imagenet2012(root, name, match["version"])
    config = match["config"] or DEFAULT_CONFIG
    configs = sorted(path.name for path in _folders_in(root / OWN))
    if config not in configs:
        found = f"there is {', '.join(configs)}" if configs else "there is nothing prepared"
        hint = _hint(name, Path(OWN, match["config"] or ""))
        raise OptionError(
            f"{name!r} is not in {root}: {found}. Choose another data set or data_dir, or prepare it.{hint}"
        )
    folder = root / OWN / config
    return _existing(folder / (match["version"] or _latest(folder)), None)


def _imagenet2012(data_dir: Path, name: str, version: str | None) -> Path:
    """Returns the folder of `imagenet2012`: of TFDS's own builder, or an alias. Raises OptionError without either."""
    root = data_dir / IMAGENET2012
    if found := _chosen(root, version):
        return found
    wanted = root / (version or VERSION)
    there = f"{wanted} holds neither" if is_output(wanted) else f"there is no {wanted}"
    cure = "Name its data directory (--data-dir, data_dir=)"
    if (data_dir / OWN).is_dir():
        cure = f"Make an alias with `ilsvrc-tfds alias {data_dir}`"
    raise OptionError(
        f"{name!r} stands for an alias of a data set of this package, or for what TFDS's own builder of that name has "
        f"made, and {there}. {cure}, or name the data set itself, such as ilsvrc2012/raw256."
        f"{_hint(name, Path(IMAGENET2012))}"
    )


def _chosen(root: Path, version: str | None = None) -> Path | None:
    """Returns the version of a set of TFDS or of an alias: the one that codes ask for, or else the latest."""
    held = [path for path in _versions_in(root) if kind_of_set(path) == OF_TFDS or read_alias(path) is not None]
    if (wanted := root / (version or VERSION)) in held:
        return wanted
    return max(held, key=lambda path: _number(path.name)) if held and version is None else None


def _hint(name: str, folder: Path) -> str:
    """Returns a hint for the message if the name is also a path in the current folder. Otherwise an empty text."""
    found = [path for path in (Path(name), folder / _latest(folder)) if is_output(path)] or prepared_in(folder)
    return f" For the folder of that name, write ./{found[0]}." if found else ""


def _existing(folder: Path, data_dir: str | os.PathLike | None) -> Path:
    """Returns the folder. Raises SourceError if it does not exist, or if its preparation has not been finished."""
    with reading(folder):
        if folder.is_dir():
            return folder
        if staging_folder(folder).is_dir():
            raise SourceError(f"{folder} is not finished. Run the command that makes it again to resume.")
        if folder.is_symlink():
            os.stat(folder)  # raises if the link leads nowhere
    raise SourceError(f"{folder} is not a folder. Prepare the data set first.{_in_data_dir(folder, data_dir)}")


def _in_data_dir(path: Path, data_dir: str | os.PathLike | None) -> str:
    """Returns a sentence for a path that does not exist and is a part of a name; empty for others."""
    if path.is_absolute() or ".." in path.parts:
        return ""
    root = Path(data_dir or default_data_dir()).expanduser()
    places = [place for place in (root / path, root / OWN / path) if place.is_dir()]
    there = [found for place in places for found in ([place] if is_output(place) else prepared_in(place))]
    return f" Or name it {there[0]}." if there else ""


def _latest(folder: Path) -> str:
    """Returns the latest prepared version in the folder of a config, or 1.0.0 if there is none."""
    return max((path.name for path in _versions_in(folder)), key=_number, default="1.0.0")


def _latest_set(folder: Path) -> list[Path]:
    """Returns the latest version in the folder of a config that holds shards, in a list that is empty without any."""
    held = [path for path in _versions_in(folder) if kind_of_set(path) == PREPARED]
    return [max(held, key=lambda path: _number(path.name))] if held else []


def _versions_in(folder: Path) -> Iterator[Path]:
    return (path for path in _folders_in(folder) if _VERSION.fullmatch(path.name))


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _folders_in(folder: Path) -> list[Path]:
    """Returns the folders in a folder, sorted by name, without hidden ones, such as TFDS's own `.config`."""
    with reading(folder):
        if not folder.is_dir():
            return []
        names = itertools.islice((path for path in folder.iterdir() if path.name[0] != "."), _MOST_ENTRIES)
        return sorted(path for path in names if path.is_dir())


def _folder_of_builder(builder: "tfds.core.DatasetBuilder") -> Path:
    """Returns the folder that a TFDS builder reads. Raises OptionError if it reads several."""
    splits = getattr(getattr(builder, "info", None), "splits", None) or {}
    parts = [part for info in splits.values() for part in getattr(info, "split_infos", ())]
    folders = sorted({os.fspath(part.filename_template.data_dir) for part in parts})
    if len(folders) > 1:
        raise OptionError(
            f"The builder reads {len(folders)} folders: {first_few(folders)}. Pass one of them, or make a stream of "
            "each and join them, for example with tf.data.Dataset.sample_from_datasets."
        )
    return _existing(Path(builder.data_dir), None)
