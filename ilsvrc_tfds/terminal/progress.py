"""A labelled line that shows how far long work is, how fast it goes and how long it will still take.

On a terminal the line is drawn again as the work goes on. Elsewhere, as in the log of a batch job, a line is printed
each minute.
"""

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from ilsvrc_tfds.terminal.units import in_bytes as in_bytes
from ilsvrc_tfds.terminal.units import in_time as in_time

_REDRAW_SECONDS = 0.1
# The speed is that of the last minute: disks and caches make the first seconds faster or slower than the rest.
_WINDOW_SECONDS = 60.0


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
      redraw: Function that shows the line anew, or None.
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
        self._lock = threading.RLock()
        self._samples = collections.deque([(self._clock(), done)])
        self.redraw: Callable[[], None] | None = None

    def advance(self, amount: float = 1) -> None:
        """Adds finished work of this run, and draws the line anew if it is time."""
        with self._lock:
            self.move_to(self.finished + amount)

    def already(self, amount: float) -> None:
        """Adds work that an earlier run finished, which counts neither for the speed nor for the time left."""
        with self._lock:
            self.finished += amount
            self._samples = collections.deque((moment, finished + amount) for moment, finished in self._samples)
            self._redraw()

    def move_to(self, finished: float) -> None:
        """States how much is finished, with what an earlier run did."""
        with self._lock:
            self.finished = finished
            now = self._clock()
            if now - self._samples[-1][0] < _REDRAW_SECONDS:
                return
            self._samples.append((now, finished))
            while len(self._samples) > 2 and now - self._samples[1][0] > _WINDOW_SECONDS:
                self._samples.popleft()
            self._redraw()

    def restart(self) -> None:
        """Starts the clock anew: what took place until now says nothing of the speed, as compiling does not."""
        self._samples = collections.deque([(self._clock(), self.finished)])

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
        return f"{self.label}: {', '.join(filter(None, self.words().values()))}"

    def words(self) -> dict[str, str]:
        """Returns the parts of the line by name: `amount`, `share`, `speed` and `left`; empty if not known."""
        return {"amount": self._amount(), "share": self._share(), "speed": self._speed(), "left": self._left()}

    def _redraw(self) -> None:
        if self.redraw is not None:
            self.redraw()

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
def progress(
    label: str,
    total: float,
    *,
    unit: str = "images",
    done: float = 0,
    look: Callable[[Progress], None] | None = None,
) -> Iterator[Progress]:
    """Yields the progress of a piece of work, and shows it on standard error until the block ends.

    >>> with progress("verify", 512, unit="shards") as work:
    ...     for _ in range(512):
    ...         work.advance()

    Args:
      label: Text that names the work.
      total: Amount of work, in units.
      unit: Plural noun of what is counted, or `B` for bytes.
      done: Amount that an earlier run finished.
      look: Function that finds out how far the work is, for a block that waits for others. It is called in a thread a
        few times a second if the progress is shown, and may call the methods of the progress.
    """
    # Loaded only here: workers show nothing, and rich takes a tenth of their start.
    from ilsvrc_tfds.terminal.progress_line import shown

    work = Progress(label, total, unit=unit, done=done)
    with shown(work, look):
        yield work
