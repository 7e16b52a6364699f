"""What a training prints: a row for each finished epoch, and below them the epoch in progress.

On a terminal the last lines are drawn again a few times a second. Elsewhere, as in the log of a batch job, each epoch
is a line, and during long ones there is a line each minute. Loads neither TensorFlow nor Keras.
"""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from ilsvrc_tfds.terminal.console import console
from ilsvrc_tfds.terminal.progress import Progress, in_time
from ilsvrc_tfds.training.epoch_table import BEST, Row, header, in_loss, in_percent, is_finite, line
from ilsvrc_tfds.training.recipe import Recipe

_log = logging.getLogger(__name__)

_REDRAW_SECONDS, _LOG_SECONDS = 0.2, 60.0
_WIDTH_FOR_BAR, _BAR = 70, 30

COMPILING = "compiling: the first step can take minutes"
COMPILING_EVALUATION = "compiling the evaluation"
TRAINING, EVALUATING, SAVING = "train", "evaluate", "saving"


class _Clock:
    """Seconds that count only while work of one kind goes on: not while anything is compiled, evaluated or saved."""

    def __init__(self, clock: Callable[[], float]):
        self._clock = clock
        self._before = 0.0
        self._since: float | None = None

    def __call__(self) -> float:
        return self._before + (0.0 if self._since is None else self._clock() - self._since)

    def run(self) -> None:
        self._since = self._clock() if self._since is None else self._since

    def stop(self) -> None:
        self._before, self._since = self(), None


class Printer:
    """Follows a training by the calls that Keras makes, and prints how far it is.

    >>> printer = Printer(Recipe(epochs=2, batch_size=4), steps=3, evaluations=1)
    >>> printer.epoch_begins(0)
    >>> printer.step_ends(0, {"loss": 6.9, "top1": 0.0, "top5": 0.25})
    >>> printer.in_words()
    'epoch 1/2: 1 of 3 steps, loss 6.900, top-1 0.00%'
    """

    def __init__(
        self,
        recipe: Recipe,
        steps: int,
        evaluations: int,
        *,
        earlier: Iterable[Mapping[str, float]] = (),
        clock: Callable[[], float] | None = None,
    ):
        """Begins to follow a training.

        Args:
          recipe: Hyperparameters.
          steps: Number of steps of an epoch.
          evaluations: Number of batches of an evaluation.
          earlier: Metrics of the epochs that an earlier run finished.
          clock: Function that returns seconds. If None, `time.monotonic`.
        """
        self._recipe, self._steps, self._evaluations = recipe, steps, evaluations
        self._clock = clock or time.monotonic
        accuracies = [row["val_top1"] for row in earlier if is_finite(row)]
        self._best = max(accuracies, default=-math.inf)
        self._phase, self._epoch, self._step, self._batch = COMPILING, 0, 0, 0
        self._logs: Mapping[str, float] = {}
        self._clocks = {TRAINING: _Clock(self._clock), EVALUATING: _Clock(self._clock)}
        self._work: dict[str, Progress] = {}
        self._first_step, self._begun = 0, self._clock()
        self._counted_from, self._worked_before = 0, 0.0
        self._show: Callable[[], None] | None = None
        self._print: Callable[[str], None] = lambda text: None
        self._width: int | None = None
        self._every, self._shown = 0.0, self._clock()

    def hooks(self) -> dict[str, Callable[..., None]]:
        """Returns the arguments for `keras.callbacks.LambdaCallback`."""
        return {
            "on_epoch_begin": lambda epoch, logs: self.epoch_begins(epoch),
            "on_train_batch_end": self.step_ends,
            "on_test_begin": lambda logs: self.evaluation_begins(),
            "on_test_batch_end": lambda batch, logs: self.batch_ends(batch),
            "on_test_end": lambda logs: self._enter(SAVING),
            "on_epoch_end": self.epoch_ends,
        }

    def resume_at(self, steps: int) -> None:
        """States how many steps of the next epoch an earlier run did."""
        self._first_step = steps

    def epoch_begins(self, epoch: int) -> None:
        """Called by Keras."""
        self._epoch, self._step, self._logs = epoch, self._first_step, {}
        self._begun = self._clock()
        self._count_from_here()
        self._enter(TRAINING if TRAINING in self._work else COMPILING)

    def step_ends(self, batch: int, logs: Mapping[str, float]) -> None:
        """Called by Keras, with numbers that it has already fetched from the device."""
        self._step = self._first_step + batch + 1
        done = self._epoch * self._steps + self._step
        if self._phase == COMPILING:  # the first step has compiled: it says nothing of the speed
            self._enter(TRAINING)
            self._count_from_here()
            total = self._recipe.epochs * self._steps
            self._work[TRAINING] = Progress(TRAINING, total, unit="steps", done=done, clock=self._clocks[TRAINING])
        self._work[TRAINING].move_to(done)
        self._logs = logs
        self._redraw()

    def evaluation_begins(self) -> None:
        """Called by Keras."""
        self._enter(EVALUATING if EVALUATING in self._work else COMPILING_EVALUATION)

    def batch_ends(self, batch: int) -> None:
        """Called by Keras."""
        done = self._epoch * self._evaluations + batch + 1
        if EVALUATING not in self._work:
            self._enter(EVALUATING)
            total, clock = self._recipe.epochs * self._evaluations, self._clocks[EVALUATING]
            self._work[EVALUATING] = Progress(EVALUATING, total, unit="batches", done=done, clock=clock)
        self._batch = batch + 1
        self._work[EVALUATING].move_to(done)
        self._redraw()

    def epoch_ends(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Called by Keras. Prints the row of the epoch."""
        self._logs = logs
        best = is_finite(logs) and logs["val_top1"] > self._best
        self._best = logs["val_top1"] if best else self._best
        self._print(line(self._row(finished=True, best=best), self._width))
        self._first_step = 0

    def in_words(self) -> str:
        """Returns how far the training is, as a line for a log."""
        row = self._row()
        parts = [f"{self._step:,} of {self._steps:,} steps"]
        if self._phase == EVALUATING:
            parts = [f"evaluation, {self._batch:,} of {self._evaluations:,} batches"]
        if row.metrics:
            parts += [f"loss {in_loss(row.metrics['loss'])}", f"top-1 {in_percent(row.metrics['top1'])}"]
        parts += [f"{row.images_per_second:,.0f} images/s"] if row.images_per_second else []
        return f"epoch {row.epoch}/{row.epochs}: {', '.join([*parts, *self._left()])}"

    def seconds_left(self) -> float | None:
        """Returns how long the rest of the training takes, with its evaluations, or None if that is not known.

        Before the first evaluation, a batch of it counts as a step.
        """
        train, evaluation = (self._work.get(phase) for phase in (TRAINING, EVALUATING))
        left = None if train is None else train.seconds_left()
        if train is None or left is None:
            return None
        if evaluation is not None and (rest := evaluation.seconds_left()) is not None:
            return left + rest
        return left + (self._recipe.epochs - self._epoch) * self._evaluations / train.speed()

    def __rich__(self) -> RenderableType:
        width = self._width or 80
        row = Text(line(self._row(), width), no_wrap=True, overflow="ellipsis")
        done, total, unit = self._amount()
        left = ", ".join(self._left())
        if not total or width < _WIDTH_FOR_BAR:
            words = [self._phase, *([f"{done / total:.0%}", left] if total else [])]
            return Group(row, Text("  ".join(words), no_wrap=True, overflow="ellipsis"))
        table = Table.grid(*(Column(no_wrap=True) for _ in range(4)), padding=(0, 2))
        table.add_row(
            Text(self._phase, "bold"),
            ProgressBar(total, done, width=_BAR, complete_style="green", finished_style="green"),
            Text(f"{done:,} of {total:,} {unit}", "dim"),
            Text(left),
        )
        return Group(row, table)

    def _amount(self) -> tuple[int, int, str]:
        if self._phase == EVALUATING:
            return self._batch, self._evaluations, "batches"
        return (self._step, self._steps, "steps") if self._phase == TRAINING else (0, 0, "")

    def _left(self) -> list[str]:
        done, total, _ = self._amount()
        work = self._work.get(self._phase)
        speed, whole = work.speed() if work else 0.0, self.seconds_left()
        parts = [f"{in_time((total - done) / speed)} left"] if speed else []
        return parts + ([f"whole run {in_time(whole)} left"] if whole is not None else [])

    def _row(self, *, finished: bool = False, best: bool = False) -> Row:
        worked, steps = self._clocks[TRAINING]() - self._worked_before, self._step - self._counted_from
        done = 0.5 if finished else self._step / self._steps  # at its end, the rate of the last epoch is 0
        return Row(
            self._epoch + 1,
            self._recipe.epochs,
            self._logs,
            rate=self._recipe.learning_rate_at(self._epoch + done),
            images_per_second=steps * self._recipe.batch_size / worked if worked and steps else None,
            seconds=None if self._phase == COMPILING else self._clock() - self._begun,
            best=best,
        )

    def _count_from_here(self) -> None:
        """Begins to count the steps for the speed."""
        self._counted_from, self._worked_before = self._step, self._clocks[TRAINING]()

    def _enter(self, phase: str) -> None:
        self._phase, self._batch = phase, 0
        for name, clock in self._clocks.items():
            clock.run() if name == phase else clock.stop()
        if self._width is not None and self._show is not None:
            self._show()

    def _redraw(self) -> None:
        if self._show is not None and self._clock() - self._shown >= self._every:
            self._shown = self._clock()
            self._show()


@contextlib.contextmanager
def shown(printer: Printer) -> Iterator[None]:
    """Prints what a printer follows to standard error until the block ends.

    >>> with shown(Printer(Recipe(epochs=2, batch_size=4), steps=3, evaluations=1)):
    ...     pass
    """
    epochs = printer._recipe.epochs
    if console().quiet:
        yield
    elif not _on_terminal():
        printer._print = lambda text: _log.info("%s", text)
        printer._show, printer._every = lambda: _log.info("%s", printer.in_words()), _LOG_SECONDS
        _log.info("%s.", COMPILING.capitalize())
        _log.info("%s", header(epochs))
        yield
    else:
        printer._width, printer._every = console().width, _REDRAW_SECONDS
        console().print(Text(header(epochs, printer._width), "bold"))
        # No thread draws: what there is to see changes with the steps, and one line less to wait for at an interrupt.
        with Live(printer, console=console(), auto_refresh=False, transient=True, redirect_stdout=False) as live:
            printer._print = lambda text: live.console.print(_coloured(text))
            printer._show = live.refresh
            yield
            printer._show = None


@contextlib.contextmanager
def working(text: str, *, is_first: bool = True) -> Iterator[None]:
    """Shows a text on a terminal until the block ends.

    >>> with working("building resnet50"):
    ...     pass

    Args:
      text: What is at work, without a full stop.
      is_first: Whether this host shows it.
    """
    if console().quiet or not is_first or not _on_terminal():
        yield
        return
    with Live(Text(f"{text}…", "dim"), console=console(), auto_refresh=False, transient=True, redirect_stdout=False):
        yield


def _coloured(text: str) -> Text:
    coloured = Text(text)
    coloured.highlight_words([BEST], "green")
    return coloured


def _on_terminal() -> bool:
    return console().is_terminal and not console().is_dumb_terminal
