"""Trains a model in a folder, and resumes a training that was stopped.

<out>/training.json   the recipe, and a fingerprint of the data
<out>/log.csv         loss, top-1 and top-5 accuracy of each epoch, for training and validation
<out>/tensorboard/    the same for TensorBoard, with the learning rate
<out>/backup/         the state after the last epoch, and within it if wanted, until the training is finished
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
from typing import TYPE_CHECKING, Any

import keras

from ilsvrc_tfds.errors import DestinationError, OptionError, counted, reading
from ilsvrc_tfds.pipeline import Split, find_split, source_errors
from ilsvrc_tfds.storage.files import destination_errors, require_local, sync_file, sync_folder, write_whole
from ilsvrc_tfds.storage.staging import claim
from ilsvrc_tfds.training.backup import Backup, MetricsOfEpoch, Progress
from ilsvrc_tfds.training.devices import Devices, StatisticsOfFirst, use_devices
from ilsvrc_tfds.training.differences import differences
from ilsvrc_tfds.training.divergence import StopAtDivergence
from ilsvrc_tfds.training.fitting import new_model, training_ops, validation_ops
from ilsvrc_tfds.training.hosts import on_first_host, on_this_host_alone
from ilsvrc_tfds.training.models import MODEL, image_size_of
from ilsvrc_tfds.training.recipe import Recipe
from ilsvrc_tfds.training.sizes import in_stages, one_size
from ilsvrc_tfds.training.streams import Source, Streams

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

LOG = "log.csv"
_ASKED, _BACKUP, _TENSORBOARD, _UNFINISHED = "training.json", "backup", "tensorboard", "unfinished.keras"
_FINISHED = Progress(-1, -1)

_log = logging.getLogger(__name__)


def train(
    data: "str | os.PathLike | tfds.core.DatasetBuilder",
    out: str | os.PathLike,
    recipe: Recipe = Recipe(),
    *,
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    devices: int | None = None,
    backup_every: int | None = None,
    service: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Trains a model on `train`, validates it on `val` after each epoch, and returns the path of its `model.keras`.

    The same call resumes a training that was stopped, at the first batch after the last backup. The metrics of an epoch
    go on where they were. If the training is finished already, it returns at once.

    The batches follow from the recipe alone: devices and hosts may be added or removed between two runs. (Ops that mix
    the images of a batch mix those of a host, so their partners depend on the number of hosts.) On several hosts of
    JAX, each one makes the same call, and sees `data` and `out` under the same paths.

    Args:
      data: Name such as `ilsvrc2012/raw256`, the folder of a prepared data set or of exported TFRecords, or a TFDS
        builder.
      out: Folder to write. The docstring of this module lists its files. The first host writes them.
      recipe: Hyperparameters.
      data_dir: TFDS's data directory, if `data` is a name.
      label_offset: Label of the first class in exported TFRecords that do not state it, as in `for_training`.
      devices: Number of devices to use on each host. If None, all that Keras's backend sees.
      backup_every: Number of steps after which the state is backed up within an epoch. If None, only at its end.
      service: Address of a tf.data service that makes the batches, as in `for_training`. Its order is not fixed, so a
        run that resumes begins with other images.
      overwrite: Whether to remove a finished training in `out`, or one with another recipe or other data.

    Raises:
      OptionError: An option is invalid, `out` has another training, or the loss of an epoch is not finite.
      DestinationError: `out` cannot be written, or contains something else.
      SourceError: The data does not exist, is not completely prepared, or cannot be read.
      InterruptedRun: Another host has ended.

    >>> from ilsvrc_tfds import training
    >>> recipe = training.Recipe(model="small", image_size=32, epochs=1, batch_size=4)
    >>> training.train("/data/tfds/ilsvrc2012/raw256/1.0.0", "/data/small-run", recipe).name
    'model.keras'
    """
    require_local(out)
    out = Path(out).expanduser()
    image_size_of(recipe.model)  # raises for a wrong name, before other options that follow from the model
    backup = Backup(out / _BACKUP, backup_every)
    source: Source = {"data_dir": data_dir, "label_offset": label_offset}
    split = find_split(data, "train", **source)
    find_split(data, "val", **source)
    steps = split.num_examples // recipe.batch_size
    if not steps:
        raise OptionError(
            f"batch_size={recipe.batch_size:,} is larger than the split, which has "
            f"{counted(split.num_examples, 'example')}. Make it smaller."
        )
    with use_devices(devices) as used:
        streams = Streams(data, source, recipe, used, service)
        model = new_model(recipe, steps, split.num_labels, several=used.several)
        side = recipe.image_size or image_size_of(recipe.model)
        training_ops(recipe, side, split.num_labels)  # raises, before anything is written
        with contextlib.ExitStack() as claimed:

            def begin() -> Progress:
                """Takes the folder, and returns what is done."""
                claimed.enter_context(destination_errors(out))
                claimed.enter_context(claim(out))
                _make_ready(out, _plain({**dataclasses.asdict(recipe), "data": _fingerprint(split)}), overwrite)
                if (out / MODEL).exists():
                    return _FINISHED
                _cut_log(out / LOG, backup.progress.epochs)
                return backup.progress

            progress = Progress(*on_first_host(used.host, begin))
            if progress == _FINISHED:
                _log.info("The training in %s is finished already.", out)
                return out / MODEL
            _log.info(
                "%s of %.1f million parameters, %d pixels: %d epochs of %d steps of %d images",
                *(recipe.model, model.count_params() / 1e6, side, recipe.epochs, steps),
                recipe.batch_size,
            )
            if progress > Progress():
                _log.info("Resuming after %s.", progress.in_words)
            with _callbacks(out, recipe, backup, used) as callbacks, source_errors(split.folder):
                _fit(model, side, streams, steps, backup, progress, callbacks)
            finished = model if recipe.sizes is None else one_size(model, side)
            on_first_host(used.host, lambda: _finish(finished, out))
    return out / MODEL


def _fit(
    model: keras.Model,
    side: int,
    streams: Streams,
    steps: int,
    backup: Backup,
    progress: Progress,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Trains from the given backup to the end. An epoch that was begun is a `fit` of its own, with fewer steps."""
    recipe, num_classes = streams.recipe, model.output_shape[1]

    def images_of(size: int, start_step: int) -> "tf.data.Dataset":
        return streams.training(training_ops(recipe, size, num_classes), start_step)

    validation = streams.validation(validation_ops(side, num_classes))
    while True:
        backup.restore(model, progress)
        epochs, done = progress
        start = epochs * steps + done
        images = images_of(side, start) if recipe.sizes is None else in_stages(recipe, steps, start, images_of)
        model.fit(
            images,
            initial_epoch=epochs,
            epochs=epochs + 1 if done else recipe.epochs,
            steps_per_epoch=steps - done,
            validation_data=validation,
            callbacks=callbacks,
            shuffle=False,
            verbose=int(sys.stdout.isatty()),
        )
        if not done or epochs + 1 == recipe.epochs:
            return
        # Not the model as `fit` leaves it, whose end is that of the training: it puts averages in place of the weights.
        progress = Progress(*on_first_host(streams.devices.host, lambda: backup.progress))


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
        described = [split.kind, split.lengths, [size for size, _ in split.stamps]]
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
        changed = list(differences(begun, wanted))
        # An attempt without a backup may be removed.
        worth_keeping = (out / MODEL).exists() or Backup(out / _BACKUP).progress > Progress()
        if changed and worth_keeping and not overwrite:
            raise OptionError(
                f"{out} has a training with {'; '.join(changed)}. Name another folder (--out), or --overwrite it."
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
def _callbacks(out: Path, recipe: Recipe, backup: Backup, devices: Devices) -> Iterator[list[keras.callbacks.Callback]]:
    """Yields the callbacks, of which those of the first host write logs and backups.

    Closes the log if the training is stopped; Keras does not.
    """
    needed = [StatisticsOfFirst()] if devices.several else []
    needed += [] if recipe.ema is None else [keras.callbacks.SwapEMAWeights()]
    needed += [StopAtDivergence(recipe, backup)]
    if devices.host.index:
        yield [*needed, MetricsOfEpoch(backup)]
        return

    def report(epoch: int, logs: dict[str, float]) -> None:
        _log.info(
            "Epoch %d of %d: loss %.3f; validation: loss %.3f, top-1 %.2f%%, top-5 %.2f%%",
            *(epoch + 1, recipe.epochs, logs["loss"], logs["val_loss"], 100 * logs["val_top1"], 100 * logs["val_top5"]),
        )

    log = keras.callbacks.CSVLogger(out / LOG, append=True)
    tensorboard = keras.callbacks.TensorBoard(out / _TENSORBOARD, write_graph=False)
    try:
        report_epoch = keras.callbacks.LambdaCallback(on_epoch_end=report)
        # The backup comes last, so that the logs have every epoch that it has, and it never has a diverged one.
        yield [log, tensorboard, report_epoch, *needed, backup]
    finally:
        log.on_train_end()


def _finish(model: keras.Model, out: Path) -> tuple[int, int]:
    for layer in model.layers:
        if getattr(layer, "synchronized", False):
            layer.synchronized = False  # of several devices of TensorFlow; other backends would not load the layer
    with on_this_host_alone():
        model.save(out / _UNFINISHED)
    sync_file(out / _UNFINISHED)
    os.replace(out / _UNFINISHED, out / MODEL)
    sync_folder(out)
    shutil.rmtree(out / _BACKUP, ignore_errors=True)
    return _FINISHED
