"""The errors that a user can act on.

    IlsvrcError
    ├── OptionError        an option has an invalid value
    ├── SourceError        the source is missing, unreadable or truncated, or has changed
    │   ├── NotFoundError      no split of the data set was found
    │   └── IncompleteError    a split is missing, or does not have the official number of images
    ├── LabelError         two sources of a label contradict each other
    ├── ImageError         an image is damaged, or a file is not an image
    ├── DestinationError   the destination is full, not writable, or in use
    └── InterruptedRun     the run stopped before its end; the next run continues it

The command line prints the message of such an error on one line and exits with 1. Any other exception is a bug and
keeps its traceback. `unreadable` and `unwritable` turn an error of the system into one of them, with a remedy for each
errno.

>>> import ilsvrc_tfds
>>> try:
...     ilsvrc_tfds.verify("/data/no/such/folder")
... except ilsvrc_tfds.IlsvrcError as error:
...     print(type(error).__name__)
SourceError
"""

import contextlib
import errno
import numbers
import os
import resource
from collections.abc import Iterable, Iterator


class IlsvrcError(Exception):
    """An error that the user can correct. Its message says what is wrong, where, what was expected, and what to do."""


class OptionError(IlsvrcError, ValueError):
    """An option has an invalid value."""


class SourceError(IlsvrcError):
    """The source is missing, unreadable or truncated, or has changed."""


class NotFoundError(SourceError):
    """No split of the data set was found in the folders that were searched."""


class IncompleteError(SourceError):
    """A split is missing or does not have the official number of images, and incomplete sources were not allowed."""


class LabelError(IlsvrcError):
    """Two sources of a label contradict each other."""


class ImageError(IlsvrcError):
    """An image is damaged or too large, or a file is not an image."""


class DestinationError(IlsvrcError):
    """The destination is full, not writable, or in use by another run."""


class InterruptedRun(IlsvrcError):
    """A worker died or the run was stopped. Finished work is kept, and the next run continues."""


def require_integers(**values: object) -> None:
    """Raises OptionError for an option that is not a whole number.

    A float would fail later and in other words, and True would count as 1.

    >>> require_integers(batch_size=2.5)
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: batch_size must be a whole number, got 2.5.
    """
    for name, value in values.items():
        if not isinstance(value, numbers.Integral) or isinstance(value, bool):
            raise OptionError(f"{name} must be a whole number, got {value!r}.")


def first_few(items: Iterable[object], limit: int = 3) -> str:
    """Returns the first items as text, and the number of others.

    Args:
      items: Items to show.
      limit: Number of items that are shown.

    >>> first_few(range(1000))
    '0, 1, 2 and 997 more'
    """
    items = list(items)
    text = ", ".join(str(item) for item in items[:limit])
    return text if len(items) <= limit else f"{text} and {len(items) - limit:,} more"


def counted(count: int, one: str, many: str = "") -> str:
    """Returns a number with its noun, in the singular or plural.

    >>> counted(1, "shard"), counted(1200, "shard"), counted(1, "class has", "classes have")
    ('1 shard', '1,200 shards', '1 class has')

    Args:
      count: Number of things.
      one: Noun in the singular, and words that follow it.
      many: The same in the plural; empty if it only needs an "s" at the end.
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def shown(name: str) -> str:
    """Returns a name for messages, quoted and escaped if it has control characters or bytes that are not text.

    >>> shown("a.JPEG"), shown("a\\n.JPEG")
    ('a.JPEG', "'a\\\\n.JPEG'")
    """
    return name if name.isprintable() else ascii(name)


def unreadable(path: str | os.PathLike, error: OSError, *, missing: str = "", then: str = "") -> SourceError:
    """Returns the SourceError to raise for an error of the system while a path was read.

    Args:
      path: File or folder that was read. If the error names another file, the message names that one.
      error: Error of the system.
      missing: Remedy if the path does not exist; "Check the path." if empty.
      then: Further advice, at the end of the message.

    >>> import os
    >>> print(unreadable("/data/a.tar", PermissionError(errno.EACCES, os.strerror(errno.EACCES))))
    /data/a.tar cannot be read: Permission denied. Check the permissions of it and of each folder above it.
    """
    place = _place(path, error)
    if isinstance(error, FileNotFoundError) and os.path.islink(place):
        target = shown(os.readlink(place))
        return SourceError(f"{shown(place)} is a link to {target}, which does not exist. Correct or remove the link.")
    absent = error.errno in (errno.ENOENT, errno.ENOTDIR)
    cure = absent and missing or _cure(error, 0)
    return SourceError(f"{shown(place)} cannot be read: {_reason(error)}. {cure} {then}".rstrip())


@contextlib.contextmanager
def reading(path: str | os.PathLike) -> Iterator[None]:
    """Turns an OSError in the block into a SourceError that names `path`.

    >>> with reading("/data/no/such/file"):
    ...     open("/data/no/such/file")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.SourceError: /data/no/such/file cannot be read: No such file or directory. Check the path.
    """
    try:
        yield
    except OSError as error:
        raise unreadable(path, error) from error


def unwritable(path: str | os.PathLike, error: OSError, *, then: str = "") -> DestinationError:
    """Returns the DestinationError to raise for an error of the system while a path was written.

    Args:
      path: File or folder that was written.
      error: Error of the system.
      then: Further advice, at the end of the message.

    >>> print(unwritable("/data/a.tar", OSError(errno.EROFS, os.strerror(errno.EROFS))))
    /data/a.tar cannot be written: Read-only file system. The file system is mounted read-only. ...
    """
    text = f"{shown(os.fspath(path))} cannot be written: {_reason(error)}. {_cure(error, 1)} {then}"
    return DestinationError(text.rstrip())


def system_error(text: str) -> OSError:
    """Returns the OSError that a library's message describes. Its errno is set if the message has the system's words.

    Args:
      text: Message such as `write() failed: No space left on device; at byte 4096`.

    >>> system_error("write() failed: No space left on device; at byte 4096").errno == errno.ENOSPC
    True
    """
    return OSError(next((number for number in _CURES if os.strerror(number) in text), None), text)


def _place(path: str | os.PathLike, error: OSError) -> str:
    named = error.filename if isinstance(error.filename, (str, bytes)) else None
    return os.fsdecode(named or path)


def _reason(error: OSError) -> str:
    return error.strerror or str(error).rstrip(".") or type(error).__name__


def _cure(error: OSError, writing: int) -> str:
    """Returns the remedy for an error in reading (0) or writing (1)."""
    if error.errno == errno.EMFILE:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = f"This process may have {limit:,} files open, which is too few"
        return f"{few}: raise the limit (`ulimit -n 1024`) and try again."
    cures = _CURES.get(error.errno or 0, _OTHERWISE)
    return cures if isinstance(cures, str) else cures[writing]


_PERMISSIONS = "Check the permissions of it and of each folder above it"
_SILENT_SERVER = "The file server does not answer. Try again when it does, or mount the file system again."
_UNABLE = "The file system cannot do this. Choose another place, or try --no-sync (sync=False) if it cannot sync files."
_OTHERWISE = ("Check the path and your permissions.", "Check the path, your permissions and the free space.")
# One remedy for both, or one for reading and one for writing.
_CURES: dict[int, str | tuple[str, str]] = {
    errno.EACCES: (f"{_PERMISSIONS}.", f"{_PERMISSIONS}, or choose another place."),
    errno.EPERM: (
        f"{_PERMISSIONS}.",
        "The file system does not allow this (`lsattr` shows which files cannot be changed). Choose another place.",
    ),
    errno.EIO: (
        "The disk or the network behind it has failed; `dmesg` says more. Get the file again, onto another disk.",
        "The disk or the network behind it has failed; `dmesg` says more. Choose another disk.",
    ),
    errno.ESTALE: "The file was replaced on the file server. Try again. If that fails, mount the file system again.",
    errno.ENOLCK: "The file system cannot lock files. Start its lock service, or choose a local disk.",
    errno.ENOSPC: "The file system is full (`df -h` for bytes, `df -i` for files). Make room, or choose another place.",
    errno.EDQUOT: "Your quota is used up (`quota -s`). Remove some of your files, or choose another place.",
    errno.EROFS: "The file system is mounted read-only. Mount it for writing, or choose another place.",
    errno.ENOENT: (
        "Check the path.",
        "A folder of this path does not exist, or was removed in the meantime. Check the path.",
    ),
    errno.ENOTDIR: "A part of this path is a file and not a folder. Check the path.",
    errno.EISDIR: "It is a folder, and a file is expected. Check the path.",
    errno.EEXIST: "This name exists already. Move the file or folder away, or choose another place.",
    errno.ENOTEMPTY: "Something was written into this folder in the meantime. Move it away, or choose another place.",
    errno.ENAMETOOLONG: "The path is too long for the file system. Choose a shorter one.",
    errno.ELOOP: "Links lead in a circle, or there are too many. Check the links in the path.",
    errno.EFBIG: "The limit of a file's size is reached (`ulimit -f`; 4 GiB on FAT). Raise it or choose another place.",
    errno.ENFILE: "All programs together have too many files open. End some, or raise fs.file-max.",
    errno.ENOMEM: "There is too little memory. Use fewer workers (`--workers`), or end other programs.",
    errno.EBUSY: "Another program is using it. End that program and try again.",
    errno.ETXTBSY: "Another program is running this file. End that program and try again.",
    **dict.fromkeys(
        (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS), ("The file system cannot do this. Choose another place.", _UNABLE)
    ),
    errno.ENODEV: "The device is gone. Connect it, or mount it again.",
    errno.ENXIO: "The device is gone. Connect it, or mount it again.",
    errno.ENOTCONN: _SILENT_SERVER,
    errno.ETIMEDOUT: _SILENT_SERVER,
    errno.EHOSTDOWN: _SILENT_SERVER,
    errno.EHOSTUNREACH: _SILENT_SERVER,
    errno.ECONNRESET: _SILENT_SERVER,
}
