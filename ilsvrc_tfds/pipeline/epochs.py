"""A host's share of a split as `tf.data` of raw records: epochs in random order, or once in the order on disk."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from ilsvrc_tfds.errors import OptionError, require_integers
from ilsvrc_tfds.pipeline.reading import Read, read_one, read_piece, shuffled
from ilsvrc_tfds.pipeline.schedule import Course, Host, deal
from ilsvrc_tfds.pipeline.split import Split
from ilsvrc_tfds.pipeline.subsets import Subset, find_places
from ilsvrc_tfds.runners.local import num_cores

# Number of shards that are read in turn, which takes 16 MB of read buffers.
OPEN_SHARDS = 16
# From the page cache one thread reads 35,000 records of 110 KB a second, but several threads on 2 cores only 10,000.
# The order is the same.
FEW_CORES = 4
CORES = num_cores()

# A worker of a tf.data service takes one part at a time, about 5,000 of all training images.
PARTS_OF_EPOCH = 256

_NO_END = (1 << 63) - 1


@dataclasses.dataclass(frozen=True, eq=False)
class Share:
    """The records that a host reads.

    Attributes:
      rows: Arguments of `read` after the path, as int64 arrays of equal length. The first is the number of the shard,
        which `read` gets as part of the origin.
      read: Function of path, origin and the rest of a row that returns the data set ((origin, payload), number).
      paths: Paths of the shards, as bytes.
      in_runs: Whether a row is a run of records, which needs a shuffle buffer. Otherwise it is a single record.
      examples: Number of examples of this host.
      fewest: Number of examples in the smallest share of all hosts.
      most: Number of examples in the largest share of all hosts.
    """

    rows: tuple[np.ndarray, ...]
    read: Read
    paths: list[bytes]
    in_runs: bool
    examples: int
    fewest: int
    most: int


def share_of(split: Split, subset: Subset | None, host: Host) -> Share:
    """Returns a host's share of a split, or of a subset of it.

    Args:
      split: Split to read.
      subset: Subset of the split, or None for all of it.
      host: Host that reads the share.

    >>> from ilsvrc_tfds.pipeline.split import find_split
    >>> val = find_split("ilsvrc2012", "val", data_dir="/data/tfds")
    >>> share_of(val, None, Host(0, 4)).examples
    1
    """
    if subset is None:
        total = split.num_examples
        read: Read = read_piece
        rows = tuple(np.array(deal(split.lengths, host), np.int64).reshape(-1, 3).T)
    else:
        places, read = find_places(split, subset), read_one
        total = len(places)
        own = places.rows(*host.bounds(total))
        rows = (own.shard, own.number, own.offset, own.size)
    return Share(
        rows, read, split.encoded_paths, subset is None, host.examples(total), total // host.count, host.most(total)
    )


def key_of(seed: int, host: Host) -> tf.Tensor:
    """Returns the seed of a host, int32 of shape (2,). Raises OptionError for a seed out of range.

    >>> key_of(0, Host(0, 2)).shape
    TensorShape([2])
    """
    require_integers(seed=seed)
    if not 0 <= seed < 1 << 62:
        raise OptionError(f"seed must be in [0, 2**62), got {seed}.")
    return tf.random.fold_in(tf.constant([seed & 0x7FFF_FFFF, seed >> 31], tf.int32), host.index)


def records_of_epochs(
    share: Share, course: Course, key: tf.Tensor, *, shuffle_buffer: int, deterministic: bool
) -> tf.data.Dataset:
    """Returns the records (((key, shard), payload), number) of a course in random order, from its first example on.

    Args:
      share: Records that the host reads.
      course: Epochs to read, and the example to start with.
      key: Seed of the host, from which the order follows. The key of each record is derived from it and from the epoch,
        int32 of shape (2,).
      shuffle_buffer: Number of records in the shuffle buffer.
      deterministic: If False, records are returned as soon as they are read.

    >>> from ilsvrc_tfds.pipeline.split import find_split
    >>> host, train = Host(), find_split("ilsvrc2012", "train", data_dir="/data/tfds")
    >>> share, course = share_of(train, None, host), Course(12, 12, 4, epochs=2, start_step=0, drop_remainder=True)
    >>> records = records_of_epochs(share, course, key_of(0, host), shuffle_buffer=8, deterministic=True)
    >>> numbers = [int(number) for _, number in records]
    >>> sorted(numbers[:12]) == sorted(numbers[12:]) == list(range(12)), numbers[:12] == numbers[12:]
    (True, False)
    """
    data = tf.data.Dataset.range(course.first_epoch, _NO_END if course.epochs is None else course.epochs)
    return data.flat_map(
        lambda epoch: _records_of_epoch(
            share,
            epoch,
            key,
            shuffle_buffer=shuffle_buffer,
            skip=tf.where(epoch == course.first_epoch, tf.constant(course.skipped, tf.int64), 0),
            deterministic=deterministic,
        )
    )


def records_in_order(share: Share, key: tf.Tensor) -> tf.data.Dataset:
    """Returns the records (((key, shard), payload), number) in the order on disk."""
    return tf.data.Dataset.from_tensor_slices(share.rows).flat_map(_reader(share, key))


def records_of_parts(share: Share, epochs: int | None, key: tf.Tensor, *, shuffle_buffer: int) -> tf.data.Dataset:
    """Returns the records (((key, shard), payload), number) of all epochs, for a tf.data service.

    The source of this data set is a range of numbers, one for each part of each epoch. The service gives each number to
    one worker, which reads that part.
    """
    count = len(share.rows[0])
    parts = min(count, PARTS_OF_EPOCH)

    def rows_of(part: tf.Tensor) -> tf.data.Dataset:
        epoch, part = part // parts, part % parts
        epoch_key, order = _order_of_epoch(share, epoch, key)
        own = order[count * part // parts : count * (part + 1) // parts]
        keys = tf.tile(epoch_key[tf.newaxis], [tf.shape(own)[0], 1])
        return tf.data.Dataset.from_tensor_slices((keys, *(tf.gather(column, own) for column in share.rows)))

    data = tf.data.Dataset.range(_NO_END if epochs is None else epochs * parts)
    data = data.flat_map(rows_of)
    data = data.interleave(
        lambda epoch_key, *row: _reader(share, epoch_key)(*row),
        cycle_length=OPEN_SHARDS,
        **_parallel_reading(deterministic=False),
    )
    return shuffled(data, shuffle_buffer, key)


def _records_of_epoch(
    share: Share, epoch: tf.Tensor, key: tf.Tensor, *, shuffle_buffer: int, skip: tf.Tensor, deterministic: bool
) -> tf.data.Dataset:
    key, order = _order_of_epoch(share, epoch, key)
    data = tf.data.Dataset.from_tensor_slices(tuple(tf.gather(column, order) for column in share.rows))
    data = data.interleave(_reader(share, key), cycle_length=OPEN_SHARDS, **_parallel_reading(deterministic))
    data = shuffled(data, shuffle_buffer, key) if share.in_runs else data
    return data.skip(skip)


def _order_of_epoch(share: Share, epoch: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the seed of an epoch, int32 of shape (2,), and the order of the share's rows in it."""
    key = tf.random.fold_in(key, tf.cast(epoch, tf.int32))  # close to (a number, epoch): not yet random
    key = tf.random.stateless_uniform([2], key, minval=None, maxval=None, dtype=tf.int32)
    return key, tf.random.experimental.stateless_shuffle(tf.range(len(share.rows[0])), key)


def _reader(share: Share, key: tf.Tensor) -> Callable[..., tf.data.Dataset]:
    return lambda shard, *rest: share.read(tf.gather(share.paths, shard), (key, shard), *rest)


def _parallel_reading(deterministic: bool) -> dict[str, Any]:
    if CORES <= FEW_CORES and deterministic:
        return {}
    return {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": deterministic}
