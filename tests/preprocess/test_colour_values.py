"""Values of colour ops, RandAugment and erasing, against Pillow."""

import colorsys
import math

import numpy as np
import pytest
import tensorflow as tf
from op_values import assert_near, draws, pixels, run
from PIL import Image, ImageEnhance, ImageOps

from ilsvrc_tfds.preprocess import (
    MEAN,
    STD,
    ColorJitter,
    RandAugment,
    RandomErasing,
    pillow,
)
from ilsvrc_tfds.preprocess.randaugment import TRANSFORMATIONS

# Pillow's transformations


ENHANCERS = {
    "Brightness": (pillow.brightness, ImageEnhance.Brightness),
    "Contrast": (pillow.contrast, ImageEnhance.Contrast),
    "Color": (pillow.saturation, ImageEnhance.Color),
    "Sharpness": (pillow.sharpness, ImageEnhance.Sharpness),
}


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.55, 1.0, 1.3, 1.9])
@pytest.mark.parametrize("ours, theirs", ENHANCERS.values(), ids=ENHANCERS)
def test_enhancement_equals_pillow(ours, theirs, factor):
    image = pixels()
    assert_near(ours(tf.constant(image), factor).numpy(), np.asarray(theirs(Image.fromarray(image)).enhance(factor)))


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_equals_pillow(bits):
    image = pixels()
    expected = np.asarray(ImageOps.posterize(Image.fromarray(image), bits))
    np.testing.assert_array_equal(pillow.posterize(tf.constant(image), bits), expected)


@pytest.mark.parametrize("threshold", [0, 1, 25, 128, 255, 256])
def test_solarize_equals_pillow(threshold):
    image = pixels()
    expected = np.asarray(ImageOps.solarize(Image.fromarray(image), threshold))
    np.testing.assert_array_equal(pillow.solarize(tf.constant(image), threshold), expected)


ODD = {
    "picture": pixels(),
    "narrow range": (pixels() // 4 + 60).astype(np.uint8),
    "even": np.full((20, 30, 3), 77, np.uint8),
    "one even channel": np.stack([pixels()[..., 0], np.full((64, 96), 9, np.uint8), pixels()[..., 2]], 2),
    "two values": (pixels() > 128).astype(np.uint8) * 200,
    "few pixels": pixels(5, 7),
    "1000 pixels": pixels(25, 40),
}


@pytest.mark.parametrize("image", ODD.values(), ids=ODD)
def test_autocontrast_equals_pillow(image):
    assert_near(
        pillow.autocontrast(tf.constant(image)).numpy(), np.asarray(ImageOps.autocontrast(Image.fromarray(image)))
    )


@pytest.mark.parametrize("image", ODD.values(), ids=ODD)
def test_equalize_equals_pillow(image):
    np.testing.assert_array_equal(
        pillow.equalize(tf.constant(image)), np.asarray(ImageOps.equalize(Image.fromarray(image)))
    )


def affine(image, matrix):
    moved = Image.fromarray(image).transform(
        image.shape[1::-1], Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=(128, 128, 128)
    )
    return np.asarray(moved)


@pytest.mark.parametrize("strength", [-0.3, 0.0, 0.13, 0.3])
def test_shear_equals_pillow(strength):
    image = pixels()
    # A pixel between two may fall to either: Pillow computes in fixed point.
    assert_near(
        pillow.shear(tf.constant(image), strength, 0.0, 128).numpy(), affine(image, (1, strength, 0, 0, 1, 0)), 0, 0.005
    )
    assert_near(
        pillow.shear(tf.constant(image), 0.0, strength, 128).numpy(), affine(image, (1, 0, 0, strength, 1, 0)), 0, 0.005
    )


@pytest.mark.parametrize("shift", [-200, -43.2, -1, 0, 0.4, 20.7, 96, 200])
def test_translate_equals_pillow(shift):
    image = pixels()
    np.testing.assert_array_equal(
        pillow.translate(tf.constant(image), shift, 0.0, 128), affine(image, (1, 0, shift, 0, 1, 0))
    )
    np.testing.assert_array_equal(
        pillow.translate(tf.constant(image), 0.0, shift, 128), affine(image, (1, 0, 0, 0, 1, shift))
    )


@pytest.mark.parametrize("degrees", [-30, -7.5, 0, 12, 30, 137])
def test_rotate_equals_pillow(degrees):
    image = pixels()
    expected = np.asarray(Image.fromarray(image).rotate(degrees, Image.Resampling.NEAREST, fillcolor=(128, 128, 128)))
    assert_near(pillow.rotate(tf.constant(image), math.radians(degrees), 128).numpy(), expected, 0, 0.005)


@pytest.mark.parametrize("turn", [-0.3, 0.0, 0.1, 0.5])
def test_hue_equals_colorsys(turn):
    image = pixels(6, 8)
    rows = [colorsys.rgb_to_hsv(*(pixel / 255)) for pixel in image.reshape(-1, 3)]
    expected = np.array([colorsys.hsv_to_rgb((hue + turn) % 1, s, v) for hue, s, v in rows]).reshape(image.shape) * 255
    np.testing.assert_allclose(pillow.hue(tf.constant(image), turn).numpy(), expected, atol=1)


# Colour and RandAugment


def turned(image, degrees):
    return image.rotate(degrees, Image.Resampling.NEAREST, fillcolor=(128, 128, 128))


# At magnitude 8, to the positive side, of 96 x 64 pixels.
AT_8 = {
    "Identity": lambda image: image,
    "AutoContrast": ImageOps.autocontrast,
    "Equalize": ImageOps.equalize,
    "Rotate": lambda image: turned(image, 24),
    "Solarize": lambda image: ImageOps.solarize(image, 51),
    "Color": lambda image: ImageEnhance.Color(image).enhance(1.72),
    "Posterize": lambda image: ImageOps.posterize(image, 5),
    "Contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.72),
    "Brightness": lambda image: ImageEnhance.Brightness(image).enhance(1.72),
    "Sharpness": lambda image: ImageEnhance.Sharpness(image).enhance(1.72),
    "ShearX": lambda image: affine(np.asarray(image), (1, 0.24, 0, 0, 1, 0)),
    "ShearY": lambda image: affine(np.asarray(image), (1, 0, 0, 0.24, 1, 0)),
    "TranslateX": lambda image: affine(np.asarray(image), (1, 0, 34.56, 0, 1, 0)),
    "TranslateY": lambda image: affine(np.asarray(image), (1, 0, 0, 0, 1, 23.04)),
}


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_transformation_has_the_strength_of_its_magnitude(name):
    expected = np.asarray(AT_8[name](Image.fromarray(pixels())))
    assert_near(TRANSFORMATIONS[name](tf.constant(pixels()), 0.8, 1.0, 128).numpy(), expected, 1, 0.005)


def test_jitter_of_nothing_changes_nothing():
    image = pixels()
    np.testing.assert_array_equal(run(ColorJitter(0, 0, 0), image), image)


def test_jitter_draws_brightness_evenly():
    grey = tf.fill((4, 4, 3), tf.constant(100, tf.uint8))
    values = draws(ColorJitter(0.4, 0, 0), {"image": grey}, 500)[:, 0, 0, 0] / 100
    assert 0.59 <= values.min() < 0.62 and 1.38 < values.max() <= 1.4 and 0.97 < values.mean() < 1.03


@pytest.mark.slow
def test_randaugment_without_strength_leaves_or_evens_the_histogram():
    image = pixels()
    results = draws(RandAugment(1, 0), {"image": tf.constant(image)}, 60)
    kept = {name: transform(tf.constant(image), 0.0, 1.0, 128).numpy() for name, transform in TRANSFORMATIONS.items()}
    assert all(any(np.array_equal(result, expected) for expected in kept.values()) for result in results)
    assert {name for name, result in kept.items() if not np.array_equal(result, image)} <= {"AutoContrast", "Equalize"}


@pytest.mark.slow
def test_randaugment_draws_all_transformations_and_both_directions():
    image = tf.constant(pixels())
    wanted = [
        transform(image, 0.9, sign, 128).numpy() for transform in TRANSFORMATIONS.values() for sign in (1.0, -1.0)
    ]
    wanted = np.array(wanted, np.int16)
    counts = np.zeros(len(wanted), int)
    for result in draws(RandAugment(1, 9), {"image": image}, 280):
        # A graph may round a value otherwise, so the nearest counts.
        distances = np.abs(wanted - result).mean((1, 2, 3))
        assert distances.min() < 0.1
        counts[distances.argmin()] += 1
    # Twenty of each on average, ten of each direction; five have no direction, both of theirs are the first.
    assert np.array_equal(counts == 0, [index in (1, 3, 5, 9, 13) for index in range(28)])
    assert (counts.reshape(-1, 2).sum(1) >= 7).all() and counts.max() <= 35


@pytest.mark.slow
def test_randaugment_applies_layers_one_after_the_other():
    image = tf.constant(pixels(16, 16))
    steps = [t(image, 1.0, s, 128) for t in TRANSFORMATIONS.values() for s in (1.0, -1.0)]
    twice = {
        t(step, 1.0, s, 128).numpy().tobytes() for step in steps for t in TRANSFORMATIONS.values() for s in (1.0, -1.0)
    }
    results = draws(RandAugment(2, 10), {"image": image}, 40)
    assert sum(result.tobytes() in twice for result in results) >= 38  # graphs may round a pixel otherwise


@pytest.mark.slow
def test_randaugments_magnitude_varies_where_wanted():
    image = tf.constant(pixels(16, 16))
    fixed, varied = (draws(RandAugment(1, 5, std), {"image": image}, 100) for std in (0.0, 1.0))
    assert len({r.tobytes() for r in fixed}) <= 2 * len(TRANSFORMATIONS) < len({r.tobytes() for r in varied})


def test_erasing_replaces_one_rectangle():
    image = np.full((60, 80, 3), 255, np.uint8)
    for result in draws(RandomErasing(1.0), {"image": tf.constant(image)}, 200):
        rows, columns = (np.flatnonzero((result != 255).any(axes)) for axes in ((1, 2), (0, 2)))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert 0.015 < height * width / 4800 < 0.35 and 0.25 < height / width < 3.7
        assert (result[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] != 255).mean() > 0.9


def test_erasings_aspect_is_even_in_its_logarithm():
    image = np.full((100, 100, 3), 255, np.uint8)
    results = draws(RandomErasing(1.0, area=(0.05, 0.06)), {"image": tf.constant(image)}, 400)
    rows, columns = ((results != 255).any(axes).sum(1) for axes in ((2, 3), (1, 3)))
    # Between 0.3 and 10 / 3 as many are below 1 as above; of even aspects a quarter would be.
    assert 160 < (rows < columns).sum() + (rows == columns).sum() / 2 < 240  # 200 +- 4 standard deviations of 10


def test_erasing_puts_noise_of_imagenets_colours():
    image = np.full((224, 224, 3), 255, np.uint8)
    noise = run(RandomErasing(1.0, area=(0.3, 0.33), aspect=(1, 1)), image).reshape(-1, 3)
    noise = noise[(noise != 255).all(1)] / 255
    np.testing.assert_allclose(noise.mean(0), MEAN, atol=0.02)
    np.testing.assert_allclose(noise.std(0), STD, atol=0.02)


def test_erasing_happens_with_its_probability():
    image = np.full((20, 20, 3), 255, np.uint8)
    erased = (draws(RandomErasing(0.25), {"image": tf.constant(image)}, 1000) != 255).any((1, 2, 3))
    assert 195 < erased.sum() < 305  # 250 +- 4 standard deviations of 13.7
