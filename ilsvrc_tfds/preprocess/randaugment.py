"""RandAugment (Cubuk et al. 2019, arXiv:1909.13719) for uint8 images."""

import dataclasses
import math
from collections.abc import Callable

import tensorflow as tf

from ilsvrc_tfds.preprocess import pillow
from ilsvrc_tfds.preprocess.op import Example, Op, as_uint8, check, check_whole, check_within

# From (image, strength in [0, 1], sign -1 or 1, fill) to an image.
_Transformation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, int], tf.Tensor]

# Strengths at magnitude 10: the paper's, in the "increasing" variant of timm and torchvision, where a greater magnitude
# always changes the image more.
_DEGREES, _SHEAR, _TRANSLATE, _ENHANCE, _BITS = 30, 0.3, 0.45, 0.9, 4


@dataclasses.dataclass(frozen=True)
class RandAugment(Op):
    """Applies `num_layers` transformations, each drawn evenly from the paper's 14. Takes and returns uint8.

    The transformations are Identity, AutoContrast, Equalize, Rotate, Solarize, Color, Posterize, Contrast, Brightness,
    Sharpness, ShearX, ShearY, TranslateX and TranslateY. Two layers take 1.0 ms for 224 x 224 pixels. Keras's layer
    takes 43 ms, and draws from a state instead of a seed.

    Attributes:
      num_layers: Number of transformations, applied one after the other.
      magnitude: Strength of the transformations on the scale of the paper's code and timm, 0 to 10. At 10 an image is
        rotated by 30 degrees, sheared by 0.3, translated by 0.45 of its side, enhanced by a factor of 1 +- 0.9,
        posterized to 4 of 8 bits, or solarized completely; the direction is drawn. torchvision's default, 9 on a scale
        of 0 to 30, is 3 here.
      magnitude_std: Standard deviation of a normal deviate that is added to the magnitude of each layer; the sum is
        limited to [0, 10]. DeiT's `mstd0.5` is 0.5.
      fill: Grey value of pixels from outside the image.

    >>> RandAugment(magnitude=5.0)({"image": pixels}, seed=(0, 1))["image"].shape
    TensorShape([36, 48, 3])
    """

    num_layers: int = 2
    magnitude: float = 9.0
    magnitude_std: float = 0.0
    fill: int = 128

    def __post_init__(self) -> None:
        check_whole(self, "num_layers")
        check_within(self, "magnitude", 0, 10)
        check(self, "magnitude_std", "a finite number from 0 up", lambda value: 0 <= value < math.inf)
        check_within(self, "fill", 0, 255)

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        image = as_uint8(self, example)
        seeds = tf.unstack(tf.random.split(seed, 3))
        kinds = tf.random.stateless_uniform([self.num_layers], seeds[0], maxval=len(TRANSFORMATIONS), dtype=tf.int32)
        signs = 2.0 * tf.cast(tf.random.stateless_uniform([self.num_layers], seeds[1]) < 0.5, tf.float32) - 1
        strengths = tf.fill([self.num_layers], self.magnitude / 10)
        if self.magnitude_std:
            strengths += tf.random.stateless_normal([self.num_layers], seeds[2]) * self.magnitude_std / 10
        strengths = tf.clip_by_value(strengths, 0.0, 1.0)
        for layer in range(self.num_layers):
            image = self._transformed(image, kinds[layer], strengths[layer], signs[layer])
        return {**example, "image": image}

    def _transformed(self, image: tf.Tensor, kind: tf.Tensor, strength: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
        branches = [
            lambda transform=transform: tf.ensure_shape(transform(image, strength, sign, self.fill), image.shape)
            for transform in TRANSFORMATIONS.values()
        ]
        return tf.ensure_shape(tf.switch_case(kind, branches), image.shape)


def _enhanced(enhance: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> _Transformation:
    return lambda image, strength, sign, fill: enhance(image, 1 + sign * strength * _ENHANCE)


# In the paper's order.
TRANSFORMATIONS: dict[str, _Transformation] = {
    "Identity": lambda image, strength, sign, fill: tf.identity(image),
    "AutoContrast": lambda image, strength, sign, fill: pillow.autocontrast(image),
    "Equalize": lambda image, strength, sign, fill: pillow.equalize(image),
    "Rotate": lambda image, strength, sign, fill: pillow.rotate(image, sign * strength * math.radians(_DEGREES), fill),
    "Solarize": lambda image, strength, sign, fill: pillow.solarize(image, tf.floor(256 * (1 - strength))),
    "Color": _enhanced(pillow.saturation),
    "Posterize": lambda image, strength, sign, fill: pillow.posterize(image, 8 - tf.round(strength * _BITS)),
    "Contrast": _enhanced(pillow.contrast),
    "Brightness": _enhanced(pillow.brightness),
    "Sharpness": _enhanced(pillow.sharpness),
    "ShearX": lambda image, strength, sign, fill: pillow.shear(image, sign * strength * _SHEAR, 0.0, fill),
    "ShearY": lambda image, strength, sign, fill: pillow.shear(image, 0.0, sign * strength * _SHEAR, fill),
    "TranslateX": lambda image, strength, sign, fill: pillow.translate(
        image, sign * strength * _TRANSLATE * tf.cast(tf.shape(image)[1], tf.float32), 0.0, fill
    ),
    "TranslateY": lambda image, strength, sign, fill: pillow.translate(
        image, 0.0, sign * strength * _TRANSLATE * tf.cast(tf.shape(image)[0], tf.float32), fill
    ),
}
