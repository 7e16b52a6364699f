"""Checks that shards have not changed since a stream was made. Otherwise it would mix the records of two data sets."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.pipeline.reading import REPLACED, Origin, Read, in_utf8
from ilsvrc_tfds.pipeline.split import Split
from ilsvrc_tfds.storage.stamps import stamp_of

# Record length that no file reaches: only a file that consists of its footer has a valid size.
_ENDLESS = 1 << 62


def unchanged(split: Split) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function that fails if a shard has changed, and otherwise returns 0.

    Its argument is the shards of records that were read, int64 of shape (n,). If a shard is unchanged after reading,
    its records are those of the original file. A call takes 0.6 ms for 256 records of 120 shards.

    >>> from ilsvrc_tfds.pipeline.split import find_split
    >>> val = find_split("ilsvrc2012", "val", data_dir="/data/tfds")
    >>> check = unchanged(val)
    >>> check(tf.constant([0, 0], tf.int64)).numpy().item()
    0
    """

    def look(shards: np.ndarray) -> np.int64:
        for shard in set(shards.tolist()):
            path = split.paths[shard]
            try:
                found = stamp_of(path)
            except OSError:  # the reader reports it, unless it had opened the file before
                continue
            if found != split.stamps[shard]:
                raise SourceError(f"{path} has changed since reading began. {REPLACED}")
        return np.int64(0)

    return lambda shards: tf.ensure_shape(tf.numpy_function(in_utf8(look), [shards], tf.int64, stateful=False), [])


def with_size_compared(split: Split, read: Read) -> Read:
    """Returns `read` for the workers of a tf.data service: it fails if a shard has another size than it had here.

    It is made of TensorFlow's ops alone. It compares no times, which other machines may round.

    Args:
      split: Split of the records.
      read: Function of (path, origin, *row) that returns ((origin, payload), number), as `read_piece`. The
        row begins with the number of a record.
    """
    sizes = tf.constant([size for size, _ in split.stamps], tf.int64)

    def compared(path: tf.Tensor, origin: Origin, number: tf.Tensor, *rest: tf.Tensor) -> tf.data.Dataset:
        _, shard = origin
        # TensorFlow fails if the footer is larger or smaller than the file, and reads nothing. That takes 0.1 ms.
        nothing = tf.data.FixedLengthRecordDataset(path, _ENDLESS, footer_bytes=tf.gather(sizes, shard))
        origins, numbers = (tf.data.Dataset.from_tensors(part) for part in (origin, number))
        nothing = tf.data.Dataset.zip(tf.data.Dataset.zip(origins, nothing), numbers)
        return nothing.concatenate(read(path, origin, number, *rest))

    return compared
