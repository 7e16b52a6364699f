"""Ops from a JPEG's bytes to pixels, uint8 [h, w, 3]. A grey JPEG gets three equal channels.

All take `fast_dct`. Without it the pixels are those of Pillow, and of libjpeg by default. With it they are those of TensorFlow by
default: a third of the values of real pictures equals Pillow's, and a pipeline is 1 % faster at most.
"""

import dataclasses

import tensorflow as tf

from ilsvrc_tfds.preprocess.geometry import resized
from ilsvrc_tfds.preprocess.op import Op, check_interval, check_whole, check_within, encoded


@dataclasses.dataclass(frozen=True)
class Decode(Op):
    """The whole image.

    Attributes:
      fast_dct: whether the inverse DCT is libjpeg's fast, less exact one.
    """

    fast_dct: bool = False

    def __call__(self, example, seed):
        return {**example, "image": tf.io.decode_jpeg(encoded(self, example), channels=3, dct_method=_dct_method(self))}


@dataclasses.dataclass(frozen=True)
class DecodeAndRandomCrop(Op):
    """A random part of the image, resized to `size` x `size`: Inception's crop. Decodes that part alone.

    The part is drawn by `tf.image.stateless_sample_distorted_bounding_box`, as in the TPU and flax pipelines: the aspect ratio
    evenly, then the height evenly among those that the area allows (torchvision draws area and log aspect evenly, so its crops
    are larger). Where no part fits, as in an image of one column, it is the whole image. Resized bilinearly without
    antialiasing: with it, half the speed.

    Attributes:
      size: pixels of both sides.
      area: least and most of the image's area.
      aspect: least and most width / height.
      fast_dct: whether the inverse DCT is libjpeg's fast, less exact one.
    """

    size: int = 224
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    fast_dct: bool = False

    def __post_init__(self):
        check_whole(self, "size")
        check_interval(self, "area", 1.0)
        check_interval(self, "aspect")

    def __call__(self, example, seed):
        data = encoded(self, example)
        image = _cropped(self, data, self._window(tf.io.extract_jpeg_shape(data), seed))
        return {**example, "image": resized(image, (self.size, self.size))}

    def _window(self, shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            shape,
            bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
            seed=seed,
            min_object_covered=0.0,  # the default, 0.1, would refuse areas below it
            aspect_ratio_range=self.aspect,
            area_range=self.area,
            max_attempts=100,
            use_image_if_no_bounding_boxes=True,
        )
        return tf.concat([begin[:2], size[:2]], 0)


@dataclasses.dataclass(frozen=True)
class DecodeAndCenterCrop(Op):
    """The central square, `fraction` of the shorter side, resized to `size` x `size`. Decodes that part alone.

    224 and 0.875 are the evaluation of ResNet: shorter side 256, central 224, in one step. Bilinear without antialiasing.

    Attributes:
      size: pixels of both sides.
      fraction: the square's side by the image's shorter one, in (0, 1]; at least one pixel.
      fast_dct: whether the inverse DCT is libjpeg's fast, less exact one.
    """

    size: int = 224
    fraction: float = 0.875
    fast_dct: bool = False

    def __post_init__(self):
        check_whole(self, "size")
        check_within(self, "fraction", 1e-6, 1)

    def __call__(self, example, seed):
        data = encoded(self, example)
        height, width = tf.unstack(tf.io.extract_jpeg_shape(data)[:2])
        shorter = tf.minimum(height, width)
        side = tf.maximum(1, tf.cast(tf.round(tf.cast(shorter, tf.float32) * self.fraction), tf.int32))
        window = tf.stack([(height - side) // 2, (width - side) // 2, side, side])
        return {**example, "image": resized(_cropped(self, data, window), (self.size, self.size))}


def _cropped(op: Op, data: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Returns the pixels of a window (y, x, height, width) of a JPEG."""
    return tf.io.decode_and_crop_jpeg(data, window, channels=3, dct_method=_dct_method(op))


def _dct_method(op: Op) -> str:
    # Said in both cases: where it is not, TensorFlow leaves it to libjpeg's version.
    return "INTEGER_FAST" if op.fast_dct else "INTEGER_ACCURATE"
