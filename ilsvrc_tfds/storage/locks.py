"""A lock on a folder for one process at a time, even if the file system has no locks, or none that all machines see.

    lock.holder    file that only one process can create. It names the process, which renews its modification time, and
                   is locked with `flock` if that works. It stays behind if the process is killed.

The file exists even if `flock` works, because `flock` may work for one process and fail for another, and both see the
file. With `flock` a killed holder is detected at once, even if it ran in another container or its number was reused.

A holder is considered dead in three cases:
- This machine's kernel had locked its file, and now grants the lock to this process.
- Its process was one of this machine and has ended.
- It has not renewed the file's time for a minute by the file system's clock, and does not while it is watched. If
  another machine had locked the file and the lock is free now, the watch begins without that minute.

Clocks of different machines are never compared.
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
from ilsvrc_tfds.storage.files import NO_LINKS
from ilsvrc_tfds.storage.holders import Holder, holder_in, read_holder, words_of_myself

_HOLDER = "lock.holder"
# Lock file of older versions.
_LOCK = "lock"
# From file systems without locks. The last is NFS's, for a file that is open only for reading.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF}
_SECONDS_BETWEEN_BEATS = 5.0
# Longer than NFS caches a file's time, and twice as long as a restart of the server.
_SECONDS_TO_DEATH = 60.0
_BEATS_TO_WATCH = 3

_log = logging.getLogger(__name__)


class Lock:
    """A lock on a folder that this process holds, as `acquire` returns it: a context manager that releases it.

    A thread renews the time of the holder's file, with one system call every five seconds.
    """

    def __init__(self, path: Path, descriptor: int):
        """Starts the thread that renews the file's time.

        Args:
          path: Path of the new holder's file.
          descriptor: Open descriptor of that file, which the lock closes.
        """
        self._path, self._descriptor = path, descriptor
        self._ended = threading.Event()
        self._heart = start_thread(self._beat)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._heart.join()
        with contextlib.suppress(OSError):  # the server is gone: other runs will consider the holder dead
            if self.is_held():
                self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def is_held(self) -> bool:
        """Returns whether no other process has taken the lock, as it may if this one seems dead. Raises OSError."""
        return _is_still(self._descriptor, self._path)

    def remove(self) -> None:
        """Removes the lock's files from the folder. Call it after all other work in the folder. Raises OSError."""
        for path in self._path.parent.glob(f"{_HOLDER}.*"):  # temporary files of processes that were killed
            path.unlink(missing_ok=True)
        self._path.with_name(_LOCK).unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_BEATS):
            with contextlib.suppress(OSError):  # the server may be away for a while
                os.utime(self._descriptor)


def is_lock(name: str) -> bool:
    """Returns whether a file of this name in a folder belongs to the folder's lock.

    >>> is_lock("lock.holder"), is_lock("ilsvrc2012-train.tfrecord")
    (True, False)
    """
    return name == _LOCK or name.startswith(_HOLDER)


def acquire(folder: Path, destination: Path) -> Lock | None:
    """Returns the lock of an existing folder, or None if the caller must retry because its holder has just ended.

    Args:
      folder: Folder to lock.
      destination: Path that is written in it, for messages.

    Raises:
      DestinationError: Another process holds the lock.
      OSError: The lock's file cannot be created.

    >>> with acquire(Path("/data/tfds"), Path("/data/run")) as lock:
    ...     lock.is_held()
    True
    """
    path = folder / _HOLDER
    with contextlib.suppress(FileExistsError):
        return Lock(path, _made(path))
    try:
        file = _opened(path)
    except FileNotFoundError:
        return None
    with file:  # if the lock is granted, this process has it until the file is closed
        holder, refusal = holder_in(file), _refusal(file.fileno())
        if refusal is None and not _is_still(file.fileno(), path):
            return None
        if isinstance(refusal, BlockingIOError) or not _is_dead(path, holder, is_locked=refusal is None):
            then = "" if holder.is_here else "If it was killed on another machine, try again in a minute."
            raise _held(destination, holder.text, then)
        _remove_dead(path, holder)
    return None


def _made(path: Path) -> int:
    """Creates the holder's file of this process, locked if that works, and returns its descriptor.

    The file gets its name once it is complete. Raises FileExistsError, OSError.
    """
    partial = _beside(path)
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
    try:
        refusal = _refusal(descriptor)
        os.write(descriptor, words_of_myself(is_locked=refusal is None))
        with contextlib.suppress(OSError):  # some file systems cannot
            os.fsync(descriptor)  # an empty file, after a power failure, would look like one that is being written
        _name(partial, path)
    except BaseException:
        os.close(descriptor)
        raise
    finally:
        partial.unlink(missing_ok=True)
    if refusal is not None:
        _log.warning(
            "%s: file locks do not work there (%s). %s is used instead, a file whose time is renewed.",
            *(path.parent.parent, refusal.strerror, path),
        )
    return descriptor


def _name(partial: Path, path: Path) -> None:
    """Renames a file to a name that must not exist. Raises FileExistsError, OSError."""
    try:
        os.link(partial, path)
    except FileExistsError:
        if not os.path.samefile(partial, path):  # NFS may report this of its own link if its first answer was lost
            raise
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # Other processes treat an empty file as one that is being written.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o644))
        os.replace(partial, path)


def _opened(path: Path) -> BinaryIO:
    """Opens a holder's file, for writing if that is allowed, because NFS locks no other files. Raises OSError."""
    try:
        return open(path, "r+b", buffering=0)
    except PermissionError:  # another user's
        return open(path, "rb", buffering=0)


def _refusal(descriptor: int) -> OSError | None:
    """Locks a file, and returns None if that succeeds.

    Returns BlockingIOError if another process has locked it, or the system's error if file locks do not work. Raises
    OSError.
    """
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
    """Returns whether a holder is dead, after watching it for 15 seconds if that is uncertain.

    Args:
      path: Path of its file.
      holder: Content of its file.
      is_locked: Whether this process has locked the file.
    """
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
    """Removes the file of a dead holder. Others may do the same, and may have created a new file already."""
    aside = _beside(path)
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        moved = read_holder(aside)
        if moved is not None and moved.token != holder.token:
            _put_back(aside, path)
        aside.unlink(missing_ok=True)


def _put_back(aside: Path, path: Path) -> None:
    """Renames a living holder's file back, unless a third process has created another one."""
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    except OSError:  # no hard links
        os.rename(aside, path)


def _now(beside: Path) -> float:
    """Returns the current time by the clock of a file's file system."""
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
    text = f"Another run is making {destination} ({shown(holder[:200])}). Wait for it to end, or choose another place."
    return DestinationError(f"{text} {then}".rstrip())


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
