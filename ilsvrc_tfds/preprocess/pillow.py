"""Pillow's transformations of RGB images, uint8 [h, w, 3], in TensorFlow operations.

The results equal those of `PIL.ImageEnhance`, `ImageOps` and `Image.transform`, apart from rounding. The times in the
docstrings are for 224 x 224 pixels on one core. For comparison, two layers of Keras's RandAugment (3.15) take 43 ms:
its layers compute in floats and transform by gathering pixels.

    >>> brightness(pixels, 0.5).shape
    TensorShape([36, 48, 3])
"""

from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf

# A number that may also be drawn, in which case it is a scalar tensor.
_Scalar: TypeAlias = tf.Tensor | float

# Weights of red, green and blue in grey (ITU-R 601-2), as in Pillow's mode L.
_GREY = (0.299, 0.587, 0.114)


def brightness(image: tf.Tensor, factor: _Scalar) -> tf.Tensor:
    """Returns a blend of black (factor 0) and the image (factor 1); a larger factor makes it brighter. 0.1 ms."""
    return _cut(_float(image) * factor)


def contrast(image: tf.Tensor, factor: _Scalar) -> tf.Tensor:
    """Returns a blend of its mean grey (factor 0) and the image (factor 1); a larger factor adds contrast. 0.3 ms."""
    pixels = _float(image)
    grey = tf.floor(tf.tensordot(tf.reduce_mean(pixels, [0, 1]), _GREY, 1) + 0.5)
    return _cut(grey + factor * (pixels - grey))


def saturation(image: tf.Tensor, factor: _Scalar) -> tf.Tensor:
    """Returns a blend of its grey version (factor 0) and the image (factor 1); a larger factor adds colour. 0.2 ms."""
    # One product with a matrix. To compute the grey image first would take twice the time.
    factor = tf.convert_to_tensor(factor, tf.float32)
    matrix = factor * tf.eye(3) + (1 - factor) * tf.constant(_GREY)[:, tf.newaxis]
    return _cut(tf.reshape(tf.matmul(tf.reshape(_float(image), (-1, 3)), matrix), tf.shape(image)))


def sharpness(image: tf.Tensor, factor: _Scalar) -> tf.Tensor:
    """Returns a blend of its smoothed version (factor 0) and the image (factor 1); a larger factor sharpens it. 0.3 ms.

    The outermost pixels stay as they are.
    """

    def sharpened() -> tf.Tensor:
        pixels = _float(image)
        inner = pixels[1:-1, 1:-1]
        rows = pixels[:-2] + pixels[1:-1] + pixels[2:]
        box = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
        smooth = tf.floor((box + 4 * inner) / 13 + 0.5)
        return _cut(pixels + tf.pad((factor - 1) * (inner - smooth), ((1, 1), (1, 1), (0, 0))))

    return tf.cond(tf.reduce_min(tf.shape(image)[:2]) > 2, sharpened, lambda: image)


def posterize(image: tf.Tensor, bits: _Scalar) -> tf.Tensor:
    """Returns the image with only the highest `bits` of each value, in [0, 8]; the others are 0. 0.15 ms."""
    mask = 256 - tf.bitwise.left_shift(1, 8 - tf.cast(bits, tf.int32))
    return tf.bitwise.bitwise_and(image, tf.cast(mask, tf.uint8))


def solarize(image: tf.Tensor, threshold: _Scalar) -> tf.Tensor:
    """Returns the image with values v >= threshold inverted to 255 - v; a threshold of 256 inverts none. 0.15 ms."""
    # An exclusive or with 255 inverts a value. tf.where would take 1.2 ms on uint8.
    high = tf.cast(_float(image) >= tf.cast(threshold, tf.float32), tf.uint8)
    return tf.bitwise.bitwise_xor(image, high * 255)


def autocontrast(image: tf.Tensor) -> tf.Tensor:
    """Returns the image with the values of each channel stretched to [0, 255]; a channel of one value stays. 0.6 ms."""
    low, high = _float(tf.reduce_min(image, [0, 1])), _float(tf.reduce_max(image, [0, 1]))
    even = tf.equal(high, low)
    scale = tf.where(even, 1.0, 255 / tf.maximum(high - low, 1.0))
    # Pillow cuts fractions off. They are multiples of 1/255, so a thousandth corrects only the rounding errors of
    # float32.
    return _cut((_float(image) - tf.where(even, 0.0, low)) * scale + 1e-3)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Returns the image with the histogram of each channel equalized, by Pillow's rule. 1.3 ms."""
    rows = tf.cast(image, tf.int32) + [0, 256, 512]
    histogram = tf.reshape(tf.math.bincount(rows, minlength=768, maxlength=768), (3, 256))
    last = tf.reduce_max(tf.where(histogram > 0, tf.range(256), 0), 1)
    step = (tf.reduce_sum(histogram, 1) - tf.gather(histogram, last, batch_dims=1)) // 255
    step = step[:, tf.newaxis]
    before = tf.cumsum(histogram, 1, exclusive=True)
    table = tf.where(step > 0, tf.minimum((step // 2 + before) // tf.maximum(step, 1), 255), tf.range(256))
    return tf.gather(tf.reshape(tf.cast(table, tf.uint8), (-1,)), rows)


def shear(image: tf.Tensor, x: _Scalar, y: _Scalar, fill: int) -> tf.Tensor:
    """Returns the sheared image: its pixel (u, v) is the image's (u + x v, v + y u), counted from top left. 0.8 ms."""
    return _affine(image, (1.0, x, 0.0, y, 1.0, 0.0), fill)


def translate(image: tf.Tensor, x: _Scalar, y: _Scalar, fill: int) -> tf.Tensor:
    """Returns the moved image: its pixel (u, v) is the image's (u + x, v + y). 0.1 ms."""
    # Without interpolation only whole pixels move, so cropping and padding is enough: an eighth of the time of
    # `_affine`.
    height, width = tf.unstack(tf.shape(image)[:2])
    left, right = _overhang(x, width)
    top, bottom = _overhang(y, height)
    kept = image[bottom : height - top, right : width - left]
    return tf.pad(kept, [[top, bottom], [left, right], [0, 0]], constant_values=tf.cast(fill, tf.uint8))


def _overhang(shift: _Scalar, side: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns how many pixels come from before and from after the image if pixel u is taken from u + shift."""
    whole = tf.cast(tf.floor(tf.cast(shift, tf.float32) + 0.5), tf.int32)
    return tf.clip_by_value(-whole, 0, side), tf.clip_by_value(whole, 0, side)


def rotate(image: tf.Tensor, radians: _Scalar, fill: int) -> tf.Tensor:
    """Returns the image rotated about its centre, counter-clockwise. 0.8 ms."""
    height, width = tf.unstack(_float(tf.shape(image)[:2]) / 2)
    cos, sin = tf.cos(radians), tf.sin(radians)
    return _affine(
        image, (cos, -sin, width - cos * width + sin * height, sin, cos, height - sin * width - cos * height), fill
    )


def hue(image: tf.Tensor, turn: _Scalar) -> tf.Tensor:
    """Returns the image with its hues turned; 1 is the whole colour circle. 1.1 ms. TensorFlow's own, not Pillow's."""
    return tf.image.adjust_hue(image, turn)


def _affine(image: tf.Tensor, matrix: Sequence[_Scalar], fill: int) -> tf.Tensor:
    # Pillow's matrix (a, b, c, d, e, f) applies to the centres of pixels, TensorFlow's to their indices.
    a, b, c, d, e, f = (tf.cast(value, tf.float32) for value in matrix)
    numbers = tf.stack([a, b, c + (a + b - 1) / 2, d, e, f + (d + e - 1) / 2, 0.0, 0.0])
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[tf.newaxis],
        transforms=numbers[tf.newaxis],
        output_shape=tf.shape(image)[:2],
        fill_value=float(fill),
        interpolation="NEAREST",  # as in the paper's code and torchvision; bilinear takes twice the time
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(moved[0], image.shape)


def _float(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(values, tf.float32)


def _cut(values: tf.Tensor) -> tf.Tensor:
    """Returns the values as uint8, as Pillow's blend does: limited to [0, 255], with fractions cut off."""
    return tf.cast(tf.clip_by_value(values, 0.0, 255.0), tf.uint8)
