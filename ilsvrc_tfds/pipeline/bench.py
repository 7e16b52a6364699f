"""Measures the speed of the pipeline up to each of its stages, and so which one limits a training. Loads TensorFlow.

    print(bench.measure("ilsvrc2012/raw256", data_dir="/data/tfds"))

The stages call the same functions as `for_training` and `for_evaluation`, with the same parallelism.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator

import tensorflow as tf

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import OptionError, require_integers
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.pipeline import find_split, source_errors
from ilsvrc_tfds.pipeline.batches import PREFETCHED_BATCHES
from ilsvrc_tfds.pipeline.epochs import key_of, records_in_order, records_of_epochs, share_of
from ilsvrc_tfds.pipeline.examples import batches_of, examples_of, mixed
from ilsvrc_tfds.pipeline.reading import RAISE
from ilsvrc_tfds.pipeline.schedule import Course, Host
from ilsvrc_tfds.pipeline.speeds import Report, Stage, report_of
from ilsvrc_tfds.pipeline.split import Data, Split
from ilsvrc_tfds.runners.local import num_cores
from ilsvrc_tfds.terminal.progress import progress

__all__ = ["Report", "Stage", "measure", "stages_of"]

# Number of batches before the clock starts: threads start, and prefetched batches are used up.
_WARM_UP = 4
# A larger buffer costs the same for each image, but takes longer to fill before the clock starts. For a small split it
# is an eighth of the records: if the buffer held all of them, nothing would be read while the clock runs.
_SHUFFLE_BUFFER = 1024


def measure(
    data: Data,
    *,
    batch_size: int = 128,
    ops: str | Iterable[preprocess.Op] | None = None,
    split: str = "train",
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    seconds: float = 1.0,
    rounds: int = 9,
) -> Report:
    """Measures the speed of the pipeline's stages on the same images.

    A first pass runs the whole pipeline for `seconds`. Its images are then in the page cache, and every stage makes the
    same images in every round. The stages take turns in many short rounds, so that other work on the machine disturbs
    all of them, and the report has medians and the range. It does not show a slow disk, because the records come from
    memory.

    Args:
      data: As for `for_training`.
      batch_size: Number of images in a batch.
      ops: Name of a preset, or ops. If None, resnet_train for train and resnet_eval for other splits.
      split: Name of the split. Train is read as for training, others as for evaluation, both as endless streams.
      data_dir: As for `for_training`.
      label_offset: As for `for_training`.
      seconds: Time that the whole pipeline takes in each round. Faster stages take less.
      rounds: Number of rounds.

    Raises: OptionError and SourceError, as for `for_training`.

    >>> report = measure("ilsvrc2012", data_dir="/data/tfds", batch_size=4, seconds=0.05, rounds=1)
    >>> [stage.name for stage in report.stages]
    ['read', 'parse', 'DecodeAndRandomCrop', 'FlipLeftRight', 'batch']
    """
    require_integers(batch_size=batch_size, rounds=rounds)
    if not seconds > 0 or rounds < 1:
        raise OptionError(f"seconds must be above 0 and rounds at least 1, got {seconds} and {rounds}.")
    found = find_split(data, split, data_dir=data_dir, label_offset=label_offset)
    ops = ops if ops is not None else "resnet_train" if found.name == "train" else "resnet_eval"
    ops = preprocess.preset(ops) if isinstance(ops, str) else tuple(ops)
    column = stages_of(found, ops, batch_size)
    with source_errors(found.folder), progress("bench", 1 + rounds * len(column), unit="windows") as work:
        batches = _batches_within(column[-1][1], seconds)
        work.advance()
        times = [[_seconds_of(stage, batches, work.advance) for _, stage in column] for _ in range(rounds)]
    return report_of(
        [name for name, _ in column],
        [[1000 * taken / (batches * batch_size) for taken in turn] for turn in times],
        folder=str(found.folder),
        split=found.name,
        ops=ops,
        batch_size=batch_size,
        images=batches * batch_size,
        cores=num_cores(),
        load=os.getloadavg()[0],
        resized=find_output(found.folder).config().get("op", "Original") != "Original",
    )


def stages_of(split: Split, ops: Iterable[preprocess.Op], batch_size: int) -> list[tuple[str, tf.data.Dataset]]:
    """Returns name and endless data of the pipeline up to each stage. An element of the data has `batch_size` images.

    Before the stage `batch` an element is a window of single images, which are not copied.
    """
    host, (ops, batch_ops) = Host(), preprocess.split(ops)
    key = key_of(0, host)
    share = share_of(split, None, host)
    course = Course(share.examples, share.fewest, batch_size, epochs=None, start_step=0, drop_remainder=False)
    if split.name == "train":
        buffer = min(_SHUFFLE_BUFFER, -(-share.examples // 8))
        records = records_of_epochs(share, course, key, shuffle_buffer=buffer, deterministic=True)
    else:
        records = records_in_order(share, key).repeat()
    singles = [examples_of(records, split, ops[:count]) for count in range(len(ops) + 1)]
    batches = batches_of(
        records,
        split,
        None,
        ops,
        num_examples=share.examples,
        batch_size=batch_size,
        on_error=RAISE,
        deterministic=True,
        drop_remainder=True,
    )
    mixes = [mixed(batches, batch_ops[:count], deterministic=True) for count in range(len(batch_ops) + 1)]

    names = ["read", "parse", *map(_name, ops), "batch", *map(_name, batch_ops)]
    column = [*(stage.window(batch_size, drop_remainder=True) for stage in (records, *singles)), *mixes]
    return [(name, stage.prefetch(PREFETCHED_BATCHES)) for name, stage in zip(names, column)]


def _name(op: preprocess.Op) -> str:
    return type(op).__name__


def _batches_within(data: tf.data.Dataset, seconds: float) -> int:
    """Returns the number of batches that are made in the given time, at least 1."""
    batches = _warm(data)
    start = time.perf_counter()
    return next(number for number, _ in enumerate(batches, 1) if time.perf_counter() - start >= seconds)


def _seconds_of(data: tf.data.Dataset, count: int, then: Callable[[], None]) -> float:
    """Returns the time of the given number of batches, in seconds, and makes a call after it."""
    batches = _warm(data)
    start = time.perf_counter()
    for _ in itertools.islice(batches, count):
        pass
    taken = time.perf_counter() - start
    then()
    return taken


def _warm(data: tf.data.Dataset) -> Iterator[tuple[tf.Tensor, ...]]:
    """Returns an iterator of the batches after the first ones, which are not timed."""
    batches = iter(data)
    for _ in range(_WARM_UP):
        next(batches)
    return batches
