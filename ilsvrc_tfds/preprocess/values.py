"""Ops that make of pixels and labels the numbers that a model takes."""

import dataclasses
import math
from typing import ClassVar

import tensorflow as tf

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.preprocess.op import Op, check, check_channels, check_whole, check_within, decoded

# Of ImageNet's channels (red, green, blue) on the scale of 0 to 1, as in torchvision and timm.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Rescale(Op):
    """`image * scale + offset`, float32: 0 to 1 as it stands; 1/127.5 and -1 for -1 to 1.

    Costs a float image of four times the bytes in every later stage; a Keras layer does it on the device.
    """

    scale: float = 1 / 255
    offset: float = 0.0

    elementwise: ClassVar[bool] = True

    def __post_init__(self):
        check(self, "scale", "a finite number other than 0", lambda value: math.isfinite(value) and value != 0)
        check(self, "offset", "a finite number", math.isfinite)

    def __call__(self, example, seed):
        return {**example, "image": tf.cast(decoded(self, example), tf.float32) * self.scale + self.offset}


@dataclasses.dataclass(frozen=True)
class Standardize(Op):
    """`(image - mean) / std` for each channel, float32. uint8 is divided by 255 before, float is taken as it is.

    Attributes:
      mean: of red, green and blue.
      std: standard deviation of red, green and blue.
    """

    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD

    elementwise: ClassVar[bool] = True

    def __post_init__(self):
        check_channels(self, "mean", "that are finite", math.isfinite)
        check_channels(self, "std", "above 0", lambda value: value > 0)

    def __call__(self, example, seed):
        image = decoded(self, example)
        unit = 255.0 if image.dtype == tf.uint8 else 1.0
        # One multiplication and one addition instead of three steps over all pixels.
        scale = [1 / (unit * std) for std in self.std]
        offset = [-mean / std for mean, std in zip(self.mean, self.std)]
        return {**example, "image": tf.cast(image, tf.float32) * scale + offset}


@dataclasses.dataclass(frozen=True)
class OneHot(Op):
    """The label as float32 [num_classes] that sum to 1; of label -1, of test images, all are zero, but for smoothing.

    Attributes:
      num_classes: labels are in [0, num_classes).
      smoothing: what is taken from the label's class and spread evenly over all, in [0, 1].
    """

    num_classes: int = synsets.NUM_CLASSES
    smoothing: float = 0.0

    def __post_init__(self):
        check_whole(self, "num_classes")
        check_within(self, "smoothing", 0, 1)

    def __call__(self, example, seed):
        label = tf.convert_to_tensor(example["label"])
        if not label.dtype.is_integer:
            raise OptionError(f"OneHot takes a whole number for a label, got {label.dtype.name}: keep one OneHot.")
        even = self.smoothing / self.num_classes
        return {**example, "label": tf.one_hot(label, self.num_classes, 1 - self.smoothing + even, even)}
