"""Ops that decode the bytes of a JPEG to pixels, uint8 [h, w, 3]. A grey JPEG gets three equal channels.

All have the attribute `fast_dct`. If it is False, the pixels equal those of Pillow, and those of libjpeg with its
defaults. If it is True, they equal those of TensorFlow with its defaults: of real pictures only a third of the values
equals Pillow's, and a pipeline is at most 1 % faster.
"""

import dataclasses

import tensorflow as tf

from ilsvrc_tfds.preprocess.geometry import resized
from ilsvrc_tfds.preprocess.op import Example, Op, check_interval, check_whole, check_within, encoded

# Those that libjpeg's scaled DCT has in TensorFlow.
_RATIOS = (1, 2, 4, 8)


@dataclasses.dataclass(frozen=True)
class Decode(Op):
    """Decodes the whole image.

    Attributes:
      fast_dct: Whether to use libjpeg's fast, less exact inverse DCT.

    >>> Decode()({"image": jpeg}, seed=(0, 1))["image"].shape
    TensorShape([36, 48, 3])
    """

    fast_dct: bool = False

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        method = _dct_method(self.fast_dct)
        return {**example, "image": tf.io.decode_jpeg(encoded(self, example), channels=3, dct_method=method)}


@dataclasses.dataclass(frozen=True)
class DecodeAndRandomCrop(Op):
    """Crops a random part of the image and resizes it to `size` x `size`: Inception's crop. Decodes only this part.

    `tf.image.stateless_sample_distorted_bounding_box` draws the part, as in the TPU and flax pipelines: first the
    aspect ratio evenly, then the height evenly among those that `area` allows. torchvision draws the area and the
    logarithm of the aspect ratio evenly, so its crops are larger. If no part fits, as in an image one pixel wide, the
    whole image is used. Resizing is bilinear, without antialiasing, which would halve the speed.

    Attributes:
      size: Height and width of the result, in pixels.
      area: Smallest and largest share of the image's area, in (0, 1].
      aspect: Smallest and largest ratio of width to height.
      fast_dct: Whether to use libjpeg's fast, less exact inverse DCT.
      scaled: Whether to decode at 1/2, 1/4 or 1/8 of the size, with libjpeg's scaled DCT, if both sides of the part are
        still at least `size` then. The part is then moved by up to half a pixel of the smaller image, and each pixel
        averages over more of the image. All other parts keep their pixels. Of pictures of 500 x 375 pixels this is a
        third of the parts with a size of 128, which saves about 4 % of the time, and a sixth with 160, which saves
        nothing. Of raw256 it is none with a size of 128 or more, and the choice itself takes 1 to 3 %.

    >>> DecodeAndRandomCrop(size=160)({"image": jpeg}, seed=(0, 1))["image"].shape
    TensorShape([160, 160, 3])
    """

    size: int = 224
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    fast_dct: bool = False
    scaled: bool = False

    def __post_init__(self) -> None:
        check_whole(self, "size")
        check_interval(self, "area", 1.0)
        check_interval(self, "aspect")

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        data = encoded(self, example)
        window = self.window(tf.io.extract_jpeg_shape(data), seed)
        image = (self._scaled if self.scaled else _cropped)(data, window, self.fast_dct)
        return {**example, "image": resized(image, (self.size, self.size))}

    def window(self, shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the part that is cropped, as y, x, height and width in pixels.

        Args:
          shape: Height, width and channels of the whole image.
          seed: Seed with which the op itself is called. `apply` gives each op another one.

        >>> jpeg_shape = tf.io.extract_jpeg_shape(jpeg)
        >>> DecodeAndRandomCrop(size=160).window(jpeg_shape, seed=(0, 1)).numpy().tolist()
        [7, 5, 15, 12]
        """
        begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            shape,
            bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
            seed=seed,
            min_object_covered=0.0,  # the default, 0.1, would reject smaller areas
            aspect_ratio_range=self.aspect,
            area_range=self.area,
            max_attempts=100,
            use_image_if_no_bounding_boxes=True,
        )
        return tf.concat([begin[:2], size[:2]], 0)

    def _scaled(self, data: tf.Tensor, window: tf.Tensor, fast_dct: bool) -> tf.Tensor:
        """Returns the pixels of a window, decoded with the largest ratio that leaves `size` pixels on each side."""
        shorter = tf.reduce_min(window[2:])
        position = tf.reduce_sum(tf.cast(shorter >= [ratio * self.size for ratio in _RATIOS[1:]], tf.int32))
        branches = [lambda ratio=ratio: _cropped(data, window, fast_dct, ratio) for ratio in _RATIOS]
        return tf.switch_case(position, branches)


@dataclasses.dataclass(frozen=True)
class DecodeAndCenterCrop(Op):
    """Crops the central square and resizes it to `size` x `size`. Decodes only this part.

    The defaults are the evaluation of ResNet, which resizes the shorter side to 256 and crops the central 224 x 224
    pixels, in one step. Resizing is bilinear, without antialiasing.

    Attributes:
      size: Height and width of the result, in pixels.
      fraction: Side of the square as a share of the image's shorter side, in (0, 1]. The square has at least one pixel.
      fast_dct: Whether to use libjpeg's fast, less exact inverse DCT.

    >>> DecodeAndCenterCrop(size=160)({"image": jpeg}, seed=(0, 1))["image"].shape
    TensorShape([160, 160, 3])
    """

    size: int = 224
    fraction: float = 0.875
    fast_dct: bool = False

    def __post_init__(self) -> None:
        check_whole(self, "size")
        check_within(self, "fraction", 1e-6, 1)

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        data = encoded(self, example)
        height, width = tf.unstack(tf.io.extract_jpeg_shape(data)[:2])
        shorter = tf.minimum(height, width)
        side = tf.maximum(1, tf.cast(tf.round(tf.cast(shorter, tf.float32) * self.fraction), tf.int32))
        window = tf.stack([(height - side) // 2, (width - side) // 2, side, side])
        return {**example, "image": resized(_cropped(data, window, self.fast_dct), (self.size, self.size))}


def _cropped(data: tf.Tensor, window: tf.Tensor, fast_dct: bool, ratio: int = 1) -> tf.Tensor:
    """Returns the pixels of a window (y, x, height, width) of a JPEG, decoded at 1/ratio of its size."""
    if ratio > 1:
        # TensorFlow takes the window in pixels of the smaller image, whose sides libjpeg rounds up. Its edges are
        # rounded to the nearest pixel, and so never beyond those sides.
        begin, end = ((edge + ratio // 2) // ratio for edge in (window[:2], window[:2] + window[2:]))
        window = tf.concat([begin, end - begin], 0)
    return tf.io.decode_and_crop_jpeg(data, window, channels=3, ratio=ratio, dct_method=_dct_method(fast_dct))


def _dct_method(fast: bool) -> str:
    # Both names are explicit: without one, TensorFlow leaves the choice to the version of libjpeg.
    return "INTEGER_FAST" if fast else "INTEGER_ACCURATE"
