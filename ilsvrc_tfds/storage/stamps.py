"""The size and the time of files, local or in buckets, by which a reader notices that they were replaced."""

import os
import time
from collections.abc import Iterable

from ilsvrc_tfds.errors import IlsvrcError
from ilsvrc_tfds.storage import bucket
from ilsvrc_tfds.storage.bucket import bucket_url

# The objects of a folder are listed at most so often: a thousand of them need two requests.
_SECONDS_BETWEEN_LISTINGS = 60.0

# When the objects of each folder were listed, and what was found.
_listed: dict[str, tuple[float, dict[str, tuple[int, int]]]] = {}


def stamps_of(paths: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """Returns the size in bytes and the time of the last change in ns of each file. Raises OSError.

    >>> [size for size, _ in stamps_of(["/data/note"])]
    [4]
    """
    paths = list(paths)
    for folder in {os.path.dirname(path) for path in paths}:
        if bucket_url(folder):
            _list(folder)
    return tuple(map(stamp_of, paths))


def stamp_of(path: str) -> tuple[int, int]:
    """Returns the size of a file in bytes and its modification time in ns. A file that replaces it has other values.

    The inode is left out, because on some network file systems it changes now and then. What is known of a bucket may
    be a minute old. Raises OSError.

    >>> stamp_of("/data/note")[0]
    4
    """
    if bucket_url(path) is None:
        status = os.stat(path)
        return status.st_size, status.st_mtime_ns
    folder, name = os.path.split(path)
    then, found = _listed.get(folder, (0.0, {}))
    if time.monotonic() - then > _SECONDS_BETWEEN_LISTINGS or not found:
        try:
            found = _list(folder)
        except IlsvrcError as error:
            raise OSError(str(error)) from error
    if name not in found:
        raise FileNotFoundError(path)
    return found[name]


def _list(folder: str) -> dict[str, tuple[int, int]]:
    objects = bucket.listed(folder)
    found = {name: (stored.size, int(stored.modified * 1e9)) for name, stored in objects.items()}
    _listed[folder] = time.monotonic(), found
    return found
