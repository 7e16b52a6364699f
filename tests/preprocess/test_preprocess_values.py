"""What the ops compute, against NumPy, Pillow and TensorFlow's own; areas and shares against what they are drawn from."""

import colorsys
import io
import math

import drawing
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from ilsvrc_tfds.preprocess import (
    MEAN,
    STD,
    CenterCrop,
    ColorJitter,
    CutMix,
    Decode,
    DecodeAndCenterCrop,
    DecodeAndRandomCrop,
    FlipLeftRight,
    MixUp,
    OneHot,
    OneOf,
    RandAugment,
    RandomErasing,
    Rescale,
    ResizeShorterSide,
    Standardize,
    pillow,
)
from ilsvrc_tfds.preprocess.randaugment import TRANSFORMATIONS

SEED = tf.constant([1, 2], tf.int32)


def pixels(height=64, width=96, seed=0):
    """Returns a picture with some noise, so that no value repeats in rows."""
    noise = np.random.default_rng(seed).integers(-20, 21, (height, width, 3))
    return np.clip(np.asarray(drawing.picture(width, height, seed=seed)).astype(int) + noise, 0, 255).astype(np.uint8)


def run(op, image, **keys):
    return op({"image": image, **keys}, SEED)["image"].numpy()


def draws(op, example, count, key="image"):
    """Returns the op's results for the seeds 0 to count - 1, computed in tf.data."""
    data = tf.data.Dataset.range(count, output_type=tf.int32)
    return np.stack([x.numpy() for x in data.map(lambda number: op(example, tf.stack([number, 1]))[key])])


def assert_near(result, expected, most=1, share=0.0):
    """Asserts that all values but a share of them differ by `most` at most."""
    assert result.dtype == np.uint8 and result.shape == expected.shape
    assert np.mean(np.abs(result.astype(int) - expected.astype(int)) > most) <= share


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


# Batches


def batch(count=6, height=32, width=48):
    """Returns images of one value each, 10 k, and labels that are one-hot k."""
    values = (10 * np.arange(count, dtype=np.uint8))[:, None, None, None]
    return {
        "image": tf.constant(np.broadcast_to(values, (count, height, width, 3))),
        "label": tf.one_hot(tf.range(count), count),
    }


def test_mixup_is_the_weighted_sum():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 8, 9, 3), np.uint8)
    labels = np.eye(6, dtype=np.float32)
    result = MixUp(0.8)({"image": tf.constant(images), "label": tf.constant(labels)}, SEED)
    shares = np.diag(result["label"].numpy())[:, None, None, None]
    expected = shares * images + (1 - shares) * images[::-1]
    assert_near(result["image"].numpy(), np.round(expected).astype(np.uint8), 1)
    np.testing.assert_allclose(result["image"].numpy(), expected, atol=0.51)
    np.testing.assert_allclose(
        result["label"].numpy(), labels * shares[..., 0, 0] + labels[::-1] * (1 - shares[..., 0, 0]), atol=1e-6
    )


def test_mixup_keeps_floats():
    example = {"image": tf.random.stateless_uniform((4, 5, 6, 3), SEED), "label": tf.eye(4)}
    result = MixUp(1.0)(example, SEED)
    shares = np.diag(result["label"].numpy())[:, None, None, None]
    images = example["image"].numpy()
    np.testing.assert_allclose(result["image"], shares * images + (1 - shares) * images[::-1], atol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_betas(alpha):
    labels = draws(MixUp(alpha), batch(8, 1, 1), 300, "label")
    shares = np.diagonal(labels, axis1=1, axis2=2).ravel()
    # Beta(alpha, alpha) has mean 1/2 and variance 1 / (4 (2 alpha + 1)).
    assert abs(shares.mean() - 0.5) < 0.04 and abs(shares.var() * 4 * (2 * alpha + 1) - 1) < 0.1


@pytest.mark.parametrize("alpha", [0.01, 1e-3])
def test_tiny_alpha_gives_shares_of_none_or_all(alpha):
    labels = draws(MixUp(alpha), batch(8, 1, 1), 50, "label")
    assert np.isfinite(labels).all() and np.mean((labels < 0.01) | (labels > 0.99)) > 0.9


def test_cutmix_labels_are_the_areas():
    for seed in range(20):
        result = CutMix()(batch(), tf.constant([seed, 0]))
        images, labels = result["image"].numpy(), result["label"].numpy()
        for k in range(6):
            own = (images[k] == 10 * k).all(2)
            assert ((images[k] == 10 * (5 - k)).all(2) | own).all()
            assert labels[k, k] == pytest.approx(own.mean(), abs=1e-6) and labels[k].sum() == pytest.approx(1)


def test_cutmix_pastes_one_rectangle_from_the_same_place():
    images = np.random.default_rng(0).integers(0, 256, (4, 20, 30, 3), np.uint8)
    for seed in range(10):
        result = CutMix()({"image": tf.constant(images), "label": tf.eye(4)}, tf.constant([seed, 0]))["image"].numpy()
        for k in range(4):
            pasted = (result[k] != images[k]).any(2)
            rows, columns = np.flatnonzero(pasted.any(1)), np.flatnonzero(pasted.any(0))
            if len(rows):
                box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                np.testing.assert_array_equal(result[k][box], images[3 - k][box])


def test_cutmix_of_alpha_one_keeps_more_than_half():
    shares = np.diagonal(draws(CutMix(), batch(8), 200, "label"), axis1=1, axis2=2)
    # Even shares keep a half; rectangles that are cut off at the edge keep more.
    assert 0.5 < shares.mean() < 0.75


@pytest.mark.parametrize("op", [MixUp(), CutMix(), OneOf((MixUp(), CutMix()))], ids=str)
def test_batch_of_one_is_its_own_partner(op):
    result = op(batch(1), SEED)
    np.testing.assert_array_equal(result["image"], batch(1)["image"])
    np.testing.assert_array_equal(result["label"], [[1]])


def test_one_of_draws_each_op_evenly():
    image = tf.constant(pixels(4, 6))
    results = draws(OneOf((FlipLeftRight(1.0), FlipLeftRight(0.0))), {"image": image}, 600)
    counts = [(results == expected).all((1, 2, 3)).sum() for expected in (image.numpy()[:, ::-1], image.numpy())]
    assert sum(counts) == 600 and min(counts) > 250
