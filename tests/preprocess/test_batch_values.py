"""Values of ops on batches, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from op_values import SEED, assert_near, draws, pixels

from ilsvrc_tfds.preprocess import (
    CutMix,
    FlipLeftRight,
    MixUp,
    OneOf,
)

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
