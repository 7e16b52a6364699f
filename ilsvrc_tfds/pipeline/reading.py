"""Raw records of shards as `tf.data`, and what becomes of damaged ones.

TensorFlow's reader stops at a damaged record and names its byte, not its shard. Here an empty payload takes the place of each
record that did not come, and Python looks only then what is wrong: a whole shard is read by TensorFlow alone.
"""

import contextlib
import functools
import logging
import os
import re
from collections.abc import Callable, Iterator

import tensorflow as tf

from ilsvrc_tfds.errors import OptionError, SourceError
from ilsvrc_tfds.framing import read_record, read_records

RAISE, SKIP = "raise", "skip"
# As `raise`, without Python: for processes other than this one.
ASSERT = "assert"

# What TensorFlow's errors say, and what that means here.
_BLAMES = {
    r"SourceError: (.*)": "{0}",
    r"indices(?:\[0\])? = (-?\d+) is not in \[0, 1000\)": (
        "A label in {folder} is {0}, counted from 0: no class has it. Is its label_offset another? `ilsvrc-tfds show {folder}` tells."
    ),
    r"(?i)jpeg": (
        "An image in {folder} cannot be decoded. `ilsvrc-tfds verify --decode {folder}` says which; then make its shard anew."
    ),
}

_log = logging.getLogger(__name__)

_PAYLOAD = tf.TensorSpec([], tf.string)
_READ_BYTES = 1 << 20


def read_piece(path: tf.Tensor, origin, first: tf.Tensor, count: tf.Tensor) -> tf.data.Dataset:
    """Returns (origin, number, payload) of `count` records of a shard from number `first` on; a payload may be empty."""
    payloads = tf.data.TFRecordDataset(path, buffer_size=_READ_BYTES)
    payloads = _filled_up(payloads, first + count).skip(first)
    numbers = tf.data.Dataset.range(first, first + count)
    # Of an endless repeat TensorFlow skips for ever what goes beyond the shortest of the three.
    return tf.data.Dataset.zip(tf.data.Dataset.from_tensors(origin).repeat(count), numbers, payloads)


def read_one(path: tf.Tensor, origin, number: tf.Tensor, offset: tf.Tensor, size: tf.Tensor) -> tf.data.Dataset:
    """Returns (origin, number, payload) of the one record that lies at an offset; nothing else is read."""
    reader = tf.raw_ops.TFRecordDatasetV2(filenames=[path], compression_type="", buffer_size=size, byte_offsets=[offset])
    payloads = _filled_up(tf.data.experimental.from_variant(reader, _PAYLOAD), 1)
    # Not a map, here and wherever records pass singly: it takes 75 us, more than reading.
    return tf.data.Dataset.zip(tf.data.Dataset.from_tensors(origin), tf.data.Dataset.from_tensors(number), payloads)


def shuffled(data: tf.data.Dataset, buffer_size: int, seed: tf.Tensor) -> tf.data.Dataset:
    """Returns `data` through a shuffle buffer whose order follows from `seed`, int32 of shape (2,), alone.

    `Dataset.shuffle` mixes the global seed in, which Keras's and other code sets.
    """
    spec = data.element_spec
    seed = tf.cast(seed, tf.int64)
    variant = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(data),
        buffer_size=buffer_size,
        seed=seed[0],
        # Two zeros would mean: a random seed.
        seed2=tf.where(tf.reduce_all(seed == 0), tf.ones_like(seed[1]), seed[1]),
        reshuffle_each_iteration=False,
        output_types=[part.dtype for part in tf.nest.flatten(spec)],
        output_shapes=[part.shape for part in tf.nest.flatten(spec)],
    )
    return tf.data.experimental.from_variant(variant, spec)


def require_known(on_error: str) -> None:
    """Raises OptionError for what users may not say."""
    if on_error not in (RAISE, SKIP):
        raise OptionError(f"on_error must be {RAISE!r} or {SKIP!r}, got {on_error!r}.")


def rescuer(paths: tuple[str, ...], on_error: str) -> Callable:
    """Returns a function of (shard, number, payload) that returns the payload; where that is empty, what `on_error` wants.

    `raise`: an error that names shard and record. `skip`: the payload if the record is whole and lies behind a damaged one;
    empty if it is damaged, which is logged and counted. `assert`: an error, raised without Python.
    """
    if on_error == ASSERT:
        return _asserting(paths)
    skipped = set()

    def look(shard, number) -> bytes:
        path, number = paths[shard], int(number)
        whole, damaged = _survey(path)
        if number in whole:
            return read_record(path, *whole[number])
        where, damage = max((pair for pair in damaged.items() if pair[0] <= number), default=(number, "it is missing"))
        message = f"{path}: record {where}: {damage}."
        if on_error == RAISE:
            raise SourceError(f"{message} Make the shard anew, or pass on_error='skip'.")
        skipped.add((path, number))
        _log.warning("%s Skipped; %d different records so far.", message, len(skipped))
        return b""

    def rescue(shard: tf.Tensor, number: tf.Tensor, payload: tf.Tensor) -> tf.Tensor:
        def rescued() -> tf.Tensor:
            return tf.ensure_shape(tf.numpy_function(look, [shard, number], tf.string, stateful=False), [])

        return tf.cond(tf.equal(tf.strings.length(payload), 0), rescued, lambda: payload)

    return rescue


@contextlib.contextmanager
def source_errors(folder: str | os.PathLike) -> Iterator[None]:
    """Raises SourceError where TensorFlow stops in the block at what the data are to blame for: its errors tell it among much else."""
    try:
        yield
    # What our own code raises in it, and what an op says of its input; no lack of memory, say, in an op of that name.
    except (tf.errors.UnknownError, tf.errors.InvalidArgumentError) as error:
        for pattern, text in _BLAMES.items():
            if found := re.search(pattern, error.message):
                raise SourceError(text.format(*found.groups(), folder=folder)) from error
        raise


def _asserting(paths: tuple[str, ...]) -> Callable:
    """Returns a function of (shard, number, payload) that returns the payload, and fails where that is empty."""

    def rescue(shard: tf.Tensor, number: tf.Tensor, payload: tf.Tensor) -> tf.Tensor:
        where = [tf.gather(paths, shard), "record", number, "is damaged or missing. Make the shard anew."]
        with tf.control_dependencies([tf.debugging.Assert(tf.strings.length(payload) > 0, where)]):
            return tf.identity(payload)

    return rescue


def _filled_up(payloads: tf.data.Dataset, count: tf.Tensor | int) -> tf.data.Dataset:
    """Returns `count` payloads: those up to the first damaged record, and empty ones in place of the others."""
    missing = tf.data.Dataset.from_tensors(b"").repeat()
    return payloads.ignore_errors().concatenate(missing).take(count)


@functools.lru_cache(16)
def _survey(path: str) -> tuple[dict[int, tuple[int, int]], dict[int, str]]:
    """Returns (offset, size) of each whole record of a shard by its number, and what is wrong with each other one."""
    whole, damaged = {}, {}
    for record in read_records(path):
        if record.damage:
            damaged[record.number] = f"byte {record.offset:,}: {record.damage}"
        else:
            whole[record.number] = (record.offset, record.size)
    return whole, damaged
