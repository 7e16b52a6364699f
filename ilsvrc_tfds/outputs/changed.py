"""Whether files were changed after a result was made of them, or after they were made: by their times, and digests.

The names, labels and sizes of images can be the same although an image is another one. To read all of them would take
as long as to make the result again. So files that are older than the result are trusted; of shards that are newer, the
digest is compared, because a copy is newer too.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ilsvrc_tfds.errors import unreadable
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.sources.members import WHOLE_FILE, Index
from ilsvrc_tfds.storage.receipts import file_digest
from ilsvrc_tfds.storage.stand_ins import fetched

_SECOND = 10**9  # in nanoseconds


def changed_shards(output: Output) -> list[str]:
    """Returns the names of shards that are newer than the manifest, and have another digest than it says.

    Missing shards, and folders without a manifest, are not looked at.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> changed_shards(find_output("/data/tfds/ilsvrc2012/classification/1.0.0"))
    []
    """
    if output.manifest is None:
        return []
    made = _time(output.folder / manifest.NAME)
    entries = [entry for shards in output.manifest.shards.values() for entry in shards]
    paths = [(entry, output.folder / entry.name) for entry in entries]
    newer = [(entry, path) for entry, path in paths if path.is_file() and _time(path) > made]
    return [entry.name for entry, path in newer if _digest(path) != entry.xxh3_64]


def changed_files(found: Index, made: Path) -> Iterator[str]:
    """Yields the paths of files of a source that were changed after a file was written.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> found = index_images(find_layout(["/data/imagenet"]))
    >>> len(list(changed_files(found, Path("/data/imagenet/ILSVRC2012_img_val.tar"))))
    0

    Args:
      found: Index of the source.
      made: The file.
    """
    moment = _time(made)
    if moment % _SECOND == 0:  # rounded down, as S3 and some file systems do
        moment += _SECOND - 1
    yield from (path for path in _files(found) if _time(path) > moment)


def _files(found: Index) -> Iterable[str]:
    """Yields the archives, or the images that are files of their own."""
    for members in found.splits.values():
        alone = members.offset == WHOLE_FILE
        used = np.unique(members.container[~alone]).tolist()
        yield from dict.fromkeys(members.containers[k].path for k in used)
        yield from map(members.place, np.flatnonzero(alone).tolist())


def _time(path: str | os.PathLike) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError as error:
        raise unreadable(path, error) from error


def _digest(path: Path) -> str:
    with fetched(path) as local:
        try:
            return file_digest(os.fspath(local))
        except OSError as error:
            raise unreadable(path, error) from error
