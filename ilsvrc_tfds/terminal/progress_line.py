"""Shows progress: drawn on a terminal, and a line each minute elsewhere."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ilsvrc_tfds.interrupts import start_thread
from ilsvrc_tfds.terminal.console import console
from ilsvrc_tfds.terminal.progress import Progress

_log = logging.getLogger(__name__)

_LOG_SECONDS = 60.0
# A look at the work takes a hundredth of the time at most, for a folder on a slow file server too.
_LOOK_SECONDS, _LOOK_SHARE = 0.3, 0.01
_GAP = 2
# What a narrow terminal does not show.
_LEAST_FIRST = ("amount", "bar", "speed")
_STYLES = {"label": "bold", "amount": "dim", "speed": "dim"}
_MOST_BAR = 40


class ProgressLine:
    """The line of a piece of work, as wide as the terminal allows.

    >>> console().print(ProgressLine(Progress("raw256 train", 1_281_167)))
    """

    def __init__(self, work: Progress):
        """Draws the line of some work."""
        self._work = work

    def __rich__(self) -> RenderableType:
        width, words = console().width, self._work.words()
        bar = " " * min(_MOST_BAR, width // 5)
        texts = {"label": self._work.label, "bar": bar, "share": f"{words['share']:>4}"}
        texts |= {name: words[name] for name in ("amount", "speed", "left")}
        for name in _LEAST_FIRST:
            if sum(cell_len(text) + _GAP for text in texts.values() if text) - _GAP > width:
                texts[name] = ""
        table = Table.grid(padding=(0, _GAP))
        columns: list[RenderableType] = [
            self._bar(len(text)) if name == "bar" else Text(text, _STYLES.get(name, ""))
            for name, text in texts.items()
            if text
        ]
        for _ in columns:
            table.add_column(no_wrap=True)
        table.add_row(*columns)
        return Group(table)

    def _bar(self, width: int) -> ProgressBar:
        total = self._work.total
        done = min(self._work.finished, total)
        return ProgressBar(max(total, 1), done, width=width, complete_style="green", finished_style="green")


@contextlib.contextmanager
def shown(work: Progress, look: Callable[[Progress], None] | None = None) -> Iterator[None]:
    """Shows the progress of a piece of work on standard error until the block ends.

    >>> with shown(Progress("verify", 512, unit="shards")):
    ...     pass

    Args:
      work: Progress to show.
      look: Function that finds out how far the work is; see `progress`.
    """
    with contextlib.ExitStack() as stack:
        if console().quiet or not work.total:
            pass
        elif not console().is_terminal or console().is_dumb_terminal:
            work.redraw = _every(_LOG_SECONDS, lambda: _log.info("%s", work.in_words()))
            if look is not None:
                stack.enter_context(_looked(look, work))
        else:
            # Drawn only when the work goes on, or is looked at: no other thread is needed.
            line = ProgressLine(work)
            live = Live(line, console=console(), auto_refresh=False, transient=True, redirect_stdout=False)
            work.redraw = stack.enter_context(live).refresh
            stack.callback(setattr, work, "redraw", None)
            if look is not None:
                stack.enter_context(_looked(look, work))
        yield


@contextlib.contextmanager
def _looked(look: Callable[[Progress], None], work: Progress) -> Iterator[None]:
    """Calls a function again and again in a thread, until the block ends."""
    ended = threading.Event()

    def watch() -> None:
        pause = _LOOK_SECONDS
        while not ended.wait(pause):
            begin = time.monotonic()
            look(work)
            pause = max(_LOOK_SECONDS, (time.monotonic() - begin) / _LOOK_SHARE)

    thread = start_thread(watch)
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _every(seconds: float, function: Callable[[], None]) -> Callable[[], None]:
    """Returns a function that calls another one at most once in some seconds, and not in the first ones."""
    last = time.monotonic()

    def call() -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            function()

    return call
