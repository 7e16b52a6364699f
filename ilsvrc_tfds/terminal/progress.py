"""A labelled line that shows how far long work is, how fast it goes and how long it will still take.

On a terminal the line is drawn again as the work goes on. Elsewhere, as in the log of a batch job, a line is printed
each minute.
"""

import collections
import contextlib
import logging
import time
from collections.abc import Callable, Iterator

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ilsvrc_tfds.terminal.console import console

_log = logging.getLogger(__name__)

_REDRAW_SECONDS = 0.1
_LOG_SECONDS = 60.0
# The speed is that of the last minute: disks and caches make the first seconds faster or slower than the rest.
_WINDOW_SECONDS = 60.0
# Narrower terminals show no bar, or no speed.
_WIDTH_FOR_BAR, _WIDTH_FOR_SPEED = 70, 50
_MOST_BAR = 40


class Progress:
    """How far a piece of work is.

    >>> work = Progress("raw256 train", 1_281_167, done=640_583)
    >>> work.advance(1_000)
    >>> work.in_words().rpartition(" images/s")[0]
    'raw256 train: 641,583 of 1,281,167 images, 50%, ...'

    Attributes:
      label: Text that names the work, for example `raw256 train`.
      total: Amount of work, in units.
      unit: Plural noun of what is counted, or `B` for bytes.
      finished: Amount that is finished, with what an earlier run did.
    """

    def __init__(
        self,
        label: str,
        total: float,
        *,
        unit: str = "images",
        done: float = 0,
        clock: Callable[[], float] | None = None,
    ):
        """Begins a piece of work.

        Args:
          label: Text that names the work.
          total: Amount of work, in units.
          unit: Plural noun of what is counted, or `B` for bytes.
          done: Amount that an earlier run finished. It counts neither for the speed nor for the time left.
          clock: Function that returns seconds; None: `time.monotonic`.
        """
        self.label, self.total, self.unit = label, total, unit
        self.finished = done
        self._clock = clock or time.monotonic
        self._samples = collections.deque([(self._clock(), done)])
        self._show: Callable[[], None] | None = None

    def advance(self, amount: float = 1) -> None:
        """Adds finished work of this run, and draws the line anew if it is time."""
        self.move_to(self.finished + amount)

    def already(self, amount: float) -> None:
        """Adds work that an earlier run finished, which counts neither for the speed nor for the time left."""
        self.finished += amount
        self._samples = collections.deque((moment, finished + amount) for moment, finished in self._samples)
        self._redraw()

    def move_to(self, finished: float) -> None:
        """States how much is finished, with what an earlier run did."""
        self.finished = finished
        now = self._clock()
        if now - self._samples[-1][0] < _REDRAW_SECONDS:
            return
        self._samples.append((now, finished))
        while len(self._samples) > 2 and now - self._samples[1][0] > _WINDOW_SECONDS:
            self._samples.popleft()
        self._redraw()

    def speed(self) -> float:
        """Returns the work of a second, over the last minute of this run; 0 as long as it is not known."""
        (begin, before), now = self._samples[0], self._clock()
        return max(0.0, self.finished - before) / (now - begin) if now > begin else 0.0

    def seconds_left(self) -> float | None:
        """Returns how long the rest will take at this speed, or None if that is not known."""
        speed = self.speed()
        return max(0.0, self.total - self.finished) / speed if speed else None

    def in_words(self) -> str:
        """Returns the line for a log."""
        parts = self._amount(), self._share(), self._speed(), self._left()
        return f"{self.label}: {', '.join(filter(None, parts))}"

    def __rich__(self) -> RenderableType:
        width = console().width
        columns: list[RenderableType] = [Text(self.label, "bold")]
        if width >= _WIDTH_FOR_BAR:
            bar = min(_MOST_BAR, width // 4)
            columns.append(ProgressBar(max(self.total, 1), min(self.finished, self.total) or 0, width=bar))
        columns.append(Text(f"{self._share():>4}"))
        if width >= _WIDTH_FOR_BAR:
            columns.append(Text(self._amount(), "dim"))
        if width >= _WIDTH_FOR_SPEED:
            columns.append(Text(self._speed(), "dim"))
        columns.append(Text(self._left()))
        table = Table.grid(padding=(0, 2))
        for _ in columns:
            table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_row(*columns)
        return Group(table)

    def _redraw(self) -> None:
        if self._show is not None:
            self._show()

    def _share(self) -> str:
        return f"{min(1.0, self.finished / self.total) if self.total else 1.0:.0%}"

    def _amount(self) -> str:
        if self.unit == "B":
            return f"{in_bytes(self.finished)} of {in_bytes(self.total)}"
        return f"{self.finished:,.0f} of {self.total:,.0f} {self.unit}"

    def _speed(self) -> str:
        speed = self.speed()
        if not speed:
            return ""
        return f"{in_bytes(speed)}/s" if self.unit == "B" else f"{speed:,.{0 if speed >= 10 else 1}f} {self.unit}/s"

    def _left(self) -> str:
        left = self.seconds_left()
        return "" if left is None else f"{in_time(left)} left"


@contextlib.contextmanager
def progress(label: str, total: float, *, unit: str = "images", done: float = 0) -> Iterator[Progress]:
    """Yields the progress of a piece of work, and shows it on standard error until the block ends.

    >>> with progress("verify", 512, unit="shards") as work:
    ...     for _ in range(512):
    ...         work.advance()

    Args:
      label: Text that names the work.
      total: Amount of work, in units.
      unit: Plural noun of what is counted, or `B` for bytes.
      done: Amount that an earlier run finished.
    """
    work = Progress(label, total, unit=unit, done=done)
    if console().quiet or not total:
        yield work
    elif not console().is_terminal or console().is_dumb_terminal:
        work._show = _every(_LOG_SECONDS, lambda: _log.info("%s", work.in_words()))
        yield work
    else:
        # Drawn only when the work goes on: no thread, which a fork would leave half-copied in the workers.
        with Live(work, console=console(), auto_refresh=False, transient=True, redirect_stdout=False) as live:
            work._show = live.refresh
            yield work
            work._show = None


def _every(seconds: float, function: Callable[[], None]) -> Callable[[], None]:
    """Returns a function that calls another one at most once in some seconds, and not in the first ones."""
    last = time.monotonic()

    def call() -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            function()

    return call


def in_bytes(number: float) -> str:
    """Returns a number of bytes with three digits and a decimal unit.

    >>> in_bytes(58_900_000_000), in_bytes(310_200_000), in_bytes(1_234), in_bytes(12)
    ('58.9 GB', '310 MB', '1.23 kB', '12 B')
    """
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= size:
            amount = number / size
            return f"{amount:.{max(0, 3 - len(str(int(amount))))}f} {unit}"
    return f"{number:.0f} B"


def in_time(seconds: float) -> str:
    """Returns a duration as minutes and seconds, or with hours.

    >>> in_time(65), in_time(3_725), in_time(0.2)
    ('1:05', '1:02:05', '0:00')
    """
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
