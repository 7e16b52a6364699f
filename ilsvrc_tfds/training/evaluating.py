"""Evaluates a model on each image of a split exactly once."""

import logging
import math
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import keras

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import OptionError, counted, require_integers
from ilsvrc_tfds.pipeline import find_split, source_errors
from ilsvrc_tfds.training.devices import Devices, use_devices
from ilsvrc_tfds.training.fitting import compiled_by_xla
from ilsvrc_tfds.training.models import load_model
from ilsvrc_tfds.training.streams import Source, evaluation_batches

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_log = logging.getLogger(__name__)

_NAMES = ("cross_entropy", "top1", "top5")


class Scores(NamedTuple):
    """The scores of a model.

    Attributes:
      examples: Number of examples, each evaluated once.
      loss: Mean cross entropy, in nats.
      top1: Share of the examples whose class has the highest logit, in [0, 1].
      top5: Share of the examples whose class is among the five highest logits, in [0, 1].

    >>> from ilsvrc_tfds import training
    >>> training.Scores(examples=50_000, loss=0.99, top1=0.76, top5=0.93).top1
    0.76
    """

    examples: int
    loss: float
    top1: float
    top5: float


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
    found = find_split(data, split, data_dir=data_dir, label_offset=label_offset)
    if found.name == "test":
        raise OptionError("The test split has no labels. Choose val or train.")
    require_integers(batch_size=batch_size)
    with use_devices(devices) as used:
        model = made_for(used, model, weights)
        if model.output_shape != (None, found.num_labels):
            raise OptionError(
                f"A model with {counted(found.num_labels, 'output')} is expected, but {model.name} has "
                f"{model.output_shape}."
            )
        ops = preprocess.preset("resnet_eval", size=model.input_shape[1])
        source: Source = {"data_dir": data_dir, "label_offset": label_offset}
        images = evaluation_batches(data, source, split, used, used.dividing(batch_size), ops)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(loss=loss, weighted_metrics=_metrics(), jit_compile=compiled_by_xla(used.several))
        with source_errors(found.folder):
            scores = model.evaluate(images, verbose=int(sys.stdout.isatty()), return_dict=True)
    if not math.isfinite(scores["cross_entropy"]):
        _log.warning("The loss is not finite: outputs of the model are not numbers, as after a training that diverged.")
    return Scores(found.num_examples, *(scores[name] for name in _NAMES))


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
    loss, top1, top5 = _NAMES
    return [
        keras.metrics.SparseCategoricalCrossentropy(loss, from_logits=True),
        keras.metrics.SparseCategoricalAccuracy(top1),
        keras.metrics.SparseTopKCategoricalAccuracy(5, top5),
    ]
