"""Runs a command in a pseudo-terminal of some size, and returns the lines that a person would see at the end."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*([A-Za-z])")


def run(columns: int, *words: str, **environment: str) -> tuple[int, str, str]:
    """Returns the exit status, all that was written, and the same without colours and without what was wiped away.

    Args:
      columns: Width of the terminal.
      *words: Arguments of Python.
      **environment: Variables to add; COLUMNS and NO_COLOR are removed otherwise.
    """
    process, terminal = pty.fork()
    if not process:
        for name in ("COLUMNS", "LINES", "NO_COLOR", "PYTEST_XDIST_WORKER"):
            os.environ.pop(name, None)
        os.environ.update({"TERM": "xterm-256color", "LOKY_MAX_CPU_COUNT": "1", **environment})
        # With these variables, and not those that readline has set behind Python's back, such as COLUMNS.
        os.execve(sys.executable, [sys.executable, *words], dict(os.environ))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    written = b""
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # Linux's sign that the other side has ended
            break
        if not part:
            break
        written += part
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), written.decode(), "\n".join(_seen(written.decode()))


def _seen(text: str) -> list[str]:
    """Returns the lines that stay, of what is written line by line, wiped away (`2K`), and written over (`1A`)."""
    lines, row = [""], 0
    for part in re.split(r"(\n|\x1b\[\d*A|\x1b\[2K)", text):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1] or 1)
        elif part == "\x1b[2K":
            lines[row] = ""
        else:
            lines[row] += _ESCAPE.sub("", part).replace("\r", "")
    return [line.rstrip() for line in lines]
