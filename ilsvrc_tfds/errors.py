"""The errors that a user can act on.

    IlsvrcError
    ├── OptionError        an option's value makes no sense
    ├── SourceError        the source: nothing there, not readable, cut short, changed meanwhile
    │   ├── NotFoundError      no split of the data set is there
    │   └── IncompleteError    a split is missing, or has not the official number of images
    ├── LabelError         two sources of a label contradict each other
    ├── ImageError         an image is damaged, or is none
    ├── DestinationError   the destination: full, not writable, in use
    └── InterruptedRun     the work stopped half way; the next run continues it

The command line prints one line of these and exits with 1. Every other exception is a bug and keeps its traceback.
What the system refuses becomes one of them in `unreadable` and `unwritable`, each errno with its own cure.
"""

import errno
import os
import resource
from collections.abc import Iterable


class IlsvrcError(Exception):
    """Something a user can mend; the message says what, where, what was expected and what to do."""


class OptionError(IlsvrcError, ValueError):
    """An option's value makes no sense."""


class SourceError(IlsvrcError):
    """The source is missing, unreadable, cut short or has changed."""


class NotFoundError(SourceError):
    """No split of the data set is in the places that were looked at."""


class IncompleteError(SourceError):
    """A split is missing or has not the official number of images, and that was not allowed."""


class LabelError(IlsvrcError):
    """Two sources of a label contradict each other."""


class ImageError(IlsvrcError):
    """An image is damaged, too large, or no image."""


class DestinationError(IlsvrcError):
    """The destination is full, not writable, or in use by another run."""


class InterruptedRun(IlsvrcError):
    """A worker died or the run was stopped; what is finished is kept for the next run."""


def first_few(items: Iterable[object], limit: int = 3) -> str:
    """Returns the first `limit` items as text, and how many more there are."""
    items = list(items)
    text = ", ".join(str(item) for item in items[:limit])
    return text if len(items) <= limit else f"{text} and {len(items) - limit:,} more"


def shown(name: str) -> str:
    """Returns a name for messages: as it is, or quoted where it has control characters or bytes that are no text."""
    return name if name.isprintable() else ascii(name)


def unreadable(path: str | os.PathLike, error: OSError, *, missing: str = "", then: str = "") -> SourceError:
    """Returns what to raise if the system refuses to read a path, or the file that the error names.

    Args:
      path: File or folder that was read.
      error: What the system said.
      missing: What to do if nothing has that name; "Check the path." if empty.
      then: What the user should do, or know, after the cure.
    """
    place = _place(path, error)
    if isinstance(error, FileNotFoundError) and os.path.islink(place):
        target = shown(os.readlink(place))
        return SourceError(f"{shown(place)} is a link to {target}, which is not there. Mend or remove the link.")
    absent = error.errno in (errno.ENOENT, errno.ENOTDIR)
    cure = absent and missing or _cure(error, 0)
    return SourceError(f"{shown(place)} cannot be read: {_reason(error)}. {cure} {then}".rstrip())


def unwritable(path: str | os.PathLike, error: OSError, *, then: str = "") -> DestinationError:
    """Returns what to raise if the system refuses to write to a path.

    Args:
      path: File or folder that was written.
      error: What the system said.
      then: What the user should do, or know, after the cure.
    """
    text = f"{shown(os.fspath(path))} cannot be written: {_reason(error)}. {_cure(error, 1)} {then}"
    return DestinationError(text.rstrip())


def system_error(text: str) -> OSError:
    """Returns the system's error that a library has put into words: `write() failed: No space left on device; at byte 4096`."""
    return OSError(next((number for number in _CURES if os.strerror(number) in text), None), text)


def _place(path: str | os.PathLike, error: OSError) -> str:
    named = error.filename if isinstance(error.filename, (str, bytes)) else None
    return os.fsdecode(named or path)


def _reason(error: OSError) -> str:
    return error.strerror or str(error).rstrip(".") or type(error).__name__


def _cure(error: OSError, writing: int) -> str:
    """Returns what a user can do about an error, in reading (0) or writing (1)."""
    if error.errno == errno.EMFILE:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return f"This process may have {limit:,} files open, which is too few: raise the limit (`ulimit -n 1024`) and try again."
    cures = _CURES.get(
        error.errno or 0, ("Check the path and your permissions.", "Check the path, your permissions and the room.")
    )
    return cures if isinstance(cures, str) else cures[writing]


_PERMISSIONS = "Check the permissions of it and of each folder above it"
_SILENT_SERVER = "The file server does not answer. Try again when it does, or mount the file system anew."
_UNABLE = "The file system cannot do this. Choose another place, or try --no-sync (sync=False) if it cannot sync files."
# One cure each, or one for reading and one for writing.
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
    errno.ESTALE: "The file was replaced on the file server. Try again; if that does not help, mount the file system anew.",
    errno.ENOLCK: "The file system has no locks to give. Start its lock service, or choose a local disk.",
    errno.ENOSPC: "The file system is full: of bytes (`df -h`) or of files (`df -i`). Make room, or choose another place.",
    errno.EDQUOT: "Your quota is used up (`quota -s`). Remove files of yours, or choose another place.",
    errno.EROFS: "The file system is mounted read-only. Mount it for writing, or choose another place.",
    errno.ENOENT: (
        "Check the path.",
        "A folder of this path does not exist, or was removed meanwhile. Check the path.",
    ),
    errno.ENOTDIR: "A part of this path is a file and not a folder. Check the path.",
    errno.EISDIR: "It is a folder, and a file is expected. Check the path.",
    errno.EEXIST: "Something with this name is there already. Move it away, or choose another place.",
    errno.ENOTEMPTY: "Something was written into this folder meanwhile. Move it away, or choose another place.",
    errno.ENAMETOOLONG: "The path is too long for the file system. Choose a shorter one.",
    errno.ELOOP: "Links lead in a circle, or there are too many. Check the links in the path.",
    errno.EFBIG: "The limit of a file's size is reached (`ulimit -f`, or 4 GiB on FAT). Raise it, or choose another place.",
    errno.ENFILE: "All programs together have too many files open. End some, or raise fs.file-max.",
    errno.ENOMEM: "There is too little memory. Use fewer workers (`--workers`), or end other programs.",
    errno.EBUSY: "Another program is using it. End that program and try again.",
    errno.ETXTBSY: "Another program is running this file. End that program and try again.",
    **dict.fromkeys(
        (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS), ("The file system cannot do this. Choose another place.", _UNABLE)
    ),
    errno.ENODEV: "The device is gone. Connect it again, or mount it anew.",
    errno.ENXIO: "The device is gone. Connect it again, or mount it anew.",
    errno.ENOTCONN: _SILENT_SERVER,
    errno.ETIMEDOUT: _SILENT_SERVER,
    errno.EHOSTDOWN: _SILENT_SERVER,
    errno.EHOSTUNREACH: _SILENT_SERVER,
    errno.ECONNRESET: _SILENT_SERVER,
}
