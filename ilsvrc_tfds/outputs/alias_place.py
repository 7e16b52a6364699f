"""Finds the data set of an alias in a data directory, and checks that its name is free there."""

import os
import re
from pathlib import Path

import tensorflow_datasets as tfds

from ilsvrc_tfds.errors import DestinationError, OptionError, SourceError, first_few
from ilsvrc_tfds.formats.alias import CONFIG_NAME, FILES, VERSION, read_alias
from ilsvrc_tfds.formats.data_sets import folder_of, is_name, prepared_in
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.kinds import IMAGENET2012
from ilsvrc_tfds.formats.nearby import OF_TFDS, kind_of_set
from ilsvrc_tfds.storage.destination import real_path, require_replaceable
from ilsvrc_tfds.storage.files import destination_errors, require_local, without_dots

_VERSION = re.compile(r"\d+\.\d+\.\d+")
# Folders of runs that were killed, of this package or of TFDS, and those of a run of TFDS that is going on.
_INCOMPLETE = re.compile(r"incomplete\..+|.+\.incomplete.*")


def located(
    place: str | os.PathLike, config: str | None, name: str, data_dir: str | os.PathLike | None = None
) -> tuple[Path, Path]:
    """Returns the data directory of an alias, and the folder of the data set in it, both absolute.

    >>> located("/data/tfds", "classification", "imagenet2012")[1]
    PosixPath('/data/tfds/ilsvrc2012/classification/1.0.0')

    Args:
      place: TFDS's data directory, the folder of the data set in it, or its name.
      config: Name of the config. None takes that of the existing alias, or else the only one in the data directory.
      name: Name of the alias.
      data_dir: TFDS's data directory, in which a name is looked up; None is the usual one.

    Raises:
      OptionError: `place` is a URL, an alias, a name that is not there, or not in a data directory; or there are
        several configs.
      SourceError: The data set does not exist.
    """
    _require_local(place)
    place = without_dots((folder_of(place, data_dir) if is_name(place) else Path(place).expanduser()).absolute())
    if read_alias(place) is not None:
        raise OptionError(f"{place} is an alias itself. Name the data directory, {place.parents[1]}.")
    if (place / INFO_NAME).exists():
        own, root = place.parent.name, place.parents[1]
        if kind_of_set(place) == OF_TFDS:
            raise OptionError(f"{place} is {OF_TFDS} already: code that asks for that reads it as it is.")
        if root.name != "ilsvrc2012":
            raise OptionError(
                f"{place} is not in a data directory: expected …/ilsvrc2012/<config>/1.0.0. Move it there."
            )
        if config not in (None, own):
            raise OptionError(f"{place} has the config {own}, not {config}. Name one of them.")
        return root.parent, place
    there = {path.name: path for path in _configs(place / "ilsvrc2012")}
    made = read_alias(place / name / VERSION)
    chosen = config or (made.config if made is not None else next(iter(there)) if len(there) == 1 else None)
    if chosen in there:
        return place, _latest(there[chosen])
    below = [] if there else [path for path in prepared_in(place) if config in (None, path.parent.name)]
    if len(below) == 1:  # the folder of a config, or the folder ilsvrc2012 of a data directory
        return located(below[0], config, name)
    found = f"it has {', '.join(there)}" if there else "there is nothing prepared"
    if chosen is None and there:
        raise OptionError(f"{place} has the configs {', '.join(there)}. Name one of them (--config, config=).")
    raise SourceError(f"{place / 'ilsvrc2012' / (chosen or '<config>')} is not a prepared data set: {found}.")


def require_free(
    data_dir: str | os.PathLike,
    config: str,
    *,
    name: str = IMAGENET2012,
    relabel: bool = False,
    overwrite: bool = False,
) -> Path:
    """Returns the folder of an alias. Raises an error if it cannot be made, whether or not the data set exists.

    >>> require_free("/data/tfds", "classification")
    PosixPath('/data/tfds/imagenet2012/5.1.0')

    Args:
      data_dir: TFDS's data directory.
      config: Name of the config.
      name: Name of the alias.
      relabel: Whether the classes of the data set are numbered anew.
      overwrite: Whether an alias of another config may be replaced.

    Raises:
      OptionError: The name is not that of a new data set, or the config cannot have an alias.
      SourceError: The classes are numbered anew.
      DestinationError: Another data set has the name in this data directory.
    """
    _require_local(data_dir)
    _require_name(name, config)
    if relabel:
        raise renumbered(f"ilsvrc2012/{config}")
    data_dir = without_dots(Path(data_dir).expanduser().absolute())
    destination = real_path(data_dir / name / VERSION)
    require_replaceable(destination)
    with destination_errors(destination):
        if data_dir.exists() and destination.parent.parent.exists() and not data_dir.samefile(destination.parents[1]):
            raise DestinationError(
                f"{data_dir / name} leads to {destination.parent}. The paths in an alias are relative, and do not lead "
                f"from there to {data_dir / 'ilsvrc2012'}. Replace the link by a folder."
            )
        _refuse_others(destination)
    there = read_alias(destination)
    if there is not None and there.config != config and not overwrite:
        raise DestinationError(
            f"{destination} is an alias of ilsvrc2012/{there.config}, and a data directory has one of each name. "
            f"Replace it with `ilsvrc-tfds alias {data_dir} --config {config} --overwrite` (overwrite=True), or "
            "choose another name, with --as NAME (name=)."
        )
    return destination


def renumbered(what: str | os.PathLike) -> SourceError:
    """Returns the exception for a data set whose classes are numbered anew.

    >>> print(renumbered("ilsvrc2012/imagenet100-raw256"))
    ilsvrc2012/imagenet100-raw256 is a subset whose classes are numbered anew ...
    """
    return SourceError(
        f"{os.fspath(what)} is a subset whose classes are numbered anew (--relabel), so its labels are not those of "
        f"{IMAGENET2012}: code written for that would take them for other classes, without an error. Read it by its "
        "own name, or make the subset without --relabel."
    )


def _configs(root: Path) -> list[Path]:
    """Returns the folders of the configs that are prepared."""
    return sorted(
        {path.parents[1] for path in root.glob(f"[!.]*/*/{INFO_NAME}") if _VERSION.fullmatch(path.parent.name)}
    )


def _latest(folder: Path) -> Path:
    versions = [path for path in folder.iterdir() if _VERSION.fullmatch(path.name) and (path / INFO_NAME).exists()]
    return max(versions, key=lambda path: tuple(map(int, path.name.split("."))))


def _require_local(place: str | os.PathLike) -> None:
    """Raises OptionError for a URL, with the reason that holds for an alias."""
    try:
        require_local(place)
    except OptionError as error:
        if not os.fspath(place):
            raise
        raise OptionError(
            f"{os.fspath(place)} is a URL. An alias names its shards by paths with `..`, which need not lead anywhere "
            "in a bucket. Mount the bucket, or read the data set by its own name, ilsvrc2012/<config>."
        ) from error


def _require_name(name: str, config: str) -> None:
    if not re.fullmatch(CONFIG_NAME, config, re.A):
        raise OptionError(f"The config of an alias must be of letters, digits and . _ -, got {config!r:.80}.")
    if name == IMAGENET2012:
        return
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise OptionError(f"name must be of small letters, digits and _, such as {IMAGENET2012}, got {name!r:.80}.")
    try:
        tfds.builder_cls(name)
    except tfds.core.DatasetNotFoundError:
        return
    raise OptionError(f"TFDS has another data set of the name {name}. Choose {IMAGENET2012}, or a name of your own.")


def _refuse_others(destination: Path) -> None:
    """Raises DestinationError if the name belongs to another data set in this data directory, finished or not."""
    above = destination.parent
    names = os.listdir(above) if above.is_dir() else []
    others = [
        entry
        for entry in names
        if _INCOMPLETE.fullmatch(entry)
        and not set(FILES).issuperset(os.listdir(above / entry))
        or _VERSION.fullmatch(entry)
        and entry != VERSION
    ]
    inside = os.listdir(destination) if destination.exists() else []
    if others:
        raise DestinationError(
            f"{above} holds {first_few(sorted(others))}, a version of another data set, or one that is being prepared. "
            "Move it away, or choose another name (--as, name=) or data directory."
        )
    if inside and (not set(FILES).issuperset(inside) or read_alias(destination) is None):
        raise DestinationError(
            f"{destination} holds another data set, such as TFDS's own {IMAGENET2012}, and is not replaced. Use it "
            "as it is, move it away, or choose another name (--as, name=) or data directory."
        )
