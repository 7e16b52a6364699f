"""The first layer of a model: pixels to what it takes, on the device."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ilsvrc_tfds.preprocess import MEAN, STD

if TYPE_CHECKING:
    import keras


def standardize_layer(mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> "keras.layers.Layer":
    """Returns a Keras layer from images in [0, 255], uint8 or float, [..., 3], to `(image / 255 - mean) / std`.

    A float image has four times the bytes of uint8: the pipeline hands over uint8, and the device standardizes.

    Args:
      mean: of red, green and blue, on the scale of 0 to 1; ImageNet's where not given.
      std: standard deviation of each, on the same scale.
    """
    import keras

    return keras.layers.Rescaling(
        scale=[1 / (255 * value) for value in std],
        offset=[-m / s for m, s in zip(mean, std)],
        name="standardize",
    )
