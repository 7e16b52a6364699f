"""A record's payload: its features, and its image in place; for those who look at every record of a large set.

To copy an image of 110 KB takes as long as its checksum does, and `tf.train.Example.FromString` copies it as well. So the
form in which everybody writes such messages is read here; `records.parse_example` reads every other one.
"""

import contextlib
import functools
import struct
from collections.abc import Sequence
from typing import NamedTuple

from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.images import Head, look

# Tags of length-delimited fields.
_FIELD_1, _FIELD_2, _FIELD_3 = 0x0A, 0x12, 0x1A
# A payload has 1 GiB at most.
_LONGEST_SIZE = 5
# Bytes in front of an image and behind it, up to which they are read here. Most features are the same in many records.
_MOST_BYTES = 4096
_KEPT = 1 << 14
# The heads of 15 in 16 images end before this byte.
_HEAD_BYTES = 4096


class Picture(NamedTuple):
    """An image inside of other bytes.

    Attributes:
      data: that hold it.
      start: of its first byte.
      stop: behind its last one.
    """

    data: bytes
    start: int
    stop: int

    def copy(self) -> bytes:
        """Returns the image's bytes."""
        return self.data[self.start : self.stop]

    def look(self) -> Head:
        """Returns what `images.look` returns of the image, or raises its ImageError; mostly without a copy."""
        behind = self.start + _HEAD_BYTES
        if self.data.rfind(b"\xff\xd9", behind, self.stop) >= 0:
            # The end marker is there: if all that is in front of the first scan lies in this part, the rest does not matter.
            with contextlib.suppress(ImageError):
                return look(self.data[self.start : behind] + b"\xff\xd9")
        return look(self.copy())


def parse_payload(payload: bytes, image_key: str, where: str) -> tuple[dict[str, Sequence], Picture | None]:
    """Returns the features of a `tf.train.Example` as `records.parse_example` does, but for its image, and that.

    The image is None, and the key is among the features, where it is not a single byte string.

    Args:
      payload: of a record.
      image_key: of the image.
      where: it lies, for the message.

    Raises SourceError for what is no example.
    """
    try:
        return _parse_plain(payload, image_key)
    except (ValueError, IndexError):
        features = parse_example(payload, where)
    values = features.get(image_key, ())
    if len(values) == 1 and isinstance(values[0], bytes):
        image = features.pop(image_key)[0]
        return features, Picture(image, 0, len(image))
    return features, None


def _parse_plain(payload: bytes, image_key: str) -> tuple[dict[str, Sequence], Picture]:
    """Returns features and image. Raises ValueError, IndexError where the message is in another form, or is none."""
    body, stop = _span(payload, 0, _FIELD_1)
    key_field = bytes((_FIELD_1, len(image_key))) + image_key.encode()
    key = payload.index(key_field, body, body + _MOST_BYTES)
    entry = _entry_of(payload, key)
    start, end = _span(payload, entry, _FIELD_1)
    _require(body <= entry and start == key and end <= stop == len(payload) <= end + _MOST_BYTES)
    # If the bytes in front of it are whole entries, then this is one, and not the inside of another.
    features = {**_parse_alike(payload[body:entry]), **_parse_behind(payload[end:])}
    _require(image_key not in features)  # the last of several would count
    return features, Picture(payload, _start_of_image(payload, key + len(key_field), end), end)


def _entry_of(payload: bytes, key: int) -> int:
    """Returns where the entry with a key begins, if it is one: tag, then size, whose bytes but the last have the high bit."""
    position = key - 1
    while payload[position - 1] >= 0x80:
        position -= 1
    return position - 1


def _start_of_image(payload: bytes, position: int, stop: int) -> int:
    """Returns where the only value of a list of byte strings begins: a field in a field in a field, all ending at `stop`."""
    for tag in (_FIELD_2, _FIELD_1, _FIELD_1):
        position, end = _span(payload, position, tag)
        _require(end == stop)
    return position


def _parse_entries(data: bytes) -> dict[str, tuple]:
    """Returns the features of these entries, which are all of the data."""
    features, position = {}, 0
    while position < len(data):
        start, position = _span(data, position, _FIELD_1)
        key, values = _parse_entry(data[start:position])
        features[key] = values
    _require(position == len(data))
    return features


# In front of its image a classic record has what all of a class have; behind its file name, what all of a size have.
_parse_alike = functools.lru_cache(_KEPT)(_parse_entries)


def _parse_behind(data: bytes) -> dict[str, tuple]:
    """Returns the features of these entries, of which the first may be the file name."""
    if not data:
        return {}
    start, stop = _span(data, 0, _FIELD_1)
    _require(stop <= len(data))
    key, values = _parse_entry(data[start:stop])
    return {key: values, **_parse_alike(data[stop:])}


@functools.lru_cache(_KEPT)
def _parse_entry(entry: bytes) -> tuple[str, tuple]:
    """Returns the key and the values of an entry in the map of an example's features."""
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


_LISTS = {_FIELD_1: _byte_strings, _FIELD_2: _floats, _FIELD_3: _ints}


def _span(data: bytes, position: int, tag: int) -> tuple[int, int]:
    """Returns start and stop of the data of a length-delimited field. Raises ValueError, IndexError where it is no such."""
    if data[position] != tag:
        raise ValueError("another field")
    size = data[position + 1]
    if size < 0x80:
        return position + 2, position + 2 + size
    size = 0
    for k, byte in enumerate(data[position + 1 : position + 1 + _LONGEST_SIZE]):
        size |= (byte & 0x7F) << 7 * k
        if byte < 0x80:
            return position + 2 + k, position + 2 + k + size
    raise ValueError("no size")


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError("another form")
