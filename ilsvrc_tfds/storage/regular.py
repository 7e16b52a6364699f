"""Opening files for reading that others have put where a file is expected: nobody waits for a pipe that nothing writes into."""

import os
import stat
from typing import BinaryIO

from ilsvrc_tfds.errors import SourceError, shown


def open_regular(path: str | os.PathLike, buffering: int = -1) -> BinaryIO:
    """Opens a regular file for reading. Raises SourceError for a pipe, socket or device; OSError.

    To open a pipe without a writer would wait for ever, and to open some devices does something.
    """
    require_regular(path)
    return open(path, "rb", buffering=buffering, opener=_without_waiting)


def require_regular(path: str | os.PathLike) -> None:
    """Raises SourceError if a pipe, socket or device has this name; OSError. A folder is for `open` to refuse."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
        raise SourceError(
            f"{shown(os.fspath(path))} is {kind}, and a regular file is expected. Write what comes from it into a file."
        )


def _without_waiting(path: str, flags: int) -> int:
    """Opens a path; returns at once where it has become a pipe since it was looked at."""
    return os.open(path, flags | os.O_NONBLOCK)
