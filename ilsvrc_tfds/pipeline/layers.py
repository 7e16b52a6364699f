"""The first layer of a model, which standardizes pixels on the device."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ilsvrc_tfds.preprocess import MEAN, STD

if TYPE_CHECKING:
    import keras


def standardize_layer(mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> "keras.layers.Layer":
    """Returns a Keras layer that computes `(image / 255 - mean) / std` for images [..., 3] in [0, 255], uint8 or float.

    A float image has four times the bytes of a uint8 image. So the pipeline returns uint8, and the device standardizes.

    Args:
      mean: Mean of red, green and blue, on a scale from 0 to 1. ImageNet's by default.
      std: Standard deviation of each, on the same scale. ImageNet's by default.

    >>> layer = standardize_layer(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    >>> layer([[0, 127.5, 255]]).numpy().tolist()
    [[-2.0, 0.0, 2.0]]
    """
    import keras

    return keras.layers.Rescaling(
        scale=[1 / (255 * value) for value in std],
        offset=[-m / s for m, s in zip(mean, std)],
        name="standardize",
    )
