"""The terminal behind standard error: its width, its colours, and whether anything but errors is wanted."""

import functools
import logging
import sys
from typing import Any, TextIO, cast

from rich.console import Console
from rich.text import Text

_WARNING_STYLE = "yellow"


class _StandardError:
    """Standard error of this moment. If it is closed or full nothing is written, so that no work is lost by it."""

    def write(self, text: str) -> int:
        try:
            return sys.stderr.write(text)
        except (OSError, ValueError, AttributeError):
            return 0

    def flush(self) -> None:
        try:
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


@functools.cache
def console() -> Console:
    """Returns the console for everything that is not a result. If its `quiet` is true it prints nothing.

    It honours NO_COLOR, TERM=dumb and COLUMNS, and prints plain text if standard error is not a terminal, also in a
    notebook.

    >>> console().quiet
    False
    """
    # A notebook sets FORCE_COLOR, from which rich concludes that it is a terminal. But it cannot move the cursor.
    terminal = False if type(sys.stderr).__module__.startswith("ipykernel") else None
    file = cast(TextIO, _StandardError())
    return Console(file=file, highlight=False, soft_wrap=True, force_jupyter=False, force_terminal=terminal)


class Messages(logging.Handler):
    """Prints log records above the progress bar, if there is one. Warnings are yellow on a terminal.

    What two configs of one source say in the same words is printed once.

    >>> handler = Messages()
    >>> handler.emit(logging.makeLogRecord({"msg": "Continuing: %.1f GB", "args": (0.5,), "levelno": logging.INFO}))
    """

    def __init__(self) -> None:
        super().__init__()
        self._printed: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if line in self._printed:
            return
        self._printed.add(line)
        text = Text(line, _WARNING_STYLE if record.levelno >= logging.WARNING else "")
        if not console().quiet:
            console().print(text)
        elif record.levelno >= logging.WARNING:
            file = _StandardError()
            file.write(f"{text.plain}\n")
            file.flush()
