"""From records to examples, `{image: JPEG bytes, label: class index, file_name}`, through the ops, and batches of them."""

from collections.abc import Callable, Iterable

import tensorflow as tf
from loky import cpu_count

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.pipeline.missing import asserting_checker, checker
from ilsvrc_tfds.pipeline.reading import SKIP, Origin, rescuer
from ilsvrc_tfds.pipeline.split import Split
from ilsvrc_tfds.pipeline.subsets import Subset
from ilsvrc_tfds.pipeline.unchanged import unchanged
from ilsvrc_tfds.synsets import NUM_CLASSES

# Shards keep apart when they are multiplied by an odd number; 2**32 by the golden ratio spreads them.
_ODD = 0x9E3779B9

# AUTOTUNE stays at one for each core, and those have nothing to do while a batch is put together: 7 % less.
PARALLEL_CALLS = 2 * cpu_count()

# What `read_piece` reads, without its number: origin and payload.
Record = tuple[Origin, tf.Tensor]

_KINDS = {"image": tf.string, "label": tf.int64, "file_name": tf.string}


def batches_of(
    records: tf.data.Dataset,
    split: Split,
    subset: Subset | None,
    ops: Iterable[preprocess.Op],
    *,
    num_examples: int,
    batch_size: int,
    on_error: str,
    deterministic: bool,
    drop_remainder: bool = False,
    lost: str = "",
    in_service: bool = False,
) -> tf.data.Dataset:
    """Returns batches of the examples of (((key, shard), payload), number) after the ops, each of which names what it lacks.

    An example keeps its `seed`, int32 of shape (2,), for the ops on batches. It follows from the epoch, whose key this is, and
    from the record's place; not from what was read before.

    Args:
      records: as of `shares`.
      split: of the records.
      subset: that they are of; None for all.
      ops: on examples.
      num_examples: Number of different records in `records`.
      batch_size: Number of examples in a batch.
      on_error: `raise` stops at a damaged record or image; `skip` leaves it out, and fills batches with what follows.
      deterministic: If False, batches are returned as soon as they are ready.
      drop_remainder: Whether a last batch that is not full is left out.
      lost: What does not hold any more once an example was skipped, for a warning.
      in_service: Whether the workers of a tf.data service make the batches. They cannot run Python functions of this
        process, so that TensorFlow alone looks for faults. Only for `raise`.
    """
    example = _example_maker(split, subset, ops, None if in_service else rescuer(split.paths))
    check = asserting_checker(split) if in_service else checker(split, num_examples, example, on_error, lost)
    still = (lambda shards: tf.constant(0, tf.int64)) if in_service else unchanged(split)
    # A service's workers have cores of their own to count.
    calls = tf.data.AUTOTUNE if in_service else PARALLEL_CALLS

    def batch_of(record: Record, number: tf.Tensor) -> tf.data.Dataset:
        (key, shard), payload = record
        rows = tf.range(tf.shape(number)[0]) + tf.cast(still(shard), tf.int32)
        singles = tf.data.Dataset.from_tensor_slices((rows, key, shard, number, payload))
        came = singles.map(lambda row, *one: {**example(*one), "row": row}, num_parallel_calls=calls).ignore_errors()
        batch = came.batch(batch_size)
        batch = batch.concatenate(tf.data.Dataset.from_tensors(_without_rows(batch.element_spec))).take(1)
        return batch.map(lambda batch: _checked(batch, check, (key, shard, number, payload)))

    at_once = on_error != SKIP and drop_remainder
    data = records.batch(batch_size, drop_remainder=at_once)
    # One batch is made while the last images of the one before it are waited for.
    data = data.interleave(batch_of, cycle_length=2, num_parallel_calls=2, deterministic=deterministic)
    if on_error == SKIP:
        data = data.filter(lambda batch: tf.shape(batch["seed"])[0] > 0).rebatch(
            batch_size, drop_remainder=drop_remainder
        )
    return data.map(lambda batch: _of_size(batch, batch_size)) if at_once else data


def examples_of(records: tf.data.Dataset, split: Split, ops: Iterable[preprocess.Op]) -> tf.data.Dataset:
    """Returns the examples of the same records one by one; an error is TensorFlow's, and names nothing."""
    example = _example_maker(split, None, ops, rescuer(split.paths))

    def example_of(record: Record, number: tf.Tensor) -> dict[str, tf.Tensor]:
        (key, shard), payload = record
        return example(key, shard, number, payload)

    return records.map(example_of, num_parallel_calls=PARALLEL_CALLS)


def _example_maker(
    split: Split, subset: Subset | None, ops: Iterable[preprocess.Op], rescue: Callable | None
) -> Callable:
    """Returns a function from (key, shard, number, payload) to an example."""
    parse = parser(split, subset)

    def example(key: tf.Tensor, shard: tf.Tensor, number: tf.Tensor, payload: tf.Tensor) -> dict[str, tf.Tensor]:
        seed = _seed(key, shard, number)
        payload = payload if rescue is None else rescue(shard, number, payload)
        return preprocess.apply(ops, {**parse(payload), "seed": seed}, seed)

    return example


def _without_rows(spec: dict[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    return {key: tf.zeros([0, *(side or 0 for side in part.shape[1:])], part.dtype) for key, part in spec.items()}


def _checked(batch: dict[str, tf.Tensor], check: Callable, records: tuple) -> dict[str, tf.Tensor]:
    """Returns the batch without its numbers of rows after a check, if some are missing."""
    rows = batch.pop("row")
    is_whole = tf.equal(tf.shape(rows)[0], tf.shape(records[1])[0])
    nothing = tf.cond(is_whole, lambda: tf.constant(0, tf.int64), lambda: check(records, rows))
    # Added, for what a graph's results do not depend on is taken out of it.
    return {**batch, "label": batch["label"] + tf.cast(nothing, batch["label"].dtype)}


def _of_size(batch: dict[str, tf.Tensor], size: int) -> dict[str, tf.Tensor]:
    return {key: tf.ensure_shape(part, [size, *part.shape[1:]]) for key, part in batch.items()}


def _seed(key: tf.Tensor, shard: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    # All bits of a seed count, so this will do, and takes a microsecond where a hash takes seven.
    return key + tf.cast(tf.stack([shard * _ODD, number]), tf.int32)


def mixed(data: tf.data.Dataset, ops: Iterable[preprocess.Op], deterministic: bool) -> tf.data.Dataset:
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
        return {**example, "label": label if subset is None else wanted(label)}

    def wanted(label: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies(
            [tf.debugging.assert_non_negative(label, f"{hdf5.NAME} says that it has another class")]
        ):
            return tf.identity(label)

    return parse
