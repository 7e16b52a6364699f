"""RandAugment (Cubuk et al. 2019, arXiv:1909.13719) on uint8."""

import dataclasses
import math

import tensorflow as tf

from ilsvrc_tfds.preprocess import pillow
from ilsvrc_tfds.preprocess.op import Op, as_uint8, check, check_whole, check_within

# Strengths at magnitude 10: the paper's, with those of timm's and torchvision's "increasing" sort, so that a greater magnitude
# always changes more.
_DEGREES, _SHEAR, _TRANSLATE, _ENHANCE, _BITS = 30, 0.3, 0.45, 0.9, 4


@dataclasses.dataclass(frozen=True)
class RandAugment(Op):
    """The image after `num_layers` transformations, each drawn evenly from the paper's 14; uint8.

    Identity, AutoContrast, Equalize, Rotate, Solarize, Color, Posterize, Contrast, Brightness, Sharpness, ShearX, ShearY,
    TranslateX, TranslateY. Two layers take 1.0 ms for 224 x 224 pixels; Keras's layer takes 43 ms and draws from a state, not
    from a seed.

    Attributes:
      num_layers: transformations, one after the other.
      magnitude: strength on the scale of the paper's code and timm, 0 to 10; at 10 up to 30 degrees, a shear of 0.3, 0.45 of
        the side, factors 1 +- 0.9, 4 bits of 8, solarizing all. Directions are drawn. (torchvision's
        default, 9 on a scale of 0 to 30, is 3 here.)
      magnitude_std: of a normal deviation of each layer's magnitude, limited to [0, 10]; DeiT's `mstd0.5`.
      fill: grey of the pixels that come from outside the image.
    """

    num_layers: int = 2
    magnitude: float = 9.0
    magnitude_std: float = 0.0
    fill: int = 128

    def __post_init__(self):
        check_whole(self, "num_layers")
        check_within(self, "magnitude", 0, 10)
        check(self, "magnitude_std", "a finite number from 0 up", lambda value: 0 <= value < math.inf)
        check_within(self, "fill", 0, 255)

    def __call__(self, example, seed):
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

    def _transformed(self, image, kind, strength, sign) -> tf.Tensor:
        branches = [
            lambda transform=transform: tf.ensure_shape(transform(image, strength, sign, self.fill), image.shape)
            for transform in TRANSFORMATIONS.values()
        ]
        return tf.ensure_shape(tf.switch_case(kind, branches), image.shape)


def _enhanced(enhance):
    return lambda image, strength, sign, fill: enhance(image, 1 + sign * strength * _ENHANCE)


# Each from (image, strength in [0, 1], sign -1 or 1, fill) to an image; in the paper's order.
TRANSFORMATIONS = {
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
