"""Tables and marks for standard output, as text: with colours on a terminal, and plain elsewhere."""

import io
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ilsvrc_tfds.terminal.console import broken_at_words

# The width of what is not a terminal, such as a file.
_WIDTH = 120
_COLUMN_GAP = 2
# The last column keeps so much, in which its longest word or number fits mostly.
_LEAST_LAST = 16


def width() -> int:
    """Returns the number of columns of standard output; 120 if it is not a terminal.

    >>> width()
    120
    """
    return shutil.get_terminal_size((_WIDTH, 24)).columns if _is_terminal() else _WIDTH


def table(
    header: Sequence[str], rows: Iterable[Sequence[str | Text]], *, right: Iterable[int] = (), spare: Iterable[int] = ()
) -> str:
    """Returns an aligned table. On a narrow terminal columns are left out, and cells of the last one are wrapped.

    What is too wide even so is wrapped by the terminal: a number is never cut.

    >>> print(table(["split", "found"], [["train", "12"], ["val", "6"]], right=[1]))
    split  found
    train     12
    val        6

    Args:
      header: Names of the columns.
      rows: Cells of each row.
      right: Columns of numbers, which are aligned at their right ends.
      spare: Columns that may be left out, the first one first.
    """
    made, rows = Table.grid(padding=(0, _COLUMN_GAP)), list(rows)
    shown = _shown([header, *rows], list(spare))
    for k in shown:
        justify: Literal["left", "right"] = "right" if k in set(right) else "left"
        made.add_column(justify=justify, no_wrap=k != shown[-1], overflow="fold")
    made.add_row(*(Text(header[k], "dim") for k in shown))
    for row in rows:
        made.add_row(*(cell if isinstance(cell := row[k], Text) else Text(cell) for k in shown))
    *first, _ = widths = _widths([[row[k] for k in shown] for row in [header, *rows]])
    return _rendered(made, max(width(), sum(first) + _COLUMN_GAP * len(first) + min(widths[-1], _LEAST_LAST)))


def _widths(rows: Iterable[Sequence[str | Text]]) -> list[int]:
    return [max(map(_cells, column)) for column in zip(*rows)]


def _cells(cell: str | Text) -> int:
    return cell_len(cell) if isinstance(cell, str) else cell.cell_len


def _shown(rows: Sequence[Sequence[str | Text]], spare: list[int]) -> list[int]:
    """Returns the columns that fit the width, or those that are left without the spare ones."""
    widths = _widths(rows)
    shown = list(range(len(widths)))
    while spare and sum(widths[k] + _COLUMN_GAP for k in shown) - _COLUMN_GAP > width():
        shown.remove(spare.pop(0))
    return shown


def wrapped(text: str) -> str:
    """Returns a line with line breaks between words, as the terminal's width asks for; as it is elsewhere.

    >>> wrapped("train: 1,281,167 images")
    'train: 1,281,167 images'
    """
    return broken_at_words(text, width()) if _is_terminal() else text


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


def _rendered(what: Table | Text, columns: int | None = None) -> str:
    file = io.StringIO()
    console = Console(
        file=file,
        width=columns or width(),
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
