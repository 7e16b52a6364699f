"""Do predictions agree with those after a preprocessing that is written by hand, in Pillow and NumPy?

    python benchmarks/agreement.py IMAGES [--count 100] [--model resnet50] [--seeds 3]

Takes the first images of a folder of pictures. The model is of `keras.applications`, with random weights; its batch normalization is
fitted to the images, because otherwise it would give all of them the same class. Three preprocessings by hand are compared with
`resnet_eval`:

crop, resize    as `resnet_eval` is defined: the central square of 0.875 of the shorter side, then bilinear interpolation to 224
resize, crop    the shorter side to 256 by bilinear interpolation, then the central 224 pixels
torchvision     the same with Pillow's bilinear filter, which averages over all pixels, as `Resize(256)` and `CenterCrop(224)`

Prints a JSON line for each seed and preprocessing: how many predictions are equal, how many classes were predicted, and the mean
difference of the pixels, in levels of 255.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from ilsvrc_tfds.pipeline.schedule import Host
from ilsvrc_tfds.pipeline.sets.found import Images
from ilsvrc_tfds.pipeline.sets.streams import batches_of_part
from ilsvrc_tfds.pipeline.sets.trees import File, is_image
from ilsvrc_tfds.preprocess import preset
from ilsvrc_tfds.training import build_model

_SIDE, _RESIZED, _BATCH = 224, 256, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="folder of pictures")
    parser.add_argument("--count", type=int, default=100, help="number of pictures (default: %(default)s)")
    parser.add_argument("--model", default="resnet50", help="model (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="number of models (default: %(default)s)")
    options = parser.parse_args()
    paths = sorted(path for path in options.images.iterdir() if is_image(path.name))[: options.count]
    ours = pipeline_pixels(paths)
    by_hand = {name: np.stack([make(path) for path in paths]) for name, make in _BY_HAND.items()}
    for seed in range(options.seeds):
        keras.utils.set_random_seed(seed)
        model = build_model(options.model, image_size=_SIDE)
        fit_normalization(model, ours)
        own = predictions(model, ours)
        for name, pixels in by_hand.items():
            line = {"benchmark": "agreement", "model": options.model, "seed": seed, "by_hand": name}
            line |= {"images": len(paths), "equal": int((own == predictions(model, pixels)).sum())}
            difference = np.abs(ours.astype(np.int16) - pixels).mean()
            print(
                json.dumps({**line, "classes": len(set(own.tolist())), "mean_difference": round(float(difference), 3)})
            )


def pipeline_pixels(paths: list[Path]) -> np.ndarray:
    images = Images(tuple(File(str(path)) for path in paths), np.zeros(len(paths), np.int64))
    batches = batches_of_part(images, preset("resnet_eval", size=_SIDE), Host(), _BATCH)
    return np.concatenate([batch["image"].numpy() for batch in batches])


def crop_then_resize(path: Path) -> np.ndarray:
    pixels = decoded(path)
    square = round(min(pixels.shape[:2]) * 0.875)
    return rounded(interpolated(center(pixels, square), _SIDE, _SIDE))


def resize_then_crop(path: Path) -> np.ndarray:
    pixels = decoded(path)
    height, width = pixels.shape[:2]
    short = min(height, width)
    return center(rounded(interpolated(pixels, height * _RESIZED // short, width * _RESIZED // short)), _SIDE)


def as_torchvision(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        width, height = image.size
        short = min(image.size)
        size = (width * _RESIZED // short, height * _RESIZED // short)
        return center(np.asarray(image.convert("RGB").resize(size, Image.Resampling.BILINEAR)), _SIDE)


_BY_HAND = {"crop, resize": crop_then_resize, "resize, crop": resize_then_crop, "torchvision": as_torchvision}


def decoded(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def center(pixels: np.ndarray, side: int) -> np.ndarray:
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[top : top + side, left : left + side]


def interpolated(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns float32 pixels in another size: each is interpolated between the four pixels around its centre."""
    rows, columns = places(pixels.shape[0], height), places(pixels.shape[1], width)
    low, high, part = rows
    pixels = pixels.astype(np.float32)
    lines = pixels[low] + (pixels[high] - pixels[low]) * part[:, None, None]
    low, high, part = columns
    return lines[:, low] + (lines[:, high] - lines[:, low]) * part[None, :, None]


def places(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    place = np.clip((np.arange(new, dtype=np.float32) + 0.5) * (old / new) - 0.5, 0, old - 1)
    low = np.floor(place).astype(int)
    return low, np.minimum(low + 1, old - 1), (place - low).astype(np.float32)


def rounded(pixels: np.ndarray) -> np.ndarray:
    return np.floor(pixels + 0.5).astype(np.uint8)


def fit_normalization(model: keras.Model, pixels: np.ndarray) -> None:
    """Sets the means and variances of batch normalization to those of the images, as a training would."""
    networks = [layer for layer in model.layers if isinstance(layer, keras.Model)] or [model]
    for layer in (layer for network in networks for layer in network.layers):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
    for _ in range(3):
        for start in range(0, len(pixels), _BATCH):
            model(pixels[start : start + _BATCH], training=True)


def predictions(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    return model.predict(pixels, batch_size=_BATCH, verbose=0).argmax(1)


if __name__ == "__main__":
    main()
