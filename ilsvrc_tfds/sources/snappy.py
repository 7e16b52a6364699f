"""Decompresses Snappy's raw format piece by piece. The libraries for it take the whole of the data at once.

The format: google/snappy, `format_description.txt`. Data is the size of the result and then elements, each of them
literal bytes or a copy of earlier ones.
"""

from collections.abc import Iterator

from ilsvrc_tfds.sources.byte_stream import ByteStream

# Compressors work on blocks of 64 KiB, so no copy reaches farther back.
_WINDOW = 1 << 16
_PIECE = 1 << 20


class FarCopyError(Exception):
    """A copy reaches farther back than what is in memory. The format allows it, but no known compressor does it."""


def decompressed(stream: ByteStream) -> Iterator[bytes]:
    """Yields the decompressed bytes in pieces of about a megabyte, as compressors write no literals above 64 KiB.

    >>> stored = bytes([10, 1 << 2]) + b"ab" + bytes([(8 - 4) << 2 | 1, 2])  # "ab", and 8 bytes from 2 before
    >>> list(decompressed(ByteStream(iter([stored]))))
    [b'ababababab']

    Raises:
      ValueError: The data is damaged.
      FarCopyError: A copy reaches farther back than 64 KiB.
    """
    size, flushed, recent = stream.varint(), 0, bytearray()
    while flushed + len(recent) < size:
        tag = stream.take(1)[0]
        if tag & 3 == 0:
            _add_literal(stream, tag >> 2, recent)
        else:
            _add_copy(stream, tag, recent, flushed)
        if flushed + len(recent) > size:
            raise ValueError("the Snappy data is longer than stated")
        if len(recent) >= _PIECE + _WINDOW:
            yield bytes(memoryview(recent)[:-_WINDOW])
            flushed += len(recent) - _WINDOW
            del recent[:-_WINDOW]
    if recent:
        yield bytes(recent)


def _add_literal(stream: ByteStream, length: int, recent: bytearray) -> None:
    if length >= 60:
        length = int.from_bytes(stream.take(length - 59), "little")
    recent += stream.take(length + 1)


def _add_copy(stream: ByteStream, tag: int, recent: bytearray, flushed: int) -> None:
    if tag & 3 == 1:
        length, offset = 4 + (tag >> 2 & 7), tag >> 5 << 8 | stream.take(1)[0]
    else:
        length, offset = 1 + (tag >> 2), int.from_bytes(stream.take(2 if tag & 3 == 2 else 4), "little")
    start = len(recent) - offset
    if not offset or offset > flushed + len(recent):
        raise ValueError("the Snappy data copies bytes from before its beginning")
    if start < 0:
        raise FarCopyError
    if length > offset:  # the copy repeats its own bytes
        recent += (bytes(recent[start:]) * (length // offset + 1))[:length]
    else:
        recent += recent[start : start + length]
