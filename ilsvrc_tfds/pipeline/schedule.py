"""What each host reads, and where a stream begins. Pure arithmetic."""

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, cast

from ilsvrc_tfds.errors import OptionError, require_integers

if TYPE_CHECKING:
    import tensorflow as tf


class Piece(NamedTuple):
    """A run of records in a shard.

    Attributes:
      shard: its number.
      first: number of the first record in the shard.
      length: Number of records.
    """

    shard: int
    first: int
    length: int


@dataclasses.dataclass(frozen=True)
class Host:
    """One of `count` hosts that read a split together. Raises OptionError for a number out of range."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise OptionError(f"shard must be (i, n) with 0 <= i < n, got ({self.index}, {self.count}).")

    def bounds(self, n: int) -> tuple[int, int]:
        """Returns the first of this host's examples among n in order, and the one behind its last.

        Each example is one host's, and hosts differ by one example at most.
        """
        return n * self.index // self.count, n * (self.index + 1) // self.count

    def examples(self, n: int) -> int:
        """Returns how many of n examples are this host's."""
        start, stop = self.bounds(n)
        return stop - start

    def most(self, n: int) -> int:
        """Returns how many of n examples the host has that has most."""
        return -(-n // self.count)


def as_host(shard: "tuple[int, int] | tf.distribute.InputContext") -> Host:
    """Returns the host of (i, n) or of a `tf.distribute.InputContext`. Raises OptionError."""
    if hasattr(shard, "input_pipeline_id"):
        context = cast("tf.distribute.InputContext", shard)  # not by its class, which would load TensorFlow
        return Host(context.input_pipeline_id, context.num_input_pipelines)
    try:
        index, count = shard
    except (TypeError, ValueError) as error:
        raise OptionError(f"shard must be (i, n) or a tf.distribute.InputContext, got {shard!r}.") from error
    require_integers(**{"i of shard=(i, n)": index, "n of shard=(i, n)": count})
    return Host(int(index), int(count))


def deal(lengths: tuple[int, ...], host: Host) -> list[Piece]:
    """Returns a host's records: whole shards, and parts of one where its share begins or ends inside it."""
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
    """A host's stream of training batches, by numbers. Raises OptionError for what makes no sense.

    Batches are cut from the endless row of epochs, so that one may hold the end of an epoch and the beginning of the next.

    Attributes:
      examples: of the host in an epoch.
      fewest: examples that a host has at least.
      batch_size: examples of a batch.
      epochs: how many; None for no end.
      start_step: number of the first batch.
      drop_remainder: whether a last batch that is not full is left out.
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
            raise OptionError(f"epochs must be at least 1, or None for no end, got {self.epochs}.")
        if self.fewest < 1 or self.drop_remainder and self.batch_size > self.fewest:
            raise OptionError(
                f"batch_size={self.batch_size:,} is larger than the {self.fewest:,} examples of a host. Make it smaller, or "
                "read fewer examples with drop_remainder=False."
            )
        if self.start_step < 0 or self.steps is not None and self.start_step > self.steps:
            raise OptionError(f"start_step must be in [0, {self.steps or 'no end'}], got {self.start_step}.")

    @property
    def steps(self) -> int | None:
        """Batches of the whole stream from step 0; None for no end. With `drop_remainder` all hosts have as many."""
        if self.epochs is None:
            return None
        if self.drop_remainder:
            return self.epochs * self.fewest // self.batch_size
        return -(-self.epochs * self.examples // self.batch_size)

    @property
    def first_epoch(self) -> int:
        """Epoch of the first example of batch `start_step`."""
        return self.start_step * self.batch_size // self.examples

    @property
    def skipped(self) -> int:
        """Examples of that epoch that lie before."""
        return self.start_step * self.batch_size % self.examples
