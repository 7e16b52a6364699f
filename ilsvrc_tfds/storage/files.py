"""Writes files atomically, and syncs them to disk before anything reports success."""

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
from ilsvrc_tfds.storage.bucket import bucket_url

# Suffix of files that are not yet complete. The next run removes those of a killed run.
PARTIAL_SUFFIX = ".partial"

# From file systems without hard links.
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV, errno.ENOSYS}

# From file systems that cannot sync a folder, and from folders above the user's own that may not be opened.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EPERM, errno.EBADF, errno.EISDIR}

# `gs://bucket`, or `gs:/bucket`, which `Path` makes of it.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")

# Names of shards, archives, tables, images, and of what describes a data set.
_OF_DATA_SET = re.compile(
    r"-\d{5}-of-\d{5}|\.(tar|tgz|tar\.gz|zip|parquet|arrow|tfrecord|array_record|jpe?g)$"
    r"|^(manifest|dataset_info|features|unpacked)\.json$",
    re.IGNORECASE,
)

# Names for messages.
_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISSOCK: "a socket",
}


def default_data_dir() -> str:
    """Returns the data directory of TFDS: that of the environment variable `TFDS_DATA_DIR`, or `~/tensorflow_datasets`.

    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, TFDS_DATA_DIR="/mnt/tfds"):
    ...     default_data_dir()
    '/mnt/tfds'
    """
    return os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"


def without_dots(path: Path) -> Path:
    """Returns a path without `..` to the same place, for messages and for what is recorded. Others stay as they are.

    >>> without_dots(Path("/data/tfds/../tfds/ilsvrc2012"))
    PosixPath('/data/tfds/ilsvrc2012')
    """
    if ".." not in path.parts:
        return path
    plain, real = os.path.normpath(path.absolute()), os.path.realpath(path)
    return Path(plain if os.path.realpath(plain) == real else real)  # another place if the folder before `..` is a link


@contextlib.contextmanager
def destination_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turns an OSError in the block into a DestinationError that names `path`.

    >>> with destination_errors("/data/no/such/folder"):
    ...     open("/data/no/such/folder/file", "w")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.DestinationError: /data/no/such/folder cannot be written: No such file or directory. ...
    """
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error


def partial_path(path: str | os.PathLike) -> str:
    """Returns a new temporary path beside a file, under which its content is written before it is renamed.

    >>> partial_path("/data/a.tfrecord").endswith(PARTIAL_SUFFIX)
    True
    """
    return f"{os.fspath(path)}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}"


def write_whole(path: str | os.PathLike, data: bytes, *, sync: bool = True) -> Path:
    """Writes a file atomically, and returns its path. Raises DestinationError.

    Args:
      path: Path of the file.
      data: Content of the file.
      sync: Whether to sync the content to disk before the file gets its name, so that a power failure cannot leave an
        empty file.

    >>> write_whole("/data/note", b"text").read_bytes()
    b'text'
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
    """Returns the path to write for a file that the user named, with links resolved, so that they stay links.

    Use it only for paths that the user named: links in a folder of somebody else may lead anywhere.

    Raises DestinationError if the file cannot be written, because the path is that of a folder, a pipe or a device, or
    its folder does not exist or is read-only; or if it has the name of a file of a data set.

    >>> file_to_replace("/data/note")
    PosixPath('/data/note')
    """
    with destination_errors(path):
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:  # also for a link whose target does not exist
            mode = stat.S_IFREG
    if not stat.S_ISREG(mode):
        kind = next((text for is_kind, text in _KINDS.items() if is_kind(mode)), "a special file")
        raise DestinationError(
            f"{os.fspath(path)} cannot be written: it is {kind}, and only a file is replaced. Choose another place."
        )
    found = Path(os.path.realpath(path))
    with destination_errors(path):
        if not found.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(found.parent))
        if not os.access(found.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(found.parent))
    if found.exists() and _OF_DATA_SET.search(found.name):
        raise DestinationError(
            f"{os.fspath(path)} exists already, and has the name of a file of a data set. It is not replaced: choose "
            "another name."
        )
    return found


def files_to_replace(*paths: str | os.PathLike | None) -> list[Path | None]:
    """Returns `file_to_replace` of several files that one command writes, and None for those that it does not.

    >>> files_to_replace("/data/note", None)
    [PosixPath('/data/note'), None]

    Raises:
      OptionError: Two of them are the same file.
      DestinationError: See `file_to_replace`.
    """
    found = [None if path is None else file_to_replace(path) for path in paths]
    named = [path for path in found if path is not None]
    if twice := next((path for path in named if named.count(path) > 1), None):
        raise OptionError(f"{twice} is named for two files, and one would replace the other. Name two files.")
    return found


def sync_file(path: str | os.PathLike) -> None:
    """Syncs the content of a file to disk. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        os.fsync(file.fileno())


def sync_folder(folder: str | os.PathLike) -> None:
    """Syncs the names in a folder to disk, if its file system can do that. Raises OSError."""
    try:
        with _opened(folder) as descriptor:
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def sync_name(path: str | os.PathLike) -> None:
    """Syncs the name of a file or folder, and of each folder above it on the same file system. Raises OSError."""
    first, *others = Path(path).absolute().parents
    sync_folder(first)
    for folder in others:
        if os.stat(folder).st_dev != os.stat(first).st_dev:
            return
        sync_folder(folder)


def sync_file_system(folder: str | os.PathLike) -> None:
    """Syncs the whole file system of a folder to disk. Raises OSError.

    One call serves 1.3 million files. Systems other than Linux have no `syncfs`, so all file systems are synced there,
    and no error is reported.
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


def require_known_scheme(*paths: str | os.PathLike) -> None:
    """Raises OptionError for an empty path, and for a URL of neither gs:// nor s3://.

    >>> require_known_scheme("gs://bucket/tfds", "/data/tfds")
    >>> require_known_scheme("https://host/tfds")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: https://host/tfds is a URL of another kind than gs:// and s3://. ...
    """
    for path in paths:
        if bucket_url(path) is None:
            _require_local(path, "is a URL of another kind than gs:// and s3://")


def require_local(*paths: str | os.PathLike) -> None:
    """Raises OptionError for a URL, because archives are read at a million offsets and finished shards are renamed.

    Raises it for an empty path too, such as that of an unset variable, which would mean the current folder.

    >>> require_local("gs://bucket/imagenet")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: gs://bucket/imagenet is a URL, and only local paths are supported. ...
    """
    for path in paths:
        _require_local(path, "is a URL, and only local paths are supported")


def require_disk(path: str | os.PathLike) -> None:
    """Raises OptionError for a URL where the room of a disk is looked up.

    >>> require_disk("gs://bucket/tfds")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: gs://bucket/tfds is in a bucket, which has no room to check. Leave the option ...
    """
    if url := bucket_url(path):
        raise OptionError(
            f"{url} is in a bucket, which has no room to check. Leave the option out here; `prepare` takes it."
        )
    require_local(path)


def require_local_source(*paths: str | os.PathLike) -> None:
    """Raises OptionError for a source of images that is a URL, with the command that copies it.

    >>> require_local_source("gs://bucket/imagenet")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: gs://bucket/imagenet is a URL, and images are read at a million places. Copy it ...
    """
    for path in paths:
        if url := bucket_url(path):
            copy = f"gcloud storage cp -r {url}" if url.startswith("gs:") else f"aws s3 cp --recursive {url}"
            raise OptionError(
                f"{url} is a URL, and images are read at a million places. Copy it to a local disk, and name the copy: "
                f"`{copy} FOLDER`"
            )
        require_local(path)


def _require_local(path: str | os.PathLike, what: str) -> None:
    if not os.fspath(path):
        raise OptionError("A path is empty. Name a file or folder, or '.' for the current folder.")
    if _URL.match(os.fspath(path)):
        raise OptionError(f"{os.fspath(path)} {what}. Mount the bucket, or use a local folder and copy the result.")
