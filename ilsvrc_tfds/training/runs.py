"""Trains a model in a folder, and resumes a training that was stopped.

<out>/training.json   the recipe, and a fingerprint of the data
<out>/log.csv         loss, top-1 and top-5 accuracy of each epoch, for training and validation
<out>/tensorboard/    the same for TensorBoard, with the learning rate
<out>/backup/         the state after the last epoch, and within it if wanted, until the training is finished
<out>/model.keras     the trained model
<out>/training.html   a page with curves, recipe and epochs, written anew after each epoch
<out>/curves.png      loss, accuracies and learning rate of each epoch, drawn at the end
"""

import contextlib
import dataclasses
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from ilsvrc_tfds.errors import OptionError, counted
from ilsvrc_tfds.pipeline import find_split, source_errors
from ilsvrc_tfds.storage.files import destination_errors, require_local, sync_file, sync_folder
from ilsvrc_tfds.storage.staging import claim
from ilsvrc_tfds.training.backup import Backup, MetricsOfEpoch
from ilsvrc_tfds.training.curves import draw_curves
from ilsvrc_tfds.training.devices import Devices, StatisticsOfFirst, use_devices
from ilsvrc_tfds.training.divergence import StopAtDivergence
from ilsvrc_tfds.training.fitting import new_model, training_ops, validation_ops
from ilsvrc_tfds.training.folder import LOG, TENSORBOARD, UNFINISHED, cut_log, make_ready, precision_begun, read_log
from ilsvrc_tfds.training.hosts import on_first_host, on_this_host_alone
from ilsvrc_tfds.training.kept import BACKUP, CURVES, MODEL, Progress
from ilsvrc_tfds.training.models import image_size_of
from ilsvrc_tfds.training.precision import default_precision
from ilsvrc_tfds.training.printing import Printer, shown, working
from ilsvrc_tfds.training.recipe import PRECISIONS, Recipe
from ilsvrc_tfds.training.run_page import Trained, write_run_page
from ilsvrc_tfds.training.sizes import in_stages, one_size
from ilsvrc_tfds.training.streams import Source, Streams

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

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

    It computes in the precision that it began with, whatever device it goes on with. The batches follow from the recipe
    alone: devices and hosts may be added or removed between two runs. (Ops that mix the images of a batch mix those of
    a host, so their partners depend on the number of hosts.) On several hosts of JAX, each one makes the same call, and
    sees `data` and `out` under the same paths.

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
    side = recipe.image_size or image_size_of(recipe.model)  # first of all, whether there is such a model
    out = Path(out).expanduser()
    backup = Backup(out / BACKUP, backup_every)
    source: Source = {"data_dir": data_dir, "label_offset": label_offset}
    split = find_split(data, "train", **source)
    validated = find_split(data, "val", **source)
    steps = split.num_examples // recipe.batch_size
    if not steps:
        raise OptionError(
            f"batch_size={recipe.batch_size:,} is larger than the split, which has "
            f"{counted(split.num_examples, 'example')}. Make it smaller."
        )
    with use_devices(devices) as used:
        recipe = _with_precision(recipe, used, lambda: precision_begun(out, recipe, split, overwrite))
        streams = Streams(data, source, recipe, used, service)
        is_first = used.host.index == 0
        with working(f"building {recipe.model}", is_first=is_first):
            model = new_model(recipe, steps, split.num_labels, several=used.several)
        training_ops(recipe, side, split.num_labels)  # raises, before anything is written
        with contextlib.ExitStack() as claimed:

            def begin() -> Progress:
                """Takes the folder, and returns what is done."""
                claimed.enter_context(destination_errors(out))
                claimed.enter_context(claim(out))
                make_ready(out, recipe, split, overwrite)
                if (out / MODEL).exists():
                    return _FINISHED
                cut_log(out / LOG, backup.progress.epochs)
                return backup.progress

            progress = Progress(*on_first_host(used.host, begin))
            if progress == _FINISHED:
                _log.info("The training in %s is finished already.", out)
                return out / MODEL
            _log.log(
                logging.INFO if is_first else logging.DEBUG,
                "%s: %.1f million parameters, %d pixels, %s; %s of %s of %s",
                *(recipe.model, model.count_params() / 1e6, side, recipe.precision, counted(recipe.epochs, "epoch")),
                *(counted(steps, "step"), counted(recipe.batch_size, "image")),
            )
            if progress > Progress() and is_first:
                _log.info("Resuming after %s.", progress.in_words)
            printer = Printer(recipe, steps, -(-validated.num_examples // recipe.batch_size), earlier=_earlier(out))
            about = Trained(f"{split.folder}", split.num_examples, validated.num_examples, model.count_params(), side)
            with _callbacks(out, recipe, backup, used, printer, about) as callbacks, source_errors(split.folder):
                _fit(model, side, streams, steps, backup, progress, callbacks, printer)
            finished = model if recipe.sizes is None else one_size(model, side)
            on_first_host(used.host, lambda: _finish(finished, out, recipe))
    return out / MODEL


def _with_precision(recipe: Recipe, devices: Devices, begun: Callable[[], str | None]) -> Recipe:
    """Returns the recipe with a precision: its own, that of the training that was begun, or what suits the device."""
    if recipe.precision is not None:
        return recipe

    def settle() -> tuple[int, int]:
        return PRECISIONS.index(begun() or default_precision()), 0

    number, _ = on_first_host(devices.host, settle)
    return dataclasses.replace(recipe, precision=PRECISIONS[number])


def _earlier(out: Path) -> list[dict[str, float]]:
    return read_log(out) if (out / LOG).exists() else []


def _fit(
    model: keras.Model,
    side: int,
    streams: Streams,
    steps: int,
    backup: Backup,
    progress: Progress,
    callbacks: list[keras.callbacks.Callback],
    printer: Printer,
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
        printer.resume_at(done)
        model.fit(
            images,
            initial_epoch=epochs,
            epochs=epochs + 1 if done else recipe.epochs,
            steps_per_epoch=steps - done,
            validation_data=validation,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
        if not done or epochs + 1 == recipe.epochs:
            return
        # Not the model as `fit` leaves it, whose end is that of the training: it puts averages in place of the weights.
        progress = Progress(*on_first_host(streams.devices.host, lambda: backup.progress))


@contextlib.contextmanager
def _callbacks(
    out: Path, recipe: Recipe, backup: Backup, devices: Devices, printer: Printer, about: Trained
) -> Iterator[list[keras.callbacks.Callback]]:
    """Yields the callbacks, of which those of the first host print, and write logs and backups.

    Closes the log if the training is stopped; Keras does not.
    """
    needed = [StatisticsOfFirst()] if devices.several else []
    needed += [] if recipe.ema is None else [keras.callbacks.SwapEMAWeights()]
    needed += [StopAtDivergence(recipe, backup)]
    if devices.host.index:
        yield [*needed, MetricsOfEpoch(backup)]
        return
    log = keras.callbacks.CSVLogger(out / LOG, append=True)
    tensorboard = keras.callbacks.TensorBoard(out / TENSORBOARD, write_graph=False)

    def epoch_ends(epoch: int, logs: dict[str, float]) -> None:
        printer.epoch_ends(epoch, logs)
        write_run_page(out, recipe, about)

    hooks = {**printer.hooks(), "on_epoch_end": epoch_ends}
    try:
        with shown(printer):
            # The backup comes last, so that the logs have every epoch that it has, and it never has a diverged one.
            yield [log, tensorboard, keras.callbacks.LambdaCallback(**hooks), *needed, backup]
    finally:
        log.on_train_end()


def _finish(model: keras.Model, out: Path, recipe: Recipe) -> tuple[int, int]:
    for layer in model.layers:
        if getattr(layer, "synchronized", False):
            layer.synchronized = False  # of several devices of TensorFlow; other backends would not load the layer
    with on_this_host_alone():
        model.save(out / UNFINISHED)
    sync_file(out / UNFINISHED)
    os.replace(out / UNFINISHED, out / MODEL)
    sync_folder(out)
    shutil.rmtree(out / BACKUP, ignore_errors=True)
    draw_curves(read_log(out), recipe, out / CURVES)
    return _FINISHED
