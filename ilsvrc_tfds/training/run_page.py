"""A page about a training: its best epoch, its curves, its recipe and its epochs. It needs no network.

It is written anew after each epoch, so that a training can be followed in a browser while it goes on.
"""

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError, counted
from ilsvrc_tfds.pages.charts import Axes, room_for, svg, ticks
from ilsvrc_tfds.pages.elements import Figure, Section, facts, figures, side_by_side, table
from ilsvrc_tfds.pages.page import heading_now, page
from ilsvrc_tfds.storage.files import destination_errors, write_whole
from ilsvrc_tfds.training.epoch_table import best_epoch, in_loss, in_percent, is_finite
from ilsvrc_tfds.training.folder import read_log
from ilsvrc_tfds.training.kept import PAGE
from ilsvrc_tfds.training.recipe import Recipe, sizes_in_words

_log = logging.getLogger(__name__)

_SAMPLES = 240  # of the learning rate, which changes within an epoch
_TRAIN, _VAL = '<span class="key train">train</span>', '<span class="key val">val</span>'
_DASHED = '<span class="key">top-5 dashed</span>'


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training is of.

    Attributes:
      data: Folder of the data set.
      train_images: Number of images of `train`.
      val_images: Number of images of `val`.
      parameters: Number of parameters of the model.
      side: Side of the images that it evaluates, in pixels.

    >>> Trained("/data/tfds/ilsvrc2012/raw256/1.0.0", 1_281_167, 50_000, 25_557_032, 224).side
    224
    """

    data: str
    train_images: int
    val_images: int
    parameters: int
    side: int


def write_run_page(out: Path, recipe: Recipe, trained: Trained) -> None:
    """Writes the page about the epochs in the log of a training. If that fails, warns: the training goes on.

    >>> Path("/data/page-run").mkdir()
    >>> head, row = "epoch,loss,top1,top5,val_loss,val_top1,val_top5", "0,6.9,0.1,0.2,6.5,0.1,0.3"
    >>> _ = Path("/data/page-run/log.csv").write_text(f"{head}\\n{row}\\n")
    >>> write_run_page(Path("/data/page-run"), Recipe(epochs=3), Trained("/data", 16, 4, 1_000, 224))
    >>> Path("/data/page-run/training.html").read_bytes()[:15]
    b'<!DOCTYPE html>'

    Args:
      out: Folder of the training.
      recipe: Hyperparameters.
      trained: What is trained, and on which data.
    """
    path = out / PAGE
    try:
        with destination_errors(path):
            write_whole(path, run_page(read_log(out), recipe, trained, out))
    except (DestinationError, ValueError, LookupError) as error:  # the log cannot be read, or not parsed
        _log.warning("%s: %s The training goes on all the same.", path, error)


def run_page(log: Sequence[Mapping[str, float]], recipe: Recipe, trained: Trained, out: Path) -> bytes:
    """Returns the page as HTML in UTF-8.

    Args:
      log: Metrics of each epoch, at least of one.
      recipe: Hyperparameters.
      trained: What is trained, and on which data.
      out: Folder of the training.
    """
    state = "finished" if len(log) == recipe.epochs else f"after epoch {len(log)} of {recipe.epochs}"
    state = state if is_finite(log[-1]) else f"diverged in epoch {len(log)} of {recipe.epochs}"
    return page(
        heading_now("training", f"Training, {state}", f"{recipe.model}, {trained.side} pixels", out),
        [
            Section("overview", "", _figures(log, recipe, trained)),
            Section("curves", "Curves", _curves(log, recipe)),
            Section("recipe", "Recipe", facts(_recipe(recipe, trained))),
            Section("epochs", "Epochs", _epochs(log, recipe)),
        ],
    )


def _figures(log: Sequence[Mapping[str, float]], recipe: Recipe, trained: Trained) -> str:
    last, best = log[-1], best_epoch(log)
    highest = Figure("Best top-1 of val", "none", "every epoch has diverged", "bad")
    if best is not None:
        highest = Figure("Best top-1 of val", in_percent(log[best - 1]["val_top1"]), f"epoch {best}", "good")
    gap = last["top1"] - last["val_top1"]
    return figures(
        [
            highest,
            Figure("Top-1 of val", in_percent(last["val_top1"]), f"epoch {len(log)}"),
            Figure("Top-5 of val", in_percent(last["val_top5"]), f"epoch {len(log)}"),
            Figure("Loss of val", in_loss(last["val_loss"]), f"train {in_loss(last['loss'])}"),
            Figure("Train minus val", f"{100 * gap:+.2f}".replace("-", "−"), "top-1, percentage points"),
            Figure("Parameters", f"{trained.parameters / 1e6:,.1f} M", recipe.model),
        ]
    )


def _curves(log: Sequence[Mapping[str, float]], recipe: Recipe) -> str:
    return side_by_side(
        {
            f"Loss {_TRAIN} {_VAL}": _chart("Loss", log, recipe, ("loss",)),
            f"Accuracy {_TRAIN} {_VAL} {_DASHED}": _chart("Accuracy", log, recipe, ("top1", "top5")),
            "Learning rate": _rate(recipe),
        }
    )


def _chart(title: str, log: Sequence[Mapping[str, float]], recipe: Recipe, names: Sequence[str]) -> str:
    """Returns the curves of metrics, for train and val: losses from 0, or accuracies from 0 to 100%."""
    is_share = names[0] != "loss"
    in_words = in_percent if is_share else in_loss
    shown = [row[key] for row in log for name in names for key in (name, f"val_{name}") if math.isfinite(row[key])]
    top = 1.0 if is_share else 1.05 * max(shown, default=1.0) or 1.0
    up = [(value, f"{value:.0%}" if is_share else f"{value:g}") for value in ticks(0, top)]
    axes = Axes((0, recipe.epochs), (0, top), left=room_for(up))
    parts: list[str] = []
    for name, line in zip(names, ("", " second")):
        for key, split in ((name, "train"), (f"val_{name}", "val")):
            points = [(row["epoch"] + 1, row[key]) for row in log]
            marks = [f"epoch {x:.0f}, {split} {_title(name)}: {in_words(y)}" for x, y in points]
            parts += axes.line(points, marks, split + line)
    if is_share and (best := best_epoch(log)):
        parts.append(f'<circle class="dot best" cx="{axes.x(best)}" cy="{axes.y(log[best - 1]["val_top1"])}" r="6"/>')
    words = f"{title} of each epoch, for train and val"
    return svg(axes.width, axes.height, words, [*axes.drawn(_whole(recipe), up, "epoch"), *parts])


def _rate(recipe: Recipe) -> str:
    moments = [recipe.epochs * k / _SAMPLES for k in range(_SAMPLES + 1)]
    points = [(moment, recipe.learning_rate_at(moment)) for moment in moments]
    top = 1.05 * max(rate for _, rate in points) or 1.0
    up = [(value, f"{value:g}") for value in ticks(0, top)]
    axes = Axes((0, recipe.epochs), (0, top), left=room_for(up))
    parts = [*axes.drawn(_whole(recipe), up, "epoch"), *axes.line(points, [], "rate")]
    return svg(axes.width, axes.height, f"Learning rate, at most {recipe.peak_learning_rate:g}", parts)


def _whole(recipe: Recipe) -> list[tuple[float, str]]:
    return [(value, f"{value:.0f}") for value in ticks(0, recipe.epochs) if value == int(value)]


def _title(name: str) -> str:
    return name if name == "loss" else f"{name[:3]}-{name[3:]}"


def _recipe(recipe: Recipe, trained: Trained) -> list[tuple[str, str]]:
    own = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    own |= {
        "image_size": trained.side,
        "learning_rate": f"{recipe.peak_learning_rate:g} at its peak",
        "weight_decay": f"{recipe.decay:g} times the learning rate, in each step",
        "warmup_epochs": recipe.warmup,
        "sizes": "the same in all epochs" if recipe.sizes is None else sizes_in_words(recipe.sizes),
        "scaled": "large crops are decoded at a smaller size" if recipe.scaled else "no",
        "ema": "none" if recipe.ema is None else recipe.ema,
        "precision": recipe.precision or "that of the device",
        "shares": f"{recipe.shares:,}, each with an order of its own" if recipe.shares > 1 else "1, of all images",
    }
    data = f"{trained.data}: {counted(trained.train_images, 'train image')}, {trained.val_images:,} of val"
    return [("data", data), *((name.replace("_", " "), _in_words(value)) for name, value in own.items())]


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value}"


def _epochs(log: Sequence[Mapping[str, float]], recipe: Recipe) -> str:
    best, rows = best_epoch(log), []
    for row in reversed(log):
        number = int(row["epoch"]) + 1
        mark = ' <span class="good">best</span>' if number == best else ""
        numbers = [
            *(in_percent(row[name]) for name in ("val_top1", "val_top5")),
            in_loss(row["val_loss"]),
            *(in_percent(row[name]) for name in ("top1", "top5")),
            in_loss(row["loss"]),
            f"{recipe.learning_rate_at(number - 0.5):.3g}",
        ]
        rows.append([f"{number}{mark}", *map(escape, numbers)])
    head = ["epoch", "val top-1", "val top-5", "val loss", "top-1", "top-5", "loss", "learning rate"]
    return f'<p class="lead">The last one first.</p>{table(head, rows, "Epochs")}'
