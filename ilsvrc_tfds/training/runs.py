"""A training in a folder, continued where it was stopped.

    <out>/recipe.json     what was asked for
    <out>/log.csv         loss, top-1 and top-5 accuracy of each epoch, of training and validation
    <out>/tensorboard/    the same for TensorBoard, with the learning rate
    <out>/backup/         the state after the last epoch, until all are done
    <out>/model.keras     the trained model
"""

import contextlib
import csv
import dataclasses
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import keras

from ilsvrc_tfds.destination import destination_errors, write_whole
from ilsvrc_tfds.errors import DestinationError, OptionError
from ilsvrc_tfds.pipeline import find_split, for_evaluation, for_training, source_errors
from ilsvrc_tfds.recipe import Recipe
from ilsvrc_tfds.training.fitting import new_model, training_ops, validation_ops

MODEL, LOG = "model.keras", "log.csv"
_RECIPE, _BACKUP, _TENSORBOARD, _UNFINISHED = "recipe.json", "backup", "tensorboard", "unfinished.keras"

_log = logging.getLogger(__name__)


def train(
    data,
    out: str | os.PathLike,
    recipe: Recipe = Recipe(),
    *,
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Trains a model on `train`, validates it after each epoch on `val`, and returns the path of the finished `model.keras`.

    A run that was stopped is continued by the same call, at the first batch of the epoch in which it was; what is finished is
    not done again.

    Args:
      data: name as `ilsvrc2012/raw256`; the folder of a prepared data set or of exported TFRecords; a TFDS builder.
      out: folder to make; the module's docstring says what is in it.
      recipe: model, epochs, optimizer and so on.
      data_dir: TFDS's data directory, for a name.
      label_offset: of exported TFRecords without a manifest, 0 or 1.
      overwrite: whether an earlier training in `out` is thrown away.

    Raises:
      OptionError: an option makes no sense, or `out` has the training of another recipe.
      DestinationError: `out` cannot be written, or holds something else.
      SourceError: the data is not there, half prepared, or cannot be read.
    """
    source = {"data_dir": data_dir, "label_offset": label_offset}
    found = find_split(data, "train", **source)
    find_split(data, "val", **source)
    num_examples = found.num_examples
    steps = num_examples // recipe.batch_size
    if not steps:
        raise OptionError(f"batch_size={recipe.batch_size:,} is larger than the {num_examples:,} examples. Make it smaller.")
    model = new_model(recipe, steps)
    image_size = model.input_shape[1]
    ops = training_ops(recipe, image_size)

    out = _claimed(Path(out).expanduser(), {**dataclasses.asdict(recipe), "examples": num_examples}, overwrite)
    if (out / MODEL).exists():
        _log.info("%s is trained already.", out)
        return out / MODEL
    done = _epochs_done(out)
    images = for_training(
        data,
        **source,
        batch_size=recipe.batch_size,
        ops=ops,
        seed=recipe.seed,
        shuffle_buffer=recipe.shuffle_buffer,
        start_step=done * steps,
    )
    validation = for_evaluation(data, **source, batch_size=recipe.batch_size, ops=validation_ops(image_size))
    if done < recipe.epochs:
        with _callbacks(out, recipe.epochs) as callbacks, source_errors(found.folder):
            model.fit(
                images,
                epochs=recipe.epochs,
                steps_per_epoch=steps,
                validation_data=validation,
                callbacks=callbacks,
                shuffle=False,
                verbose=int(sys.stderr.isatty()),
            )
    model.save(out / _UNFINISHED)
    os.replace(out / _UNFINISHED, out / MODEL)
    shutil.rmtree(out / _BACKUP, ignore_errors=True)
    return out / MODEL


def read_log(out: str | os.PathLike) -> list[dict[str, float]]:
    """Returns what `log.csv` says of each epoch: `loss`, `top1` and `top5`, the same with `val_`, and `epoch`, from 0."""
    with open(Path(out, LOG), newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _claimed(out: Path, wanted: dict, overwrite: bool) -> Path:
    """Returns the folder, made for this recipe or with its beginnings. Raises OptionError, DestinationError."""
    path = out / _RECIPE
    with destination_errors(out):
        if out.exists() and not path.exists() and any(out.iterdir()):
            raise DestinationError(f"{out} is there, and no training was begun in it. Name another folder.")
        if overwrite and path.exists():
            shutil.rmtree(out)
        out.mkdir(parents=True, exist_ok=True)
        if path.exists():
            begun = json.loads(path.read_text())
            changed = [f"{key}={begun.get(key)!r}" for key in wanted if begun.get(key) != wanted[key]]
            if changed:
                raise OptionError(f"{out} has a training with {', '.join(changed)}. Name another folder, or overwrite it.")
    write_whole(path, json.dumps(wanted, indent=1).encode())
    return out


def _epochs_done(out: Path) -> int:
    """Returns how many epochs `keras.callbacks.BackupAndRestore` has in its backup, which `fit` restores."""
    path = out / _BACKUP / "training_metadata.json"
    done = json.loads(path.read_text())["epoch"] if path.exists() else 0
    if done:
        _log.info("Continuing after epoch %d.", done)
    return done


@contextlib.contextmanager
def _callbacks(out: Path, epochs: int) -> Iterator[list[keras.callbacks.Callback]]:
    """Yields what writes logs and backups; closes the log where a training is stopped, which Keras does not."""

    def tell(epoch: int, logs: dict) -> None:
        _log.info(
            "Epoch %d of %d: loss %.3f; validation: loss %.3f, top-1 %.1f %%, top-5 %.1f %%",
            *(epoch + 1, epochs, logs["loss"], logs["val_loss"], 100 * logs["val_top1"], 100 * logs["val_top5"]),
        )

    log = keras.callbacks.CSVLogger(out / LOG, append=True)
    # Last: what is in a backup is in the logs. Two states, for a kill may come while one is written.
    backup = keras.callbacks.BackupAndRestore(out / _BACKUP, double_checkpoint=True, delete_checkpoint=False)
    try:
        yield [
            log,
            keras.callbacks.TensorBoard(out / _TENSORBOARD, write_graph=False),
            keras.callbacks.LambdaCallback(on_epoch_end=tell),
            backup,
        ]
    finally:
        log.on_train_end()
