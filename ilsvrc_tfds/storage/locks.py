"""Who may write into a folder: one process at a time, also where the file system has no locks.

    lock           locked with `flock`; the kernel frees it however the process ends
    lock.holder    where the file system refuses that (NFS without its lock service, Lustre without `-o flock`): a file that only
                   one process can make, and whose time the process renews; it stays behind if the process is killed

A holder counts as dead if its process is gone from this machine, or if it has not renewed the file's time for a minute by the
file system's clock and does not while it is watched. Clocks of other machines are never compared.
"""

import contextlib
import errno
import fcntl
import json
import logging
import os
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import NamedTuple

from ilsvrc_tfds.errors import DestinationError, shown

_LOCK, _HOLDER = "lock", "lock.holder"
# What file systems without locks say.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
_SECONDS_BETWEEN_BEATS = 5.0
# Longer than NFS keeps a file's time in its cache; a server that is started anew takes half as long.
_SECONDS_TO_DEATH = 60.0
_BEATS_TO_WATCH = 3
_MOST_BYTES = 4096

_log = logging.getLogger(__name__)


class Lock:
    """A folder that this process alone holds. Made by `acquire`; a context manager that gives it back."""

    def __init__(self, folder: Path):
        self._folder = folder

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *exception) -> None:
        raise NotImplementedError

    def is_held(self) -> bool:
        """Returns whether no other process has taken the folder over, as it may from one that seems to be dead."""
        return True

    def remove(self) -> None:
        """Removes the files of the lock from the folder, as the last thing that is done in it."""
        for name in (_HOLDER, _LOCK):
            (self._folder / name).unlink(missing_ok=True)


def is_lock(name: str) -> bool:
    """Returns whether a file in a folder belongs to its lock."""
    return name == _LOCK or name.startswith(_HOLDER)


def acquire(folder: Path, destination: Path) -> Lock | None:
    """Returns the lock of a folder that exists; None if it was removed meanwhile, by the process that held it.

    Args:
      folder: Folder to hold.
      destination: What is made in it, for messages.

    Raises:
      DestinationError: another process holds it.
      OSError: the lock cannot be made.
    """
    file = open(folder / _LOCK, "a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        with file:
            file.seek(0)
            raise _held(destination, file.read().strip() or "unknown") from error
    except OSError as error:
        file.close()
        if error.errno not in _NO_LOCKS:
            raise
        return _make_holder(folder, destination, error)
    # The process that held it before may have removed the file between our opening and locking it.
    if not _is_still(file.fileno(), folder / _LOCK):
        file.close()
        return None
    file.truncate(0)
    file.write(_myself())
    file.flush()
    return _FileLock(folder, file)


class _FileLock(Lock):
    """A lock of the kernel's."""

    def __init__(self, folder: Path, file):
        super().__init__(folder)
        self._file = file

    def __exit__(self, *exception) -> None:
        self._file.close()


class _HolderLock(Lock):
    """A file that this process has made, and whose time a thread renews."""

    def __init__(self, folder: Path, descriptor: int):
        super().__init__(folder)
        self._path, self._descriptor = folder / _HOLDER, descriptor
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()

    def __exit__(self, *exception) -> None:
        self._ended.set()
        self._heart.join()
        if self.is_held():
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def is_held(self) -> bool:
        return _is_still(self._descriptor, self._path)

    def _beat(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_BEATS):
            with contextlib.suppress(OSError):  # a server that does not answer for a while
                os.utime(self._descriptor)


class _Holder(NamedTuple):
    """What a holder's file says.

    Attributes:
      token: Drawn for this file.
      machine: Of the process: kernel and its table of processes; empty if unknown.
      process: Its number there.
      text: Who it is, for messages.
      mtime: When the file's time was renewed last, by the clock of the file system; in seconds.
    """

    token: str
    machine: str
    process: int
    text: str
    mtime: float


def _make_holder(folder: Path, destination: Path, refusal: OSError) -> Lock:
    """Returns the lock of a folder whose file system refuses locks. Raises DestinationError, OSError."""
    path = folder / _HOLDER
    words = json.dumps(
        {"token": secrets.token_hex(8), "machine": _machine(), "process": os.getpid(), "text": _myself()}
    )
    while True:
        with contextlib.suppress(FileExistsError):
            lock = _HolderLock(folder, _made(path, words.encode()))
            _log.warning(
                "%s: file locks do not work there (%s): a file whose time is renewed takes their place, %s",
                *(folder.parent, refusal.strerror, path),
            )
            return lock
        holder = _read(path)
        if holder is not None:
            if not _is_dead(path, holder):
                raise _held(destination, holder.text, "If it was killed on another machine, try again in a minute.")
            _remove_dead(path, holder)


def _made(path: Path, words: bytes) -> int:
    """Returns the descriptor of a new file with these words. Raises FileExistsError, OSError."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
    try:
        os.write(descriptor, words)
    except OSError:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise
    return descriptor


def _is_dead(path: Path, holder: _Holder) -> bool:
    if holder.machine and holder.machine == _machine() and not os.path.exists(f"/proc/{holder.process}"):
        return True
    if _now(path.parent) - holder.mtime < _SECONDS_TO_DEATH:
        return False
    _log.warning("%s has not been renewed for a minute: watching whether its process is alive (%s).", path, holder.text)
    for _ in range(_BEATS_TO_WATCH):
        time.sleep(_SECONDS_BETWEEN_BEATS)
        if _read(path) != holder:
            return False
    return True


def _remove_dead(path: Path, holder: _Holder) -> None:
    """Removes the file of a dead holder; others may do the same, and one of them may have made a new file already."""
    aside = path.with_name(f"{_HOLDER}.{secrets.token_hex(4)}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        moved = _read(aside)
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


def _read(path: Path) -> _Holder | None:
    """Returns what a holder's file says, None if there is none. It is opened, for NFS then asks the server for its time."""
    try:
        with open(path, "rb") as file:
            text, mtime = file.read(_MOST_BYTES), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    try:
        words = json.loads(text)
        return _Holder(str(words["token"]), str(words["machine"]), int(words["process"]), str(words["text"]), mtime)
    except (ValueError, KeyError, TypeError):  # just being written, or by a process that was killed then
        return _Holder("", "", 0, "unknown", mtime)


def _now(folder: Path) -> float:
    """Returns the time by the clock of a folder's file system."""
    path = folder / f"{_HOLDER}.{secrets.token_hex(4)}"
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.utime(descriptor)
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _machine() -> str:
    """Returns what is the same for all processes that see each other's numbers, until the machine is started again."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return ""


def _myself() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _held(destination: Path, holder: str, then: str = "") -> DestinationError:
    text = f"Another run is making {destination} ({shown(holder[:200])}). Wait for it to end, or choose another place. {then}"
    return DestinationError(text.rstrip())


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
