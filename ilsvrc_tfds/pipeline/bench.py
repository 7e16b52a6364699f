"""Measures the speed of the pipeline up to each of its stages, and so which one limits a training. Loads TensorFlow.

    print(bench.measure("ilsvrc2012/raw256", data_dir="/data/tfds"))

The stages call the same functions as `for_training` and `for_evaluation`, with the same parallelism.
"""

import dataclasses
import itertools
import os
import statistics
import time
from collections.abc import Iterable, Iterator

import tensorflow as tf

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import OptionError, counted, require_integers
from ilsvrc_tfds.pipeline import find_split, source_errors
from ilsvrc_tfds.pipeline.batches import PREFETCHED_BATCHES
from ilsvrc_tfds.pipeline.epochs import key_of, records_in_order, records_of_epochs, share_of
from ilsvrc_tfds.pipeline.examples import batches_of, examples_of, mixed
from ilsvrc_tfds.pipeline.reading import RAISE
from ilsvrc_tfds.pipeline.schedule import Course, Host
from ilsvrc_tfds.pipeline.split import Data, Split
from ilsvrc_tfds.runners.local import num_cores

# Number of batches before the clock starts: threads start, and prefetched batches are used up.
_WARM_UP = 4
# A larger buffer costs the same for each image, but takes longer to fill before the clock starts. For a small split it
# is an eighth of the records: if the buffer held all of them, nothing would be read while the clock runs.
_SHUFFLE_BUFFER = 1024


@dataclasses.dataclass(frozen=True)
class Stage:
    """The pipeline up to a stage.

    Attributes:
      name: Name of the stage: read, parse, the class of an op, or batch.
      ms: Wall-clock time of an image up to this stage, in ms.
      marginal_ms: Difference from the stage before, in ms. Negative only if it is smaller than the error of
        measurement.

    >>> Stage("read", ms=0.04, marginal_ms=0.04).images_per_second
    25000.0
    """

    name: str
    ms: float
    marginal_ms: float

    @property
    def images_per_second(self) -> float:
        """Number of images that leave this stage in a second."""
        return 1000 / self.ms


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of a measurement. As text it is a table whose last line names the slowest stage.

    Attributes:
      folder: Folder of the shards.
      split: Name of the split.
      ops: Ops for examples and batches.
      batch_size: Number of images in a batch.
      images: Number of images that each stage made in each round. They are the same images.
      rounds: Number of rounds over which the medians are taken.
      cores: Number of cores of this machine.
      stages: Stages in the order in which an image passes them.
    """

    folder: str
    split: str
    ops: tuple[preprocess.Op, ...]
    batch_size: int
    images: int
    rounds: int
    cores: int
    stages: tuple[Stage, ...]

    @property
    def bound(self) -> Stage:
        """The stage that adds most to the time of an image."""
        return max(self.stages, key=lambda stage: stage.marginal_ms)

    def as_json(self) -> dict:
        """Returns the report as values that `json` can write."""
        stages = [{**dataclasses.asdict(stage), "images_per_second": stage.images_per_second} for stage in self.stages]
        return {**vars(self), "ops": [repr(op) for op in self.ops], "stages": stages, "bound": self.bound.name}

    def __str__(self) -> str:
        size = max(len(stage.name) for stage in self.stages) + 2
        rows = (
            f"{sign} {stage.name:{size}}{stage.images_per_second:10,.0f}{stage.ms:14.3f}{stage.marginal_ms:14.3f}"
            for sign, stage in zip(" " + "+" * len(self.stages), self.stages)
        )
        bound, last = self.bound, self.stages[-1]
        return "\n".join(
            (
                f"{self.folder}, {self.split}: {counted(self.images, 'image')} in batches of {self.batch_size}, "
                f"{counted(self.rounds, 'round')}, {counted(self.cores, 'core')}, records in the page cache",
                f"  {'up to':{size}}{'images/s':>10}{'ms an image':>14}{'of it here':>14}",
                *rows,
                f"{bound.name} bounds the job: {bound.marginal_ms:.3f} of the {last.ms:.3f} ms that an image takes.",
            )
        )


def measure(
    data: Data,
    *,
    batch_size: int = 128,
    ops: str | Iterable[preprocess.Op] | None = None,
    split: str = "train",
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    seconds: float = 2.0,
    rounds: int = 5,
) -> Report:
    """Measures the speed of the pipeline's stages on the same images.

    A first pass runs the whole pipeline for `seconds`. Its images are then in the page cache, and every stage makes the
    same images in every round. The stages take turns, and the report has medians. It does not show a slow disk, because
    the records come from memory.

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
    with source_errors(found.folder):
        batches = _batches_within(column[-1][1], seconds)
        times = [[_seconds_of(stage, batches) for _, stage in column] for _ in range(rounds)]
    ms = [1000 * statistics.median(stage) / (batches * batch_size) for stage in zip(*times)]
    added = [after - before for before, after in itertools.pairwise([0.0, *ms])]
    return Report(
        folder=str(found.folder),
        split=found.name,
        ops=ops,
        batch_size=batch_size,
        images=batches * batch_size,
        rounds=rounds,
        cores=num_cores(),
        stages=tuple(Stage(name, *both) for (name, _), *both in zip(column, ms, added)),
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


def _seconds_of(data: tf.data.Dataset, count: int) -> float:
    """Returns the time of the given number of batches, in seconds."""
    batches = _warm(data)
    start = time.perf_counter()
    for _ in itertools.islice(batches, count):
        pass
    return time.perf_counter() - start


def _warm(data: tf.data.Dataset) -> Iterator[tuple[tf.Tensor, ...]]:
    """Returns an iterator of the batches after the first ones, which are not timed."""
    batches = iter(data)
    for _ in range(_WARM_UP):
        next(batches)
    return batches
