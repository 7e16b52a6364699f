"""Runs an op on drawn pixels."""

import drawing
import numpy as np
import tensorflow as tf

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
