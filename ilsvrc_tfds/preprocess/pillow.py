"""Pillow's transformations of an RGB image as graphs: uint8 [h, w, 3] to the same; the factors may be tensors.

Equal to `PIL.ImageEnhance`, `ImageOps` and `Image.transform` but for rounding. Times are of 224 x 224 pixels on one core;
Keras's RandAugment (3.15), whose layers work on floats and transform with a gather, takes 43 ms for two layers.
"""

import tensorflow as tf

# Of grey, ITU-R 601-2, as Pillow's mode L has it.
_GREY = (0.299, 0.587, 0.114)


def brightness(image: tf.Tensor, factor) -> tf.Tensor:
    """Returns a blend of black (factor 0) and the image (1), or beyond. 0.1 ms."""
    return _cut(_float(image) * factor)


def contrast(image: tf.Tensor, factor) -> tf.Tensor:
    """Returns a blend of the mean grey (factor 0) and the image (1), or beyond. 0.3 ms."""
    pixels = _float(image)
    grey = tf.floor(tf.tensordot(tf.reduce_mean(pixels, [0, 1]), _GREY, 1) + 0.5)
    return _cut(grey + factor * (pixels - grey))


def saturation(image: tf.Tensor, factor) -> tf.Tensor:
    """Returns a blend of the grey image (factor 0) and the image (1), or beyond. 0.2 ms.

    As one product with a matrix: a grey image of its own would take twice the time.
    """
    factor = tf.convert_to_tensor(factor, tf.float32)
    matrix = factor * tf.eye(3) + (1 - factor) * tf.constant(_GREY)[:, tf.newaxis]
    return _cut(tf.reshape(tf.matmul(tf.reshape(_float(image), (-1, 3)), matrix), tf.shape(image)))


def sharpness(image: tf.Tensor, factor) -> tf.Tensor:
    """Returns a blend of the smoothed image (factor 0) and the image (1), or beyond; the outermost pixels stay. 0.3 ms."""

    def sharpened():
        pixels = _float(image)
        inner = pixels[1:-1, 1:-1]
        rows = pixels[:-2] + pixels[1:-1] + pixels[2:]
        box = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
        smooth = tf.floor((box + 4 * inner) / 13 + 0.5)
        return _cut(pixels + tf.pad((factor - 1) * (inner - smooth), ((1, 1), (1, 1), (0, 0))))

    return tf.cond(tf.reduce_min(tf.shape(image)[:2]) > 2, sharpened, lambda: image)


def posterize(image: tf.Tensor, bits) -> tf.Tensor:
    """Returns the image with the highest `bits` of each value, in [0, 8]. 0.15 ms."""
    mask = 256 - tf.bitwise.left_shift(1, 8 - tf.cast(bits, tf.int32))
    return tf.bitwise.bitwise_and(image, tf.cast(mask, tf.uint8))


def solarize(image: tf.Tensor, threshold) -> tf.Tensor:
    """Returns the image with values from the threshold on turned about, v to 255 - v; 256 leaves all. 0.15 ms."""
    # Exclusive or with 255 turns a value about; tf.where takes 1.2 ms on uint8.
    high = tf.cast(_float(image) >= tf.cast(threshold, tf.float32), tf.uint8)
    return tf.bitwise.bitwise_xor(image, high * 255)


def autocontrast(image: tf.Tensor) -> tf.Tensor:
    """Returns the image with each channel's least value at 0 and its greatest at 255; an even channel stays. 0.6 ms."""
    low, high = _float(tf.reduce_min(image, [0, 1])), _float(tf.reduce_max(image, [0, 1]))
    even = tf.equal(high, low)
    scale = tf.where(even, 1.0, 255 / tf.maximum(high - low, 1.0))
    # Pillow cuts off; fractions are multiples of 1/255, so a thousandth mends float32's errors alone.
    return _cut((_float(image) - tf.where(even, 0.0, low)) * scale + 1e-3)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Returns the image with each channel's histogram flattened, by Pillow's rule. 1.3 ms."""
    rows = tf.cast(image, tf.int32) + [0, 256, 512]
    histogram = tf.reshape(tf.math.bincount(rows, minlength=768, maxlength=768), (3, 256))
    last = tf.reduce_max(tf.where(histogram > 0, tf.range(256), 0), 1)
    step = (tf.reduce_sum(histogram, 1) - tf.gather(histogram, last, batch_dims=1)) // 255
    step = step[:, tf.newaxis]
    before = tf.cumsum(histogram, 1, exclusive=True)
    table = tf.where(step > 0, tf.minimum((step // 2 + before) // tf.maximum(step, 1), 255), tf.range(256))
    return tf.gather(tf.reshape(tf.cast(table, tf.uint8), (-1,)), rows)


def shear(image: tf.Tensor, x, y, fill: int) -> tf.Tensor:
    """Returns the image with output (u, v) taken from (u + x v, v + y u), the origin top left. 0.8 ms."""
    return _affine(image, (1.0, x, 0.0, y, 1.0, 0.0), fill)


def translate(image: tf.Tensor, x, y, fill: int) -> tf.Tensor:
    """Returns the image with output (u, v) taken from (u + x, v + y), in pixels. 0.1 ms."""
    # Whole pixels, as no filter is used: cutting and padding takes an eighth of the general transformation's time.
    height, width = tf.unstack(tf.shape(image)[:2])
    left, right = _overhang(x, width)
    top, bottom = _overhang(y, height)
    kept = image[bottom : height - top, right : width - left]
    return tf.pad(kept, [[top, bottom], [left, right], [0, 0]], constant_values=tf.cast(fill, tf.uint8))


def _overhang(shift, side: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns how many pixels come from before the image and from behind it when it is moved back by `shift`."""
    whole = tf.cast(tf.floor(tf.cast(shift, tf.float32) + 0.5), tf.int32)
    return tf.clip_by_value(-whole, 0, side), tf.clip_by_value(whole, 0, side)


def rotate(image: tf.Tensor, radians, fill: int) -> tf.Tensor:
    """Returns the image turned about its centre, counter-clockwise. 0.8 ms."""
    height, width = tf.unstack(_float(tf.shape(image)[:2]) / 2)
    cos, sin = tf.cos(radians), tf.sin(radians)
    return _affine(
        image, (cos, -sin, width - cos * width + sin * height, sin, cos, height - sin * width - cos * height), fill
    )


def hue(image: tf.Tensor, turn) -> tf.Tensor:
    """Returns the image with its hues turned, 1 being the whole circle. 1.1 ms. `tf.image.adjust_hue`; not Pillow's."""
    return tf.image.adjust_hue(image, turn)


def _affine(image: tf.Tensor, matrix, fill: int) -> tf.Tensor:
    # Pillow's matrix (a, b, c, d, e, f) is of the pixels' centres, TensorFlow's of their numbers.
    a, b, c, d, e, f = (tf.cast(value, tf.float32) for value in matrix)
    numbers = tf.stack([a, b, c + (a + b - 1) / 2, d, e, f + (d + e - 1) / 2, 0.0, 0.0])
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[tf.newaxis],
        transforms=numbers[tf.newaxis],
        output_shape=tf.shape(image)[:2],
        fill_value=float(fill),
        interpolation="NEAREST",  # as the paper's code and torchvision; bilinear takes twice the time
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(moved[0], image.shape)


def _float(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(values, tf.float32)


def _cut(values: tf.Tensor) -> tf.Tensor:
    """Returns uint8 as Pillow's blend does: limited, then the fraction cut off."""
    return tf.cast(tf.clip_by_value(values, 0.0, 255.0), tf.uint8)
