"""The images of a part of an evaluation set as batches of examples, from files or from records."""

import os
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from ilsvrc_tfds import preprocess, synsets
from ilsvrc_tfds.errors import ImageError, SourceError, unreadable
from ilsvrc_tfds.images.others import as_jpeg
from ilsvrc_tfds.pipeline.epochs import key_of, records_in_order, share_of
from ilsvrc_tfds.pipeline.examples import Parse, batches_of, gathered, parser
from ilsvrc_tfds.pipeline.reading import RAISE, in_utf8, without_ops
from ilsvrc_tfds.pipeline.schedule import Host
from ilsvrc_tfds.pipeline.sets.found import Images, Records
from ilsvrc_tfds.pipeline.sets.trees import WHOLE_FILE, File
from ilsvrc_tfds.storage.regular import open_regular

_JPEG = b"\xff\xd8"
# The number in the file name of a validation image, with or without folders, a class or an extension.
_NUMBERED = r"(?i)^(?:.*[/\\])?ILSVRC2012_val_(\d{1,8})(?:_n\d{8})?(?:\.[A-Za-z]+)?$"


def batches_of_part(
    images: Images | Records, ops: Iterable[preprocess.Op], host: Host, batch_size: int
) -> tf.data.Dataset:
    """Returns batches `{image, label, file_name, …}` of a host's share of a part, each image once, in a fixed order.

    An image that cannot be read or decoded is a SourceError that names it, as TensorFlow's error with its text.

    Args:
      images: Images of the part.
      ops: Operations on each image.
      host: Host that reads the share.
      batch_size: Number of examples in a batch.
    """
    if isinstance(images, Images):
        return _of_files(images, ops, host, batch_size)
    split = images.split
    parse = _parser_of_lists(images) if images.labels is not None or images.key else parser(split, None)
    return batches_of(
        records_in_order(share_of(split, None, host), key_of(0, host)),
        split,
        None,
        ops,
        num_examples=split.num_examples,
        batch_size=batch_size,
        on_error=RAISE,
        deterministic=True,
        parse=lambda payload: _decodable(parse(payload)),
    )


def read_image(file: File) -> bytes:
    """Returns the bytes of an image. Raises SourceError if they cannot be read.

    >>> from ilsvrc_tfds.pipeline.sets.trees import open_tree
    >>> len(read_image(File("/data/imagenet/ILSVRC2012_img_val.tar", "a.JPEG", 512, 100)))
    100
    """
    try:
        with open_regular(file.path, buffering=0) as opened:
            size = os.fstat(opened.fileno()).st_size if file.size == WHOLE_FILE else file.size
            return os.pread(opened.fileno(), size, file.offset)
    except OSError as error:
        raise unreadable(file.path, error) from error


def _of_files(images: Images, ops: Iterable[preprocess.Op], host: Host, batch_size: int) -> tf.data.Dataset:
    start, stop = host.bounds(len(images))
    paths = tf.constant([os.fsencode(file.path) for file in images.files[start:stop]], tf.string)
    labels = tf.constant(images.labels[start:stop])
    key, shard = tf.constant([0, 0]), tf.constant(0, tf.int64)
    rows = tf.data.Dataset.range(stop - start)
    origins = tf.data.Dataset.from_tensors((key, shard)).repeat(stop - start)
    records = tf.data.Dataset.zip(tf.data.Dataset.zip(origins, tf.data.Dataset.from_tensor_slices(paths)), rows)
    files = images.files[start:stop]
    read = _reader(files)

    def example(key: tf.Tensor, shard: tf.Tensor, number: tf.Tensor, path: tf.Tensor) -> dict[str, tf.Tensor]:
        values = {"image": read(number, path), "label": tf.gather(labels, number), "file_name": path, "seed": key}
        return preprocess.apply(ops, _decodable(values), key)

    return gathered(
        records,
        example,
        _checker(files, example),
        lambda shards: tf.constant(0, tf.int64),
        batch_size=batch_size,
        on_error=RAISE,
        deterministic=True,
    )


def _reader(files: tuple[File, ...]) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Returns a function of (number, path) that returns the bytes of an image."""
    if all(file.size == WHOLE_FILE for file in files):
        return lambda number, path: tf.io.read_file(path)

    def pread(number: np.int64) -> bytes:
        return read_image(files[number])

    return lambda number, path: tf.ensure_shape(tf.numpy_function(pread, [number], tf.string, stateful=False), [])


def _decodable(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns the example with its image as a JPEG. Only images of other formats leave TensorFlow's graph for that."""
    data = example["image"]

    def converted() -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(as_jpeg, [data], tf.string, stateful=False), [])

    return {**example, "image": tf.cond(tf.equal(tf.strings.substr(data, 0, 2), _JPEG), lambda: data, converted)}


def _checker(files: tuple[File, ...], example: Callable) -> Callable:
    """Returns a function of (records, rows in the batch) that raises SourceError for the first missing row."""

    def look(
        keys: np.ndarray, shards: np.ndarray, numbers: np.ndarray, paths: np.ndarray, rows: np.ndarray
    ) -> np.int64:
        for row in sorted(set(range(len(shards))) - set(rows.tolist())):
            file = files[numbers[row]]
            raise SourceError(f"{file.where}: {_reason(file, example, numbers[row], paths[row])}. Get it again.")
        return np.int64(0)

    def check(records: tuple, rows: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(in_utf8(look), [*records, rows], tf.int64, stateful=False), [])

    return check


def _reason(file: File, example: Callable, number: np.int64, path: bytes) -> str:
    """Returns why an example could not be made. Raises SourceError if its file cannot be read."""
    try:
        as_jpeg(read_image(file))
        example(tf.constant([0, 0]), tf.constant(0, tf.int64), tf.constant(number), tf.constant(path))
    except ImageError as error:
        return str(error).removesuffix(". Get it again")
    except tf.errors.OpError as error:
        message = without_ops(error.message).partition(" [Op:")[0].strip()
        return f"its image cannot be decoded ({message})" if "jpeg" in message.lower() else message
    except Exception as error:  # from Python code in an op of the caller
        if isinstance(error, SourceError):
            raise
        return f"{type(error).__name__}: {error}"
    return "it failed once, but not when it was tried again. Perhaps memory was short"


def _parser_of_lists(records: Records) -> Parse:
    """Returns a function that parses a record and makes its label float32 [1000]: 1 for each right class."""
    fields = records.split.fields
    keys = {fields.image: tf.io.FixedLenFeature([], tf.string), fields.file_name: tf.io.FixedLenFeature([], tf.string)}
    if records.key:
        keys[records.key] = tf.io.VarLenFeature(tf.int64)
    lists = records.labels or ()
    values = tf.constant(np.array([index for row in lists for index in row], np.int64))
    starts = tf.constant(np.cumsum([0, *map(len, lists)]), tf.int64)

    def right(example: dict[str, tf.Tensor]) -> tf.Tensor:
        if records.key:
            return example[records.key].values
        digits = tf.strings.regex_replace(example[fields.file_name], _NUMBERED, r"\1")
        number = tf.strings.to_number(digits, tf.int64)  # fails for the name of another image
        # tf.gather fails for the number of no validation image, also for 0.
        return values[tf.gather(starts, number - 1) : tf.gather(starts, number)]

    def parse(payload: tf.Tensor) -> dict[str, tf.Tensor]:
        example = tf.io.parse_single_example(payload, keys)
        classes = tf.range(synsets.NUM_CLASSES, dtype=tf.int64)
        label = tf.reduce_any(tf.equal(right(example)[:, tf.newaxis], classes), 0)
        name, image = example[fields.file_name], example[fields.image]
        return {"image": image, "label": tf.cast(label, tf.float32), "file_name": name}

    return parse
