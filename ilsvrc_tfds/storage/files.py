"""Writing where the user wants it: a file whole or not at all, on disk before anything says so."""

import contextlib
import ctypes
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError, OptionError, unwritable

# Of what is half written; the next run removes what a killed one has left.
PARTIAL_SUFFIX = ".partial"

# What file systems say that cannot sync a folder, and folders above the user's own that may not be opened.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EPERM, errno.EBADF, errno.EISDIR}

# As users write it, or as `Path` has made of it: `gs:/bucket`.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")

# What a path is that is not a regular file.
_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISSOCK: "a socket",
}


@contextlib.contextmanager
def destination_errors(path: str | os.PathLike) -> Iterator[None]:
    """Raises DestinationError, which names `path`, for what the system says of it in the block."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error


def partial_path(path: str | os.PathLike) -> str:
    """Returns a name beside a file for what is to become it, another one at each call."""
    return f"{os.fspath(path)}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}"


def write_whole(path: str | os.PathLike, data: bytes, *, sync: bool = True) -> Path:
    """Writes a file, all or nothing, and returns its path. Raises DestinationError.

    Args:
      path: Path of the file.
      data: All of its bytes.
      sync: Whether the bytes are on disk before the file has its name, so that a power failure leaves no empty one.
    """
    partial = Path(partial_path(path))
    with destination_errors(path):
        try:
            partial.write_bytes(data)
            if sync:
                sync_file(partial)
            os.replace(partial, path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
    return Path(path)


def file_to_replace(path: str | os.PathLike) -> Path:
    """Returns the path to write for a file that the user named: where links lead to, so that they stay links.

    Not for files whose names follow from a folder's: links in a folder of others may lead anywhere.

    Raises DestinationError if something is there that is not a regular file: a folder, a pipe, a device.
    """
    with destination_errors(path):
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:  # of a link, too
            mode = stat.S_IFREG
    if not stat.S_ISREG(mode):
        kind = next((text for is_kind, text in _KINDS.items() if is_kind(mode)), "a special file")
        raise DestinationError(
            f"{os.fspath(path)} cannot be written: it is {kind}, and only a file is replaced. Choose another place."
        )
    return Path(os.path.realpath(path))


def sync_file(path: str | os.PathLike) -> None:
    """Returns once all bytes of a file are on disk. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        os.fsync(file.fileno())


def sync_folder(folder: str | os.PathLike) -> None:
    """Returns once the names in a folder are on disk, if its file system can do that. Raises OSError."""
    try:
        with _opened(folder) as descriptor:
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def sync_name(path: str | os.PathLike) -> None:
    """Returns once a file or folder has its name on disk, and each folder above it on the same file system. Raises OSError."""
    first, *others = Path(path).absolute().parents
    sync_folder(first)
    for folder in others:
        if os.stat(folder).st_dev != os.stat(first).st_dev:
            return
        sync_folder(folder)


def sync_file_system(folder: str | os.PathLike) -> None:
    """Returns once everything on the file system of a folder is on disk. Raises OSError.

    1.3 million files take one call for all of them, not one each. Without `syncfs` (Linux alone has it) the kernel is asked to
    write all file systems, and no error is reported.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    with _opened(folder) as descriptor:
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), os.fspath(folder))


@contextlib.contextmanager
def _opened(folder: str | os.PathLike) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def require_local(*paths: str | os.PathLike) -> None:
    """Raises OptionError for a URL: archives are read at a million places, and shards are renamed when they are finished.

    Also for an empty path, as of a variable that is not set: it would be the current folder.
    """
    for path in paths:
        if not os.fspath(path):
            raise OptionError("A path is empty. Name a file or folder; the current folder is '.'.")
        if _URL.match(os.fspath(path)):
            raise OptionError(
                f"{os.fspath(path)} is no place of this machine. Mount it, or work on a local file system and copy what was made."
            )
