"""Checks that a PNG is undamaged: by its checksums, of which Pillow checks only some, and by the number of its rows.

Layout: https://www.w3.org/TR/png-3/#5DataRep.
"""

import zlib
from collections.abc import Iterator

from ilsvrc_tfds.errors import ImageError

_FIRST_CHUNK = 8
_MOST_AT_ONCE = 1 << 20
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE = 3
# Adam7: first column and row of each pass, and the steps between them.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def require_sound(data: bytes) -> None:
    """Raises ImageError unless a PNG has all that its pixels depend on: header, palette, every row, right checksums.

    Args:
      data: Bytes of the image, which begin with a PNG's signature and header.

    >>> require_sound(png)
    >>> require_sound(png[:-20])
    Traceback (most recent call last):
    ilsvrc_tfds.errors.ImageError: the PNG ends early: inside the chunk at byte 33. Get it again
    """
    inflater, size = zlib.decompressobj(), 0
    kinds: list[bytes] = []
    wanted = _unpacked_size(data)
    try:
        for kind, content in _critical_chunks(data):
            kinds.append(kind)
            while kind == b"IDAT" and content and not inflater.eof and size <= wanted:
                size += len(inflater.decompress(content, _MOST_AT_ONCE))
                content = inflater.unconsumed_tail
    except zlib.error as error:
        raise ImageError(f"the PNG is damaged ({error}). Get it again") from error
    if size < wanted:
        raise ImageError(f"the PNG ends early: it holds {size:,} of {wanted:,} bytes of pixels. Get it again")
    if kinds.count(b"IHDR") != 1 or data[25] == _PALETTE and kinds.count(b"PLTE") != 1:
        raise ImageError("the PNG is damaged: its header or palette is missing, or there are two. Get it again")


def _unpacked_size(data: bytes) -> int:
    """Returns the size of all rows of pixels in bytes, each row with a filter byte first, as the header states it."""
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    bits = data[24] * _CHANNELS[data[25]]
    passes = _PASSES if data[28] else ((0, 0, 1, 1),)
    sizes = ((-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes)
    return sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns > 0)


def _critical_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields (type, content) of each critical chunk, up to the end chunk. Raises ImageError."""
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
