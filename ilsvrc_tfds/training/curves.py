"""The curves of a training as a picture: loss, accuracies and learning rate of each epoch."""

import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.storage.files import destination_errors, write_whole
from ilsvrc_tfds.training.epoch_table import best_epoch
from ilsvrc_tfds.training.recipe import Recipe

_log = logging.getLogger(__name__)

_TRAIN, _VALIDATION, _FAINT = "#8a8f98", "#1f6feb", "#d0d4da"
_INCHES, _DOTS = (13.5, 4.0), 110
_SAMPLES = 400  # of the learning rate, which changes within an epoch


def draw_curves(log: Sequence[Mapping[str, float]], recipe: Recipe, path: Path) -> None:
    """Draws the curves of a training as a PNG. If that fails, warns: the model is there all the same.

    >>> epochs = [{"epoch": k, "loss": 7 - k, "top1": 0.1, "top5": 0.2} for k in range(3)]
    >>> log = [{**epoch, "val_loss": 6.5, "val_top1": 0.1, "val_top5": 0.3} for epoch in epochs]
    >>> draw_curves(log, Recipe(epochs=3), Path("/data/curves.png"))
    >>> Path("/data/curves.png").read_bytes()[:4]
    b'\\x89PNG'

    Args:
      log: Metrics of each epoch, as `read_log` returns them.
      recipe: Hyperparameters.
      path: File to write.
    """
    try:
        with destination_errors(path):
            write_whole(path, _drawn(log, recipe))
    except DestinationError as error:
        _log.warning("%s The training is finished all the same.", error)
    except Exception as error:  # Matplotlib is missing or broken, for example: hours of work are worth more
        _log.warning("%s cannot be drawn: %s. The training is finished all the same.", path, error)


def _drawn(log: Sequence[Mapping[str, float]], recipe: Recipe) -> bytes:
    from matplotlib.figure import Figure  # takes 0.3 s; not pyplot, which looks for a display

    figure = Figure(_INCHES, dpi=_DOTS, layout="constrained")
    loss, accuracy, rate = figure.subplots(1, 3)
    numbers = [int(row["epoch"]) + 1 for row in log]
    best = best_epoch(log)
    for axes, title in ((loss, "loss"), (accuracy, "accuracy, %"), (rate, "learning rate")):
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel("epoch")
        axes.grid(color=_FAINT, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(0, recipe.epochs * 1.02)
        axes.locator_params(axis="x", integer=True)
    for axes, names, scale in ((loss, ("loss",), 1), (accuracy, ("top1", "top5"), 100)):
        for name, style in zip(names, ("-", "--")):
            _plot(axes, numbers, [scale * row[name] for row in log], style, _TRAIN, f"train {_title(name)}")
            _plot(axes, numbers, [scale * row[f"val_{name}"] for row in log], style, _VALIDATION, f"val {_title(name)}")
    if best is not None:
        top = 100 * log[best - 1]["val_top1"]
        accuracy.plot([numbers[best - 1]], [top], "o", color=_VALIDATION, markersize=7)
        accuracy.set_title(
            f"best: {top:.2f}% in epoch {numbers[best - 1]}", loc="right", fontsize=10, color=_VALIDATION
        )
    accuracy.set_ylim(0, 102)
    moments = [recipe.epochs * k / _SAMPLES for k in range(_SAMPLES + 1)]
    rate.plot(moments, list(map(recipe.learning_rate_at, moments)), color=_TRAIN)
    rate.set_ylim(bottom=0)
    loss.legend(frameon=False)
    accuracy.legend(frameon=False, loc="lower right")
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _plot(axes: Any, numbers: list[int], values: list[float], style: str, colour: str, label: str) -> None:
    # A training of one epoch has no line.
    axes.plot(numbers, values, style, color=colour, label=label.strip(), marker="." if len(numbers) < 30 else None)


def _title(name: str) -> str:
    return "" if name == "loss" else f"{name[:3]}-{name[3:]}"
