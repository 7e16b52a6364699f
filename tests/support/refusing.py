"""`python refusing.py ERRNO CALL,CALL COMMAND…` runs a command for which the kernel refuses system calls, as some file systems do.

A seccomp filter (Linux, seccomp(2)) returns the error for these calls, also to libraries and to child processes; nothing is faked
within Python. Ends with status 77 if the kernel does not let it.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

# asm/unistd.h
NUMBERS = {"x86_64": {"flock": 73, "fsync": 74, "syncfs": 306}, "aarch64": {"flock": 32, "fsync": 82, "syncfs": 267}}
UNAVAILABLE = 77

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2
_LOAD_NUMBER, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def refuse(number: int, error: int) -> bool:
    """Makes a system call fail in this process from now on; returns whether the kernel does that."""
    steps = [
        (_LOAD_NUMBER, 0, 0, 0),
        (_JUMP_IF_EQUAL, 0, 1, number),
        (_RETURN, 0, 0, _ERROR | error),
        (_RETURN, 0, 0, _ALLOW),
    ]
    program = _Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None)
    return (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        == 0
        == libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)
    )


if __name__ == "__main__":
    _, error, calls, *command = sys.argv
    known = NUMBERS.get(platform.machine(), {})
    for call in calls.split(","):
        if call not in known or not refuse(known[call], getattr(errno, error)):
            sys.exit(UNAVAILABLE)
    os.execvp(command[0], command)
