"""A model sees the pixels that a Pillow and NumPy pipeline gives it: its predictions agree."""

import io

import drawing
import keras
import numpy as np
import pytest
from PIL import Image

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, preprocess, synsets, training

pytestmark = pytest.mark.slow

SIZE, IMAGES = 64, 48
# The first validation image of each class, from 0 in the numbers of the files: its label names it.
LABELS, NUMBERS = (part[:IMAGES] for part in np.unique(synsets.validation_labels(), return_index=True))


def noisy_jpeg(number: int) -> bytes:
    """Returns a picture of its own size with noise of its brightness, as photographs have it."""
    rng = np.random.default_rng(number)
    width, height = rng.integers(70, 260, 2).tolist()
    picture = np.asarray(drawing.picture(width, height, seed=number)) + rng.normal(0, 12, (height, width, 1))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """Returns an image resized bilinearly, without antialiasing: between the centres of pixels, the outermost repeated."""
    image = image.astype(np.float32)
    for axis in (0, 1):
        count = image.shape[axis]
        place = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(count / size) - 0.5
        below = np.floor(place)
        low, high = (np.take(image, np.clip(below + k, 0, count - 1).astype(int), axis) for k in (0, 1))
        image = low + (high - low) * (place - below).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    return np.floor(image + 0.5).astype(np.uint8)


def with_pillow(data: bytes) -> np.ndarray:
    """Returns what ResNet's evaluation makes of an image: the central 0.875 of its shorter side, resized."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    side = round(min(image.size) * 0.875)
    x, y = ((length - side) // 2 for length in image.size)
    return resized(np.asarray(image)[y : y + side, x : x + side], SIZE)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same images by `for_evaluation`, by Pillow and NumPy, and by `for_evaluation` with the fast DCT."""
    root = tmp_path_factory.mktemp("pixels")
    pictures = {int(label): noisy_jpeg(number) for label, number in zip(LABELS, NUMBERS)}
    val = {
        f"ILSVRC2012_val_{number + 1:08d}.JPEG": pictures[label]
        for label, number in zip(LABELS.tolist(), NUMBERS.tolist())
    }
    source = drawing.official_archives(root / "source", drawing.Images({}, val, {}))
    folder = ilsvrc_tfds.prepare(source, root / "data", workers=1, allow_incomplete=True).data_dir
    crops = preprocess.DecodeAndCenterCrop(SIZE), preprocess.DecodeAndCenterCrop(SIZE, fast_dct=True)
    (ours, labels), (fast, _) = (next(iter(evaluation(folder, crop))) for crop in crops)
    theirs = np.stack([with_pillow(pictures[label]) for label in labels.tolist()])
    return ours, theirs, fast


def evaluation(folder: str, crop: preprocess.Op):
    return pipeline.for_evaluation(folder, batch_size=IMAGES, ops=(crop,)).as_numpy_iterator()


def test_pixels_equal_those_of_pillow(images):
    ours, theirs, fast = images
    assert (
        np.mean(ours == theirs) > 0.995 and np.abs(ours.astype(int) - theirs).max() <= 4
    )  # at the edges of a crop, by its chroma
    assert np.mean(fast == theirs) < 0.6


@pytest.mark.parametrize("seed", range(3))
def test_predictions_of_a_random_model_agree_with_pillow(seed, images):
    keras.utils.set_random_seed(seed)
    model = training.build_model("small", image_size=SIZE)
    logits = np.stack([model.predict(batch, verbose=0) for batch in images])
    # Of its 1000 logits a random model has the same ones highest for all images: compared with their means, each has its own.
    ours, theirs, fast = ((logits - logits[1].mean(0)) / logits[1].std(0)).argmax(-1)
    assert len(set(theirs.tolist())) > IMAGES / 2
    assert np.sum(ours != theirs) <= 1  # a tie, perhaps
    assert np.abs(logits[0] - logits[1]).max() < 0.1 * np.abs(logits[2] - logits[1]).max()
