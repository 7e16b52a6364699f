"""The predictions of a model for each image of a split, and their accuracy by class, confusions and worst images."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.training.calibration import Bin, bins_of, calibration_error
from ilsvrc_tfds.training.devices import Devices
from ilsvrc_tfds.training.fitting import compiled_by_xla

_NAMES = ("position", "label", "weight", "predicted", "confidence", "loss", "rank")


class ClassScore(NamedTuple):
    """The accuracy on the images of one class.

    Attributes:
      label: Class index.
      images: Number of images of the class.
      top1: Share of them that is correct.
      top5: Share of them whose class is among the five highest logits.
      taken_for: Class index that is predicted most often for the others, or None if all are correct.
    """

    label: int
    images: int
    top1: float
    top5: float
    taken_for: int | None


class Confusion(NamedTuple):
    """Images of one class that are taken for another one.

    Attributes:
      label: Class index of the images.
      predicted: Class index with the highest probability.
      images: Number of such images.
      share: Share of the images of the class.
    """

    label: int
    predicted: int
    images: int
    share: float


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a model for each image, in the order on disk. All arrays have one value for each image.

    Attributes:
      label: Class index of the image, int64.
      predicted: Class index with the highest logit, int64.
      confidence: Probability of `predicted`, float32.
      loss: Cross entropy, in nats, float32.
      rank: Number of classes with a higher logit than the right one, int64. 0 to 4 count for top-5.

    >>> ones = np.array([0, 1])
    >>> predictions = Predictions(ones, np.array([0, 0]), np.array([0.9, 0.6]), np.array([0.1, 0.9]), ones)
    >>> predictions.top1, predictions.top5, predictions.worst(1).tolist(), predictions.confusions()
    (0.5, 1.0, [1], [Confusion(label=1, predicted=0, images=1, share=1.0)])
    """

    label: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    loss: np.ndarray
    rank: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """Whether each image is correct."""
        return self.label == self.predicted

    @property
    def top1(self) -> float:
        """Share of the images that are correct."""
        return float(np.mean(self.correct))

    @property
    def top5(self) -> float:
        """Share of the images whose class is among the five highest logits."""
        return float(np.mean(self.rank < 5))

    @property
    def mean_loss(self) -> float:
        """Mean cross entropy, in nats."""
        return float(np.mean(self.loss, dtype=np.float64))

    @property
    def bins(self) -> tuple[Bin, ...]:
        """The images by their confidence."""
        return bins_of(self.confidence, self.correct)

    @property
    def ece(self) -> float:
        """Expected calibration error."""
        return calibration_error(self.bins)

    def classes(self) -> list[ClassScore]:
        """Returns the accuracy on each class that has images, the worst class first."""
        taken_for: dict[int, int] = {}
        for pair in self.confusions(num=None):
            taken_for.setdefault(pair.label, pair.predicted)
        images, right, near = (
            np.bincount(self.label, part) for part in (np.ones_like(self.label), self.correct, self.rank < 5)
        )
        scores = [
            ClassScore(
                label=label,
                images=int(images[label]),
                top1=float(right[label] / images[label]),
                top5=float(near[label] / images[label]),
                taken_for=taken_for.get(label),
            )
            for label in np.flatnonzero(images).tolist()
        ]
        return sorted(scores, key=lambda score: (score.top1, score.top5, score.label))

    def confusions(self, num: int | None = 30) -> list[Confusion]:
        """Returns the pairs of classes that are confused most often, the most frequent first.

        Args:
          num: Number of pairs, or None for all.
        """
        wrong = ~self.correct
        # As one number: pairs of 1.3 million images would take a minute.
        base = 1 + max(int(part.max(initial=0)) for part in (self.label, self.predicted))
        pairs, counts = np.unique(self.label[wrong] * base + self.predicted[wrong], return_counts=True)
        of_class = np.bincount(self.label)
        found = [
            Confusion(label, predicted, count, count / int(of_class[label]))
            for label, predicted, count in zip(*(part.tolist() for part in (*np.divmod(pairs, base), counts)))
        ]
        return sorted(found, key=lambda pair: (-pair.images, -pair.share, pair.label, pair.predicted))[:num]

    def worst(self, num: int) -> np.ndarray:
        """Returns the positions of the images with the highest losses, the highest first, and NaN before them."""
        return np.argsort(-np.nan_to_num(self.loss, nan=np.inf), kind="stable")[:num]

    def as_json(self) -> dict[str, Any]:
        """Returns the scores of the classes, the confusions and the calibration as values of JSON's types."""
        return {
            "ece": self.ece,
            "calibration": [dataclasses.asdict(one) for one in self.bins],
            "per_class": [score._asdict() for score in self.classes()],
            "confusions": [pair._asdict() for pair in self.confusions()],
        }


def predict(
    model: keras.Model,
    images: tf.data.Dataset,
    batch_size: int,
    devices: Devices,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Predictions:
    """Returns the predictions of a model for the images of a data set.

    Only a few numbers of each image leave the device, not its logits.

    Args:
      model: Model from images to logits.
      images: Batches (image, label) or (image, label, weight), as `evaluation_batches` returns them.
      batch_size: Number of examples in each batch but the last one.
      devices: Devices that are in use.
      callbacks: Callbacks for `predict`.

    Raises OptionError for several hosts.

    >>> from ilsvrc_tfds import training
    >>> images = tf.data.Dataset.from_tensors((tf.zeros([2, 64, 64, 3], tf.uint8), tf.constant([7, 8], tf.int64)))
    >>> predict(training.build_model("small"), images, 2, Devices()).label.tolist()
    [7, 8]
    """
    if devices.host.count > 1:
        raise OptionError("A report needs the images of all hosts in one place. Run the evaluation on one host.")
    own = _with_labels(model)
    own.compile(jit_compile=compiled_by_xla(devices.several))
    starts = tf.data.Dataset.range(0, 1 << 31, batch_size)
    values = own.predict(tf.data.Dataset.zip(images, starts).map(_inputs), verbose=0, callbacks=list(callbacks))
    columns = dict(zip(_NAMES, values, strict=True))
    rows = np.argsort(columns["position"], kind="stable")
    rows = rows[columns["weight"][rows] > 0]
    label, predicted, rank = (columns[name][rows].astype(np.int64) for name in ("label", "predicted", "rank"))
    return Predictions(label, predicted, columns["confidence"][rows], columns["loss"][rows], rank)


def _inputs(batch: tuple[tf.Tensor, ...], start: tf.Tensor) -> tuple[tuple[tf.Tensor, ...]]:
    image, label, *rest = batch
    weight = rest[0] if rest else tf.ones_like(label, tf.float32)
    position = tf.cast(start, tf.int32) + tf.range(tf.shape(label)[0])
    return ((image, tf.cast(label, tf.int32), position, weight),)


def _with_labels(model: keras.Model) -> keras.Model:
    """Returns a model of (image, label, position, weight) whose outputs are those of `_NAMES`."""
    ops = keras.ops
    label, position = (keras.Input((), dtype="int32", name=name) for name in ("label", "position"))
    weight = keras.Input((), dtype="float32", name="weight")
    logits = ops.cast(model.outputs[0], "float32")
    logs = logits - ops.logsumexp(logits, axis=-1, keepdims=True)
    own = ops.take_along_axis(logs, ops.expand_dims(label, -1), axis=-1)
    is_number = ops.isfinite(own)
    higher = ops.sum(ops.cast(logs > own, "int32"), axis=-1)
    rank = ops.where(ops.squeeze(is_number, -1), higher, model.outputs[0].shape[-1])
    outputs = (
        ops.reshape(position, (-1,)),
        ops.reshape(label, (-1,)),
        ops.reshape(weight, (-1,)),
        ops.argmax(logits, axis=-1),
        ops.exp(ops.max(logs, axis=-1)),
        -ops.squeeze(own, -1),
        rank,
    )
    return keras.Model([model.inputs[0], label, position, weight], list(outputs))
