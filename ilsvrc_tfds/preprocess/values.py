"""Ops that convert pixels and labels to the numbers that a model takes."""

import dataclasses
import math
from typing import ClassVar

import tensorflow as tf

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.preprocess.op import Example, Op, check, check_channels, check_whole, check_within, decoded

# Mean and standard deviation of ImageNet's channels (red, green, blue) in [0, 1], as in torchvision and timm.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Rescale(Op):
    """Rescales pixels to `image * scale + offset`, float32.

    A float32 image has four times the bytes of a uint8 one in every later stage of the pipeline. A Keras layer in the
    model does the same on the device.

    Attributes:
      scale: Factor. The default gives pixels in [0, 1]; 1/127.5 with an offset of -1 gives pixels in [-1, 1].
      offset: Summand.

    >>> image = Rescale(scale=1 / 127.5, offset=-1)({"image": pixels}, seed=(0, 1))["image"]
    >>> bool(tf.reduce_all(tf.abs(image) <= 1))
    True
    """

    scale: float = 1 / 255
    offset: float = 0.0

    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(self, "scale", "a finite number other than 0", lambda value: math.isfinite(value) and value != 0)
        check(self, "offset", "a finite number", math.isfinite)

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return {**example, "image": tf.cast(decoded(self, example), tf.float32) * self.scale + self.offset}


@dataclasses.dataclass(frozen=True)
class Standardize(Op):
    """Standardizes each channel to `(image - mean) / std`, float32.

    Images of uint8 are divided by 255 first. Images of floats are not.

    Attributes:
      mean: Means of red, green and blue.
      std: Standard deviations of red, green and blue.

    >>> Standardize()({"image": pixels}, seed=(0, 1))["image"].dtype
    tf.float32
    """

    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD

    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_channels(self, "mean", "that are finite", math.isfinite)
        check_channels(self, "std", "above 0", lambda value: value > 0)

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        image = decoded(self, example)
        unit = 255.0 if image.dtype == tf.uint8 else 1.0
        # One multiplication and one addition, instead of three passes over all pixels.
        scale = [1 / (unit * std) for std in self.std]
        offset = [-mean / std for mean, std in zip(self.mean, self.std)]
        return {**example, "image": tf.cast(image, tf.float32) * scale + offset}


@dataclasses.dataclass(frozen=True)
class OneHot(Op):
    """Encodes the label as float32 [num_classes] with the sum 1.

    The label -1, which test images have, gives no class its share: all values are those of the smoothing.

    Attributes:
      num_classes: Number of classes; labels are in [0, num_classes).
      smoothing: Share of the probability that is spread evenly over all classes, in [0, 1].

    >>> OneHot(4, smoothing=0.2)({"label": 1}, seed=(0, 1))["label"].numpy().round(2).tolist()
    [0.05..., 0.85..., 0.05..., 0.05...]
    """

    num_classes: int = synsets.NUM_CLASSES
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_whole(self, "num_classes")
        check_within(self, "smoothing", 0, 1)

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        label = tf.convert_to_tensor(example["label"])
        if not label.dtype.is_integer:
            raise OptionError(
                f"OneHot takes a whole number as the label, got {label.dtype.name}: keep only one OneHot()."
            )
        even = self.smoothing / self.num_classes
        return {**example, "label": tf.one_hot(label, self.num_classes, 1 - self.smoothing + even, even)}
