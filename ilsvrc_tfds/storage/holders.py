"""The file by which a process shows that it holds a folder: JSON, whose modification time the process renews."""

import json
import os
import secrets
import socket
import uuid
from pathlib import Path
from typing import BinaryIO, NamedTuple

_MOST_BYTES = 4096


class Holder(NamedTuple):
    """The content of a holder's file.

    Attributes:
      token: Random text that identifies this file.
      machine: Kernel and process namespace of the process; empty if unknown.
      process: Number of the process in that namespace.
      kernel: Kernel that has locked the file for the process; empty if file locks do not work there.
      text: Description of the process, for messages.
      mtime: Time of the last renewal, by the clock of the file system, in seconds.

    >>> from pathlib import Path
    >>> Path("/data/lock.holder").write_bytes(words_of_myself(is_locked=False)) > 0
    True
    >>> holder = read_holder(Path("/data/lock.holder"))
    >>> holder.is_here, holder.is_gone()
    (True, False)
    """

    token: str
    machine: str
    process: int
    kernel: str
    text: str
    mtime: float

    @property
    def is_here(self) -> bool:
        """Whether the process is, or was, one of this machine."""
        return self.machine == machine()

    def is_gone(self) -> bool:
        """Returns whether the process was one of this machine and has ended.

        `os.kill` also finds processes of other users, which /proc may hide.
        """
        if not self.is_here:
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):  # a process of another user, or not a valid number
            pass
        return False


def words_of_myself(is_locked: bool) -> bytes:
    """Returns the content of a new holder's file for this process.

    Args:
      is_locked: Whether the kernel has locked the file.
    """
    words = {"token": secrets.token_hex(8), "machine": machine(), "process": os.getpid()}
    text = f"process {os.getpid()} on {socket.gethostname()}"
    return json.dumps({**words, "kernel": kernel() if is_locked else "", "text": text}).encode()


def read_holder(path: Path) -> Holder | None:
    """Returns the content of a holder's file, or None if it does not exist.

    The file is opened before its time is read, because NFS then asks the server for it.
    """
    try:
        with open(path, "rb") as file:
            return holder_in(file)
    except FileNotFoundError:
        return None


def holder_in(file: BinaryIO) -> Holder:
    """Returns the content of a file that was just opened. If it is not a valid holder's file, only `mtime` is set."""
    return holder_of_text(file.read(_MOST_BYTES), os.fstat(file.fileno()).st_mtime)


def holder_of_text(data: bytes, mtime: float) -> Holder:
    """Returns the holder that a text describes. If the text is not valid, only `mtime` is set.

    >>> holder_of_text(b"", 1.5).mtime
    1.5
    """
    try:
        words = json.loads(data)
        token, where, locked_by, text = (str(words[key]) for key in ("token", "machine", "kernel", "text"))
        return Holder(token, where, int(words["process"]), locked_by, text, mtime)
    except (ValueError, KeyError, TypeError, OverflowError):  # incomplete, perhaps because the process was killed
        return Holder("", "", 0, "", "unknown", mtime)


def machine() -> str:
    """Returns a text that all processes of a process namespace share, until a reboot."""
    try:
        return f"{kernel()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux, which alone has such namespaces
        return kernel()


def kernel() -> str:
    """Returns a text that all processes of a kernel share, in all its containers; on Linux until a reboot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{socket.gethostname()}-{uuid.getnode():x}"
