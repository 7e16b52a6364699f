"""The last steps of a stream: padding, the number of its batches, and its division among hosts by `tf.distribute`."""

import tensorflow as tf

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.pipeline.memory import keep_freed_memory
from ilsvrc_tfds.pipeline.reading import SKIP


def padded(data: tf.data.Dataset, batch_size: int, steps: int) -> tf.data.Dataset:
    """Returns `steps` batches (image, label, weight) of `batch_size`. Zeros of weight 0 fill what is missing.

    >>> data = tf.data.Dataset.from_tensors((tf.ones([2, 1]), tf.constant([7, 8])))
    >>> [(label.numpy().tolist(), weight.numpy().tolist()) for _, label, weight in padded(data, 3, steps=2)]
    [([7, 8, 0], [1.0, 1.0, 0.0]), ([0, 0, 0], [0.0, 0.0, 0.0])]
    """
    if not all(spec.shape[1:].is_fully_defined() for spec in data.element_spec):
        raise OptionError("Padding needs images of one size. Put an op that resizes or crops last, or pass pad=False.")
    empty = tuple(tf.zeros([0, *spec.shape[1:]], spec.dtype) for spec in data.element_spec)

    def fill(*parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        count = tf.shape(parts[0])[0]
        padding = [tf.zeros([batch_size - count, *part.shape[1:]], part.dtype) for part in parts]
        filled = [tf.ensure_shape(tf.concat(pair, 0), [batch_size, *pair[0].shape[1:]]) for pair in zip(parts, padding)]
        return *filled, tf.cast(tf.range(batch_size) < count, tf.float32)

    return data.concatenate(tf.data.Dataset.from_tensors(empty).repeat()).take(steps).map(fill)


def counted(data: tf.data.Dataset, steps: int | None, on_error: str) -> tf.data.Dataset:
    """Returns the first `steps` batches, or all if None. The data set knows their number, for Keras's progress bar."""
    if steps is None:
        return data.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    data = data.take(steps)
    return data if on_error == SKIP else data.apply(tf.data.experimental.assert_cardinality(steps))


def dealt(data: tf.data.Dataset, hosts: int, in_order: bool) -> tf.data.Dataset:
    """Returns the data with an option that tells `tf.distribute` how to divide them among hosts.

    TensorFlow's default would divide a host's share once more, or divide the stream by epochs. From now on this process
    keeps the memory that it frees: see `keep_freed_memory`.

    Args:
      data: Stream of batches.
      hosts: Number of hosts that read the data together. If there are several, the stream is a host's share and is not
        divided.
      in_order: Whether the order is fixed. If not, the hosts cannot agree on their parts, and TensorFlow raises an
        error.
    """
    policies = tf.data.experimental.AutoShardPolicy
    if hosts > 1:
        policy = policies.OFF
    elif in_order:
        policy = policies.DATA  # each host keeps its examples of the whole
    else:
        # An error: in two orders, the hosts together would have some examples twice and others never.
        policy = policies.FILE
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = policy
    keep_freed_memory()
    return data.with_options(options)
