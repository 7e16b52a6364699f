"""Checks that a PNG is undamaged, by its checksums, of which Pillow checks only some.

Layout: https://www.w3.org/TR/png-3/#5DataRep.
"""

import zlib
from collections.abc import Iterator

from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.images.head import MAX_PIXELS

_FIRST_CHUNK = 8
_MOST_AT_ONCE = 1 << 20
# Four channels of 16 bits, and a byte before each row.
_LARGEST = 9 * MAX_PIXELS


def require_sound_chunks(data: bytes) -> None:
    """Raises ImageError unless the checksums of all critical chunks match, and the compressed data is complete.

    Args:
      data: Bytes of the image, which begin with a PNG's signature.

    >>> require_sound_chunks(png)
    >>> require_sound_chunks(png[:-20])
    Traceback (most recent call last):
    ilsvrc_tfds.errors.ImageError: the PNG ends early: inside the chunk at byte 33. Get it again
    """
    inflater, size = zlib.decompressobj(), 0
    try:
        for kind, content in _critical_chunks(data):
            while kind == b"IDAT" and content and not inflater.eof:
                size += len(inflater.decompress(content, _MOST_AT_ONCE))
                content = inflater.unconsumed_tail
                if size > _LARGEST:
                    raise ImageError(f"the PNG is damaged: it holds more than {MAX_PIXELS:,} pixels")
    except zlib.error as error:
        raise ImageError(f"the PNG is damaged ({error}). Get it again") from error
    if not inflater.eof:
        raise ImageError("the PNG ends early: inside its compressed data. Get it again")


def _critical_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields (type, content) of each critical chunk, one that no decoder may ignore, up to the end chunk.

    Raises ImageError if the PNG ends early or a checksum does not match.
    """
    position, kind = _FIRST_CHUNK, b""
    while kind != b"IEND":
        size = int.from_bytes(data[position : position + 4], "big")
        kind, stop = data[position + 4 : position + 8], position + 8 + size
        if stop + 4 > len(data):
            raise ImageError(f"the PNG ends early: inside the chunk at byte {position:,}. Get it again")
        is_critical = not kind[0] & 0x20  # a capital letter
        if is_critical and zlib.crc32(data[position + 4 : stop]) != int.from_bytes(data[stop : stop + 4], "big"):
            raise ImageError(
                f"the PNG is damaged: the checksum of its chunk at byte {position:,} is wrong. Get it again"
            )
        if is_critical:
            yield kind, data[position + 8 : stop]
        position = stop + 4
