"""Who may write into a folder: one process at a time, also where the file system has no locks, or not for all machines.

    lock.holder    a file that only one process can make, and whose time the process renews; it says who that is, stays behind if
                   the process is killed, and is locked with `flock` where that works

The file is made in any case, for `flock` may work for one process and not for another one, which sees the file all the same. With
`flock` a killed holder is known at once, also if it was in another container, or if its number was given again.

A holder counts as dead if this machine's kernel had locked its file, and does it again for us; if its process is gone from this
machine; or if it has not renewed the file's time for a minute by the file system's clock and does not while it is watched. If
another machine had locked the file, and it can be locked, it is watched at once. Clocks of other machines are never compared.
"""

import contextlib
import errno
import fcntl
import logging
import os
import secrets
import threading
import time
from pathlib import Path
from typing import BinaryIO

from ilsvrc_tfds.errors import DestinationError, shown
from ilsvrc_tfds.interrupts import start_thread
from ilsvrc_tfds.storage import holders
from ilsvrc_tfds.storage.holders import Holder, holder_in, read_holder, words_of_myself

_HOLDER = "lock.holder"
# Of older versions, which locked it.
_LOCK = "lock"
# What file systems without locks say.
# The last of NFS, for a file that may only be read.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF}
# And those without hard links.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV, errno.ENOSYS}
_SECONDS_BETWEEN_BEATS = 5.0
# Longer than NFS keeps a file's time in its cache; a server that is started anew takes half as long.
_SECONDS_TO_DEATH = 60.0
_BEATS_TO_WATCH = 3

_log = logging.getLogger(__name__)


class Lock:
    """A folder that this process alone holds. Made by `acquire`; a context manager that gives it back.

    A thread renews the time of its file: one call of the system every five seconds.
    """

    def __init__(self, path: Path, descriptor: int):
        """Takes over a new holder's file, which is open."""
        self._path, self._descriptor = path, descriptor
        self._ended = threading.Event()
        self._heart = start_thread(self._beat)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._heart.join()
        with contextlib.suppress(OSError):  # a server that has gone: the file will count as that of a dead process
            if self.is_held():
                self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def is_held(self) -> bool:
        """Returns whether no other process has taken the folder over, as it may from one that seems to be dead. Raises OSError."""
        return _is_still(self._descriptor, self._path)

    def remove(self) -> None:
        """Removes the files of the lock from the folder, as the last thing that is done in it. Raises OSError."""
        for path in self._path.parent.glob(
            f"{_HOLDER}.*"
        ):  # of processes that were killed while they made or moved one
            path.unlink(missing_ok=True)
        self._path.with_name(_LOCK).unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_BEATS):
            with contextlib.suppress(OSError):  # a server that does not answer for a while
                os.utime(self._descriptor)


def is_lock(name: str) -> bool:
    """Returns whether a file in a folder belongs to its lock."""
    return name == _LOCK or name.startswith(_HOLDER)


def acquire(folder: Path, destination: Path) -> Lock | None:
    """Returns the lock of a folder that exists; None if it has to be tried again, for the process that held it has just ended.

    Args:
      folder: Folder to hold.
      destination: What is made in it, for messages.

    Raises:
      DestinationError: another process holds it.
      OSError: the lock cannot be made.
    """
    path = folder / _HOLDER
    with contextlib.suppress(FileExistsError):
        return Lock(path, _made(path))
    try:
        file = _opened(path)
    except FileNotFoundError:
        return None
    with file:  # and its lock is ours until it is removed
        holder, refusal = holder_in(file), _refusal(file.fileno())
        if refusal is None and not _is_still(file.fileno(), path):
            return None
        if isinstance(refusal, BlockingIOError) or not _is_dead(path, holder, is_locked=refusal is None):
            then = "" if holder.is_here else "If it was killed on another machine, try again in a minute."
            raise _held(destination, holder.text, then)
        _remove_dead(path, holder)
    return None


def _made(path: Path) -> int:
    """Returns the descriptor of a new holder's file of this process, locked if that works; it has its name once it is whole.

    Raises FileExistsError, OSError.
    """
    partial = _beside(path)
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
    try:
        refusal = _refusal(descriptor)
        os.write(descriptor, words_of_myself(is_locked=refusal is None))
        _name(partial, path)
    except BaseException:
        os.close(descriptor)
        raise
    finally:
        partial.unlink(missing_ok=True)
    if refusal is not None:
        _log.warning(
            "%s: file locks do not work there (%s): a file whose time is renewed takes their place, %s",
            *(path.parent.parent, refusal.strerror, path),
        )
    return descriptor


def _name(partial: Path, path: Path) -> None:
    """Gives a file its name, which it must be the first to have. Raises FileExistsError, OSError."""
    try:
        os.link(partial, path)
    except FileExistsError:
        if not os.path.samefile(partial, path):  # as NFS may say of what it has done, when its first answer was lost
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Others take the empty file for one that is just being written.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o644))
        os.replace(partial, path)


def _opened(path: Path) -> BinaryIO:
    """Returns a holder's file, open for writing if that is allowed: NFS locks no other. Raises OSError."""
    try:
        return open(path, "r+b", buffering=0)
    except PermissionError:  # another user's
        return open(path, "rb", buffering=0)


def _refusal(descriptor: int) -> OSError | None:
    """Returns None if a file is locked now; BlockingIOError if it is another process's; or why locks do not work. Raises OSError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        return error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return error
    return None


def _is_dead(path: Path, holder: Holder, is_locked: bool) -> bool:
    """Returns whether a holder is dead; `is_locked` says whether this process has locked its file."""
    if is_locked and holder.kernel == holders.kernel() or holder.is_gone():
        return True
    was_freed = is_locked and holder.kernel != ""
    if not was_freed and _now(path) - holder.mtime < _SECONDS_TO_DEATH:
        return False
    why = "its lock is free" if was_freed else "it has not been renewed for a minute"
    _log.warning("%s: %s: watching whether its process is alive (%s).", path, why, shown(holder.text[:200]))
    for _ in range(_BEATS_TO_WATCH):
        time.sleep(_SECONDS_BETWEEN_BEATS)
        if read_holder(path) != holder:
            return False
    return True


def _remove_dead(path: Path, holder: Holder) -> None:
    """Removes the file of a dead holder; others may do the same, and one of them may have made a new file already."""
    aside = _beside(path)
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        moved = read_holder(aside)
        if moved is not None and moved.token != holder.token:
            _put_back(aside, path)
        aside.unlink(missing_ok=True)


def _put_back(aside: Path, path: Path) -> None:
    """Gives a living holder's file its name again, unless a third process has made another one."""
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    except OSError:  # no hard links
        os.rename(aside, path)


def _now(beside: Path) -> float:
    """Returns the time by the clock of a file's file system."""
    path = _beside(beside)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.utime(descriptor)
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f"{_HOLDER}.{secrets.token_hex(4)}")


def _held(destination: Path, holder: str, then: str = "") -> DestinationError:
    text = f"Another run is making {destination} ({shown(holder[:200])}). Wait for it to end, or choose another place. {then}"
    return DestinationError(text.rstrip())


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
