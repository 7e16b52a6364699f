"""Opens files that others have made, without waiting for ever if one of them is a pipe."""

import os
import stat
from typing import BinaryIO

from ilsvrc_tfds.errors import SourceError, shown


def open_regular(path: str | os.PathLike, buffering: int = -1) -> BinaryIO:
    """Opens a regular file for reading.

    Raises SourceError for a pipe, socket or device, because opening a pipe without a writer waits for ever, and opening
    some devices has side effects. Raises OSError.

    >>> with open_regular("/data/note") as file:
    ...     file.read()
    b'text'
    """
    require_regular(path)
    return open(path, "rb", buffering=buffering, opener=without_waiting)


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
