"""Raw records of shards as `tf.data`, damaged ones among them.

TensorFlow's reader stops at a damaged record and names its byte, not its shard. Here an empty payload takes the place of each
record that did not come, and Python looks only then what is wrong: a whole shard is read by TensorFlow alone.
"""

import contextlib
import functools
import logging
import os
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import tensorflow as tf

from ilsvrc_tfds.errors import OptionError, SourceError
from ilsvrc_tfds.formats.tfrecord import read_record, read_records

RAISE, SKIP = "raise", "skip"

# The epoch's key, int32 of shape (2,), and the number of the shard.
Origin = tuple[tf.Tensor, tf.Tensor]

# `read_piece`, `read_one`, or the like: path, origin and the rest of a row to the data set ((origin, payload), number).
Read = Callable[..., tf.data.Dataset]

Result = TypeVar("Result")

MADE_ANEW = "If the data set was made anew or moved, start again with the one that is there now."
# What TensorFlow's errors say, and what that means here.
_BLAMES = {
    r"SourceError: (.*)": "{0}",
    r"(?:Map|Failed to get element): ([^;\n]+); (No such file or directory|Permission denied)": (
        "{0} cannot be read by a worker of the tf.data service: {1}. The workers must see the shards under the same paths."
    ),
    r'input file "(.*)" has body length': f"{{0}} has changed since reading began. {MADE_ANEW}",
    r"assertion failed: \[([^\]]+)\] \[record\] \[(\d+)\] \[([^\]]*)\]": "{0}: record {1} {2}",
    r"indices(?:\[0\])? = (-?\d+) is not in \[0, 1000\)": (
        "A label in {folder} is {0}, counted from 0: no class has it. Is its label_offset another? `ilsvrc-tfds show {folder}` tells."
    ),
    r"(?i)jpeg|could not parse example": (
        "An image or record in {folder} is damaged. `ilsvrc-tfds verify --decode {folder}` says which; then make its shard anew."
    ),
}

# What our own code raises in it, and what an op says of its input; no lack of memory, say, in an op of that name.
_OF_THE_DATA = (
    tf.errors.UnknownError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
)
# The names of ops in an error's text: `{{node DecodeJpeg}}` says nothing of what is wrong.
_OPS = re.compile(r"(\[\[)?\{\{[^{}]*\}\}(\]\])?\s*")

_log = logging.getLogger(__name__)

_PAYLOAD = tf.TensorSpec([], tf.string)
_READ_BYTES = 1 << 20


def read_piece(path: tf.Tensor, origin: Origin, first: tf.Tensor, count: tf.Tensor) -> tf.data.Dataset:
    """Returns ((origin, payload), number) of `count` records of a shard from number `first` on; a payload may be empty."""
    payloads = tf.data.TFRecordDataset(path, buffer_size=_READ_BYTES)
    records = _filled_up(payloads, origin, first + count).skip(first)
    return tf.data.Dataset.zip(records, tf.data.Dataset.range(first, first + count))


def read_one(path: tf.Tensor, origin: Origin, number: tf.Tensor, offset: tf.Tensor, size: tf.Tensor) -> tf.data.Dataset:
    """Returns ((origin, payload), number) of the one record that lies at an offset; nothing else is read."""
    reader = tf.raw_ops.TFRecordDatasetV2(
        filenames=[path], compression_type="", buffer_size=size, byte_offsets=[offset]
    )
    records = _filled_up(tf.data.experimental.from_variant(reader, _PAYLOAD), origin, 1)
    # Not a map, here and wherever records pass singly: it takes 75 us, more than reading.
    return tf.data.Dataset.zip(records, tf.data.Dataset.from_tensors(number))


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


def rescuer(paths: tuple[str, ...]) -> Callable:
    """Returns a function of (shard, number, payload) that returns the payload, or looks for the record if that is empty.

    TensorFlow's reader gives up a shard at its first damaged record, and those behind it may be whole. The payload of a damaged
    one stays empty.
    """

    def look(shard: np.int64, number: np.int64) -> bytes:
        return rescued(paths[shard], int(number))

    def rescue(shard: tf.Tensor, number: tf.Tensor, payload: tf.Tensor) -> tf.Tensor:
        def looked_up() -> tf.Tensor:
            return tf.ensure_shape(tf.numpy_function(look, [shard, number], tf.string, stateful=False), [])

        return tf.cond(tf.equal(tf.strings.length(payload), 0), looked_up, lambda: payload)

    return rescue


def rescued(path: str, number: int) -> bytes:
    """Returns the payload of a record that TensorFlow's reader did not give; it is empty if the record is damaged."""
    with contextlib.suppress(SourceError):  # `damage_of` raises it, once and not for each record
        whole, _ = _survey(path)
        if number in whole:
            return read_record(path, *whole[number])
    return b""


def damage_of(path: str, number: int) -> str:
    """Returns where a record that did not come is damaged, `record 3: byte 1,234: …`. Raises SourceError for a closed shard."""
    _, damaged = _survey(path)
    where, damage = max((pair for pair in damaged.items() if pair[0] <= number), default=(number, "it is missing"))
    return f"record {where}: {damage}"


@contextlib.contextmanager
def source_errors(folder: str | os.PathLike) -> Iterator[None]:
    """Raises SourceError where TensorFlow stops in the block at what the data are to blame for: its errors tell it among much else."""
    try:
        yield
    except _OF_THE_DATA as error:
        message = without_ops(error.message)
        for pattern, text in _BLAMES.items():
            if found := re.search(pattern, message):
                raise SourceError(text.format(*found.groups(), folder=folder)) from error
        raise


def without_ops(message: str) -> str:
    """Returns the text of one of TensorFlow's errors without the names of ops, which may contain any word."""
    return _OPS.sub("", message)


def in_utf8(function: Callable[..., Result]) -> Callable[..., Result]:
    """Returns a function whose SourceErrors TensorFlow can pass on: of one that names a path that is not UTF-8 it loses the text."""

    def called(*arguments: np.ndarray) -> Result:
        try:
            return function(*arguments)
        except SourceError as error:
            raise SourceError(str(error).encode("utf-8", "backslashreplace").decode()) from error

    return called


def opened(path: tf.Tensor) -> tf.Tensor:
    """Returns how many bytes of a file could be read, 1 at most; fails where it cannot be opened."""
    return tf.data.FixedLengthRecordDataset(path, record_bytes=1).take(1).reduce(0, lambda count, _: count + 1)


def _filled_up(payloads: tf.data.Dataset, origin: Origin, count: tf.Tensor | int) -> tf.data.Dataset:
    """Returns (origin, payload) `count` times: the payloads up to the first damaged one, and empty ones in place of the others.

    Empty are all of a shard that cannot be opened. TensorFlow tries to open it again for each payload that it is asked for, so
    `ignore_errors` alone would ask for ever; the repeated origin, with which an error takes turns, ends after `count`.
    """
    origins = tf.data.Dataset.from_tensors(origin)
    read = tf.data.Dataset.zip(origins.repeat(count), payloads).ignore_errors()
    missing = tf.data.Dataset.zip(origins, tf.data.Dataset.from_tensors(b"")).repeat()
    return read.concatenate(missing).take(count)


@functools.lru_cache(16)
def _survey(path: str) -> tuple[dict[int, tuple[int, int]], dict[int, str]]:
    """Returns (offset, size) of each whole record of a shard by its number, and what is wrong with each other one."""
    whole: dict[int, tuple[int, int]] = {}
    damaged: dict[int, str] = {}
    try:
        for record in read_records(path):
            if record.damage:
                damaged[record.number] = f"byte {record.offset:,}: {record.damage}"
            else:
                whole[record.number] = (record.offset, record.size)
    except SourceError as error:
        if os.path.lexists(path):
            raise
        raise SourceError(f"{path} has gone since reading began. {MADE_ANEW}") from error
    return whole, damaged
