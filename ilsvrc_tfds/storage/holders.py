"""Which process holds a folder, as the file says that it has made there: JSON, whose time it renews."""

import json
import os
import secrets
import socket
import uuid
from pathlib import Path
from typing import BinaryIO, NamedTuple

_MOST_BYTES = 4096


class Holder(NamedTuple):
    """What a holder's file says.

    Attributes:
      token: Drawn for this file.
      machine: Of the process: kernel and its table of processes; empty if unknown.
      process: Its number there.
      kernel: Which has locked the file for it; empty if none has.
      text: Who it is, for messages.
      mtime: When the file's time was renewed last, by the clock of the file system; in seconds.
    """

    token: str
    machine: str
    process: int
    kernel: str
    text: str
    mtime: float

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this machine."""
        return self.machine == machine()

    def is_gone(self) -> bool:
        """Returns whether it was a process of this machine, and no process has its number now.

        The kernel tells of other users' processes too; /proc may not show those.
        """
        if not self.is_here:
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):  # another user's, or no number of a process
            pass
        return False


def words_of_myself(is_locked: bool) -> bytes:
    """Returns the content of a new file of this process; `is_locked` says whether the kernel has locked it."""
    words = {"token": secrets.token_hex(8), "machine": machine(), "process": os.getpid()}
    text = f"process {os.getpid()} on {socket.gethostname()}"
    return json.dumps({**words, "kernel": kernel() if is_locked else "", "text": text}).encode()


def read_holder(path: Path) -> Holder | None:
    """Returns what a holder's file says, None if there is none. It is opened, for NFS then asks the server for its time."""
    try:
        with open(path, "rb") as file:
            return holder_in(file)
    except FileNotFoundError:
        return None


def holder_in(file: BinaryIO) -> Holder:
    """Returns what a file says that was just opened; of one that is no holder's, its time alone."""
    data, mtime = file.read(_MOST_BYTES), os.fstat(file.fileno()).st_mtime
    try:
        words = json.loads(data)
        token, where, locked_by, text = (str(words[key]) for key in ("token", "machine", "kernel", "text"))
        return Holder(token, where, int(words["process"]), locked_by, text, mtime)
    except (ValueError, KeyError, TypeError, OverflowError):  # half written, or by a process that was killed then
        return Holder("", "", 0, "", "unknown", mtime)


def machine() -> str:
    """Returns what is the same for all processes that see each other's numbers, until the machine is started again."""
    try:
        return f"{kernel()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux, which alone has several such tables
        return kernel()


def kernel() -> str:
    """Returns what is the same for all processes of a kernel: on Linux until it is started again, in all its containers."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{socket.gethostname()}-{uuid.getnode():x}"
