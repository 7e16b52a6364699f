"""How good a model is: each validation image once."""

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import keras

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.pipeline import find_split, for_evaluation, source_errors
from ilsvrc_tfds.preprocess import preset
from ilsvrc_tfds.training.models import load_model

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_NAMES = ("cross_entropy", "top1", "top5")


class Scores(NamedTuple):
    """How good a model is.

    Attributes:
      examples: how many it was asked for, each once.
      loss: mean cross entropy, in nats.
      top1: share of the examples whose class has the highest logit, in [0, 1].
      top5: share of those whose class is among the five highest.
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
) -> Scores:
    """Returns the scores of a model on each image of a split: the central 0.875 of the shorter side, resized to its input.

    Args:
      data: as of `train`.
      model: from uint8 images to 1000 logits: a Keras model, or what `load_model` takes.
      weights: with a name, as of `load_model`.
      batch_size: examples of a batch.
      split: `val` or `train`.
      data_dir: TFDS's data directory, for a name.
      label_offset: as of `for_training`.

    Raises:
      OptionError: an option makes no sense, or the model has not one output for each class.
      SourceError: data, model or weights are not there or cannot be read.
    """
    found = find_split(data, split, data_dir=data_dir, label_offset=label_offset)
    if found.name == "test":
        raise OptionError("The test split has no labels. Choose val or train.")
    if not isinstance(model, keras.Model):
        model = load_model(model, weights=weights)
    elif weights is not None:
        raise OptionError("A Keras model has its weights. Leave the others out.")
    if model.output_shape != (None, synsets.NUM_CLASSES):
        raise OptionError(
            f"A model with {synsets.NUM_CLASSES} outputs is expected, {model.name} has {model.output_shape}."
        )
    images = for_evaluation(
        data,
        split=split,
        data_dir=data_dir,
        label_offset=label_offset,
        batch_size=batch_size,
        ops=preset("resnet_eval", size=model.input_shape[1]),
    )
    model = keras.Model(model.inputs, model.outputs)  # the caller's keeps its optimizer
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, weighted_metrics=_metrics(), jit_compile=False)
    with source_errors(found.folder):
        scores = model.evaluate(images, verbose=int(sys.stdout.isatty()), return_dict=True)
    return Scores(found.num_examples, *(scores[name] for name in _NAMES))


def _metrics() -> list[keras.metrics.Metric]:
    """Returns the metrics of `Scores`. The loss is one of them: Keras's own divides by the size of a batch, padding included."""
    loss, top1, top5 = _NAMES
    return [
        keras.metrics.SparseCategoricalCrossentropy(loss, from_logits=True),
        keras.metrics.SparseCategoricalAccuracy(top1),
        keras.metrics.SparseTopKCategoricalAccuracy(5, top5),
    ]
