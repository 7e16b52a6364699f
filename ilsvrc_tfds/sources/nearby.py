"""The folder to name instead of one that is not a source: one above or below it, or that of the original images."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, first_few
from ilsvrc_tfds.formats.alias import read_alias
from ilsvrc_tfds.formats.nearby import UNPACKED, kind_of_set
from ilsvrc_tfds.sources.places import Place, names_in

# A limit that keeps the search short.
_MOST_FOLDERS = 100
_READERS = "readers of image folders read them, such as torchvision's ImageFolder"


def hints(folder: Path, places_in: Callable[[Path], Sequence[Place]]) -> Iterator[str]:
    """Yields sentences that name a folder to use instead of one that is not a source, or the commands that read it.

    >>> from ilsvrc_tfds.sources.layouts import folders
    >>> list(hints(Path("/data/folders/val"), lambda path: folders.find(path, "")))
    ['/data/folders/val is the split val of /data/folders: name /data/folders.']

    Args:
      folder: Folder that is not a source.
      places_in: Function that returns the places of the splits in a folder.
    """
    if kind_of_set(folder) == UNPACKED:  # shards are a source
        yield f"{folder} holds {UNPACKED}, not a source: {_READERS}. Name the folder of the original images."
        return
    here, parents = os.path.realpath(folder), list(folder.absolute().parents)[:2]
    if any(kind_of_set(above) == UNPACKED for above in parents):
        yield f"{folder} is one of the folders of {UNPACKED}: {_READERS}. Name that of the original images."
        return
    for above in parents:
        for place in places_in(above):
            if here == place.path or here.startswith(os.path.join(os.path.realpath(place.path), "")):
                part = "is" if os.path.realpath(place.path) == here else "is a part of"
                yield f"{folder} {part} the split {place.split} of {above}: name {above}."
                return
    inside = _folders_in(folder)
    # Two levels down are the sets in a data directory of TFDS: `ilsvrc2012/raw256`. An alias of one is not a choice.
    near = [path for path in inside if places_in(path) and not any(map(read_alias, _folders_in(path)))]
    deeper = (path for path in inside for path in _folders_in(path) if read_alias(path) is None)
    if below := near or list(filter(places_in, itertools.islice(deeper, _MOST_FOLDERS))):
        choice = "that folder" if len(below) == 1 else "one of them"
        yield f"ILSVRC2012 is in {first_few(below)}: name {choice}."


def _folders_in(folder: Path) -> list[Path]:
    try:
        return [path for name in names_in(folder)[:_MOST_FOLDERS] if (path := folder / name).is_dir()]
    except SourceError:  # it cannot be read
        return []
