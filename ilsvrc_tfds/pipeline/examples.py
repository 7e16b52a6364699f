"""Records to examples `{image: JPEG bytes, label: class index, file_name}`, through the ops, to batches."""

from collections.abc import Callable, Iterable

import tensorflow as tf

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.pipeline.missing import asserting_checker, checker
from ilsvrc_tfds.pipeline.reading import SKIP, Origin, rescuer
from ilsvrc_tfds.pipeline.split import Split
from ilsvrc_tfds.pipeline.subsets import Subset
from ilsvrc_tfds.pipeline.unchanged import unchanged
from ilsvrc_tfds.runners.local import num_cores

# Multiplication by an odd number keeps the seeds of shards distinct; 2**32 divided by the golden ratio spreads them.
_ODD = 0x9E3779B9

# AUTOTUNE settles at one call for each core, which then idle while a batch is assembled. That costs 7 %.
PARALLEL_CALLS = 2 * num_cores()

# A record as `read_piece` returns it, without its number: (origin, payload).
Record = tuple[Origin, tf.Tensor]

# Function of a payload that returns an example, without its seed.
Parse = Callable[[tf.Tensor], dict[str, tf.Tensor]]

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
    parse: Parse | None = None,
) -> tf.data.Dataset:
    """Returns batches of examples after the ops. A batch that lacks examples finds out which ones and why.

    Examples keep their `seed`, int32 of shape (2,), for the ops on batches. It follows from the key of the epoch and
    from the record's position on disk, not from what was read before.

    Args:
      records: Records (((key, shard), payload), number), as `records_of_epochs` returns them.
      split: Split of the records.
      subset: Subset of the split that was read, or None for all of it.
      ops: Ops for single examples.
      num_examples: Number of different records in `records`.
      batch_size: Number of examples in a batch.
      on_error: `raise` stops at a damaged record or image; `skip` leaves it out and fills batches with the next
        examples.
      deterministic: If False, batches are returned as soon as they are ready.
      drop_remainder: Whether a last batch that is not full is left out.
      lost: Warning for the first skipped example, or "" for none.
      in_service: Whether the workers of a tf.data service make the batches. They cannot run Python functions of this
        process, so TensorFlow's own ops check the batches. Must be False unless `on_error` is `raise`.
      parse: Function that parses a payload into an example. If None, that of the split and the subset.

    >>> from ilsvrc_tfds.pipeline.epochs import key_of, records_in_order, share_of
    >>> from ilsvrc_tfds.pipeline.schedule import Host
    >>> from ilsvrc_tfds.pipeline.split import find_split
    >>> val = find_split("ilsvrc2012", "val", data_dir="/data/tfds")
    >>> share, key = share_of(val, None, Host()), key_of(0, Host())
    >>> options = {"num_examples": 6, "batch_size": 4, "on_error": "raise", "deterministic": True}
    >>> batches = batches_of(records_in_order(share, key), val, None, (), **options)
    >>> [batch["label"].shape[0] for batch in batches]
    [4, 2]
    """
    parse = parser(split, subset) if parse is None else parse
    example = _example_maker(parse, ops, None if in_service else rescuer(split.paths))
    check = asserting_checker(split) if in_service else checker(split, num_examples, example, on_error, lost)
    still = (lambda shards: tf.constant(0, tf.int64)) if in_service else unchanged(split)
    # The number of cores of this machine says nothing of those of a service's workers.
    calls = tf.data.AUTOTUNE if in_service else PARALLEL_CALLS
    return gathered(
        records,
        example,
        check,
        still,
        batch_size=batch_size,
        on_error=on_error,
        deterministic=deterministic,
        drop_remainder=drop_remainder,
        calls=calls,
    )


def gathered(
    records: tf.data.Dataset,
    example: Callable,
    check: Callable,
    still: Callable,
    *,
    batch_size: int,
    on_error: str,
    deterministic: bool,
    drop_remainder: bool = False,
    calls: int = PARALLEL_CALLS,
) -> tf.data.Dataset:
    """Returns batches of the examples of records. If a batch lacks examples, `check` finds out which ones and why.

    Args:
      records: Records (((key, shard), payload), number).
      example: Function of (key, shard, number, payload) that returns an example with the key `seed`.
      check: Function of (records, rows in the batch) that looks for the cause of each missing row, and returns 0.
      still: Function of the shards of a batch that fails if one has changed since it was opened, and returns 0.
      batch_size: Number of examples in a batch.
      on_error: `raise` or `skip`, as for `batches_of`.
      deterministic: If False, batches are returned as soon as they are ready.
      drop_remainder: Whether a last batch that is not full is left out.
      calls: Number of examples that are made at the same time.

    >>> origin, payload = ([0, 1], 0), b"payload"
    >>> records = tf.data.Dataset.zip(tf.data.Dataset.from_tensors((origin, payload)), tf.data.Dataset.range(1))
    >>> def example(key, shard, number, payload):
    ...     return {"image": payload, "label": number, "seed": key}
    >>> nothing = lambda *_: tf.constant(0, tf.int64)
    >>> batches = gathered(records, example, nothing, nothing, batch_size=4, on_error="raise", deterministic=True)
    >>> next(iter(batches))["image"].numpy().tolist()
    [b'payload']
    """

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
    # While one batch waits for its last images, the next one is made.
    data = data.interleave(batch_of, cycle_length=2, num_parallel_calls=2, deterministic=deterministic)
    if on_error == SKIP:
        data = data.filter(lambda batch: tf.shape(batch["seed"])[0] > 0).rebatch(
            batch_size, drop_remainder=drop_remainder
        )
    return data.map(lambda batch: _of_size(batch, batch_size)) if at_once else data


def examples_of(records: tf.data.Dataset, split: Split, ops: Iterable[preprocess.Op]) -> tf.data.Dataset:
    """Returns the same examples one by one. Errors are TensorFlow's and do not name the record."""
    example = _example_maker(parser(split, None), ops, rescuer(split.paths))

    def example_of(record: Record, number: tf.Tensor) -> dict[str, tf.Tensor]:
        (key, shard), payload = record
        return example(key, shard, number, payload)

    return records.map(example_of, num_parallel_calls=PARALLEL_CALLS)


def _example_maker(parse: Parse, ops: Iterable[preprocess.Op], rescue: Callable | None) -> Callable:
    """Returns a function of (key, shard, number, payload) that returns an example."""

    def example(key: tf.Tensor, shard: tf.Tensor, number: tf.Tensor, payload: tf.Tensor) -> dict[str, tf.Tensor]:
        seed = _seed(key, shard, number)
        payload = payload if rescue is None else rescue(shard, number, payload)
        return preprocess.apply(ops, {**parse(payload), "seed": seed}, seed)

    return example


def _without_rows(spec: dict[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    return {key: tf.zeros([0, *(side or 0 for side in part.shape[1:])], part.dtype) for key, part in spec.items()}


def _checked(batch: dict[str, tf.Tensor], check: Callable, records: tuple) -> dict[str, tf.Tensor]:
    """Returns the batch without its row numbers. If rows are missing, `check` is called first."""
    rows = batch.pop("row")
    is_whole = tf.equal(tf.shape(rows)[0], tf.shape(records[1])[0])
    nothing = tf.cond(is_whole, lambda: tf.constant(0, tf.int64), lambda: check(records, rows))
    # Added to the label, because TensorFlow removes ops on which no result of the graph depends.
    return {**batch, "label": batch["label"] + tf.cast(nothing, batch["label"].dtype)}


def _of_size(batch: dict[str, tf.Tensor], size: int) -> dict[str, tf.Tensor]:
    return {key: tf.ensure_shape(part, [size, *part.shape[1:]]) for key, part in batch.items()}


def _seed(key: tf.Tensor, shard: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    # Stateless ops hash all bits of their seed, so a sum is enough. It takes 1 us, and a hash would take 7.
    return key + tf.cast(tf.stack([shard * _ODD, number]), tf.int32)


def mixed(data: tf.data.Dataset, ops: Iterable[preprocess.Op], deterministic: bool) -> tf.data.Dataset:
    """Returns the batches after the ops for batches. The seed of a batch is derived from that of its first example."""
    if not ops:
        return data
    return data.map(
        # Folded once more, so that ops on batches and ops on examples draw different numbers.
        lambda batch: preprocess.apply(ops, batch, tf.random.fold_in(batch["seed"][0], -1)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=deterministic,
    )


def parser(split: Split, subset: Subset | None) -> Parse:
    """Returns a function that parses the payloads of a split into examples.

    Labels are in [0, split.num_labels), or those of the subset, or -1 in the test split. Any other label is an error
    when it is read: the `label_offset` may be wrong, or the metadata may belong to other records.
    """
    keys = split.fields._asdict()
    features = {key: tf.io.FixedLenFeature([], _KINDS[name]) for name, key in keys.items()}
    labels = tf.range(split.num_labels, dtype=tf.int64) if subset is None else tf.constant(subset.new_labels())

    def parse(payload: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.io.parse_single_example(payload, features)
        example = {name: values[key] for name, key in keys.items()}
        if split.name == "test":
            return example
        # tf.gather fails if the label is out of range.
        label = tf.gather(labels, example["label"] - split.label_offset)
        return {**example, "label": label if subset is None else wanted(label)}

    def wanted(label: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.debugging.assert_non_negative(label, f"{hdf5.NAME} gives it another class")]):
            return tf.identity(label)

    return parse
