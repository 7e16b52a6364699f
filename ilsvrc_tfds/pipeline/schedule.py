"""Computes which records each host reads and where a stream starts. Pure arithmetic."""

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, cast

from ilsvrc_tfds.errors import OptionError, counted, require_integers

if TYPE_CHECKING:
    import tensorflow as tf


class Piece(NamedTuple):
    """A run of records in a shard.

    Attributes:
      shard: Number of the shard.
      first: Number of the first record in the shard.
      length: Number of records.
    """

    shard: int
    first: int
    length: int


@dataclasses.dataclass(frozen=True)
class Host:
    """One of several hosts that read a split together.

    Attributes:
      index: Number of the host, in [0, count).
      count: Number of hosts.

    Raises OptionError for an index out of range.

    >>> [Host(index, 3).bounds(10) for index in range(3)]
    [(0, 3), (3, 6), (6, 10)]
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise OptionError(f"shard must be (i, n) with 0 <= i < n, got ({self.index}, {self.count}).")

    def bounds(self, n: int) -> tuple[int, int]:
        """Returns the bounds [start, stop) of this host's share of n examples in order.

        Each example belongs to one host, and the shares differ by at most one example.
        """
        return n * self.index // self.count, n * (self.index + 1) // self.count

    def examples(self, n: int) -> int:
        """Returns the number of examples in this host's share of n."""
        start, stop = self.bounds(n)
        return stop - start

    def most(self, n: int) -> int:
        """Returns the number of examples in the largest share of n."""
        return -(-n // self.count)


def as_host(shard: "tuple[int, int] | tf.distribute.InputContext") -> Host:
    """Returns the host for (i, n) or for a `tf.distribute.InputContext`. Raises OptionError for any other value.

    >>> as_host((1, 4))
    Host(index=1, count=4)
    """
    if hasattr(shard, "input_pipeline_id"):
        # Recognized by its attribute, because its class would load TensorFlow.
        context = cast("tf.distribute.InputContext", shard)
        return Host(context.input_pipeline_id, context.num_input_pipelines)
    try:
        index, count = shard
    except (TypeError, ValueError) as error:
        raise OptionError(f"shard must be (i, n) or a tf.distribute.InputContext, got {shard!r}.") from error
    require_integers(**{"i of shard=(i, n)": index, "n of shard=(i, n)": count})
    return Host(int(index), int(count))


def as_part(part: tuple[int, int], batch_size: int) -> Host:
    """Returns the part (k, m) of each batch as a host.

    Raises OptionError for any other value, or if m does not divide a batch.

    >>> as_part((1, 4), batch_size=256)
    Host(index=1, count=4)
    """
    try:
        index, count = part
    except (TypeError, ValueError) as error:
        raise OptionError(f"part must be (k, m), got {part!r}.") from error
    require_integers(**{"k of part=(k, m)": index, "m of part=(k, m)": count})
    if not 0 <= index < count:
        raise OptionError(f"part must be (k, m) with 0 <= k < m, got ({index}, {count}).")
    if batch_size % count:
        raise OptionError(f"batch_size must be a multiple of {count}, the number of parts, got {batch_size}.")
    return Host(int(index), int(count))


def deal(lengths: tuple[int, ...], host: Host) -> list[Piece]:
    """Returns a host's records as runs: whole shards, and parts of the shards in which its share starts or ends.

    Args:
      lengths: Number of records in each shard.
      host: Host that reads the records.

    >>> deal((4, 4, 4), Host(1, 2))
    [Piece(shard=1, first=2, length=2), Piece(shard=2, first=0, length=4)]
    """
    start, stop = host.bounds(sum(lengths))
    pieces, before = [], 0
    for shard, length in enumerate(lengths):
        first, last = max(start - before, 0), min(stop - before, length)
        if first < last:
            pieces.append(Piece(shard, first, last - first))
        before += length
    return pieces


@dataclasses.dataclass(frozen=True)
class Course:
    """The numbers of a host's stream of training batches.

    The epochs form one sequence of examples, which is cut into batches. So a batch may hold the end of an epoch and the
    beginning of the next.

    Attributes:
      examples: Number of examples of this host in an epoch.
      fewest: Number of examples in the smallest share of all hosts.
      batch_size: Number of examples in a batch.
      epochs: Number of epochs, or None for an endless stream.
      start_step: Number of the first batch.
      drop_remainder: Whether a last batch that is not full is left out.

    Raises OptionError for numbers that are invalid or contradict each other.

    >>> course = Course(examples=10, fewest=10, batch_size=4, epochs=3, start_step=6, drop_remainder=True)
    >>> course.steps, course.first_epoch, course.skipped
    (7, 2, 4)
    """

    examples: int
    fewest: int
    batch_size: int
    epochs: int | None
    start_step: int
    drop_remainder: bool

    def __post_init__(self) -> None:
        require_integers(batch_size=self.batch_size, start_step=self.start_step)
        if self.epochs is not None:
            require_integers(epochs=self.epochs)
        if self.batch_size < 1:
            raise OptionError(f"batch_size must be at least 1, got {self.batch_size}.")
        if self.epochs is not None and self.epochs < 1:
            raise OptionError(f"epochs must be at least 1, or None for an endless stream, got {self.epochs}.")
        if self.fewest < 1 or self.drop_remainder and self.batch_size > self.fewest:
            raise OptionError(
                f"batch_size={self.batch_size:,} is larger than the {counted(self.fewest, 'example')} of a host. "
                "Choose a smaller one, or pass drop_remainder=False."
            )
        if self.start_step < 0 or self.steps is not None and self.start_step > self.steps:
            allowed = "at least 0" if self.steps is None else f"in [0, {self.steps}]"
            raise OptionError(f"start_step must be {allowed}, got {self.start_step}.")

    @property
    def steps(self) -> int | None:
        """Number of batches from step 0, or None if endless. With `drop_remainder` all hosts have the same."""
        if self.epochs is None:
            return None
        if self.drop_remainder:
            return self.epochs * self.fewest // self.batch_size
        return -(-self.epochs * self.examples // self.batch_size)

    @property
    def first_epoch(self) -> int:
        """Number of the epoch that contains the first example of batch `start_step`."""
        return self.start_step * self.batch_size // self.examples

    @property
    def skipped(self) -> int:
        """Number of examples of that epoch before it."""
        return self.start_step * self.batch_size % self.examples
