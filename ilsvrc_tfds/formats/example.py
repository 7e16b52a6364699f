"""Canonical `tf.train.Example` bytes, and their features again.

An example is what protobuf's `SerializeToString(deterministic=True)` writes: map entries in the order of their keys.
Wire format: https://protobuf.dev/programming-guides/encoding.
"""

import functools
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ilsvrc_tfds.errors import SourceError

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3  # fields of tf.train.Feature
_ONE_BYTE = [bytes((value,)) for value in range(0x80)]


class Example(NamedTuple):
    """One record's payload in three pieces, so that the image is never copied.

    Attributes:
      before: all bytes in front of the image's.
      image: the image's bytes.
      after: all bytes behind them.
      has_boxes: whether there are bounding boxes among its features.
    """

    before: bytes
    image: bytes
    after: bytes
    has_boxes = False

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return len(self.before) + len(self.image) + len(self.after)


class BoxedExample(Example):
    """An example with bounding boxes."""

    __slots__ = ()
    has_boxes = True


def encode_example(file_name: bytes, image: bytes, label: int) -> Example:
    """Returns the example `{file_name, image, label}` that TFDS's Text, Image and ClassLabel features serialize to.

    Args:
      file_name: of the image, ASCII.
      image: JPEG bytes.
      label: class index in [0, 1000), or -1.
    """
    return join_features(feature_entry(b"file_name", bytes_feature([file_name])), b"image", image, _label_entry(label))


@functools.cache
def _label_entry(label: int) -> bytes:
    return feature_entry(b"label", int64_feature([label]))


def join_features(before: bytes, key: bytes, image: bytes, after: bytes) -> Example:
    """Returns an example with an image among other features.

    Args:
      before: the entries, one behind the other, of the features whose keys sort before the image's; sorted.
      key: of the image.
      image: its bytes.
      after: likewise, of those whose keys sort behind it.
    """
    # The image's entry, opened up: each enclosing message's tag and length, from the inside to the outside.
    n = len(image)
    values = _head(1, n)
    feature = _head(_BYTES_LIST, len(values) + n) + values
    entry = _field(1, key) + _head(2, len(feature) + n) + feature
    before += _head(1, len(entry) + n) + entry
    return Example(_head(1, len(before) + n + len(after)) + before, image, after)


def feature_entry(key: bytes, feature: bytes) -> bytes:
    """Returns the entry of a feature in the map of an example's features."""
    return _field(1, _field(1, key) + _field(2, feature))


def bytes_feature(values: Iterable[bytes]) -> bytes:
    """Returns the `tf.train.Feature` of a list of byte strings."""
    return _field(_BYTES_LIST, b"".join(_field(1, value) for value in values))


def int64_feature(values: Iterable[int]) -> bytes:
    """Returns the `tf.train.Feature` of a list of integers, packed."""
    packed = b"".join(_varint(value & 0xFFFF_FFFF_FFFF_FFFF) for value in values)
    return _field(_INT64_LIST, _field(1, packed) if packed else b"")


def float_feature(values: Sequence[float]) -> bytes:
    """Returns the `tf.train.Feature` of a list of numbers, as 32-bit floats, packed."""
    packed = struct.pack(f"<{len(values)}f", *values)
    return _field(_FLOAT_LIST, _field(1, packed) if packed else b"")


def parse_example(payload: bytes, where: str) -> dict[str, Sequence]:
    """Returns the values of each feature of a `tf.train.Example`: bytes, ints or floats; empty where it has no list.

    The sequences equal lists, but make a value when it is asked for: an image that nobody looks at is not copied.

    Args:
      payload: of a record.
      where: it lies, for the message.

    Raises SourceError for what is no example; bytes of another message may pass for one that has no features.
    """
    # TFDS's own class of the message needs no TensorFlow; loaded here, for jobs that only write do without.
    from google.protobuf.message import DecodeError
    from tensorflow_datasets.proto import tf_example_pb2

    try:
        features = tf_example_pb2.Example.FromString(payload).features.feature
    except DecodeError as error:
        raise SourceError(f"{where} is no tf.train.Example ({error}).") from error
    return {key: _values(feature) for key, feature in features.items()}


def _values(feature) -> Sequence:
    kind = feature.WhichOneof("kind")
    return getattr(feature, kind).value if kind else []


def _field(number: int, payload: bytes) -> bytes:
    return _head(number, len(payload)) + payload


def _head(number: int, size: int) -> bytes:
    """Returns the tag and length in front of a length-delimited field (wire type 2)."""
    return _ONE_BYTE[number << 3 | 2] + _varint(size)


def _varint(value: int) -> bytes:
    if value <= 0x7F:
        return _ONE_BYTE[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
