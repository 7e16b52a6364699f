"""Opens files that others have made, without waiting for ever if one of them is a pipe."""

import errno
import io
import os
import stat
from collections.abc import Iterable
from typing import BinaryIO

from ilsvrc_tfds.errors import SourceError, shown
from ilsvrc_tfds.storage import bucket
from ilsvrc_tfds.storage.bucket import bucket_url


def open_regular(path: str | os.PathLike, buffering: int = -1) -> BinaryIO:
    """Opens a regular file for reading. One in a bucket is read as a whole, so it should be small.

    Raises SourceError for a pipe, socket or device, because opening a pipe without a writer waits for ever, and opening
    some devices has side effects. Raises OSError.

    >>> with open_regular("/data/note") as file:
    ...     file.read()
    b'text'
    """
    if (url := bucket_url(path)) is not None:
        if (data := bucket.read(url)) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url)
        return io.BytesIO(data)
    require_regular(path)
    return open(path, "rb", buffering=buffering, opener=without_waiting)


def read_part(path: str | os.PathLike, offset: int, size: int) -> bytes:
    """Returns a part of a regular file, or of one in a bucket. Raises SourceError, OSError.

    >>> read_part("/data/note", 1, 2)
    b'ex'
    """
    if url := bucket_url(path):
        return bucket.read(url, offset, size) or b""
    with open_regular(path, buffering=0) as file:
        return os.pread(file.fileno(), size, offset)


def size_of(path: str | os.PathLike) -> int:
    """Returns the size of a file, or of one in a bucket, in bytes. Raises OSError.

    >>> size_of("/data/note")
    4
    """
    if (url := bucket_url(path)) is None:
        return os.path.getsize(path)
    if (stored := bucket.look(url)) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url)
    return stored.size


def names_in(folder: str | os.PathLike) -> list[str]:
    """Returns the names in a folder, or of the objects in a folder of a bucket, sorted. Raises OSError.

    >>> "note" in names_in("/data/tfds/..")
    True
    """
    if (url := bucket_url(folder)) is None:
        return sorted(os.listdir(folder))
    names = [name for name in bucket.listed(url) if "/" not in name]
    if not names:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url)
    return names


def missing_files(folder: str | os.PathLike, paths: Iterable[str]) -> list[str]:
    """Returns the paths that are not files, of some paths in a folder or in a folder of a bucket.

    >>> missing_files("/data", ["/data/note", "/data/nothing"])
    ['/data/nothing']
    """
    if (url := bucket_url(folder)) is None:
        return [path for path in paths if not os.path.isfile(path)]
    there = bucket.listed(url)
    return [path for path in paths if os.path.basename(path) not in there]


def require_regular(path: str | os.PathLike) -> None:
    """Raises SourceError for a pipe, socket or device, and OSError. Folders pass, because `open` refuses them.

    >>> require_regular("/data/note")
    >>> require_regular("/dev/null")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.SourceError: /dev/null is a device, and a regular file is expected. ...
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
        raise SourceError(
            f"{shown(os.fspath(path))} is {kind}, and a regular file is expected. Copy its data to a file first."
        )


def without_waiting(path: str, flags: int) -> int:
    """Opens a path, without waiting if it has become a pipe since it was checked."""
    return os.open(path, flags | os.O_NONBLOCK)
