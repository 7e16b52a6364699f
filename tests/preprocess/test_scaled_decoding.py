"""`DecodeAndRandomCrop(scaled=True)`: libjpeg's scaled DCT gives the part of the image that a full decode gives."""

import io

import drawing
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.preprocess import DecodeAndRandomCrop, decoding

# Sides that 2, 4 and 8 do not divide, so that libjpeg rounds them up.
WIDTH, HEIGHT = 403, 301


@pytest.fixture(scope="module")
def jpeg() -> tf.Tensor:
    """A picture with noise, as photographs have it."""
    noise = np.random.default_rng(3).normal(0, 12, (HEIGHT, WIDTH, 1))
    pixels, buffer = np.asarray(drawing.picture(WIDTH, HEIGHT, seed=3)) + noise, io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=95)
    return tf.constant(buffer.getvalue())


def seeds(first: int) -> tf.Tensor:
    return tf.constant([first, 0], tf.int32)


def ratios_of(op: DecodeAndRandomCrop, jpeg: tf.Tensor, count: int) -> list[int]:
    """Returns the ratio that the rule gives for each seed: the crop's shorter side against the size."""
    shape = tf.io.extract_jpeg_shape(jpeg)
    sides = [int(min(op.window(shape, seeds(seed))[2:])) for seed in range(count)]
    return [max(ratio for ratio in (1, 2, 4, 8) if ratio == 1 or side >= ratio * op.size) for side in sides]


@pytest.mark.parametrize("ratio", [2, 4, 8])
@pytest.mark.parametrize("window", [(0, 0, HEIGHT, WIDTH), (37, 53, 201, 150), (101, 203, 200, 200), (69, 3, 232, 290)])
def test_scaled_window_shows_what_a_full_decode_shows(ratio, window, jpeg):
    y, x, height, width = window
    scaled = decoding._cropped(jpeg, tf.constant(window), False, ratio).numpy()
    begin, end = ((np.array(edge) / ratio + 0.5).astype(int) for edge in ((y, x), (y + height, x + width)))
    assert scaled.shape == (*(end - begin), 3)
    whole = tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE").numpy()
    pad = [(0, -side % ratio) for side in whole.shape[:2]]
    blocks = np.pad(whole, [*pad, (0, 0)], "edge").astype(float)
    blocks = blocks.reshape(blocks.shape[0] // ratio, ratio, blocks.shape[1] // ratio, ratio, 3).mean((1, 3))
    wanted = blocks[begin[0] : end[0], begin[1] : end[1]]
    assert np.abs(scaled - wanted).mean() < 1  # of 255
    for shift in (-1, 1):  # a window beside it is worse, so the bound is none that all windows keep
        other = np.roll(blocks, shift, (0, 1))[begin[0] : end[0], begin[1] : end[1]]
        assert np.abs(scaled - other).mean() > 2 * np.abs(scaled - wanted).mean()


def test_parts_that_are_not_scaled_keep_their_pixels(jpeg):
    plain, scaled = DecodeAndRandomCrop(96), DecodeAndRandomCrop(96, scaled=True)
    ratios = ratios_of(scaled, jpeg, 24)
    assert {1, 2} <= set(ratios)
    for seed, ratio in enumerate(ratios):
        one, other = (op({"image": jpeg}, seeds(seed))["image"].numpy() for op in (plain, scaled))
        assert np.array_equal(one, other) == (ratio == 1)


@pytest.mark.parametrize("size", [18, 32, 64])
def test_scaled_crops_are_near_those_of_an_average(size, jpeg):
    """Of a picture with noise, the scaled result is nearer to Pillow's box filter than the plain one, which has gaps."""
    plain, scaled = DecodeAndRandomCrop(size), DecodeAndRandomCrop(size, scaled=True)
    whole, errors = tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE").numpy(), []
    chosen = [seed for seed, ratio in enumerate(ratios_of(scaled, jpeg, 24)) if ratio > 1]
    assert len(chosen) > 5
    for seed in chosen:
        y, x, height, width = plain.window(tf.io.extract_jpeg_shape(jpeg), seeds(seed)).numpy()
        part = Image.fromarray(whole[y : y + height, x : x + width]).resize((size, size), Image.BOX)
        results = [op({"image": jpeg}, seeds(seed))["image"].numpy() for op in (plain, scaled)]
        errors.append([np.abs(result - np.asarray(part).astype(float)).mean() for result in results])
    plainly, by_scaling = np.mean(errors, 0)
    assert by_scaling < plainly and by_scaling < 3  # of 255


def test_all_ratios_occur_and_the_graph_knows_the_shape(jpeg):
    op = DecodeAndRandomCrop(24, scaled=True)
    assert set(ratios_of(op, jpeg, 60)) == {2, 4, 8}
    data = tf.data.Dataset.range(60, output_type=tf.int32)
    data = data.map(lambda seed: preprocess.apply((op,), {"image": jpeg}, tf.stack([seed, 0])))
    assert data.element_spec["image"] == tf.TensorSpec([24, 24, 3], tf.uint8)
    for seed, example in enumerate(data):
        eager = preprocess.apply((op,), {"image": jpeg}, seeds(seed))["image"]
        np.testing.assert_array_equal(eager, example["image"])


@pytest.mark.parametrize("width, height", [(1, 500), (500, 1), (33, 17), (16, 16)])
def test_scaled_takes_every_shape(width, height):
    for seed in range(6):
        op = DecodeAndRandomCrop(2, scaled=True, area=(0.01, 1.0))
        image = {"image": tf.constant(drawing.jpeg(width, height, seed=1))}
        assert op(image, seeds(seed))["image"].shape == (2, 2, 3)


def test_presets_take_scaled():
    for name in ("resnet_train", "randaugment_train"):
        assert preprocess.preset(name, size=128, scaled=True)[0] == DecodeAndRandomCrop(128, scaled=True)
        assert preprocess.preset(name, size=128)[0] == DecodeAndRandomCrop(128)
    assert preprocess.preset("resnet_eval", scaled=True) == preprocess.PRESETS["resnet_eval"]
