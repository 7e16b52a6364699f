"""Trains a model in a folder, and resumes a training that was stopped.

<out>/training.json   the recipe, and a fingerprint of the data
<out>/log.csv         loss, top-1 and top-5 accuracy of each epoch, for training and validation
<out>/tensorboard/    the same for TensorBoard, with the learning rate
<out>/backup/         the state after the last epoch, until the training is finished
<out>/model.keras     the trained model
"""

import contextlib
import csv
import dataclasses
import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import keras

from ilsvrc_tfds.errors import DestinationError, OptionError, counted
from ilsvrc_tfds.pipeline import Split, find_split, for_evaluation, for_training, source_errors
from ilsvrc_tfds.pipeline.split import reading
from ilsvrc_tfds.storage.files import destination_errors, require_local, sync_file, sync_folder, write_whole
from ilsvrc_tfds.storage.staging import claim
from ilsvrc_tfds.training.backup import Backup
from ilsvrc_tfds.training.divergence import StopAtDivergence
from ilsvrc_tfds.training.fitting import new_model, training_ops, validation_ops
from ilsvrc_tfds.training.models import MODEL, image_size_of
from ilsvrc_tfds.training.recipe import Recipe
from ilsvrc_tfds.training.sizes import in_stages, one_size

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

LOG = "log.csv"
_ASKED, _BACKUP, _TENSORBOARD, _UNFINISHED = "training.json", "backup", "tensorboard", "unfinished.keras"

_log = logging.getLogger(__name__)


class _Source(TypedDict):
    data_dir: str | os.PathLike | None
    label_offset: int | None


def train(
    data: "str | os.PathLike | tfds.core.DatasetBuilder",
    out: str | os.PathLike,
    recipe: Recipe = Recipe(),
    *,
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Trains a model on `train`, validates it on `val` after each epoch, and returns the path of its `model.keras`.

    The same call resumes a training that was stopped, at the first batch of the epoch that was not completed. If the
    training is finished already, it returns at once.

    Args:
      data: Name such as `ilsvrc2012/raw256`, the folder of a prepared data set or of exported TFRecords, or a TFDS
        builder.
      out: Folder to write. The docstring of this module lists its files.
      recipe: Hyperparameters.
      data_dir: TFDS's data directory, if `data` is a name.
      label_offset: Label of the first class in exported TFRecords that do not state it, as in `for_training`.
      overwrite: Whether to remove a finished training in `out`, or one with another recipe or other data.

    Raises:
      OptionError: An option is invalid, `out` has another training, or the loss of an epoch is not finite.
      DestinationError: `out` cannot be written, or contains something else.
      SourceError: The data does not exist, is not completely prepared, or cannot be read.

    >>> from ilsvrc_tfds import training
    >>> recipe = training.Recipe(model="small", image_size=32, epochs=1, batch_size=4)
    >>> training.train("/data/tfds/ilsvrc2012/raw256/1.0.0", "/data/small-run", recipe).name
    'model.keras'
    """
    require_local(out)
    source: _Source = {"data_dir": data_dir, "label_offset": label_offset}
    split = find_split(data, "train", **source)
    find_split(data, "val", **source)
    steps = split.num_examples // recipe.batch_size
    if not steps:
        raise OptionError(
            f"batch_size={recipe.batch_size:,} is larger than the split, which has "
            f"{counted(split.num_examples, 'example')}. Make it smaller."
        )
    model = new_model(recipe, steps, split.num_labels)
    side = recipe.image_size or image_size_of(recipe.model)
    ops = {size: training_ops(recipe, size, split.num_labels) for size, _ in recipe.sizes or [(side, 0)]}

    out = Path(out).expanduser()
    with destination_errors(out), claim(out):
        _make_ready(out, _plain({**dataclasses.asdict(recipe), "data": _fingerprint(split)}), overwrite)
        if (out / MODEL).exists():
            _log.info("The training in %s is finished already.", out)
            return out / MODEL
        _log.info(
            "%s of %.1f million parameters, %d pixels: %d epochs of %d steps of %d images",
            *(recipe.model, model.count_params() / 1e6, side, recipe.epochs, steps, recipe.batch_size),
        )
        done = Backup(out / _BACKUP).restore(model)
        _cut_log(out / LOG, done)

        def images_of(size: int, start_step: int) -> "tf.data.Dataset":
            return for_training(
                data,
                **source,
                batch_size=recipe.batch_size,
                ops=ops[size],
                seed=recipe.seed,
                shuffle_buffer=recipe.shuffle_buffer,
                start_step=start_step,
            )

        start = done * steps
        images = images_of(side, start) if recipe.sizes is None else in_stages(recipe, steps, start, images_of)
        val_ops = validation_ops(side, split.num_labels)
        validation = for_evaluation(data, **source, batch_size=recipe.batch_size, ops=val_ops)
        with _callbacks(out, recipe) as callbacks, source_errors(split.folder):
            model.fit(
                images,
                initial_epoch=done,
                epochs=recipe.epochs,
                steps_per_epoch=steps,
                validation_data=validation,
                callbacks=callbacks,
                shuffle=False,
                verbose=int(sys.stdout.isatty()),
            )
        return _finish(model if recipe.sizes is None else one_size(model, side), out)


def read_log(out: str | os.PathLike) -> list[dict[str, float]]:
    """Returns the metrics of each epoch from `log.csv`.

    Args:
      out: Folder of the training.

    Returns a dictionary for each epoch with `epoch` (from 0), `loss`, `top1` and `top5`, and `val_loss`, `val_top1` and
    `val_top5`.

    >>> from ilsvrc_tfds import training
    >>> import os
    >>> os.makedirs("/data/run")
    >>> _ = Path("/data/run/log.csv").write_text("epoch,loss,val_loss\\n0,6.9,6.8\\n")
    >>> training.read_log("/data/run")
    [{'epoch': 0.0, 'loss': 6.9, 'val_loss': 6.8}]
    """
    with open(Path(out, LOG), newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _fingerprint(split: Split) -> str:
    """Returns a digest that depends on the data and their order, but not on their folder."""
    with reading(split.folder):
        described = [split.kind, split.lengths, [os.path.getsize(path) for path in split.paths]]
        described += [split.wnids] if split.wnids is not None else []
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """Returns what JSON makes of a value: lists of tuples."""
    return json.loads(json.dumps(value))


def _make_ready(out: Path, wanted: dict[str, Any], overwrite: bool) -> None:
    """Creates the folder of a training, or checks that it has this training. Raises OptionError, DestinationError."""
    path = out / _ASKED
    if out.exists() and not path.exists() and any(out.iterdir()):
        raise DestinationError(f"{out} is not empty, and no training was begun in it. Name another folder.")
    out.mkdir(parents=True, exist_ok=True)
    if path.exists():
        begun = {**_plain(dataclasses.asdict(Recipe())), **_asked(path)}  # fields that older versions did not have
        changed = [f"{key}={begun.get(key)!r}" for key in wanted if begun.get(key) != wanted[key]]
        # An attempt without a completed epoch may be removed.
        worth_keeping = (out / MODEL).exists() or Backup(out / _BACKUP).epochs_done > 0
        if changed and worth_keeping and not overwrite:
            raise OptionError(
                f"{out} has a training with {', '.join(changed)}. Name another folder (--out), or --overwrite it."
            )
        # An unfinished training with the same recipe is resumed: the stopped command may have had `overwrite` too.
        if changed or overwrite and (out / MODEL).exists():
            _remove(out)
    write_whole(path, json.dumps(wanted, indent=1).encode())


def _asked(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise DestinationError(f"{path} is not the record of a training ({error}). Name another folder.") from error


def _remove(out: Path) -> None:
    """Removes the files of a training, and no others."""
    for name in (_BACKUP, _TENSORBOARD):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in (MODEL, _UNFINISHED, LOG, _ASKED):
        (out / name).unlink(missing_ok=True)


def _cut_log(path: Path, epochs: int) -> None:
    """Removes the lines after the given number of epochs, because a run may be killed between log and backup."""
    if path.exists():
        write_whole(path, b"".join(path.read_bytes().splitlines(keepends=True)[: epochs + 1 if epochs else 0]))


@contextlib.contextmanager
def _callbacks(out: Path, recipe: Recipe) -> Iterator[list[keras.callbacks.Callback]]:
    """Yields the callbacks that write logs and backups. Closes the log if the training is stopped; Keras does not."""

    def report(epoch: int, logs: dict[str, float]) -> None:
        _log.info(
            "Epoch %d of %d: loss %.3f; validation: loss %.3f, top-1 %.2f%%, top-5 %.2f%%",
            *(epoch + 1, recipe.epochs, logs["loss"], logs["val_loss"], 100 * logs["val_top1"], 100 * logs["val_top5"]),
        )

    log = keras.callbacks.CSVLogger(out / LOG, append=True)
    tensorboard = keras.callbacks.TensorBoard(out / _TENSORBOARD, write_graph=False)
    try:
        report_epoch, backup = keras.callbacks.LambdaCallback(on_epoch_end=report), Backup(out / _BACKUP)
        # The backup comes last, so that the logs have every epoch that it has, and it never has a diverged one.
        averaged = [] if recipe.ema is None else [keras.callbacks.SwapEMAWeights()]
        yield [*averaged, log, tensorboard, report_epoch, StopAtDivergence(recipe, backup), backup]
    finally:
        log.on_train_end()


def _finish(model: keras.Model, out: Path) -> Path:
    model.save(out / _UNFINISHED)
    sync_file(out / _UNFINISHED)
    os.replace(out / _UNFINISHED, out / MODEL)
    sync_folder(out)
    shutil.rmtree(out / _BACKUP, ignore_errors=True)
    return out / MODEL
