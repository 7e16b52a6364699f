"""Random erasing (Zhong et al. 2017, arXiv:1708.04896)."""

import dataclasses
import math

import tensorflow as tf

from ilsvrc_tfds.preprocess.op import Example, Op, as_uint8, check_interval, check_within
from ilsvrc_tfds.preprocess.values import MEAN, STD

_ATTEMPTS = 10


@dataclasses.dataclass(frozen=True)
class RandomErasing(Op):
    """Replaces a random rectangle by noise with ImageNet's mean and standard deviation. Takes and returns uint8.

    The area and the logarithm of the aspect ratio are drawn evenly, up to ten times until the rectangle fits, as in
    timm and torchvision. If none fits, the image stays as it is. The noise is that of timm's mode `pixel`, which DeiT
    uses, transferred from standardized images to uint8: it is limited to [0, 255].

    Attributes:
      probability: Probability that the image is changed at all, in [0, 1].
      area: Smallest and largest share of the image's area, in (0, 1].
      aspect: Smallest and largest ratio of height to width.

    >>> RandomErasing(probability=1.0)({"image": pixels}, seed=(0, 1))["image"].shape
    TensorShape([36, 48, 3])
    """

    probability: float = 0.25
    area: tuple[float, float] = (0.02, 1 / 3)
    aspect: tuple[float, float] = (0.3, 10 / 3)

    def __post_init__(self) -> None:
        check_within(self, "probability", 0, 1)
        check_interval(self, "area", 1.0)
        check_interval(self, "aspect")

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        image = as_uint8(self, example)
        seeds = tf.unstack(tf.random.split(seed, 3))
        erase = tf.random.stateless_uniform([], seeds[0]) < self.probability
        erased = tf.cond(erase, lambda: self._erased(image, seeds[1], seeds[2]), lambda: image)
        return {**example, "image": tf.ensure_shape(erased, image.shape)}

    def _erased(self, image: tf.Tensor, seed: tf.Tensor, noise_seed: tf.Tensor) -> tf.Tensor:
        top, left, height, width = self._window(tf.shape(image)[:2], seed)
        bottom, right = top + height, left + width
        noise = tf.random.stateless_normal(tf.stack([height, width, 3]), noise_seed)
        noise = noise * [255 * std for std in STD] + [255 * mean for mean in MEAN]
        noise = tf.cast(tf.clip_by_value(noise, 0.0, 255.0), tf.uint8)
        # The image is put together from pieces: a mask over all pixels would by itself take 0.6 ms for 224 x 224
        # pixels.
        rows = tf.concat([image[top:bottom, :left], noise, image[top:bottom, right:]], 1)
        return tf.concat([image[:top], rows, image[bottom:]], 0)

    def _window(self, sides: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
        """Returns top, left, height and width as int32. Height and width are 0 if none of the draws fits."""
        draws = tf.random.stateless_uniform([4, _ATTEMPTS], seed)
        pixels = (self.area[0] + draws[0] * (self.area[1] - self.area[0])) * tf.cast(tf.reduce_prod(sides), tf.float32)
        low, high = (math.log(aspect) for aspect in self.aspect)
        aspect = tf.exp(low + draws[1] * (high - low))
        heights = tf.cast(tf.round(tf.sqrt(pixels * aspect)), tf.int32)
        widths = tf.cast(tf.round(tf.sqrt(pixels / aspect)), tf.int32)
        fits = (heights < sides[0]) & (widths < sides[1])
        first = tf.argmax(fits)
        size = tf.stack([heights[first], widths[first]]) * tf.cast(fits[first], tf.int32)
        room = tf.cast(sides - size + 1, tf.float32)
        begin = tf.minimum(tf.cast(draws[2:, 0] * room, tf.int32), sides - size)
        return tf.unstack(tf.concat([begin, size], 0))
