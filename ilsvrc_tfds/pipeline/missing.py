"""Why an example is missing from its batch, in words that name shard, record and file name; whether that stops the stream.

An error of TensorFlow in an op says what is wrong and not where. So a batch is made of the examples that had none, and is
compared with the records that it was to be made of: Python looks only at those that are missing.
"""

import logging
import os
import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ilsvrc_tfds.errors import SourceError, shown
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.pipeline.reading import SKIP, damage_of, in_utf8, opened, rescued, without_ops
from ilsvrc_tfds.pipeline.split import Split

# What an op says of an image that it cannot decode; only an InvalidArgumentError says it of its input, and not of memory, say.
_OF_THE_IMAGE = re.compile("jpeg", re.IGNORECASE)
_OF_THE_LABEL = re.compile(r"indices(?:\[0\])? = (-?\d+) is not in \[0, 1000\)")
_OF_THE_METADATA = re.compile(re.escape(hdf5.NAME) + r"[^'\n]*")

_log = logging.getLogger(__name__)


def checker(split: Split, num_examples: int, example: Callable, on_error: str, lost: str = "") -> Callable:
    """Returns a function of (records, rows that came) that looks at those that did not: `raise` names the first, `skip` logs each.

    It returns 0. Records are (keys of the epoch [n, 2], shards [n], numbers in the shard [n], payloads [n]).

    Args:
      split: of the records.
      num_examples: Number of different records that the stream reads: a subset of the split, or a host's share of it.
      example: `example(key, shard, number, payload)`, what failed; it is tried again to find out why.
      on_error: `raise` or `skip`. Only damaged records and images that cannot be decoded are skipped.
      lost: What does not hold any more once a record was skipped, for a warning; empty if all does.
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
                raise SourceError(f"{place}. Make the shard anew, or pass on_error='skip'.")
            if lost and not skipped:
                _log.warning(lost)
            skipped.add((path, number))
            _log.warning("%s. Skipped; %d different records so far.", place, len(skipped))
            if len(skipped) == num_examples:  # an endless stream would look for a whole one for ever
                part = "" if num_examples == split.num_examples else " that are read here"
                raise SourceError(
                    f"{split.folder}: none of the {num_examples:,} records of {split.name}{part} can be used."
                )
        return np.int64(0)

    def check(records: tuple, rows: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(in_utf8(look), [*records, rows], tf.int64, stateful=False), [])

    return check


def asserting_checker(split: Split) -> Callable:
    """Returns the same without Python, for processes other than this one: it fails, and names the first record that is missing."""
    name_key = split.fields.file_name

    def check(records: tuple, rows: tf.Tensor) -> tf.Tensor:
        _, shards, numbers, payloads = records
        came = tf.scatter_nd(rows[:, tf.newaxis], tf.ones_like(rows), tf.shape(shards))
        row = tf.argmin(came)
        path, payload = tf.gather(split.encoded_paths, shards[row]), payloads[row]
        is_read = tf.strings.length(payload) > 0
        features = {name_key: tf.io.VarLenFeature(tf.string)}  # the record may have none

        def name_of() -> tf.Tensor:
            return tf.strings.reduce_join(tf.io.parse_single_example(payload, features)[name_key].values)

        name = tf.cond(is_read, name_of, lambda: "")
        image = tf.strings.join(
            [
                "(",
                name,
                "): its image cannot be decoded, or no class has its label. `ilsvrc-tfds verify --decode` tells.",
            ]
        )
        what = tf.where(is_read, image, "or one before it is damaged or missing. Make the shard anew.")
        # In this order: of a file that cannot be opened TensorFlow says path and cause.
        with tf.control_dependencies([opened(path)]):
            with tf.control_dependencies([tf.debugging.Assert(False, [path, "record", numbers[row], what])]):
                return tf.constant(0, tf.int64)

    return check


def _reason(split: Split, example: Callable, path: str, record: tuple) -> tuple[str, bool]:
    """Returns where a record lies and why it gave no example, and whether the record or its image is damaged."""
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
                f"{where}: its label is {label[1]}, counted from 0: no class has it. Is its label_offset another",
                False,
            )
        if contradiction := _OF_THE_METADATA.search(message):
            return f"{where}: {contradiction[0]}", False
        is_image = isinstance(error, tf.errors.InvalidArgumentError) and _OF_THE_IMAGE.search(message) is not None
        return f"{where}: {f'its image cannot be decoded ({message})' if is_image else message}", is_image
    except Exception as error:  # of an op's own Python, which would name no record
        return f"{where}: {type(error).__name__}: {error}", False
    return f"{where}: it failed once, and not when it was tried again. Is memory short", False


def _name(split: Split, payload: bytes, where: str) -> str:
    """Returns the file name in a record. Raises SourceError, which says `where`, if there is not one."""
    key = split.fields.file_name
    values = parse_example(payload, where).get(key, [])
    if len(values) != 1 or not isinstance(values[0], bytes):
        raise SourceError(f"{where} has no file name: one text is expected as its {key}. Make the shard anew.")
    return shown(os.fsdecode(values[0]))
