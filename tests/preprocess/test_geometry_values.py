"""Values of decoding, cropping, resizing and scaling, against Pillow and NumPy."""

import io

import drawing
import numpy as np
import pytest
import tensorflow as tf
from op_values import SEED, assert_near, draws, pixels, run
from PIL import Image

from ilsvrc_tfds.preprocess import (
    MEAN,
    STD,
    CenterCrop,
    Decode,
    DecodeAndCenterCrop,
    DecodeAndRandomCrop,
    FlipLeftRight,
    OneHot,
    Rescale,
    ResizeShorterSide,
    Standardize,
)

# Decoding and geometry


def noisy_jpeg(height=151, width=203, **options):
    """Returns the JPEG of a picture in whose values rounding shows."""
    buffer = io.BytesIO()
    Image.fromarray(pixels(height, width)).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def decoded(data):
    return tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE").numpy()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_decode_equals_pillow(mode):
    data = noisy_jpeg() if mode == "RGB" else drawing.jpeg(203, 151, mode)
    np.testing.assert_array_equal(
        run(Decode(), tf.constant(data)), np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    )


@pytest.mark.parametrize("op", [Decode, DecodeAndCenterCrop, DecodeAndRandomCrop])
def test_fast_decoding_is_tensorflows_own(op, monkeypatch):
    data = tf.constant(noisy_jpeg())
    fast, accurate = run(op(fast_dct=True), data), run(op(), data)
    assert 0.1 < np.mean(fast != accurate) and np.abs(fast.astype(int) - accurate).max() < 20
    for name in ("decode_jpeg", "decode_and_crop_jpeg"):
        whole = getattr(tf.io, name)
        monkeypatch.setattr(tf.io, name, lambda *values, dct_method, whole=whole, **options: whole(*values, **options))
    np.testing.assert_array_equal(run(op(), data), fast)


def test_center_crop_in_decoding_is_the_crop_of_the_whole():
    data = noisy_jpeg(subsampling=0)
    # 0.875 * 151 = 132.1; the chroma of a crop's edge is filtered without its neighbours, hence no subsampling above.
    np.testing.assert_array_equal(run(DecodeAndCenterCrop(132), tf.constant(data)), decoded(data)[9:141, 35:167])


@pytest.mark.parametrize(
    "op", [DecodeAndCenterCrop(50, 1.0), DecodeAndRandomCrop(50, area=(1, 1), aspect=(1, 1))], ids=str
)
def test_image_of_exactly_the_size_is_unchanged(op):
    data = noisy_jpeg(50, 50)
    np.testing.assert_array_equal(run(op, tf.constant(data)), decoded(data))


def test_center_crop_in_decoding_resizes_as_tensorflow():
    data = noisy_jpeg(subsampling=0)
    crop = decoded(data)[9:141, 35:167]
    np.testing.assert_array_equal(
        run(DecodeAndCenterCrop(64), tf.constant(data)), np.floor(tf.image.resize(crop, (64, 64)) + 0.5)
    )


def ramps(width, height):
    """Returns a JPEG whose red tells the column and whose green the row, so that a crop tells where it comes from."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 255 / (width - 1), y * 255 / (height - 1), 0 * x], 2).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=100, subsampling=0)
    return tf.constant(buffer.getvalue())


def crop_sides(op, width, height, count):
    """Returns width and height of the parts that were cropped, in pixels, from the colours of their edges."""
    crops = draws(op, {"image": ramps(width, height)}, count).astype(float)
    size = op.size
    # Between the centres of the outermost output pixels lie (size - 1) / size of the part.
    across = (crops[:, :, -1, 0] - crops[:, :, 0, 0]).mean(1) / 255 * (width - 1) * size / (size - 1)
    down = (crops[:, -1, :, 1] - crops[:, 0, :, 1]).mean(1) / 255 * (height - 1) * size / (size - 1)
    return across, down


def test_random_crop_keeps_to_area_and_aspect():
    width, height = crop_sides(DecodeAndRandomCrop(32, area=(0.2, 0.6), aspect=(0.8, 1.25)), 320, 240, 300)
    area, aspect = width * height / (320 * 240), width / height
    assert 0.19 < area.min() < 0.23 and 0.5 < area.max() < 0.61
    assert 0.77 < aspect.min() < 0.85 and 1.18 < aspect.max() < 1.29


def test_random_crop_is_distributed_as_inceptions():
    width, height = crop_sides(DecodeAndRandomCrop(32), 320, 240, 600)
    area = width * height / (320 * 240)
    # Height even between sqrt(0.08) and sqrt(1) of what fits: the mean area is about (1 + s + s^2) / 3, s = 0.283, but
    # the largest crops do not fit in every aspect.
    assert 0.07 < area.min() < 0.1 and 0.36 < area.mean() < 0.46 and area.max() > 0.85
    assert 0.95 < np.median(width / height) < 1.12


def test_random_crop_falls_back_to_the_whole_image():
    data = drawing.jpeg(1, 50)
    whole = tf.image.resize(decoded(data), (8, 8))
    assert_near(run(DecodeAndRandomCrop(8), tf.constant(data)), np.floor(whole.numpy() + 0.5))


@pytest.mark.parametrize(
    "width, height, sides", [(97, 64, (32, 48)), (64, 97, (48, 32)), (20, 20, (32, 32)), (1, 3, (96, 32))]
)
def test_resize_shorter_side_has_raw256s_sides(width, height, sides):
    assert run(ResizeShorterSide(32), pixels(height, width)).shape == (*sides, 3)


def test_resize_with_antialias_equals_pillow():
    image = pixels(90, 120)
    expected = Image.fromarray(image).resize((60, 45), Image.Resampling.BILINEAR)
    assert_near(run(ResizeShorterSide(45, antialias=True), image), np.asarray(expected))


def test_enlarging_equals_pillow():
    image = pixels(30, 40)
    expected = Image.fromarray(image).resize((80, 60), Image.Resampling.BILINEAR)
    assert_near(run(ResizeShorterSide(60), image), np.asarray(expected))


def test_resize_keeps_floats():
    image = pixels(30, 40).astype(np.float32) / 255
    np.testing.assert_allclose(run(ResizeShorterSide(15), image), tf.image.resize(image, (15, 20)))


def test_center_crop_is_a_slice_or_padded():
    image = pixels(41, 60)
    np.testing.assert_array_equal(run(CenterCrop(32), image), image[4:36, 14:46])
    np.testing.assert_array_equal(run(CenterCrop(41), image), image[:, 9:50])
    padded = run(CenterCrop(47), image)
    np.testing.assert_array_equal(padded[3:44], image[:, 6:53])
    assert not padded[:3].any() and not padded[44:].any()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_flip_is_numpys(dtype):
    image = pixels().astype(dtype)
    np.testing.assert_array_equal(run(FlipLeftRight(1.0), image), image[:, ::-1])
    np.testing.assert_array_equal(run(FlipLeftRight(0.0), image), image)


def test_flip_turns_half_of_the_images():
    image = pixels(4, 6)
    flipped = (draws(FlipLeftRight(), {"image": tf.constant(image)}, 1000) == image[:, ::-1]).all((1, 2, 3))
    assert 440 < flipped.sum() < 560  # 500 +- 4 standard deviations of 15.8


# Values


def test_rescale_is_numpys():
    image = pixels()
    np.testing.assert_allclose(run(Rescale(), image), image / 255, rtol=1e-6)
    np.testing.assert_allclose(run(Rescale(1 / 127.5, -1), image), image / 127.5 - 1, atol=1e-6)


def test_standardize_takes_uint8_and_rescaled_floats_alike():
    image = pixels()
    expected = (image / 255 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(run(Standardize(), image), expected, atol=1e-5)
    np.testing.assert_allclose(run(Standardize(), run(Rescale(), image)), expected, atol=1e-5)
    np.testing.assert_allclose(run(Standardize(), image[np.newaxis]), expected[np.newaxis], atol=1e-5)


def test_one_hot_is_numpys():
    def label(op, value):
        return op({"image": tf.constant(b""), "label": tf.constant(value, tf.int64)}, SEED)["label"].numpy()

    np.testing.assert_array_equal(label(OneHot(5), 3), np.eye(5, dtype=np.float32)[3])
    np.testing.assert_allclose(label(OneHot(5, 0.1), 3), 0.9 * np.eye(5)[3] + 0.02, rtol=1e-6)
    np.testing.assert_array_equal(label(OneHot(5), -1), np.zeros(5))
