"""The table of a training's epochs: one row for each, as wide as the terminal allows."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping

from ilsvrc_tfds.terminal.progress import in_time

_GAP = "  "
BEST = "best"


@dataclasses.dataclass(frozen=True)
class Row:
    """One epoch, finished or not. What is not known yet is None, or not in `metrics`.

    Attributes:
      epoch: Number of the epoch, from 1.
      epochs: Number of epochs of the training.
      metrics: Loss and accuracies as Keras names them: `loss`, `top1`, `top5`, `val_loss`, `val_top1`, `val_top5`.
      rate: Learning rate in the middle of a finished epoch, or now.
      images_per_second: Train images in a second, without compiling and evaluating.
      seconds: Time of the epoch with its evaluation.
      best: Whether no earlier epoch has a higher `val_top1`.

    >>> row = Row(3, 90, {"loss": 3.2, "top1": 0.3125}, rate=0.4)
    >>> print(line(row, 70))
     3/90    3.200   31.25%                            0.4
    """

    epoch: int
    epochs: int
    metrics: Mapping[str, float]
    rate: float
    images_per_second: float | None = None
    seconds: float | None = None
    best: bool = False


@dataclasses.dataclass(frozen=True)
class _Column:
    title: str
    width: int
    rank: int  # columns of higher ranks go first if the terminal is narrow
    text: Callable[[Row], str]


def _of(name: str, form: Callable[[float], str]) -> Callable[[Row], str]:
    return lambda row: form(row.metrics[name]) if name in row.metrics else ""


def in_loss(loss: float) -> str:
    """Returns a loss with at least three digits.

    >>> in_loss(6.90776), in_loss(0.00012), in_loss(float("nan"))
    ('6.908', '1.2e-04', 'nan')
    """
    return f"{loss:.3f}" if not 0 < loss < 0.001 else f"{loss:.1e}"


def in_percent(share: float) -> str:
    """Returns a share as a percentage with two decimals.

    Keras's shares have float32's seven digits: those behind the sixth do not decide how the last one is rounded.

    >>> in_percent(0.00045956), in_percent(1.0), in_percent(159 / 160), in_percent(0.9937499761581421)
    ('0.05%', '100.00%', '99.38%', '99.38%')
    """
    return f"{round(share, 6):.2%}"


_COLUMNS = (
    _Column("epoch", 0, 0, lambda row: f"{row.epoch}/{row.epochs}"),
    _Column("loss", 7, 3, _of("loss", in_loss)),
    _Column("top-1", 7, 5, _of("top1", in_percent)),
    _Column("top-5", 7, 8, _of("top5", in_percent)),
    _Column("val loss", 8, 4, _of("val_loss", in_loss)),
    _Column("val top-1", 9, 0, _of("val_top1", in_percent)),
    _Column("val top-5", 9, 7, _of("val_top5", in_percent)),
    _Column("lr", 8, 6, lambda row: f"{row.rate:.3g}"),
    _Column("images/s", 8, 9, lambda row: "" if row.images_per_second is None else f"{row.images_per_second:,.0f}"),
    _Column("time", 7, 2, lambda row: "" if row.seconds is None else in_time(row.seconds)),
    _Column("", len(BEST), 1, lambda row: BEST if row.best else ""),
)


def header(epochs: int, width: int | None = None) -> str:
    """Returns the titles of the columns.

    >>> header(90)
    'epoch     loss    top-1    top-5  val loss  val top-1  val top-5        lr  images/s     time'
    >>> header(90, 40)
    'epoch     loss  val top-1     time'

    Args:
      epochs: Number of epochs of the training.
      width: Number of characters of a line, or None for no limit.
    """
    columns = _columns(epochs, width)
    return _GAP.join(column.title.rjust(_width(column, epochs)) for column in columns).rstrip()


def line(row: Row, width: int | None = None) -> str:
    """Returns a row, aligned with `header`.

    >>> print(line(Row(1, 2, {"loss": 6.9, "val_top1": 0.25}, rate=0.1, seconds=65, best=True), 44))
      1/2    6.900     25.00%     1:05  best
    """
    columns = _columns(row.epochs, width)
    return _GAP.join(column.text(row).rjust(_width(column, row.epochs)) for column in columns).rstrip()


def best_epoch(rows: Iterable[Mapping[str, float]]) -> int | None:
    """Returns the number of the epoch with the highest `val_top1`, from 1, the first of several.

    Epochs whose loss is not finite do not count. Returns None if there are no others.

    >>> best_epoch([{"val_top1": 0.1}, {"val_top1": 0.3}, {"val_top1": 0.3}])
    2
    """
    accuracies = [row["val_top1"] if is_finite(row) else -math.inf for row in rows]
    highest = max(accuracies, default=-math.inf)
    return None if highest == -math.inf else accuracies.index(highest) + 1


def is_finite(metrics: Mapping[str, float]) -> bool:
    """Returns whether the metrics of an epoch are finite: they are not if the training has diverged.

    >>> is_finite({"loss": float("nan"), "val_top1": 0.0})
    False
    """
    return all(map(math.isfinite, metrics.values()))


def _columns(epochs: int, width: int | None) -> list[_Column]:
    columns = list(_COLUMNS)
    while width is not None and len(columns) > 2 and _total(columns, epochs) > width:
        columns.remove(max(columns, key=lambda column: column.rank))
    return columns


def _total(columns: list[_Column], epochs: int) -> int:
    return sum(_width(column, epochs) for column in columns) + len(_GAP) * (len(columns) - 1)


def _width(column: _Column, epochs: int) -> int:
    return column.width or max(len("epoch"), 2 * len(str(epochs)) + 1)
