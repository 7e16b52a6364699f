"""Parses a record's payload without copying its image, for code that reads every record of a large data set.

Copying an image of 110 KB takes as long as computing its checksum, and `tf.train.Example.FromString` copies it too.
This module parses the form that all common writers use, and leaves any other form to `example.parse_example`.
"""

import contextlib
import functools
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.images import Head, look

# Tags of length-delimited fields.
_FIELD_1, _FIELD_2, _FIELD_3 = 0x0A, 0x12, 0x1A
# Bytes of the longest varint for a size, as a payload has at most 1 GiB.
_LONGEST_SIZE = 5
# Most bytes before an image, and after it, that are parsed here.
_MOST_BYTES = 4096
# Number of parsed features to keep, because most are the same in many records.
_KEPT = 1 << 14
# The heads of 15 in 16 images end before this byte.
_HEAD_BYTES = 4096


class Picture(NamedTuple):
    """An image within the payload of its record.

    Attributes:
      data: Payload of the record.
      start: Position of its first byte.
      stop: Position after its last byte.
    """

    data: bytes
    start: int
    stop: int

    def copy(self) -> bytes:
        """Returns the image's bytes."""
        return self.data[self.start : self.stop]

    def look(self) -> Head:
        """Returns the image's header like `images.look`, in most cases without copying the image. Raises ImageError."""
        stop = self.start + _HEAD_BYTES
        if self.data.rfind(b"\xff\xd9", stop, self.stop) >= 0:
            # The end marker exists, so if the header ends within this part, the other bytes do not matter.
            with contextlib.suppress(ImageError):
                return look(self.data[self.start : stop] + b"\xff\xd9")
        return look(self.copy())


def parse_payload(payload: bytes, image_key: str, where: str) -> tuple[dict[str, Sequence[Any]], Picture | None]:
    """Returns the features of a `tf.train.Example` without its image, and the image.

    If the image's feature is not a single byte string, the image is None and the feature stays among the others.

    Args:
      payload: Payload of a record.
      image_key: Key of the image.
      where: Place of the record, for the error message.

    Raises SourceError if the payload is not an example.

    >>> payload = b"".join(encode_example(b"n01440764_10.JPEG", jpeg, 0))
    >>> features, image = parse_payload(payload, "image", "record 0")
    >>> features["file_name"], image.look().width
    ((b'n01440764_10.JPEG',), 48)
    """
    try:
        return _parse_plain(payload, image_key)
    except (ValueError, IndexError):
        features = parse_example(payload, where)
    values = features.get(image_key, ())
    if len(values) == 1 and isinstance(values[0], bytes):
        image = features.pop(image_key)[0]
        start = payload.find(image)
        return features, Picture(payload, start, start + len(image))
    return features, None


def parse_start(data: bytes, image_key: str) -> Mapping[str, Sequence[Any]]:
    """Returns the features before a record's image, from the first bytes of its payload.

    The result is empty if the payload has another form, or if its image does not begin within these bytes.

    >>> payload = b"".join(encode_example(b"n01440764_10.JPEG", jpeg, 0))
    >>> parse_start(payload[:100], "image")["file_name"]
    (b'n01440764_10.JPEG',)
    """
    try:
        return _parse_before(data, image_key).features
    except (ValueError, IndexError):
        return {}


class _Before(NamedTuple):
    """What comes before the image: the features, and where the image's entry, its value and the payload end."""

    features: Mapping[str, Sequence[Any]]
    value: int
    end: int
    stop: int


def _parse_before(data: bytes, image_key: str) -> _Before:
    """Parses the beginning of a payload. Raises ValueError or IndexError if it has another form or is not one."""
    body, stop = _span(data, 0, _FIELD_1)
    key_field = bytes((_FIELD_1, len(image_key))) + image_key.encode()
    key = data.index(key_field, body, body + _MOST_BYTES)
    entry = _entry_of(data, key)
    start, end = _span(data, entry, _FIELD_1)
    _require(body <= entry and start == key and end <= stop)
    # If the bytes before it parse as complete entries, this is an entry and not a part of another.
    return _Before(_parse_alike(data[body:entry]), key + len(key_field), end, stop)


def _parse_plain(payload: bytes, image_key: str) -> tuple[dict[str, Sequence[Any]], Picture]:
    """Returns features and image. Raises ValueError or IndexError if the payload has another form or is not one."""
    before = _parse_before(payload, image_key)
    end = before.end
    _require(before.stop == len(payload) <= end + _MOST_BYTES)
    features = {**before.features, **_parse_after(payload[end:])}
    _require(image_key not in features)  # the last of several would count
    return features, Picture(payload, _start_of_image(payload, before.value, end), end)


def _entry_of(payload: bytes, key: int) -> int:
    """Returns where the entry with the key at this position would begin: with its tag and its size as a varint."""
    # All bytes of a varint except the last have the high bit.
    position = key - 1
    while payload[position - 1] >= 0x80:
        position -= 1
    return position - 1


def _start_of_image(payload: bytes, position: int, stop: int) -> int:
    """Returns where the only value of a list of byte strings begins: three nested fields, which all end at `stop`."""
    for tag in (_FIELD_2, _FIELD_1, _FIELD_1):
        position, end = _span(payload, position, tag)
        _require(end == stop)
    return position


def _parse_entries(data: bytes) -> dict[str, Sequence[Any]]:
    """Returns the features in data that consists of their entries only."""
    features: dict[str, Sequence[Any]] = {}
    position = 0
    while position < len(data):
        start, position = _span(data, position, _FIELD_1)
        key, values = _parse_entry(data[start:position])
        features[key] = values
    _require(position == len(data))
    return features


# In a classic record, the features before the image are the same for all records of a class. Those after the file name
# are the same for all images of one size.
_parse_alike = functools.lru_cache(_KEPT)(_parse_entries)


def _parse_after(data: bytes) -> dict[str, Sequence[Any]]:
    """Returns the features after the image. The first of them, which may be the file name, is cached by itself."""
    if not data:
        return {}
    start, stop = _span(data, 0, _FIELD_1)
    _require(stop <= len(data))
    key, values = _parse_entry(data[start:stop])
    return {key: values, **_parse_alike(data[stop:])}


@functools.lru_cache(_KEPT)
def _parse_entry(entry: bytes) -> tuple[str, tuple[Any, ...]]:
    """Returns the key and the values of one entry of an example's map of features."""
    start, stop = _span(entry, 0, _FIELD_1)
    key = entry[start:stop].decode()
    start, stop = _span(entry, stop, _FIELD_2)
    _require(stop == len(entry))
    kind = entry[start]
    start, stop = _span(entry, start, kind)
    _require(stop == len(entry) and kind in _LISTS)
    return key, tuple(_LISTS[kind](entry[start:]))


def _byte_strings(data: bytes) -> list[bytes]:
    values, position = [], 0
    while position < len(data):
        start, position = _span(data, position, _FIELD_1)
        values.append(data[start:position])
    _require(position == len(data))
    return values


def _floats(data: bytes) -> tuple[float, ...]:
    packed = _packed(data)
    _require(len(packed) % 4 == 0)
    return struct.unpack(f"<{len(packed) // 4}f", packed)


def _ints(data: bytes) -> list[int]:
    packed = _packed(data)
    values, value, shift = [], 0, 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            _require(value < 1 << 64)
            values.append(value - (value >> 63 << 64))
            value = shift = 0
    _require(not shift)
    return values


def _packed(data: bytes) -> bytes:
    start, stop = _span(data, 0, _FIELD_1) if data else (0, 0)
    _require(stop == len(data))
    return data[start:]


_LISTS: dict[int, Callable[[bytes], Sequence[Any]]] = {_FIELD_1: _byte_strings, _FIELD_2: _floats, _FIELD_3: _ints}


def _span(data: bytes, position: int, tag: int) -> tuple[int, int]:
    """Returns start and stop of a length-delimited field's data. Raises ValueError or IndexError for another field."""
    if data[position] != tag:
        raise ValueError("another field")
    size = data[position + 1]
    if size < 0x80:
        return position + 2, position + 2 + size
    second, third = data[position + 2], data[position + 3]
    if second >= 0x80 > third:  # most images; the loop takes nearly twice as long
        size = size & 0x7F | (second & 0x7F) << 7 | third << 14
        return position + 4, position + 4 + size
    size = 0
    for k, byte in enumerate(data[position + 1 : position + 1 + _LONGEST_SIZE]):
        size |= (byte & 0x7F) << 7 * k
        if byte < 0x80:
            return position + 2 + k, position + 2 + k + size
    raise ValueError("no size")


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError("another form")
