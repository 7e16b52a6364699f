"""Arrow files of Hugging Face's library `datasets`: a data set that was saved to disk, or the library's own cache.

See `hugging_face` for the folders and names, and `rows` for the columns.
"""

import json
import os
from collections.abc import Collection, Iterator
from io import FileIO
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, first_few, shown, unreadable
from ilsvrc_tfds.sources import arrow
from ilsvrc_tfds.sources.collecting import errors_reported
from ilsvrc_tfds.sources.hugging_face import ShardName, folders_with_arrow, parse_arrow, require_all
from ilsvrc_tfds.sources.names import FOLDERS, KAGGLE_ROOTS, SPLITS
from ilsvrc_tfds.sources.places import Place, absolute, names_in
from ilsvrc_tfds.sources.scan import Scan, stamped
from ilsvrc_tfds.storage.regular import open_regular

KIND = arrow.KIND
_STATE = "state.json"
_MOST_BYTES = 16 << 20
_AGAIN = "Save the data set again, or take the files that it was made of."


def find(source: Path, root: str) -> list[Place]:
    """Returns the splits whose Arrow files are in one folder of a source, in folders of splits there, or in a cache.

    >>> [(place.split, len(place.files)) for place in find(Path("/data/saved"), "")]
    [('train', 2), ('val', 1)]
    """
    if root in KAGGLE_ROOTS[1:] or not os.path.isdir(source / root):
        return []
    return [place for own, folder in folders_with_arrow(source / root) for place in _places(own, folder)]


def scans(place: Place) -> tuple[list[Scan], list[str]]:
    """Returns a scan for each file of the split; and no folders that are not used.

    Raises SourceError if a file is missing, there twice, or not of the set that `state.json` describes.
    """
    assert isinstance(place.listing, list)
    with errors_reported():
        require_all(place.path, place.listing)
        _require_stated(Path(place.path, _STATE), [shard.name for shard in place.listing])
    return [arrow.ArrowScan(place.split, *file) for file in stamped(place.files)], []


def in_words(places: Collection[Place], jobs: Collection[Scan]) -> str:
    """Returns the name of the layout."""
    return "Hugging Face Arrow files"


def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
    """Returns the bytes of an image, which are stored as they are."""
    return os.pread(file.fileno(), size, offset)


def _places(own: Path, folder: Path) -> Iterator[Place]:
    """Yields the splits that a folder has files of, by their names or else by the split of the folder they are in."""
    shards = _shards(folder, None)
    for split in SPLITS:
        if found := [shard for shard in shards if shard.split == split]:
            yield _place(split, own, folder, found)
        for name in FOLDERS[split]:
            if found := [shard for shard in _shards(folder / name, split) if shard.split == split]:
                yield _place(split, own, folder / name, found)


def _place(split: str, own: Path, folder: Path, shards: list[ShardName]) -> Place:
    files = tuple(os.path.join(absolute(folder), shard.name) for shard in shards)
    return Place(split, absolute(folder), split, KIND, files=files, set=absolute(own), listing=shards)


def _shards(folder: Path, split: str | None) -> list[ShardName]:
    return [shard for name in names_in(folder) if (shard := parse_arrow(name, split))]


def _require_stated(path: Path, names: list[str]) -> None:
    """Raises SourceError if `state.json` describes other files than are there, or rows of them alone."""
    try:
        with open_regular(path) as file:
            state = json.loads(file.read(_MOST_BYTES))
        stated = [str(entry["filename"]) for entry in state["_data_files"]]
        indices = state.get("_indices_data_files") or state.get("_indices_files")
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(f"{path} makes no sense ({error!r:.200}). {_AGAIN}") from error
    if indices:
        raise SourceError(f"{path} describes a selection of the rows beside it, which is not read. {_AGAIN}")
    if sorted(stated) != sorted(names):
        odd = sorted({*stated} ^ {*names})
        raise SourceError(
            f"{path} describes other files than are there: {first_few(map(shown, odd)) or 'one twice'}. {_AGAIN}"
        )
