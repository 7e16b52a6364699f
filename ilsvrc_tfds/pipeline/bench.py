"""What bounds a training: images a second of the pipeline up to each of its stages. Loads TensorFlow.

    print(stages.measure("ilsvrc2012/raw256", data_dir="/data/tfds"))

The stages are made of the functions that `for_training` and `for_evaluation` are made of, with the same parallelism.
"""

import dataclasses
import itertools
import os
import statistics
import time
from collections.abc import Iterable, Iterator

import tensorflow as tf
from loky import cpu_count

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import OptionError, require_integers
from ilsvrc_tfds.pipeline import find_split, source_errors
from ilsvrc_tfds.pipeline.batches import PREFETCHED_BATCHES
from ilsvrc_tfds.pipeline.epochs import key_of, records_in_order, records_of_epochs, share_of
from ilsvrc_tfds.pipeline.examples import batches_of, examples_of, mixed
from ilsvrc_tfds.pipeline.reading import RAISE
from ilsvrc_tfds.pipeline.schedule import Course, Host
from ilsvrc_tfds.pipeline.split import Data, Split

# Batches before the clock starts: threads begin, and what was fetched ahead is used up.
_WARM_UP = 4
# An image costs the same with a larger one, which takes longer to fill before the clock starts. Of a small split an eighth: a
# buffer that holds all of it would have nothing read on the clock.
_SHUFFLE_BUFFER = 1024


@dataclasses.dataclass(frozen=True)
class Stage:
    """The pipeline up to a stage.

    Attributes:
      name: read, parse, the class of an op, or batch.
      ms: milliseconds by the clock that an image takes up to here.
      marginal_ms: how many more than up to the stage before; less than 0 only where the clock is not that exact.
    """

    name: str
    ms: float
    marginal_ms: float

    @property
    def images_per_second(self) -> float:
        """Images that come out of this stage."""
        return 1000 / self.ms


@dataclasses.dataclass(frozen=True)
class Report:
    """What was measured; as text, a table whose last line says what bounds the job.

    Attributes:
      folder: of the shards.
      split: its name.
      ops: of examples and batches.
      batch_size: images of a batch.
      images: that each stage made on the clock, in each round; the same ones.
      rounds: over which the medians are taken.
      cores: of this machine.
      stages: in the order in which an image comes through them.
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
        """Returns the report as values that `json` writes."""
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
                f"{self.folder}, {self.split}: {self.images:,} images in batches of {self.batch_size}, {self.rounds} rounds, "
                f"{self.cores} cores, records in the page cache",
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
    """Returns how fast the stages are, each on the same images.

    A first pass runs the whole job for `seconds`; what it came to is in the page cache then, and is what every stage makes in
    every round. The stages take turns; the report has medians. A slow disk is not seen: the records come from memory.

    Args:
      data: as of `for_training`.
      batch_size: images of a batch.
      ops: name of a preset, or ops; where None resnet_train for train, resnet_eval for other splits.
      split: train is read as for a training, others as for an evaluation, both without end.
      data_dir: as of `for_training`.
      label_offset: as of `for_training`.
      seconds: of the whole job in each round; faster stages are done sooner.
      rounds: of which the report has the medians.

    Raises: OptionError and SourceError, as `for_training`.
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
        cores=cpu_count(),
        stages=tuple(Stage(name, *both) for (name, _), *both in zip(column, ms, added)),
    )


def stages_of(split: Split, ops: Iterable[preprocess.Op], batch_size: int) -> list[tuple[str, tf.data.Dataset]]:
    """Returns name and endless data of the pipeline up to each stage; an element is `batch_size` images at each of them.

    Before the stage `batch` that is a window: so many elements, none of them copied.
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
    """Returns how many batches come in so many seconds; one at least."""
    batches = _warm(data)
    start = time.perf_counter()
    return next(number for number, _ in enumerate(batches, 1) if time.perf_counter() - start >= seconds)


def _seconds_of(data: tf.data.Dataset, count: int) -> float:
    """Returns the seconds that so many batches take."""
    batches = _warm(data)
    start = time.perf_counter()
    for _ in itertools.islice(batches, count):
        pass
    return time.perf_counter() - start


def _warm(data: tf.data.Dataset) -> Iterator[tuple[tf.Tensor, ...]]:
    """Returns the iterator behind the first batches."""
    batches = iter(data)
    for _ in range(_WARM_UP):
        next(batches)
    return batches
