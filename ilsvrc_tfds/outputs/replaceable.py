"""Checks that a destination holds only what a command made, before the command replaces it. Users' files are kept.

What the command reads is kept too: a source that lies in the destination would be lost with it.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError, SourceError, counted, first_few, reading
from ilsvrc_tfds.formats import hdf5, manifest
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.kinds import CLASSIC, TFDS
from ilsvrc_tfds.formats.manifest import Manifest
from ilsvrc_tfds.formats.naming import shard_pattern
from ilsvrc_tfds.formats.nearby import MARK_NAME
from ilsvrc_tfds.formats.record_index import PREFIX
from ilsvrc_tfds.shards.image_folders import CLASSES_NAME
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.storage.files import PARTIAL_SUFFIX, destination_errors
from ilsvrc_tfds.storage.regular import open_regular
from ilsvrc_tfds.storage.stand_ins import url_of

# The ending of the temporary files that `index` leaves if it is killed.
_PARTIAL = rf"(\.[0-9a-f]+{re.escape(PARTIAL_SUFFIX)})?"
# The files of a data set. An older version of TFDS also wrote `image.image.json`.
_TFDS_FILE = re.compile(
    rf"({re.escape(INFO_NAME)}|features\.json|metadata\.json|\w+\.labels\.txt|\w+\.image\.json|{re.escape(manifest.NAME)}"
    rf"|{re.escape(hdf5.NAME)}|({PREFIX})?{shard_pattern(TFDS)}){_PARTIAL}"
)
_UNPACKED_FOLDER = re.compile(r"(train|val|test)\d*")
_LONGEST_MARK = 1 << 20


def require_free_for_export(out: Path, overwrite: bool) -> None:
    """Raises DestinationError if a folder is not empty, unless it holds one export that may be replaced.

    >>> require_free_for_export(Path("/data/new"), overwrite=False)
    >>> require_free_for_export(Path("/data/imagenet"), overwrite=True)
    Traceback (most recent call last):
    ilsvrc_tfds.errors.DestinationError: /data/imagenet is not empty and does not hold an export: it has no manifest...

    Args:
      out: Folder to export to. It need not exist.
      overwrite: Whether an export may be replaced.
    """
    names = _names(out)
    if not names:
        return
    fault = _no_export(out, names)
    if fault:
        raise DestinationError(f"{out} is not empty and does not hold an export: {fault}. Choose another folder.")
    if not overwrite:
        raise DestinationError(
            f"{out} holds an export. Replace it with --overwrite (overwrite=True), or choose another folder."
        )


def export_in(out: Path, overwrite: bool) -> Manifest | None:
    """Returns the manifest of an export that is not to be replaced, or None if there is none in the folder.

    >>> export_in(Path("/data/new"), overwrite=False) is None
    True

    Args:
      out: Folder to export to. It need not exist.
      overwrite: Whether an export may be replaced.

    Raises DestinationError if the folder holds something else, or more.
    """
    require_free_for_export(out, overwrite=True)
    return manifest.read(out) if out.exists() and not overwrite else None


def require_free_for_files(out: Path, overwrite: bool) -> None:
    """Raises DestinationError if a folder is not empty, unless it holds unpacked images that may be replaced.

    >>> require_free_for_files(Path("/data/new"), overwrite=False)
    >>> require_free_for_files(Path("/data/imagenet"), overwrite=True)
    Traceback (most recent call last):
    ilsvrc_tfds.errors.DestinationError: /data/imagenet is not empty and was not made by unpack: it holds 'ILSVRC...

    Args:
      out: Folder to unpack to. It need not exist.
      overwrite: Whether unpacked images may be replaced.
    """
    names = _names(out)
    if not names:
        return
    fault = _not_unpacked(out, names)
    if not fault and overwrite:
        fault = _more_than_unpacked(out, names)
    if fault:
        raise DestinationError(f"{out} is not empty and was not made by unpack: it {fault}. Choose another one.")
    if not overwrite:
        raise DestinationError(
            f"{out} holds unpacked images. Replace them with --overwrite (overwrite=True), or choose another folder."
        )


def unpacked_in(out: Path, overwrite: bool) -> Mapping[str, object] | None:
    """Returns the mark of unpacked images that are not to be replaced, or None if there are none in the folder.

    >>> unpacked_in(Path("/data/new"), overwrite=False) is None
    True

    Args:
      out: Folder to unpack to. It need not exist.
      overwrite: Whether unpacked images may be replaced.

    Raises DestinationError if the folder holds something else, or more.
    """
    require_free_for_files(out, overwrite=True)
    return _mark(out / MARK_NAME) if out.exists() and not overwrite else None


def require_only_data_set(folder: Path) -> None:
    """Raises DestinationError if the folder of a prepared data set holds other files too, so that it is not replaced.

    >>> require_only_data_set(Path("/data/tfds/ilsvrc2012/classification/1.0.0"))
    >>> require_only_data_set(Path("/data/imagenet"))
    Traceback (most recent call last):
    ilsvrc_tfds.errors.DestinationError: /data/imagenet is not replaced because it holds more than a data set: ...
    """
    strange = [name for name in _names(folder) if not _TFDS_FILE.fullmatch(name)]
    if strange:
        raise DestinationError(
            f"{folder} is not replaced because it holds more than a data set: {_shown(strange)}. Move that away, or "
            "choose another data directory."
        )


def require_not_read(destination: Path, index: Index) -> None:
    """Raises DestinationError if the images of a source are in a destination: they would be lost when it is replaced.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> index = index_images(find_layout(["/data/imagenet"]))
    >>> require_not_read(Path("/data/tfds/ilsvrc2012/raw256/1.0.0"), index)
    >>> require_not_read(Path("/data/imagenet"), index)
    Traceback (most recent call last):
    ilsvrc_tfds.errors.DestinationError: /data/imagenet is not replaced because the images are read from it: /data/im...

    Args:
      destination: Folder that is to be written. It need not exist.
      index: Index of the source, which is read until the destination is replaced.
    """
    if within := read_within(destination, index):
        raise DestinationError(
            f"{destination} is not replaced because the images are read from it: {first_few(within)}. They would be "
            "lost. Choose another destination, or name another source."
        )


def read_within(folder: Path, index: Index) -> list[str]:
    """Returns the archives, shards and folders of a source that are in a folder, or are links there.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> read_within(Path("/data/imagenet"), index_images(find_layout(["/data/imagenet"])))
    ['/data/imagenet/ILSVRC2012_img_train.tar', '/data/imagenet/ILSVRC2012_img_val.tar', '/data/imagenet']
    """
    own = _status(folder)
    if own is None:  # nothing is there that could be lost
        return []
    containers = {container.path for members in index.splits.values() for container in members.containers}
    paths = [*sorted(containers - {index.source}), index.source]
    if url := url_of(folder):  # of which source and destination are different stand-ins
        return [own_url for path in paths if (own_url := url_of(path)) and f"{own_url}/".startswith(f"{url}/")]
    is_folder: dict[Path, bool] = {}
    return [path for path in paths if _is_in(path, own, is_folder)]


def _is_in(path: str, folder: os.stat_result, is_folder: dict[Path, bool]) -> bool:
    """Returns whether a path, or what it links to, is a folder or in it. `is_folder` saves looks at the same parents.

    Folders are compared by their numbers: one may have several names, in other capitals, or mounted a second time.
    """
    link = Path(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    for place in [place for start in {link, Path(os.path.realpath(path))} for place in (start, *start.parents)]:
        if place not in is_folder:
            status = _status(place)
            is_folder[place] = status is not None and os.path.samestat(status, folder)
        if is_folder[place]:
            return True
    return False


def _status(path: Path) -> os.stat_result | None:
    """Returns the status of what a path leads to, or None if nothing is there or it may not be looked at."""
    try:
        return os.stat(path)
    except OSError:
        return None


def _no_export(out: Path, names: list[str]) -> str:
    """Returns the reason why a folder does not hold one export and nothing else, or an empty string if it does."""
    try:
        made = manifest.read(out)
    except SourceError as error:
        # Without the advice to overwrite or to remove the file, because the file may not belong to an export.
        return str(error).partition(". Make the data again")[0].rstrip(".")
    if made is None:
        return f"it has no {manifest.NAME}"
    if made.kind != CLASSIC:
        return "it is a prepared data set"
    shards = "|".join(re.escape(entry.name) for entries in made.shards.values() for entry in entries)
    own = re.compile(rf"({re.escape(manifest.NAME)}|({PREFIX})?({shards})){_PARTIAL}")
    strange = [name for name in names if not own.fullmatch(name)]
    return f"it has {_shown(strange)} beside one. Move that away" if strange else ""


def _not_unpacked(out: Path, names: list[str]) -> str:
    """Returns the reason why the names in a folder are not those of unpacked images, or an empty string if they are."""
    strange = [
        name
        for name in names
        if name not in (hdf5.NAME, CLASSES_NAME, MARK_NAME) and not _UNPACKED_FOLDER.fullmatch(name)
    ]
    if strange:
        return f"holds {_shown(strange)}"
    if MARK_NAME not in names:
        return f"has no {MARK_NAME}"
    if _held(out / MARK_NAME) is None:
        return f"has an {MARK_NAME} that is not that of unpacked images"
    return ""


def _more_than_unpacked(out: Path, names: list[str]) -> str:
    """Returns a description of a folder with more files than were unpacked into it, or an empty string if none has."""
    held = _held(out / MARK_NAME) or {}
    for name in filter(_UNPACKED_FOLDER.fullmatch, names):
        if (count := files_below(out / name)) > held.get(name, 0):
            return f"has {counted(count, 'file')} in {name!r}, where {held.get(name, 0):,} were unpacked"
    return ""


def files_below(folder: Path) -> int:
    """Returns the number of files in a folder and all folders in it.

    >>> files_below(Path("/data/nowhere"))
    0
    """
    return sum(len(files) for _, _, files in os.walk(folder))


def bytes_below(folder: Path) -> int:
    """Returns the size in bytes of all files in a folder and all folders in it.

    >>> bytes_below(Path("/data/nowhere"))
    0
    """
    with reading(folder):
        return sum(os.stat(os.path.join(own, name)).st_size for own, _, files in os.walk(folder) for name in files)


def _held(path: Path) -> Mapping[str, int] | None:
    """Returns the number of images that were unpacked into each folder, or None if the mark is missing or invalid."""
    held = (_mark(path) or {}).get("files")
    return held if isinstance(held, dict) and all(type(count) is int for count in held.values()) else None


def _mark(path: Path) -> Mapping[str, object] | None:
    try:
        with open_regular(path) as file:
            mark = json.loads(file.read(_LONGEST_MARK))
    except (SourceError, OSError, ValueError, RecursionError):
        return None
    return mark if isinstance(mark, dict) else None


def _names(folder: Path) -> list[str]:
    with destination_errors(folder):
        return sorted(os.listdir(folder)) if folder.exists() else []


def _shown(names: Iterable[str]) -> str:
    return first_few(map(ascii, names))
