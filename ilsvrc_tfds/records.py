"""Canonical `tf.train.Example` bytes and TFRecord framing.

The example is what protobuf's `SerializeToString(deterministic=True)` writes: map entries in the order of their keys.
Wire format: https://protobuf.dev/programming-guides/encoding. Framing: tensorflow/core/lib/io/record_writer.h,
`uint64 length, uint32 masked_crc(length), byte data[length], uint32 masked_crc(data)`, little-endian.
"""

import dataclasses
import functools
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import google_crc32c

# length + its CRC in front, the data's CRC behind.
FRAME_BYTES = 8 + 4 + 4

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3  # fields of tf.train.Feature
_MASK_DELTA = 0xA282EAD8
_ONE_BYTE = [bytes((value,)) for value in range(0x80)]


class Example(NamedTuple):
    """One record's payload in three pieces, so that the image is never copied.

    Attributes:
      before: all bytes in front of the image's.
      image: the image's bytes.
      after: all bytes behind them.
    """

    before: bytes
    image: bytes
    after: bytes

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return len(self.before) + len(self.image) + len(self.after)


@dataclasses.dataclass(frozen=True)
class TfdsExample:
    """Encodes the records of a prepared data set; a value.

    Attributes:
      op: from an image's bytes to those of the record.
    """

    op: Callable[[bytes], bytes]

    def __call__(self, file_name: bytes, data: bytes, label: int) -> Example:
        """Returns the example of an image; its `image` is `data` itself where `op` leaves it as it is. Raises ImageError."""
        return encode_example(file_name, self.op(data), label)


def encode_example(file_name: bytes, image: bytes, label: int) -> Example:
    """Returns the example `{file_name, image, label}` that TFDS's Text, Image and ClassLabel features serialize to.

    Args:
      file_name: of the image, ASCII.
      image: JPEG bytes.
      label: class index in [0, 1000), or -1.
    """
    return join_features(
        [(b"file_name", bytes_feature([file_name]))], b"image", image, [(b"label", _label_feature(label))]
    )


@functools.cache
def _label_feature(label: int) -> bytes:
    return int64_feature([label])


def join_features(
    before: Iterable[tuple[bytes, bytes]], key: bytes, image: bytes, after: Iterable[tuple[bytes, bytes]]
) -> Example:
    """Returns an example with an image among other features.

    Args:
      before: (key, feature) of the features whose keys sort before the image's, sorted.
      key: of the image.
      image: its bytes.
      after: likewise, of those whose keys sort behind it.
    """
    head = b"".join(_entry(*feature) for feature in before)
    tail = b"".join(_entry(*feature) for feature in after)
    # The image's entry, opened up: each enclosing message's tag and length, from the inside to the outside.
    n = len(image)
    values = _head(1, n)
    feature = _head(_BYTES_LIST, len(values) + n) + values
    entry = _field(1, key) + _head(2, len(feature) + n) + feature
    head += _head(1, len(entry) + n) + entry
    return Example(_head(1, len(head) + n + len(tail)) + head, image, tail)


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


def frame(example: Example) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Returns the TFRecord of an example, in pieces to be written one behind the other."""
    length = struct.pack("<Q", example.size)
    checksum = google_crc32c.value(example.before)
    checksum = google_crc32c.extend(checksum, example.image)
    checksum = google_crc32c.extend(checksum, example.after)
    return (length + _masked(google_crc32c.value(length)), *example, _masked(checksum))


def _masked(checksum: int) -> bytes:
    rotated = (checksum >> 15 | checksum << 17) + _MASK_DELTA
    return struct.pack("<I", rotated & 0xFFFF_FFFF)


def _entry(key: bytes, feature: bytes) -> bytes:
    """Returns an entry of the map `Features.feature`."""
    return _field(1, _field(1, key) + _field(2, feature))


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
