"""From records to examples, `{image: JPEG bytes, label: class index, file_name}`, through the ops, and batches of them."""

from collections.abc import Callable

import tensorflow as tf
from loky import cpu_count

from ilsvrc_tfds import metadata, preprocess
from ilsvrc_tfds.pipeline.reading import ASSERT, SKIP, rescuer
from ilsvrc_tfds.pipeline.splits import Split
from ilsvrc_tfds.pipeline.subsets import Subset
from ilsvrc_tfds.synsets import NUM_CLASSES

# Shards keep apart when they are multiplied by an odd number; 2**32 by the golden ratio spreads them.
_ODD = 0x9E3779B9

# AUTOTUNE stays at one for each core, and those have nothing to do while a batch is put together: 7 % less.
PARALLEL_CALLS = 2 * cpu_count()

_KINDS = {"image": tf.string, "label": tf.int64, "file_name": tf.string}


def examples_of(
    data: tf.data.Dataset, split: Split, subset: Subset | None, ops, on_error: str, deterministic: bool
) -> tf.data.Dataset:
    """Returns the examples of (((key, shard), payload), number), those of damaged records left out, after the ops.

    An example keeps its `seed`, int32 of shape (2,), for the ops on batches. It follows from the epoch, whose key this is, and
    from the record's place; not from what was read before.
    """
    rescue, parse = rescuer(split.paths, on_error), parser(split, subset)
    # A service's workers have cores of their own to count.
    calls = tf.data.AUTOTUNE if on_error == ASSERT else PARALLEL_CALLS
    parallel = {"num_parallel_calls": calls, "deterministic": deterministic}

    def example(origin, payload, number):
        seed = _seed(*origin, number)
        return preprocess.apply(ops, {**parse(payload), "seed": seed}, seed)

    def rescued(record, number):
        origin, payload = record
        return origin, rescue(origin[1], number, payload), number

    if on_error == SKIP:
        data = data.map(rescued).filter(lambda origin, payload, number: tf.strings.length(payload) > 0)
        return data.map(example, **parallel)
    return data.map(lambda *record: example(*rescued(*record)), **parallel)


def _seed(key: tf.Tensor, shard: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    # All bits of a seed count, so this will do, and takes a microsecond where a hash takes seven.
    return key + tf.cast(tf.stack([shard * _ODD, number]), tf.int32)


def mixed(data: tf.data.Dataset, ops, deterministic: bool) -> tf.data.Dataset:
    """Returns the batches after the ops for batches; a batch's seed follows from that of its first example."""
    if not ops:
        return data
    return data.map(
        # Folded once more, so that no op on examples draws the same.
        lambda batch: preprocess.apply(ops, batch, tf.random.fold_in(batch["seed"][0], -1)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=deterministic,
    )


def parser(split: Split, subset: Subset | None) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Returns a function from the payloads of a split to examples.

    Labels are in [0, 1000), or those of the subset; -1 in the test split. A label outside, as of a wrong `label_offset` or of
    metadata that belong to other records, is an error when it is read.
    """
    keys = split.fields._asdict()
    features = {key: tf.io.FixedLenFeature([], _KINDS[name]) for name, key in keys.items()}
    labels = tf.range(NUM_CLASSES, dtype=tf.int64) if subset is None else tf.constant(subset.new_labels())

    def parse(payload: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.io.parse_single_example(payload, features)
        example = {name: values[key] for name, key in keys.items()}
        if split.name == "test":
            return example
        # tf.gather refuses what is out of range.
        label = tf.gather(labels, example["label"] - split.label_offset)
        return {**example, "label": label if subset is None else wanted(label, example["file_name"])}

    def wanted(label: tf.Tensor, name: tf.Tensor) -> tf.Tensor:
        contradiction = f"SourceError: {split.folder}: {metadata.NAME} has another class than the record of"
        with tf.control_dependencies([tf.debugging.Assert(label >= 0, [contradiction, name])]):
            return tf.identity(label)

    return parse
