"""The command `demo`: draws a source, prepares it, reads it back, and draws a contact sheet."""

import argparse
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.cli.next_steps import Step, call, check, command, say_next, train
from ilsvrc_tfds.cli.prepared_sets import prepared
from ilsvrc_tfds.cli.results import tell
from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.sources import completeness, find
from ilsvrc_tfds.sources.demo import draw

_SHEET_IMAGES = 24
_NOTEBOOKS = 'python -m pip install ".[notebooks]" && jupyter lab notebooks'


def demo(options: argparse.Namespace) -> int:
    """Draws, prepares, reads back, and draws the contact sheet. All output comes at the end, after all of the work."""
    archives, data_dir = options.folder / "archives", options.folder / "data"
    draw(archives)
    try:
        with _said_once():
            builders = ilsvrc_tfds.prepare_all(archives, data_dir, workers=options.workers, allow_incomplete=True)
    except DestinationError as error:
        raise DestinationError(
            f"{error} The demo itself replaces nothing. Name another folder: `ilsvrc-tfds demo OTHER_DIR`."
        ) from error
    folder, sheet = data_dir / "ilsvrc2012/raw256/1.0.0", options.folder / "contact-sheet.png"
    ilsvrc_tfds.show(folder, num=_SHEET_IMAGES, out=sheet)
    root = Path(builders["raw256"].data_dir).parents[2]
    sets = [prepared(builder, root) for builder in builders.values()]
    load = call("tfds.load", "ilsvrc2012/raw256", data_dir=root)
    counts = " and ".join(f"{split['examples']:,} {split['split']}" for split in sets[0]["splits"])
    lines = [
        f"Drew      {counts} images as the official archives have them: {archives}",
        "          8 of the 1,000 classes, and no test split: it is incomplete by design",
        f"Prepared  ilsvrc2012/classification and ilsvrc2012/raw256: {data_dir}",
        f"Read      {_first_batch(data_dir)}",
        f"Sheet     {_SHEET_IMAGES} of the images: {sheet}",
        load,
    ]
    steps = list(_steps(folder))
    values = {"archives": str(archives), "data_dir": str(root), "data_sets": sets, "contact_sheet": str(sheet)}
    status = tell(options, lines, values, steps if options.as_json else ())
    if not options.as_json:
        say_next(steps[:-2], "Next, with the demo's data:")
        say_next(steps[-2:], "Next, with your own images, in any layout:")
    return status


@contextlib.contextmanager
def _said_once() -> Iterator[None]:
    """Leaves out messages on what is missing: the demo is incomplete by design, which it says itself."""
    loggers = [logging.getLogger(module.__name__) for module in (completeness, find)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def _steps(folder: Path) -> Iterator[Step]:
    """Yields the next steps: those with the demo's data, and then two with the user's own."""
    yield Step("describe some records", command("show", folder))
    yield check(folder)
    yield Step("train a small model on it", train(folder).line)
    yield Step("run the notebooks, in a checkout of the repository", _NOTEBOOKS)
    yield Step("see what is there, and what is missing", command("doctor", "FOLDER"))
    yield Step(
        "prepare them; doctor says how long that takes",
        command("prepare", "FOLDER", "--config", "all", "--data-dir", "DATA_DIR"),
    )


def _first_batch(data_dir: Path) -> str:
    """Returns a description of the first batch of a prepared data set: dtype, shape and classes."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    def crop(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.image.resize_with_crop_or_pad(image, 224, 224), label

    data = tfds.load("ilsvrc2012/raw256", data_dir=data_dir, split="train", as_supervised=True)
    images, labels = next(iter(data.map(crop).batch(8)))
    words = [synsets.synsets()[label].words.partition(",")[0] for label in labels.numpy()[:4]]
    return f"a batch: {images.dtype.name} {tuple(images.shape)}, {', '.join(words)}, …"
