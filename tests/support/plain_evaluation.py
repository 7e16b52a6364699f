"""An evaluation in plain Pillow and NumPy: the oracle for evaluation sets. It shares only the model with the package."""

import io

import keras
import numpy as np
from PIL import Image

SIDE = 32


def model(side: int = SIDE, seed: int = 3) -> keras.Model:
    """Returns a model of 1000 classes with random weights, whose answer follows from the colours of 4 x 4 tiles."""
    images = keras.Input((side, side, 3), dtype="uint8")
    tiles = keras.layers.AveragePooling2D(side // 4)(keras.layers.Rescaling(1 / 128, offset=-1)(images))
    dense = keras.layers.Dense(1000, kernel_initializer=keras.initializers.RandomNormal(seed=seed))
    return keras.Model(images, dense(keras.layers.Flatten()(tiles)))


def cropped(data: bytes, side: int = SIDE) -> np.ndarray:
    """Returns the central square of 0.875 of the shorter side, resized by bilinear interpolation between pixels."""
    pixels = decoded(data)
    height, width = pixels.shape[:2]
    square = max(1, round(min(height, width) * 0.875))
    top, left = (height - square) // 2, (width - square) // 2
    return resized(pixels[top : top + square, left : left + square], side)


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    """Returns a square in another size: each pixel is interpolated between the four around its centre."""
    place = np.clip((np.arange(side) + 0.5) * len(pixels) / side - 0.5, 0, len(pixels) - 1)
    low = np.floor(place).astype(int)
    high, part = np.minimum(low + 1, len(pixels) - 1), (place - low).astype(np.float32)
    rows = pixels[low] + (pixels[high].astype(np.float32) - pixels[low]) * part[:, None, None]
    columns = rows[:, low] + (rows[:, high] - rows[:, low]) * part[None, :, None]
    return np.floor(columns + 0.5).astype(np.uint8)


def decoded(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def logits(of: keras.Model, pixels: list[np.ndarray]) -> np.ndarray:
    return np.asarray(of(np.stack(pixels), training=False))


def ranked(scores: np.ndarray, classes=tuple(range(1000))) -> np.ndarray:
    """Returns the five classes with the highest scores of each row, the best first. Only the given ones compete."""
    own = np.array(classes)
    return own[np.argsort(-scores[:, own], axis=1)[:, :5]]
