"""Finds out why examples are missing from a batch, names shard, record and file name, and stops the stream or goes on.

TensorFlow's errors in an op say what is wrong but not where. So a batch is made of the examples without an error, and
then compared with its records. Python looks only at the records that are missing.
"""

import logging
import os
import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ilsvrc_tfds.errors import SourceError, counted, shown
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.kinds import KINDS
from ilsvrc_tfds.pipeline.reading import SKIP, damage_of, in_utf8, opened, rescued, without_ops
from ilsvrc_tfds.pipeline.split import Split

# In an op's error: the image cannot be decoded. Only an InvalidArgumentError is about the input, and not about memory.
_OF_THE_IMAGE = re.compile("jpeg", re.IGNORECASE)
_OF_THE_LABEL = re.compile(r"indices(?:\[0\])? = (-?\d+) is not in \[0, 1000\)")
_OF_THE_METADATA = re.compile(re.escape(hdf5.NAME) + r"[^'\n]*")

_log = logging.getLogger(__name__)


def checker(split: Split, num_examples: int, example: Callable, on_error: str, lost: str = "") -> Callable:
    """Returns a function of (records, rows in the batch) that looks for the cause of each missing row, and returns 0.

    Records are (keys of the epoch [n, 2], shards [n], numbers in the shard [n], payloads [n]). With `raise`, the
    function raises SourceError for the first missing record. With `skip`, it logs a warning for each one.

    Args:
      split: Split of the records.
      num_examples: Number of different records that the stream reads: all of the split, a subset, or a host's share.
      example: Function of (key, shard, number, payload) that returns an example. It is called once more to find out why
        it failed.
      on_error: `raise` or `skip`. Only damaged records and images that cannot be decoded are skipped.
      lost: Warning for the first skipped record, or "" for none.

    >>> from ilsvrc_tfds.formats.tfrecord import read_records
    >>> from ilsvrc_tfds.pipeline.split import find_split
    >>> def example(key, shard, number, payload):
    ...     raise ValueError("the op has a bug")
    >>> val = find_split("ilsvrc2012", "val", data_dir="/data/tfds")
    >>> check = checker(val, 6, example, "raise")
    >>> first = next(read_records(val.paths[0]))
    >>> check(([[0, 1]], [0], [0], tf.constant([first.payload])), tf.constant([], tf.int64))
    Traceback (most recent call last):
    ilsvrc_tfds.errors.SourceError: ...val...: record 0 (ILSVRC2012_val_...JPEG): ValueError: the op has a bug.
    """
    skipped: set[tuple[str, int]] = set()

    def look(
        keys: np.ndarray, shards: np.ndarray, numbers: np.ndarray, payloads: np.ndarray, rows: np.ndarray
    ) -> np.int64:
        for row in sorted(set(range(len(shards))) - set(rows.tolist())):
            path, number = split.paths[shards[row]], int(numbers[row])
            place, is_damage = _reason(split, example, path, (keys[row], shards[row], numbers[row], payloads[row]))
            if not is_damage:
                raise SourceError(f"{place}.")
            if on_error != SKIP:
                remedy = KINDS[split.kind].remedy.rstrip(".")
                raise SourceError(f"{place}. {remedy}; in Python, on_error='skip' leaves it out.")
            if lost and not skipped:
                _log.warning(lost)
            skipped.add((path, number))
            _log.warning("%s. Skipped; %s so far.", place, counted(len(skipped), "different record"))
            if len(skipped) == num_examples:  # otherwise an endless stream would search forever
                part = "" if num_examples == split.num_examples else " that are read here"
                raise SourceError(
                    f"{split.folder}: none of the records of {split.name}{part} can be used ({num_examples:,})."
                )
        return np.int64(0)

    def check(records: tuple, rows: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(in_utf8(look), [*records, rows], tf.int64, stateful=False), [])

    return check


def asserting_checker(split: Split) -> Callable:
    """Returns a function like that of `checker`, made of TensorFlow's ops alone, for workers of a tf.data service.

    It fails, and names the first missing record.
    """
    name_key = split.fields.file_name

    def check(records: tuple, rows: tf.Tensor) -> tf.Tensor:
        _, shards, numbers, payloads = records
        came = tf.scatter_nd(rows[:, tf.newaxis], tf.ones_like(rows), tf.shape(shards))
        row = tf.argmin(came)
        path, payload = tf.gather(split.encoded_paths, shards[row]), payloads[row]
        is_read = tf.strings.length(payload) > 0
        features = {name_key: tf.io.VarLenFeature(tf.string)}  # the record may have no file name

        def name_of() -> tf.Tensor:
            return tf.strings.reduce_join(tf.io.parse_single_example(payload, features)[name_key].values)

        name = tf.cond(is_read, name_of, lambda: "")
        image = tf.strings.join(
            [
                "(",
                name,
                "): its image cannot be decoded, or its label is not that of a class. "
                "`ilsvrc-tfds verify --decode` says which.",
            ]
        )
        what = tf.where(is_read, image, "or one before it is damaged or missing. Make the shard again.")
        # Opened first: if that fails, TensorFlow's error says path and cause.
        with tf.control_dependencies([opened(path)]):
            with tf.control_dependencies([tf.debugging.Assert(False, [path, "record", numbers[row], what])]):
                return tf.constant(0, tf.int64)

    return check


def _reason(split: Split, example: Callable, path: str, record: tuple) -> tuple[str, bool]:
    """Returns a record's place with the reason of its failure, and whether the record or its image is damaged."""
    *key_and_shard, number, payload = record
    payload = payload or rescued(path, int(number))
    if not payload:
        return f"{path}: {damage_of(path, int(number))}", True
    where = f"{path}: record {int(number)}"
    where = f"{where} ({_name(split, payload, where)})"
    try:
        example(*map(tf.constant, (*key_and_shard, number, payload)))
    except tf.errors.OpError as error:
        message = without_ops(error.message).partition(" [Op:")[0].strip()
        if label := _OF_THE_LABEL.search(message):
            return (
                f"{where}: its label is {label[1]}, counted from 0, and no class has it. Perhaps label_offset is wrong",
                False,
            )
        if contradiction := _OF_THE_METADATA.search(message):
            return f"{where}: {contradiction[0]}", False
        is_image = isinstance(error, tf.errors.InvalidArgumentError) and _OF_THE_IMAGE.search(message) is not None
        return f"{where}: {f'its image cannot be decoded ({message})' if is_image else message}", is_image
    except Exception as error:  # from Python code in an op, which does not know the record
        return f"{where}: {type(error).__name__}: {error}", False
    return f"{where}: it failed once, but not when it was tried again. Perhaps memory was short", False


def _name(split: Split, payload: bytes, where: str) -> str:
    """Returns the file name in a record. Raises SourceError, which begins with `where`, unless there is exactly one."""
    key = split.fields.file_name
    values = parse_example(payload, where).get(key, [])
    if len(values) != 1 or not isinstance(values[0], bytes):
        raise SourceError(f"{where} has no file name: expected one text as its {key}. Make the shard again.")
    return shown(os.fsdecode(values[0]))
