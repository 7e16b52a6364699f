"""Ops that move pixels and keep their dtype."""

import dataclasses

import tensorflow as tf

from ilsvrc_tfds.preprocess.op import Example, Op, check_whole, check_within, decoded, in_dtype_of


@dataclasses.dataclass(frozen=True)
class ResizeShorterSide(Op):
    """Resizes the image so that its shorter side has `size` pixels, with bilinear interpolation.

    The longer side becomes `int(long * size / short)`, as in the config raw256. There is no limit: with size 256, an
    image of 1 x 500 pixels becomes 256 x 128,000, so use this op only on images whose aspect ratios are known to be
    moderate.

    Attributes:
      size: Length of the shorter side, in pixels.
      antialias: Whether reducing averages over all pixels, as Pillow does. This halves the speed of a pipeline.

    >>> ResizeShorterSide(72)({"image": pixels}, seed=(0, 1))["image"].shape
    TensorShape([72, 96, 3])
    """

    size: int
    antialias: bool = False

    def __post_init__(self) -> None:
        check_whole(self, "size")

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        image = decoded(self, example)
        shape = tf.shape(image)[:2]
        sides = shape * self.size // tf.reduce_min(shape)
        return {**example, "image": resized(image, sides, antialias=self.antialias)}


@dataclasses.dataclass(frozen=True)
class CenterCrop(Op):
    """Crops the central `size` x `size` pixels. An image that is too small is padded with black on both sides.

    Attributes:
      size: Height and width of the result, in pixels.

    >>> CenterCrop(40)({"image": pixels}, seed=(0, 1))["image"].shape
    TensorShape([40, 40, 3])
    """

    size: int

    def __post_init__(self) -> None:
        check_whole(self, "size")

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        image = decoded(self, example)
        image = tf.image.resize_with_crop_or_pad(image, self.size, self.size)
        return {**example, "image": tf.ensure_shape(image, (self.size, self.size, 3))}


@dataclasses.dataclass(frozen=True)
class FlipLeftRight(Op):
    """Mirrors the image at random, left to right.

    Attributes:
      probability: Probability that the image is mirrored, in [0, 1].

    >>> flipped = FlipLeftRight(probability=1.0)({"image": pixels}, seed=(0, 1))["image"]
    >>> bool(tf.reduce_all(flipped[:, 0] == pixels[:, -1]))
    True
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        check_within(self, "probability", 0, 1)

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        image = decoded(self, example)
        flip = tf.random.stateless_uniform([], seed) < self.probability
        # Decoding ops return uint8, of which this moves a quarter of the bytes that it would of float32.
        flipped = tf.cond(flip, lambda: tf.reverse(image, [1]), lambda: image)
        return {**example, "image": tf.ensure_shape(flipped, image.shape)}


def resized(image: tf.Tensor, sides: tf.Tensor | tuple[int, int], *, antialias: bool = False) -> tf.Tensor:
    """Returns the image in another size, with bilinear interpolation and in the same dtype.

    Args:
      image: Pixels [h, w, 3].
      sides: Height and width of the result, in pixels.
      antialias: Whether reducing averages over all pixels.
    """
    return in_dtype_of(image, tf.image.resize(image, sides, antialias=antialias))
