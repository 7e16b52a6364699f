"""The terminal behind standard error: its width, its colours, and whether anything but errors is wanted."""

import contextlib
import functools
import logging
import os
import sys
import textwrap
from typing import Any, TextIO, cast

from rich.console import Console
from rich.text import Text

_WARNING_STYLE = "yellow"
_DESCRIPTOR = 2  # of standard error


class _StandardError:
    """Standard error of this moment. If it is closed or full nothing is written, so that no work is lost by it."""

    @property
    def rich_proxied_file(self) -> "_StandardError":
        """This. While progress is shown, rich would take the stream itself from its stand-in for `sys.stderr`."""
        return self

    def write(self, text: str) -> int:
        try:
            return _stream().write(text)
        except (OSError, ValueError, AttributeError):
            return 0

    def flush(self) -> None:
        try:
            _stream().flush()
        except (OSError, ValueError, AttributeError):
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def _stream() -> TextIO:
    return cast(TextIO, getattr(sys.stderr, "rich_proxied_file", sys.stderr))


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


def broken_at_words(text: str, columns: int) -> str:
    """Returns a text with line breaks between words. A word that is longer than a line, such as a path, stays whole.

    >>> print(broken_at_words("Complete it; or, if this is intended, allow it.", 30))
    Complete it; or, if this is
      intended, allow it.
    """
    wrapper = textwrap.TextWrapper(
        columns,
        subsequent_indent="  ",
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join("\n".join(wrapper.wrap(line)) for line in text.split("\n"))


def for_terminal(text: str) -> str:
    """Returns a text for standard error: broken at words if it is a terminal, and as it is elsewhere.

    >>> for_terminal("The training is finished already.")
    'The training is finished already.'
    """
    return broken_at_words(text, console().width) if console().is_terminal else text


def leave_terminal() -> None:
    """Shows the cursor and clears its line, for a process that is ended while progress is shown.

    >>> leave_terminal()
    """
    if console().is_terminal and not console().is_dumb_terminal:
        with contextlib.suppress(OSError):
            os.write(_DESCRIPTOR, b"\r\x1b[2K\x1b[?25h")


class Messages(logging.Handler):
    """Prints log records above the progress bar, if there is one. Warnings are yellow on a terminal.

    A message that was printed already is not repeated: two configs of one source have most in common.

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
        text = Text(for_terminal(line), _WARNING_STYLE if record.levelno >= logging.WARNING else "")
        if not console().quiet:
            console().print(text)
        elif record.levelno >= logging.WARNING:
            file = _StandardError()
            file.write(f"{text.plain}\n")
            file.flush()
