"""Ops that move pixels and keep their dtype."""

import dataclasses

import tensorflow as tf

from ilsvrc_tfds.preprocess.op import Op, check_whole, check_within, decoded, in_dtype_of


@dataclasses.dataclass(frozen=True)
class ResizeShorterSide(Op):
    """The image with a shorter side of `size`, the longer one `int(long * size / short)`, as in the config raw256.

    Bilinear. An image of 1 x 500 gets 256 x 128,000 pixels: it is for images whose shape is known to be sane.

    Attributes:
      size: pixels of the shorter side.
      antialias: whether reducing averages over all pixels, as Pillow does; it halves the speed of a pipeline.
    """

    size: int
    antialias: bool = False

    def __post_init__(self):
        check_whole(self, "size")

    def __call__(self, example, seed):
        image = decoded(self, example)
        shape = tf.shape(image)[:2]
        sides = shape * self.size // tf.reduce_min(shape)
        return {**example, "image": resized(image, sides, antialias=self.antialias)}


@dataclasses.dataclass(frozen=True)
class CenterCrop(Op):
    """The central `size` x `size` pixels; what an image lacks is black, half of it on each side."""

    size: int

    def __post_init__(self):
        check_whole(self, "size")

    def __call__(self, example, seed):
        image = decoded(self, example)
        image = tf.image.resize_with_crop_or_pad(image, self.size, self.size)
        return {**example, "image": tf.ensure_shape(image, (self.size, self.size, 3))}


@dataclasses.dataclass(frozen=True)
class FlipLeftRight(Op):
    """The image or, with that probability, its mirror image."""

    probability: float = 0.5

    def __post_init__(self):
        check_within(self, "probability", 0, 1)

    def __call__(self, example, seed):
        image = decoded(self, example)
        flip = tf.random.stateless_uniform([], seed) < self.probability
        # On uint8, as decoding ops leave it, this moves a quarter of the bytes that a flip of floats does.
        flipped = tf.cond(flip, lambda: tf.reverse(image, [1]), lambda: image)
        return {**example, "image": tf.ensure_shape(flipped, image.shape)}


def resized(image: tf.Tensor, sides, *, antialias: bool = False) -> tf.Tensor:
    """Returns the image [h, w, 3] in the size (height, width), bilinearly, in the same dtype."""
    return in_dtype_of(image, tf.image.resize(image, sides, antialias=antialias))
