"""Which image goes where: order, number of shards, cuts. Pure: everything follows from the index."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from ilsvrc_tfds.errors import OptionError, require_whole
from ilsvrc_tfds.formats.naming import disk_order
from ilsvrc_tfds.sources.members import Members

# TFDS's bounds of a shard's size (core/utils/shard_utils.py), and what its rule adds for each record.
_MIN_SHARD_BYTES, _MAX_SHARD_BYTES = 64 << 20, 1 << 30
_RECORD_OVERHEAD = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Shard:
    """One shard.

    Attributes:
      split: that it belongs to.
      index: its number, in [0, count).
      count: shards of the split.
      members: its images in the order of its records.
    """

    split: str
    index: int
    count: int
    members: Members


@dataclasses.dataclass(frozen=True, eq=False)
class SplitPlan:
    """One split, cut into shards.

    Attributes:
      members: the images as indexed.
      order: rows of `members` in the order of the records; int of shape (n,).
      bounds: record k is in shard i if bounds[i] <= k < bounds[i + 1]; ints of length shards + 1.
      num_bytes: of all its records, estimated.
    """

    members: Members
    order: np.ndarray
    bounds: tuple[int, ...]
    num_bytes: int

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def planned_members(self) -> Members:
        """Returns the images of the plan in the order of the records."""
        return self.members.take(self.order)

    def shards(self) -> Iterator[Shard]:
        """Yields the shards one by one: each has a copy of its rows."""
        for index, (start, stop) in enumerate(zip(self.bounds, self.bounds[1:])):
            yield Shard(self.members.split, index, len(self), self.members.take(self.order[start:stop]))


def plan_split(
    members: Members, *, num_shards: int | None = None, image_bytes: int | None = None, max_examples: int | None = None
) -> SplitPlan:
    """Returns the plan of one split.

    Args:
      members: its images.
      num_shards: how many; where None, TFDS's rule on the size of the images.
      image_bytes: mean size to expect of an image in a record; None where images stay as they are.
      max_examples: keep only the first records of the order.

    Raises:
      OptionError: num_shards is not in [1, number of images], or max_examples not at least 1.
    """
    wanted = {"num_shards": num_shards, "max_examples": max_examples}
    require_whole(**{name: value for name, value in wanted.items() if value is not None})
    if max_examples is not None and max_examples < 1:
        raise OptionError(f"max_examples must be at least 1, got {max_examples}.")
    order = disk_order(members.split, members.name)[:max_examples]
    n = len(order)
    num_bytes = int(members.size[order].sum()) if image_bytes is None else n * image_bytes
    count = shard_count(num_bytes, n) if num_shards is None else num_shards
    if not 1 <= count <= n:
        raise OptionError(f"num_shards must be in [1, {n}] for split {members.split!r} of {n:,} images, got {count}.")
    bounds = tuple(round(n * i / count) for i in range(count + 1))
    return SplitPlan(members, order, bounds, num_bytes)


def shard_count(num_bytes: int, n: int) -> int:
    """Returns TFDS's number of shards for n records of num_bytes in all: 1024 for the original train split, 64 for val.

    A power of two up to 1024, or a multiple of 1024, so that a shard has 64 MiB to 1 GiB; 1 where none fits.
    """
    total = num_bytes + n * _RECORD_OVERHEAD
    most, least = total // _MIN_SHARD_BYTES, total // _MAX_SHARD_BYTES
    if least > 1024:
        return 1024 * max(2, -(-least // 1024))
    return next((count for count in (1 << k for k in range(10, 0, -1)) if least <= count <= most and n >= count), 1)
