"""Evaluates a model on each image of a split exactly once."""

import contextlib
import logging
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import keras

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import OptionError, counted, require_integers
from ilsvrc_tfds.pipeline import Split, find_split, source_errors
from ilsvrc_tfds.pipeline.split import Data
from ilsvrc_tfds.training.calibration import CalibrationError
from ilsvrc_tfds.training.devices import Devices, use_devices
from ilsvrc_tfds.training.evaluation_progress import evaluation_progress
from ilsvrc_tfds.training.fitting import compiled_by_xla
from ilsvrc_tfds.training.models import load_model, require_loadable
from ilsvrc_tfds.training.predictions import Predictions, predict
from ilsvrc_tfds.training.printing import working
from ilsvrc_tfds.training.streams import Source, evaluation_batches

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

_log = logging.getLogger(__name__)

_NAMES = ("cross_entropy", "top1", "top5", "ece")


class Scores(NamedTuple):
    """The scores of a model.

    Attributes:
      examples: Number of examples, each evaluated once.
      loss: Mean cross entropy, in nats.
      top1: Share of the examples whose class has the highest logit, in [0, 1].
      top5: Share of the examples whose class is among the five highest logits, in [0, 1].
      ece: Expected calibration error, in [0, 1], as in `training/calibration.py`.

    >>> from ilsvrc_tfds import training
    >>> training.Scores(examples=50_000, loss=0.99, top1=0.76, top5=0.93).top1
    0.76
    """

    examples: int
    loss: float
    top1: float
    top5: float
    ece: float = math.nan


def evaluate(
    data: "str | os.PathLike | tfds.core.DatasetBuilder",
    model: str | os.PathLike | keras.Model,
    *,
    weights: str | os.PathLike | None = None,
    batch_size: int = 256,
    split: str = "val",
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    devices: int | None = None,
) -> Scores:
    """Returns the scores of a model on the images of a split.

    Each image is evaluated once, whatever the number of devices and hosts: the central square of 0.875 of its shorter
    side, resized to the model's input.

    Args:
      data: Data set, in any form that `train` takes.
      model: Keras model from uint8 images to a logit for each class of the data, or a path or name that `load_model`
        takes.
      weights: Weights for a model given by its name, in any form that `load_model` takes.
      batch_size: Number of examples in a batch. Several devices take a few more, so that each has as many.
      split: `val` or `train`.
      data_dir: TFDS's data directory, if `data` is a name.
      label_offset: Label of the first class in exported TFRecords that do not state it, as in `for_training`.
      devices: Number of devices to use on each host. If None, all that Keras's backend sees.

    Raises:
      OptionError: An option is invalid, or the model does not have one output for each class.
      SourceError: Data, model or weights do not exist or cannot be read.

    >>> from ilsvrc_tfds import training
    >>> training.evaluate("/data/tfds/ilsvrc2012/raw256/1.0.0", training.build_model("small")).examples
    6
    """
    source: Source = {"data_dir": data_dir, "label_offset": label_offset}
    with _ready(data, model, weights, batch_size, split, source, devices) as (found, made, images, follow, used):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        made.compile(loss=loss, weighted_metrics=_metrics(), jit_compile=compiled_by_xla(used.several))
        values = made.evaluate(images, verbose=0, return_dict=True, callbacks=follow)
    return _finite(Scores(found.num_examples, *(float(values[name]) for name in _NAMES)))


def predictions_of(
    data: "str | os.PathLike | tfds.core.DatasetBuilder",
    model: str | os.PathLike | keras.Model,
    *,
    weights: str | os.PathLike | None = None,
    batch_size: int = 256,
    split: str = "val",
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    devices: int | None = None,
) -> Predictions:
    """Returns the predictions of a model for each image of a split, in the order on disk.

    Args: As for `evaluate`.

    Raises: As `evaluate`, and OptionError for several hosts.

    >>> from ilsvrc_tfds import training
    >>> model = training.build_model("small")
    >>> predictions = training.predictions_of("/data/tfds/ilsvrc2012/raw256/1.0.0", model)
    >>> predictions.label.tolist(), predictions.loss.shape
    ([...], (6,))
    """
    source: Source = {"data_dir": data_dir, "label_offset": label_offset}
    with _ready(data, model, weights, batch_size, split, source, devices) as (_, made, images, follow, used):
        return predict(made, images, used.dividing(batch_size), used, follow)


def scores_of(predictions: Predictions) -> Scores:
    """Returns the scores that `evaluate` returns, from the predictions for the same images.

    >>> import numpy as np
    >>> ones = np.ones(4, int)
    >>> scores_of(Predictions(ones, ones, ones / 1, ones / 2, 0 * ones))
    Scores(examples=4, loss=0.5, top1=1.0, top5=1.0, ece=0.0)
    """
    return _finite(
        Scores(len(predictions.label), predictions.mean_loss, predictions.top1, predictions.top5, predictions.ece)
    )


@contextlib.contextmanager
def _ready(
    data: Data,
    model: str | os.PathLike | keras.Model,
    weights: str | os.PathLike | None,
    batch_size: int,
    split: str,
    source: Source,
    devices: int | None,
) -> Iterator[tuple[Split, keras.Model, "tf.data.Dataset", list[keras.callbacks.Callback], Devices]]:
    """Yields the split, the model, the batches, the callbacks that show progress, and the devices in use."""
    require_loadable(model)
    found = find_split(data, split, **source)
    if found.name == "test":
        raise OptionError("The test split has no labels. Choose val or train.")
    require_integers(batch_size=batch_size)
    with use_devices(devices) as used:
        with working("loading the model", is_first=used.host.index == 0):
            made = made_for(used, model, weights)
        if made.output_shape != (None, found.num_labels):
            raise OptionError(
                f"A model with {counted(found.num_labels, 'output')} is expected, but {made.name} has "
                f"{made.output_shape}."
            )
        ops = preprocess.preset("resnet_eval", size=made.input_shape[1])
        size, is_first = used.dividing(batch_size), used.host.index == 0
        images = evaluation_batches(data, source, split, used, size, ops)
        with (
            source_errors(found.folder),
            evaluation_progress(found.name, found.num_examples, size, shown=is_first) as follow,
        ):
            yield found, made, images, follow, used


def _finite(scores: Scores) -> Scores:
    if not math.isfinite(scores.loss):
        _log.warning("The loss is not finite: outputs of the model are not numbers, as after a training that diverged.")
    return scores


def made_for(
    devices: Devices, model: str | os.PathLike | keras.Model, weights: str | os.PathLike | None
) -> keras.Model:
    """Returns a model that the devices can compute, not compiled. A caller's model keeps its optimizer.

    >>> from ilsvrc_tfds import training
    >>> model = training.build_model("small")
    >>> made_for(Devices(), model, None) is model
    False

    Args:
      devices: Devices that are in use.
      model: Model, or a path or name that `load_model` takes.
      weights: Weights for a model given by its name.

    Raises OptionError if weights are given for a model, and what `load_model` raises.
    """
    if not isinstance(model, keras.Model):
        return load_model(model, weights=weights)
    if weights is not None:
        raise OptionError("A Keras model already has weights. Leave out `weights`.")
    if not devices.scoped:
        return keras.Model(model.inputs, model.outputs, name=model.name)
    copy = keras.models.clone_model(model)  # its variables are on all devices; those of the caller's model are on one
    copy.set_weights(model.get_weights())
    return copy


def _metrics() -> list[keras.metrics.Metric]:
    """Returns the metrics of `Scores`. The loss is one of them, because Keras's own counts padding as examples."""
    loss, top1, top5, ece = _NAMES
    return [
        keras.metrics.SparseCategoricalCrossentropy(loss, from_logits=True),
        keras.metrics.SparseCategoricalAccuracy(top1),
        keras.metrics.SparseTopKCategoricalAccuracy(5, top5),
        CalibrationError(ece),
    ]
