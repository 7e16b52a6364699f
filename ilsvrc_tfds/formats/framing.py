"""The framing of records in TFRecord files: a header and a footer around the payload.

    uint64 length, uint32 masked_crc(length), byte data[length], uint32 masked_crc(data)     little-endian

Source: tensorflow/core/lib/io/record_writer.h. The checksum is CRC32C, rotated, plus a constant ("masked").
"""

import struct
from collections.abc import Sequence

import google_crc32c

# The header is the length and its CRC; the footer is the CRC of the data.
HEADER_BYTES, FOOTER_BYTES = 8 + 4, 4
FRAME_BYTES = HEADER_BYTES + FOOTER_BYTES

# A longer payload counts as damage: the largest official image has 15 MB, and one system call reads at most 2 GiB.
MOST_BYTES = 1 << 30
_MASK_DELTA = 0xA282EAD8


def frame(pieces: Sequence[bytes]) -> tuple[bytes, ...]:
    """Returns the record of a payload. Both are in pieces, to be written one after the other, so that none is copied.

    >>> b"".join(frame([b"pay", b"load"])).hex(" ", -4)
    '07000000 00000000 bbd79f11 7061796c 6f61649e d46475'
    """
    checksum = 0
    for piece in pieces:
        checksum = google_crc32c.extend(checksum, piece)
    return (header_of(sum(map(len, pieces))), *pieces, masked(checksum))


def parse_length(header: bytes) -> int | None:
    """Returns the length in a header, or None if the bytes are not a header."""
    if len(header) < HEADER_BYTES or header[8:] != masked(google_crc32c.value(header[:8])):
        return None
    length = int.from_bytes(header[:8], "little")
    return length if length <= MOST_BYTES else None


def header_of(length: int) -> bytes:
    """Returns the header of a record whose data has this length, in bytes."""
    data = struct.pack("<Q", length)
    return data + masked(google_crc32c.value(data))


def masked(checksum: int) -> bytes:
    """Returns a CRC32C in the form in which records store it."""
    rotated = (checksum >> 15 | checksum << 17) + _MASK_DELTA
    return (rotated & 0xFFFF_FFFF).to_bytes(4, "little")
