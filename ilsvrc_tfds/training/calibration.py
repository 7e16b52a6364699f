"""How far the probabilities of a model are from its accuracy: the expected calibration error (ECE).

    ECE = Σ_m |B_m| / n · |acc(B_m) − conf(B_m)|,   B_m: the images with a confidence in ((m − 1) / M, m / M],   M = 15

The confidence of an image is the highest of its probabilities (softmax). Guo et al. 2017, "On Calibration of Modern
Neural Networks" (arXiv:1706.04599), equation 3, and M as in their tables.
"""

import dataclasses
from typing import Any

import keras
import numpy as np

BINS = 15


@dataclasses.dataclass(frozen=True)
class Bin:
    """The images whose confidence is in an interval.

    Attributes:
      low: Lower end of the interval, which does not belong to it.
      high: Upper end of the interval.
      images: Number of images.
      confidence: Their mean confidence; 0 without images.
      accuracy: The share of them that is correct; 0 without images.

    >>> Bin(0.6, 0.8, images=10, confidence=0.75, accuracy=0.7).images
    10
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def bins_of(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> tuple[Bin, ...]:
    """Returns the images in intervals of equal width.

    Args:
      confidence: Highest probability of each image, in [0, 1]. NaN counts as 0.
      correct: Whether its class is that of the image, for each image.
      bins: Number of intervals.

    >>> [(one.images, one.accuracy) for one in bins_of(np.array([0.3, 0.9, 1.0]), np.array([True, True, False]), 2)]
    [(1, 1.0), (2, 0.5)]
    """
    confidence = np.nan_to_num(np.asarray(confidence, np.float64))
    number = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(number, minlength=bins)
    sums = (np.bincount(number, np.asarray(part, np.float64), bins) for part in (confidence, correct))
    means = (part / np.maximum(count, 1) for part in sums)
    rows = zip(count.tolist(), *(part.tolist() for part in means))
    return tuple(Bin(k / bins, (k + 1) / bins, *row) for k, row in enumerate(rows))


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Returns the expected calibration error, in [0, 1].

    >>> calibration_error((Bin(0, 0.5, 30, 0.4, 0.5), Bin(0.5, 1, 10, 0.9, 0.7)))
    0.125
    """
    images = sum(one.images for one in bins)
    return sum(one.images * abs(one.accuracy - one.confidence) for one in bins) / images if images else 0.0


class CalibrationError(keras.metrics.Metric):
    """A metric of Keras for logits and sparse labels: the expected calibration error, exact for weights of 0 and 1.

    >>> metric = CalibrationError()
    >>> metric.update_state(np.array([0, 1]), np.array([[9.0, 0.0], [9.0, 0.0]], np.float32))
    >>> round(float(metric.result()), 3)
    0.5
    """

    def __init__(self, name: str = "ece", **options: Any):
        """Constructs the metric."""
        super().__init__(name=name, **options)
        self._sums = self.add_variable((3, BINS), "zeros", name="sums")  # weights, confidences, correct ones

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Called by Keras."""
        ops = keras.ops
        probabilities = ops.softmax(ops.cast(y_pred, "float32"))
        confidence = ops.nan_to_num(ops.max(probabilities, axis=-1))  # as in `bins_of`
        labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        correct = ops.cast(ops.equal(ops.cast(ops.argmax(probabilities, axis=-1), "int32"), labels), "float32")
        number = ops.clip(ops.cast(ops.ceil(confidence * BINS), "int32") - 1, 0, BINS - 1)
        weight = ops.ones_like(confidence) if sample_weight is None else ops.cast(sample_weight, "float32")
        placed = ops.one_hot(number, BINS, dtype="float32")
        weights = ops.stack([weight, weight * confidence, weight * correct])
        self._sums.assign_add(ops.matmul(weights, placed))

    def result(self) -> Any:
        """Returns the error."""
        count, confidence, correct = keras.ops.unstack(keras.ops.convert_to_tensor(self._sums), 3)
        return keras.ops.sum(keras.ops.abs(correct - confidence)) / keras.ops.maximum(keras.ops.sum(count), 1.0)
