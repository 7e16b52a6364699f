"""Decides which image goes into which shard, in which order. These are pure functions of the index."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from ilsvrc_tfds.errors import OptionError, counted, require_integers
from ilsvrc_tfds.formats.naming import disk_order
from ilsvrc_tfds.sources.members import LARGEST_IMAGE, Members

# The smallest and largest shard of TFDS (core/utils/shard_utils.py), and the overhead that it assumes for each record.
_MIN_SHARD_BYTES, _MAX_SHARD_BYTES = 64 << 20, 1 << 30
_RECORD_OVERHEAD = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Shard:
    """One shard of a split.

    Attributes:
      split: `train`, `val` or `test`.
      index: Number of the shard, in [0, count).
      count: Number of shards of the split.
      members: Images of the shard, in the order of its records.
    """

    split: str
    index: int
    count: int
    members: Members


@dataclasses.dataclass(frozen=True, eq=False)
class SplitPlan:
    """The plan of one split: the order of its records and the bounds of its shards. `len(plan)` is their number.

    Attributes:
      members: Images in the order of the index.
      order: Rows of `members` in the order of the records; int of shape (n,).
      bounds: Bounds of the shards, ints of length shards + 1: record k is in shard i if bounds[i] <= k < bounds[i + 1].
      num_bytes: Estimated size of all records.
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
        """Yields the shards one by one, because each holds a copy of its rows."""
        for index, (start, stop) in enumerate(zip(self.bounds, self.bounds[1:])):
            yield Shard(self.members.split, index, len(self), self.members.take(self.order[start:stop]))


def plan_split(
    members: Members, *, num_shards: int | None = None, image_bytes: int | None = None, max_examples: int | None = None
) -> SplitPlan:
    """Returns the plan of one split.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> train = index_images(find_layout(["/data/imagenet"])).splits["train"]
    >>> plan = plan_split(train, num_shards=3)
    >>> [len(shard.members) for shard in plan.shards()]
    [4, 4, 4]

    Args:
      members: Images of the split.
      num_shards: Number of shards; None applies TFDS's rule to the size of the images, see `shard_count`.
      image_bytes: Expected mean size of an image in a record; None if images keep the size that they have in the
        source.
      max_examples: Number of records to keep, from the beginning of the order; None keeps all.

    Raises:
      OptionError: `num_shards` is not in [1, number of images], or `max_examples` is less than 1.
    """
    wanted = {"num_shards": num_shards, "max_examples": max_examples}
    require_integers(**{name: value for name, value in wanted.items() if value is not None})
    if max_examples is not None and max_examples < 1:
        raise OptionError(f"max_examples must be at least 1, got {max_examples}.")
    order = disk_order(members.split, members.name)[:max_examples]
    n = len(order)
    num_bytes = planned_bytes(members.size[order], image_bytes)
    count = shard_count(num_bytes, n) if num_shards is None else num_shards
    if not 1 <= count <= n:
        raise OptionError(
            f"num_shards must be in [1, {n}] for split {members.split!r} of {counted(n, 'image')}, got {count}."
        )
    bounds = tuple(round(n * i / count) for i in range(count + 1))
    return SplitPlan(members, order, bounds, num_bytes)


def planned_bytes(sizes: np.ndarray, image_bytes: int | None) -> int:
    """Returns the estimated size of records of images.

    >>> planned_bytes(np.array([100, 200]), None), planned_bytes(np.array([100, 200]), 50)
    (300, 100)

    Args:
      sizes: Size of each image in the source; int of shape (n,).
      image_bytes: Expected mean size of an image in a record; None if images keep their sizes.
    """
    return int(sizes[sizes <= LARGEST_IMAGE].sum()) if image_bytes is None else len(sizes) * image_bytes


def shard_count(num_bytes: int, n: int) -> int:
    """Returns the number of shards that TFDS would choose.

    The number is a power of two up to 1024, or a multiple of 1024, such that a shard has 64 MiB to 1 GiB; it is 1 if no
    such number exists.

    >>> shard_count(147_000_000_000, 1_281_167)  # the original train split
    1024

    Args:
      num_bytes: Size of all records in bytes.
      n: Number of records.
    """
    total = num_bytes + n * _RECORD_OVERHEAD
    most, least = total // _MIN_SHARD_BYTES, total // _MAX_SHARD_BYTES
    if least > 1024:
        return 1024 * max(2, -(-least // 1024))
    return next((count for count in (1 << k for k in range(10, 0, -1)) if least <= count <= most and n >= count), 1)
