"""Encodes canonical `tf.train.Example` bytes, and parses them.

The bytes are those of protobuf's `SerializeToString(deterministic=True)`, with map entries sorted by key.
Wire format: https://protobuf.dev/programming-guides/encoding.
"""

import functools
import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ilsvrc_tfds.errors import SourceError

if TYPE_CHECKING:
    from tensorflow_datasets.proto import tf_example_pb2

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3  # fields of tf.train.Feature
_ONE_BYTE = [bytes((value,)) for value in range(0x80)]
# Heads of the fields with few bytes, which most have, by number and length.
_SHORT_HEADS = [[bytes((number << 3 | 2, size)) for size in range(0x80)] for number in range(4)]


class Example(NamedTuple):
    """The payload of one record in three pieces, so that the image is never copied.

    Attributes:
      before: Bytes before the image.
      image: Bytes of the image.
      after: Bytes after the image.
    """

    before: bytes
    image: bytes
    after: bytes

    @property
    def has_boxes(self) -> bool:
        """Whether the features include bounding boxes."""
        return False

    @property
    def size(self) -> int:
        """Size of the payload, in bytes."""
        return len(self.before) + len(self.image) + len(self.after)


class BoxedExample(Example):
    """An example whose features include bounding boxes."""

    __slots__ = ()

    @property
    def has_boxes(self) -> bool:
        return True


def encode_example(file_name: bytes, image: bytes, label: int) -> Example:
    """Returns the example `{file_name, image, label}` that TFDS's Text, Image and ClassLabel features serialize to.

    Args:
      file_name: File name of the image, ASCII.
      image: Bytes of the JPEG.
      label: Class index in [0, 1000), or -1 for no label.

    >>> payload = b"".join(encode_example(b"n01440764_10.JPEG", jpeg, 0))
    >>> list(parse_example(payload, "record 0")["file_name"])
    [b'n01440764_10.JPEG']
    """
    return join_features(feature_entry(b"file_name", bytes_feature([file_name])), b"image", image, _label_entry(label))


@functools.cache
def _label_entry(label: int) -> bytes:
    return feature_entry(b"label", int64_feature([label]))


def join_features(before: bytes, key: bytes, image: bytes, after: bytes) -> Example:
    """Returns an example with an image and other features, without copying the image.

    Args:
      before: Concatenated entries of the features whose keys sort before the image's, in the order of their keys.
      key: Key of the image.
      image: Bytes of the image.
      after: Concatenated entries of the features whose keys sort after the image's, in the order of their keys.

    >>> join_features(b"", b"image", jpeg, feature_entry(b"label", int64_feature([3]))).image == jpeg
    True
    """
    # The tag and length of each message that encloses the image, from the innermost to the outermost.
    n = len(image)
    values = _head(1, n)
    feature = _head(_BYTES_LIST, len(values) + n) + values
    entry = _field(1, key) + _head(2, len(feature) + n) + feature
    before += _head(1, len(entry) + n) + entry
    return Example(_head(1, len(before) + n + len(after)) + before, image, after)


def feature_entry(key: bytes, feature: bytes) -> bytes:
    """Returns an encoded entry of an example's map of features.

    >>> feature_entry(b"label", int64_feature([3])).hex()
    '0a0e0a056c6162656c12051a030a0103'
    """
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


def parse_example(payload: bytes, where: str) -> dict[str, Sequence[Any]]:
    """Returns the values of each feature of a `tf.train.Example`: bytes, ints or floats.

    A feature without a list has no values. The sequences compare equal to lists, but create each value only when it is
    accessed, so that an unused image is not copied.

    Args:
      payload: Payload of a record.
      where: Place of the record, for the error message.

    Raises SourceError if the payload is not an example. (Some other messages cannot be distinguished from an example
    without features.)

    >>> features = parse_example(b"".join(encode_example(b"n01440764_10.JPEG", jpeg, 0)), "record 0")
    >>> sorted(features), list(features["label"])
    (['file_name', 'image', 'label'], [0])
    """
    # TFDS's class of the message does not need TensorFlow. It is imported here, because jobs that only write do not use
    # it.
    from google.protobuf.message import DecodeError
    from tensorflow_datasets.proto import tf_example_pb2

    try:
        features = tf_example_pb2.Example.FromString(payload).features.feature
    except DecodeError as error:
        raise SourceError(f"{where} is not a tf.train.Example ({error}).") from error
    return {key: _values(feature) for key, feature in features.items()}


def _values(feature: "tf_example_pb2.Feature") -> Sequence[Any]:
    kind = feature.WhichOneof("kind")
    return getattr(feature, kind).value if kind else []


def _field(number: int, payload: bytes) -> bytes:
    return _head(number, len(payload)) + payload


def _head(number: int, size: int) -> bytes:
    """Returns the tag and length that begin a length-delimited field (wire type 2)."""
    return _SHORT_HEADS[number][size] if size < 1 << 7 else _ONE_BYTE[number << 3 | 2] + _varint(size)


def _varint(value: int) -> bytes:
    """Returns a number that is not negative as a varint: seven bits a byte, the lowest first."""
    if value < 1 << 7:
        return _ONE_BYTE[value]
    if value < 1 << 14:
        return bytes((value & 0x7F | 0x80, value >> 7))
    if value < 1 << 21:  # most images; the loop takes twice as long
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
