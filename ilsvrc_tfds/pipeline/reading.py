"""Raw records of shards as `tf.data`, with empty payloads in place of damaged records.

TensorFlow's reader stops at a damaged record and names its byte, but not its shard. Here each record that it does not
return has an empty payload instead, and only then Python looks for the reason. Sound shards are read by TensorFlow
alone.
"""

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import tensorflow as tf

from ilsvrc_tfds.errors import OptionError, SourceError
from ilsvrc_tfds.formats.tfrecord import read_record, read_records
from ilsvrc_tfds.storage.bucket import bucket_url

RAISE, SKIP = "raise", "skip"

# The epoch's key, int32 of shape (2,), and the number of the shard.
Origin = tuple[tf.Tensor, tf.Tensor]

# `read_piece` or `read_one`: function of path, origin and the rest of a row that returns ((origin, payload), number).
Read = Callable[..., tf.data.Dataset]

Result = TypeVar("Result")

REPLACED = "If the data set was replaced or moved, start again with the new one."
# Patterns in TensorFlow's errors, and the message for each.
_MESSAGES = {
    r"SourceError: (.*)": "{0}",
    r"(?:Map|Failed to get element): ([^;\n]+); (No such file or directory|Permission denied)": (
        "{0} cannot be read by a worker of the tf.data service: {1}. The workers must see the shards under "
        "the same paths."
    ),
    r'input file "(.*)" has body length': f"{{0}} has changed since reading began. {REPLACED}",
    r"assertion failed: \[([^\]]+)\] \[record\] \[(\d+)\] \[([^\]]*)\]": "{0}: record {1} {2}",
    r"indices(?:\[0\])? = (-?\d+) is not in \[0, 1000\)": (
        "A label in {folder} is {0}, counted from 0, and no class has it. Perhaps label_offset is wrong: "
        "`ilsvrc-tfds show {folder}` prints labels and names."
    ),
    r"(?i)jpeg|could not parse example": (
        "An image or record in {folder} is damaged. `ilsvrc-tfds verify --decode {folder}` says which one. Make its "
        "shard again."
    ),
}

# Errors from our own Python code, and errors of ops about their input. Others, such as a lack of memory, are not about
# data.
_OF_THE_DATA = (
    tf.errors.UnknownError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
)
# Names of ops in an error's text, such as `{{node DecodeJpeg}}`. They do not say what is wrong.
_OPS = re.compile(r"(\[\[)?\{\{[^{}]*\}\}(\]\])?\s*")

_PAYLOAD = tf.TensorSpec([], tf.string)
_READ_BYTES = 1 << 20


def read_piece(path: tf.Tensor, origin: Origin, first: tf.Tensor, count: tf.Tensor) -> tf.data.Dataset:
    """Returns ((origin, payload), number) of records of a shard. The payload of a damaged record may be empty.

    Args:
      path: Path of the shard.
      origin: Epoch's key and number of the shard, returned with each record.
      first: Number of the first record.
      count: Number of records.

    >>> from ilsvrc_tfds.pipeline.split import find_split
    >>> val = find_split("ilsvrc2012", "val", data_dir="/data/tfds")
    >>> records = read_piece(tf.constant(val.paths[0]), (tf.constant([0, 0]), tf.constant(0)), 4, 2)
    >>> [int(number) for (origin, payload), number in records]
    [4, 5]
    """
    payloads = tf.data.TFRecordDataset(path, buffer_size=_READ_BYTES)
    records = _filled_up(payloads, origin, first + count).skip(first)
    return tf.data.Dataset.zip(records, tf.data.Dataset.range(first, first + count))


def read_one(path: tf.Tensor, origin: Origin, number: tf.Tensor, offset: tf.Tensor, size: tf.Tensor) -> tf.data.Dataset:
    """Returns ((origin, payload), number) of the one record at an offset. Nothing else is read."""
    reader = tf.raw_ops.TFRecordDatasetV2(
        filenames=[path], compression_type="", buffer_size=size, byte_offsets=[offset]
    )
    records = _filled_up(tf.data.experimental.from_variant(reader, _PAYLOAD), origin, 1)
    # Not a map, here and wherever single records pass: a map takes 75 us a record, more than reading it.
    return tf.data.Dataset.zip(records, tf.data.Dataset.from_tensors(number))


def shuffled(data: tf.data.Dataset, buffer_size: int, seed: tf.Tensor) -> tf.data.Dataset:
    """Returns `data` through a shuffle buffer whose order follows from `seed` alone, int32 of shape (2,).

    `Dataset.shuffle` also depends on TensorFlow's global seed, which Keras and other code set.

    >>> data = tf.data.Dataset.range(5)
    >>> orders = [list(shuffled(data, 5, tf.constant([0, seed])).as_numpy_iterator()) for seed in (1, 1, 2)]
    >>> orders[0] == orders[1], orders[0] == orders[2], sorted(map(int, orders[0]))
    (True, False, [0, 1, 2, 3, 4])
    """
    spec = data.element_spec
    seed = tf.cast(seed, tf.int64)
    variant = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(data),
        buffer_size=buffer_size,
        seed=seed[0],
        # Two zeros would mean a random seed.
        seed2=tf.where(tf.reduce_all(seed == 0), tf.ones_like(seed[1]), seed[1]),
        reshuffle_each_iteration=False,
        output_types=[part.dtype for part in tf.nest.flatten(spec)],
        output_shapes=[part.shape for part in tf.nest.flatten(spec)],
    )
    return tf.data.experimental.from_variant(variant, spec)


def require_known(on_error: str) -> None:
    """Raises OptionError if `on_error` is neither `raise` nor `skip`."""
    if on_error not in (RAISE, SKIP):
        raise OptionError(f"on_error must be {RAISE!r} or {SKIP!r}, got {on_error!r}.")


def rescuer(paths: tuple[str, ...]) -> Callable:
    """Returns a function of (shard, number, payload) that returns the payload, or reads it again if it is empty.

    TensorFlow's reader stops at the first damaged record of a shard, although the records behind it may be sound. The
    payload of a damaged record stays empty.
    """

    def look(shard: np.int64, number: np.int64) -> bytes:
        return rescued(paths[shard], int(number))

    def rescue(shard: tf.Tensor, number: tf.Tensor, payload: tf.Tensor) -> tf.Tensor:
        def looked_up() -> tf.Tensor:
            return tf.ensure_shape(tf.numpy_function(look, [shard, number], tf.string, stateful=False), [])

        return tf.cond(tf.equal(tf.strings.length(payload), 0), looked_up, lambda: payload)

    return rescue


def rescued(path: str, number: int) -> bytes:
    """Returns the payload of a record that TensorFlow's reader did not return, or b"" if the record is damaged."""
    with contextlib.suppress(SourceError):  # `damage_of` raises it once, rather than for each record
        whole, _ = _survey(path)
        if number in whole:
            return read_record(path, *whole[number])
    return b""


def damage_of(path: str, number: int) -> str:
    """Returns where a missing record is damaged, as in `record 3: byte 1,234: …`.

    Raises SourceError if the shard cannot be read.
    """
    _, damaged = _survey(path)
    where, damage = max((pair for pair in damaged.items() if pair[0] <= number), default=(number, "it is missing"))
    return f"record {where}: {damage}"


@contextlib.contextmanager
def source_errors(folder: str | os.PathLike) -> Iterator[None]:
    """Raises SourceError if TensorFlow fails in the block because of the data. Other errors pass unchanged.

    TensorFlow's own errors contain the same information among much else.

    Args:
      folder: Folder of the data, for the message.

    >>> with source_errors("/data/tfds/ilsvrc2012/raw256/1.0.0"):
    ...     tf.io.decode_jpeg(b"not a JPEG")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.SourceError: An image or record in ... is damaged. ...
    """
    try:
        yield
    except _OF_THE_DATA as error:
        message = without_ops(error.message)
        for pattern, text in _MESSAGES.items():
            if found := re.search(pattern, message):
                raise SourceError(text.format(*found.groups(), folder=folder)) from error
        raise


def without_ops(message: str) -> str:
    """Returns the text of a TensorFlow error without the names of ops, which may contain any word.

    >>> without_ops("{{function_node f}} Input is empty. [[{{node DecodeJpeg}}]]")
    'Input is empty. '
    """
    return _OPS.sub("", message)


def in_utf8(function: Callable[..., Result]) -> Callable[..., Result]:
    """Returns a function whose SourceErrors are in UTF-8.

    TensorFlow drops the text of others, which name a path that is not UTF-8.
    """

    def called(*arguments: np.ndarray) -> Result:
        try:
            return function(*arguments)
        except SourceError as error:
            raise SourceError(str(error).encode("utf-8", "backslashreplace").decode()) from error

    return called


def opened(path: tf.Tensor) -> tf.Tensor:
    """Returns the number of bytes that could be read of a file, at most 1. Fails if the file cannot be opened."""
    return tf.data.FixedLengthRecordDataset(path, record_bytes=1).take(1).reduce(0, lambda count, _: count + 1)


def require_opened(path: str) -> None:
    """Raises SourceError if TensorFlow cannot open a shard in a bucket: it has a client and credentials of its own.

    Otherwise the shards would be read by the slow way that is meant for damaged ones.
    """
    try:
        opened(tf.constant(path))
    except tf.errors.OpError as error:
        reason = " ".join(without_ops(error.message).split())[:200].rstrip(".")
        raise SourceError(
            f"{path} cannot be opened by TensorFlow: {reason}. It looks for credentials by itself: log in with "
            "`gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS."
        ) from error


def _filled_up(payloads: tf.data.Dataset, origin: Origin, count: tf.Tensor | int) -> tf.data.Dataset:
    """Returns (origin, payload) `count` times: the payloads up to the first damaged one, then empty ones.

    If a shard cannot be opened, all are empty. TensorFlow tries to open it again for each payload, so `ignore_errors`
    alone would never end. The zipped origin, which advances with each error, ends it after `count`.
    """
    origins = tf.data.Dataset.from_tensors(origin)
    read = tf.data.Dataset.zip(origins.repeat(count), payloads).ignore_errors()
    missing = tf.data.Dataset.zip(origins, tf.data.Dataset.from_tensors(b"")).repeat()
    return read.concatenate(missing).take(count)


@functools.lru_cache(16)
def _survey(path: str) -> tuple[dict[int, tuple[int, int]], dict[int, str]]:
    """Returns (offset, size) of each whole record of a shard by its number, and the damage of each other one."""
    whole: dict[int, tuple[int, int]] = {}
    damaged: dict[int, str] = {}
    try:
        for record in read_records(path):
            if record.damage:
                damaged[record.number] = f"byte {record.offset:,}: {record.damage}"
            else:
                whole[record.number] = (record.offset, record.size)
    except SourceError as error:
        if bucket_url(path) or os.path.lexists(path):
            raise
        raise SourceError(f"{path} was removed or renamed since reading began. {REPLACED}") from error
    return whole, damaged
