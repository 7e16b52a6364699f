"""Every op eagerly and in tf.data, its seeds, its options; how ops compose; the presets."""

import dataclasses
import subprocess
import sys

import drawing
import numpy as np
import pytest
import tensorflow as tf

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.preprocess import (
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
)

DECODING = [Decode(), DecodeAndRandomCrop(32), DecodeAndRandomCrop(32, scaled=True), DecodeAndCenterCrop(32)]
FIXED = [
    ResizeShorterSide(20),
    ResizeShorterSide(20, antialias=True),
    CenterCrop(24),
    Rescale(),
    Standardize(),
    OneHot(10),
]
RANDOM = [
    FlipLeftRight(), ColorJitter(), ColorJitter(hue=0.3), RandAugment(), RandAugment(magnitude_std=0.5), RandomErasing(1.0),
    OneOf((FlipLeftRight(1.0), RandomErasing(1.0))),
]  # fmt: skip
BATCHED = [MixUp(0.8), CutMix(), OneOf((MixUp(0.8), CutMix()))]
RECIPES = [(op,) for op in DECODING] + [(Decode(), op) for op in FIXED + RANDOM]
RECIPES += [(Decode(), OneHot(10), op) for op in BATCHED]


def encoded(width=60, height=45, mode="RGB", label=3):
    """Returns an example as it comes from a record."""
    data = tf.constant(drawing.jpeg(width, height, mode, seed=label))
    return {"image": data, "label": tf.constant(label, tf.int64), "file_name": tf.constant("n0_1.JPEG")}


def seeds(first, second=0):
    """Returns a seed."""
    return tf.constant([first, second], tf.int32)


def applied(ops, seed, count=4):
    """Returns the ops' result, from one example or, where there are batched ops, from a batch of several."""
    single, batched = preprocess.split(ops)
    if not batched:
        return preprocess.apply(single, encoded(), seed)
    examples = [preprocess.apply(single, encoded(label=label), seeds(9, label)) for label in range(count)]
    return preprocess.apply(batched, {key: tf.stack([e[key] for e in examples]) for key in examples[0]}, seed)


def in_data(ops, seed, count=4):
    """Returns the same as `applied`, from tf.data."""
    single, batched = preprocess.split(ops)
    if not batched:
        data = tf.data.Dataset.from_tensors(encoded()).map(lambda example: preprocess.apply(single, example, seed))
        return next(iter(data))
    examples = tf.data.Dataset.from_tensor_slices(
        {key: tf.stack([encoded(label=label)[key] for label in range(count)]) for key in encoded()}
    )
    numbers = tf.data.Dataset.range(count, output_type=tf.int32)
    data = tf.data.Dataset.zip((examples, numbers))
    data = data.map(lambda example, number: preprocess.apply(single, example, tf.stack([9, number])))
    return next(iter(data.batch(count).map(lambda batch: preprocess.apply(batched, batch, seed))))


def same(left, right):
    return left.keys() == right.keys() and all(np.array_equal(left[key], right[key]) for key in left)


@pytest.mark.slow
@pytest.mark.parametrize("ops", RECIPES, ids=str)
def test_op_gives_the_same_in_tf_data(ops):
    eager, graph = applied(ops, seeds(5)), in_data(ops, seeds(5))
    assert graph["image"].dtype == eager["image"].dtype and np.array_equal(graph["file_name"], eager["file_name"])
    np.testing.assert_allclose(graph["label"], eager["label"], atol=1e-6)
    # A graph's floats may be computed in another order; a rounded value then differs by one now and then.
    np.testing.assert_allclose(graph["image"].numpy().astype(float), eager["image"].numpy().astype(float), atol=1)
    assert np.mean(graph["image"].numpy() != eager["image"].numpy()) < 0.01 or eager["image"].dtype == tf.float32


@pytest.mark.slow
@pytest.mark.parametrize("ops", RECIPES, ids=str)
def test_same_seed_gives_the_same(ops):
    assert same(in_data(ops, seeds(7, 8)), in_data(ops, seeds(7, 8)))


@pytest.mark.parametrize(
    "ops", [(DecodeAndRandomCrop(32),), *((Decode(), op) for op in RANDOM), *RECIPES[-len(BATCHED) :]], ids=str
)
def test_other_seed_gives_another(ops):
    results = [applied(ops, seeds(seed)) for seed in range(8)]
    assert sum(not same(results[0], other) for other in results[1:]) >= 2


@pytest.mark.parametrize("ops", RECIPES, ids=str)
def test_op_is_a_value(ops):
    assert hash(ops[-1]) == hash(dataclasses.replace(ops[-1])) and eval(repr(ops), vars(preprocess)) == ops


@pytest.mark.parametrize("op", RANDOM, ids=str)
@pytest.mark.parametrize("shape", [(1, 37), (37, 1), (1, 1), (2, 2)])
def test_random_op_takes_narrow_images(op, shape):
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    for seed in range(30):
        assert op({"image": image}, seeds(seed))["image"].shape == image.shape


@pytest.mark.parametrize(
    "transform", preprocess.randaugment.TRANSFORMATIONS.values(), ids=preprocess.randaugment.TRANSFORMATIONS
)
@pytest.mark.parametrize("shape", [(1, 37), (37, 1), (1, 1), (2, 2)])
def test_transformation_takes_narrow_images(transform, shape):
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    for strength, sign in ((0.0, 1.0), (1.0, 1.0), (1.0, -1.0)):
        assert transform(image, strength, sign, 128).shape == image.shape


@pytest.mark.parametrize("op", DECODING, ids=str)
def test_grey_image_gets_three_equal_channels(op):
    image = op(encoded(mode="L"), seeds(1))["image"].numpy()
    assert image.shape[2] == 3 and (image == image[..., :1]).all()


@pytest.mark.parametrize("op", DECODING[1:], ids=str)
@pytest.mark.parametrize("width, height", [(1, 50), (50, 1), (1, 1), (32, 32), (7, 300)])
def test_decoding_op_takes_every_shape(op, width, height):
    for seed in range(10):
        assert op(encoded(width, height), seeds(seed))["image"].shape == (32, 32, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "ops, shape, dtype",
    [
        ((Decode(),), [None, None, 3], tf.uint8),
        ((DecodeAndRandomCrop(32),), [32, 32, 3], tf.uint8),
        ((DecodeAndCenterCrop(32),), [32, 32, 3], tf.uint8),
        ((Decode(), ResizeShorterSide(20)), [None, None, 3], tf.uint8),
        ((Decode(), ResizeShorterSide(40), CenterCrop(32)), [32, 32, 3], tf.uint8),
        ((DecodeAndRandomCrop(32), *RANDOM), [32, 32, 3], tf.uint8),
        ((DecodeAndRandomCrop(32), Rescale()), [32, 32, 3], tf.float32),
        ((DecodeAndRandomCrop(32), Standardize(), FlipLeftRight(), CenterCrop(20)), [20, 20, 3], tf.float32),
    ],
    ids=str,
)
def test_graph_knows_shape_and_dtype(ops, shape, dtype):
    data = tf.data.Dataset.from_tensors(encoded()).map(lambda example: preprocess.apply(ops, example, seeds(1)))
    assert data.element_spec["image"] == tf.TensorSpec(shape, dtype)


@pytest.mark.parametrize("op", BATCHED, ids=str)
def test_graph_knows_shapes_of_batches(op):
    ops = (DecodeAndRandomCrop(32), OneHot(10))
    data = (
        tf.data.Dataset.from_tensors(encoded())
        .repeat(4)
        .map(lambda e: preprocess.apply(ops, e, seeds(1)))
        .batch(4, True)
    )
    spec = data.map(lambda batch: preprocess.apply((op,), batch, seeds(2))).element_spec
    assert spec["image"] == tf.TensorSpec([4, 32, 32, 3], tf.uint8) and spec["label"] == tf.TensorSpec(
        [4, 10], tf.float32
    )


def test_apply_gives_every_position_its_own_seed():
    example = {"image": tf.constant(np.arange(12, dtype=np.uint8).reshape(1, 4, 3))}
    once, thrice = ([preprocess.apply((FlipLeftRight(),) * n, example, seeds(s)) for s in range(64)] for n in (1, 3))
    # With one seed for all, three flips would be as one.
    assert sum(not same(left, right) for left, right in zip(once, thrice)) > 16


def test_split_cuts_before_the_first_batched_op():
    ops = (Decode(), OneHot(), MixUp(), Standardize())
    assert preprocess.split(ops) == (ops[:2], ops[2:]) and preprocess.split(ops[:2]) == (ops[:2], ())


def test_split_refuses_an_example_op_behind_a_batched_one():
    with pytest.raises(OptionError, match="OneHot takes single examples and must come before MixUp"):
        preprocess.split((Decode(), MixUp(), OneHot()))


@pytest.mark.parametrize(
    "ops, message",
    [
        ((FlipLeftRight(),), r"FlipLeftRight takes pixels, got a JPEG's bytes: put a decoding op"),
        ((Decode(), DecodeAndRandomCrop()), "DecodeAndRandomCrop takes a JPEG's bytes, got uint8"),
        ((Decode(), Rescale(), RandAugment()), "RandAugment takes uint8, got float32: put it before Rescale"),
        ((Decode(), OneHot(), OneHot()), "OneHot takes a whole number as the label, got float32"),
        ((Decode(), OneHot(), MixUp()), r"MixUp takes a batch of images \[B, h, w, 3\], got rank 3"),
    ],
    ids=str,
)
def test_wrong_order_of_ops_is_refused(ops, message):
    with pytest.raises(OptionError, match=message):
        preprocess.apply(ops, encoded(), seeds(1))
    in_graph = tf.autograph.experimental.do_not_convert(lambda example: preprocess.apply(ops, example, seeds(1)))
    with pytest.raises(OptionError, match=message):
        tf.data.Dataset.from_tensors(encoded()).map(in_graph)


def test_mixing_whole_labels_is_refused():
    with pytest.raises(OptionError, match=r"CutMix mixes labels, got int64: put OneHot\(\) before it"):
        CutMix()({"image": tf.zeros((2, 4, 4, 3)), "label": tf.constant([1, 2], tf.int64)}, seeds(1))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: DecodeAndRandomCrop(0), "size must be a whole number from 1 up, got 0"),
        (lambda: DecodeAndRandomCrop(size="224"), "size must be a whole number from 1 up, got '224'"),
        (lambda: DecodeAndRandomCrop(size=2.5), "size must be a whole number"),
        (
            lambda: DecodeAndRandomCrop(area=(0, 1)),
            r"area must be \(least, most\), 0 < least <= most <= 1, got \(0, 1\)",
        ),
        (lambda: DecodeAndRandomCrop(area=0.5), "area must be"),
        (lambda: DecodeAndRandomCrop(aspect=(2, 1)), "aspect must be"),
        (lambda: DecodeAndRandomCrop(aspect=(1, float("inf"))), "aspect must be"),
        (lambda: DecodeAndCenterCrop(fraction=1.5), r"DecodeAndCenterCrop: fraction must be in \[1e-06, 1\], got 1.5"),
        (lambda: DecodeAndCenterCrop(fraction=float("nan")), "fraction must be"),
        (lambda: ResizeShorterSide(-1), "size must be"),
        (lambda: CenterCrop(None), "size must be"),
        (lambda: FlipLeftRight(2), r"probability must be in \[0, 1\], got 2"),
        (lambda: ColorJitter(brightness=-1), "brightness must be"),
        (lambda: ColorJitter(hue=0.6), r"hue must be in \[0, 0.5\]"),
        (lambda: RandAugment(num_layers=0), "num_layers must be"),
        (lambda: RandAugment(magnitude=15), r"magnitude must be in \[0, 10\], got 15"),
        (lambda: RandAugment(magnitude_std=-1), "magnitude_std must be"),
        (lambda: RandAugment(fill=256), "fill must be"),
        (lambda: RandomErasing(area=(0.5, 0.1)), "area must be"),
        (lambda: Rescale(scale=0), "scale must be a finite number other than 0, got 0"),
        (lambda: Rescale(offset=float("nan")), "offset must be"),
        (
            lambda: Standardize(mean=(1, 2)),
            r"mean must be three numbers \(red, green, blue\) that are finite, got \(1, 2\)",
        ),
        (lambda: Standardize(std=(1, 0, 1)), r"std must be three numbers \(red, green, blue\) above 0"),
        (lambda: OneHot(num_classes=0), "num_classes must be"),
        (lambda: OneHot(smoothing=1.1), "smoothing must be"),
        (lambda: MixUp(0), "alpha must be above 0, got 0"),
        (lambda: CutMix(float("inf")), "alpha must be above 0"),
        (lambda: OneOf(()), "ops must be one or more ops"),
        (lambda: OneOf((MixUp(), FlipLeftRight())), "ops must be all batched, or none"),
    ],
)
def test_wrong_value_is_refused(make, message):
    with pytest.raises(OptionError, match=message):
        make()


def test_lists_become_tuples():
    assert DecodeAndRandomCrop(area=[0.1, 1]) == DecodeAndRandomCrop(area=(0.1, 1))
    assert hash(Standardize(mean=[0, 0, 0])) == hash(Standardize(mean=(0, 0, 0)))


@pytest.mark.parametrize("name", preprocess.PRESETS)
def test_preset_gives_uint8_images_of_its_size(name):
    result = in_data(preprocess.preset(name, size=48, num_classes=10), seeds(1))
    assert result["image"].dtype == tf.uint8 and result["image"].shape[-3:] == (48, 48, 3)
    assert preprocess.preset(name) == preprocess.PRESETS[name]


@pytest.mark.slow
def test_randaugment_preset_gives_labels_that_sum_to_one():
    labels = in_data(preprocess.preset("randaugment_train"), seeds(3))["label"]
    assert labels.shape == (4, 1000)
    np.testing.assert_allclose(tf.reduce_sum(labels, 1), 1, atol=1e-5)


def test_unknown_preset_lists_the_known():
    with pytest.raises(OptionError, match="no preset 'vgg'; known are resnet_train, resnet_eval, randaugment_train"):
        preprocess.preset("vgg")


def test_public_names_are_there():
    assert all(hasattr(preprocess, name) for name in preprocess.__all__)


def test_importing_the_package_loads_no_ops():
    code = "import sys, ilsvrc_tfds; print([n for n in ('tensorflow', 'ilsvrc_tfds.preprocess') if n in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
