"""Writing where the user wants it: a file whole or not at all, and what to say where the system refuses."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError

# Of what is half written; the next run removes what a killed one has left.
PARTIAL_SUFFIX = ".partial"


@contextlib.contextmanager
def destination_errors(path: str | os.PathLike) -> Iterator[None]:
    """Raises DestinationError, which names `path`, for what the system says of it in the block."""
    try:
        yield
    except OSError as error:
        raise DestinationError(
            f"{path} cannot be written: {error.strerror or error}. Check the path, your permissions and the room."
        ) from error


def partial_path(path: str | os.PathLike) -> str:
    """Returns a name beside a file for what is to become it, another one at each call."""
    return f"{os.fspath(path)}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}"


def write_whole(path: str | os.PathLike, data: bytes | memoryview) -> Path:
    """Writes a file, all or nothing, and returns its path. Raises DestinationError."""
    partial = Path(partial_path(path))
    with destination_errors(path):
        try:
            partial.write_bytes(data)
            os.replace(partial, path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
    return Path(path)
