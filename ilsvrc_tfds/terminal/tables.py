"""Tables and marks for standard output, as text: with colours on a terminal, and plain elsewhere."""

import io
import shutil
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

# The width of what is not a terminal, such as a file.
_WIDTH = 120
_COLUMN_GAP = 2


def width() -> int:
    """Returns the number of columns of standard output; 120 if it is not a terminal.

    >>> width()
    120
    """
    return shutil.get_terminal_size((_WIDTH, 24)).columns if _is_terminal() else _WIDTH


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Returns an aligned table. Long cells of the last column are wrapped if the terminal is narrow.

    >>> print(table(["split", "found"], [["train", "12"], ["val", "6"]], right=[1]))
    split  found
    train     12
    val        6

    Args:
      header: Names of the columns.
      rows: Cells of each row.
      right: Columns of numbers, which are aligned at their right ends.
    """
    made, right = Table.grid(padding=(0, _COLUMN_GAP)), set(right)
    for k, _ in enumerate(header):
        last = k == len(header) - 1
        made.add_column(justify="right" if k in right else "left", no_wrap=not last, overflow="fold")
    made.add_row(*(Text(cell, "dim") for cell in header))
    for row in rows:
        made.add_row(*map(Text, row))
    return _rendered(made)


def mark(text: str, style: str) -> str:
    """Returns a text in a style, such as `bold green`, or as it is if standard output has no colours.

    >>> mark("OK", "bold green")
    'OK'
    """
    return _rendered(Text(text, style))


def good(text: str) -> str:
    """Returns a verdict that all is well, in green.

    >>> good("OK")
    'OK'
    """
    return mark(text, "bold green")


def bad(text: str) -> str:
    """Returns a verdict that something is wrong, in red.

    >>> bad("NOT READY")
    'NOT READY'
    """
    return mark(text, "bold red")


def _rendered(what: Table | Text) -> str:
    file = io.StringIO()
    console = Console(
        file=file,
        width=width(),
        force_terminal=_is_terminal(),
        force_jupyter=False,
        highlight=False,
        legacy_windows=False,
    )
    if isinstance(what, Text):
        console.print(what, soft_wrap=True, end="")
        return file.getvalue()
    console.print(what)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _is_terminal() -> bool:
    try:
        return sys.stdout.isatty()
    except (ValueError, AttributeError):  # it is closed, or not a stream
        return False
