"""TFRecord framing: around a payload, and back again.

    uint64 length, uint32 masked_crc(length), byte data[length], uint32 masked_crc(data)     little-endian

Source: tensorflow/core/lib/io/record_writer.h. The checksum is CRC32C, rotated and shifted ("masked").
"""

import os
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import google_crc32c
import numpy as np

from ilsvrc_tfds.errors import SourceError, unreadable

# length + its CRC in front, the data's CRC behind.
HEADER_BYTES, FOOTER_BYTES = 8 + 4, 4
FRAME_BYTES = HEADER_BYTES + FOOTER_BYTES

_HEADER = struct.Struct("<QI")
_MASK_DELTA = 0xA282EAD8
# A longer payload is taken for damage: the largest official image has 15 MB, and one system call reads up to 2 GiB.
_MOST_BYTES = 1 << 30
LARGEST_RECORD = FRAME_BYTES + _MOST_BYTES
_BUFFER = 1 << 20


class Record(NamedTuple):
    """One record of a file, or a stretch where records should be; all of them in order are the file, without a gap.

    Attributes:
      number: position in the file, from 0. A stretch counts as one, however many records it held.
      offset: of its first byte, that of the length.
      size: bytes in the file, framing included.
      payload: its data; empty where they cannot be told apart, and not to be trusted where there is damage.
      damage: what is wrong; empty for a whole record.
    """

    number: int
    offset: int
    size: int
    payload: bytes
    damage: str = ""


def frame(pieces: Sequence[bytes]) -> tuple[bytes, ...]:
    """Returns the record of a payload that is given in pieces, in pieces to be written one behind the other."""
    checksum = 0
    for piece in pieces:
        checksum = google_crc32c.extend(checksum, piece)
    return (_header(sum(map(len, pieces))), *pieces, _masked(checksum))


def read_records(path: str | os.PathLike, digest=None) -> Iterator[Record]:
    """Yields every record of a file with its checksums compared; goes on behind a damaged one where it can.

    Time is linear in the file's size whatever it holds; memory is that of the longest record, at most 1 GiB.

    Args:
      path: of the file.
      digest: one of xxhash's or hashlib's, to be fed with all bytes of the file in the same pass.

    Raises SourceError where the file cannot be read.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            shard = _Shard(file.fileno())
            for record, pieces in shard.records():
                if digest is not None:
                    for piece in pieces:
                        digest.update(piece)
                yield record
    except OSError as error:
        raise unreadable(path, error) from error


def read_spans(path: str | os.PathLike) -> list[tuple[int, int]]:
    """Returns (offset, size) of each record, from the headers alone. Raises SourceError at the first that is damaged."""
    spans, offset = [], 0
    try:
        with open(path, "rb", buffering=0) as file:
            shard = _Shard(file.fileno())
            while offset < shard.end:
                length = shard.fitting(shard.read(HEADER_BYTES, offset), offset)
                if length is None:
                    raise SourceError(
                        f"{path}: record {len(spans):,}, byte {offset:,}: no whole record begins here. "
                        "`ilsvrc-tfds verify` tells more; make the file anew."
                    )
                spans.append((offset, FRAME_BYTES + length))
                offset += FRAME_BYTES + length
    except OSError as error:
        raise unreadable(path, error) from error
    return spans


def read_record(path: str | os.PathLike, offset: int, size: int) -> bytes:
    """Returns the data of the record at one of `read_spans`' places. Raises SourceError where a checksum does not match."""
    try:
        with open(path, "rb", buffering=0) as file:
            record = os.pread(file.fileno(), size, offset)
    except OSError as error:
        raise unreadable(path, error) from error
    data = record[HEADER_BYTES:-FOOTER_BYTES]
    if b"".join(frame([data])) != record:
        raise SourceError(
            f"{path}: byte {offset:,}: the record is damaged. `ilsvrc-tfds verify` tells more; make the file anew."
        )
    return data


class _Shard:
    """An open file of records."""

    def __init__(self, fd: int):
        self.fd = fd
        self.end = os.fstat(fd).st_size
        # Bytes of damaged records that may still be read and then looked through again for one that begins inside them.
        # Without a limit, a file of headers in headers would be read once for each of them.
        self.patience = self.end

    def records(self) -> Iterator[tuple[Record, Iterator[bytes]]]:
        """Yields each record, and the bytes of the file that are its own."""
        number = offset = 0
        header = self.read(HEADER_BYTES, 0)
        while offset < self.end:
            length, payload, behind = self.fitting(header, offset), b"", b""
            if length is not None:
                # Two reads a record, and no byte is copied again: the next header comes with the checksum.
                payload = self.read(length, offset + HEADER_BYTES)
                behind = self.read(FOOTER_BYTES + HEADER_BYTES, offset + HEADER_BYTES + length)
            footer = behind[:FOOTER_BYTES]
            if footer == _masked(google_crc32c.value(payload)):
                yield Record(number, offset, FRAME_BYTES + length, payload), (header, payload, footer)
                header = behind[FOOTER_BYTES:]
                offset += FRAME_BYTES + length
            else:
                size, payload, damage = self._damage(offset, header, payload, behind)
                yield Record(number, offset, size, payload, damage), self._chunks(offset, offset + size)
                offset += size
                header = self.read(HEADER_BYTES, offset)
            number += 1

    def read(self, size: int, offset: int) -> bytes:
        return os.pread(self.fd, size, offset)

    def fitting(self, header: bytes, offset: int) -> int | None:
        """Returns the length that the header at an offset states, None where it is no header or goes beyond the end."""
        length = _length(header)
        return None if length is None or offset + FRAME_BYTES + length > self.end else length

    def _damage(self, offset: int, header: bytes, payload: bytes, behind: bytes) -> tuple[int, bytes, str]:
        """Returns size, payload and damage of what lies at an offset and is no whole record."""
        length = _length(header)
        if length is None:
            return self._without_header(offset, header)
        size = FRAME_BYTES + length
        if offset + size > self.end:
            inside = self._next_header(offset + HEADER_BYTES, self.end)
            if inside is None:
                where = "the checksum of its data" if offset + HEADER_BYTES + length <= self.end else "its data"
                return self.end - offset, b"", f"the file ends inside {where}, {offset + size - self.end:,} bytes early"
        else:
            inside = self._header_inside(offset, size, behind)
            if inside is None:
                return size, payload, _data_damage(payload, behind[:FOOTER_BYTES])
        return (
            inside - offset,
            b"",
            f"{offset + size - inside:,} of its {size:,} bytes are missing: the next record begins",
        )

    def _header_inside(self, offset: int, size: int, behind: bytes) -> int | None:
        """Returns where the next record begins if that is inside the damaged one, from which bytes were lost then."""
        follows = offset + size == self.end or self.fitting(behind[FOOTER_BYTES:], offset + size) is not None
        if follows or size > self.patience:
            return None
        self.patience -= size
        return self._next_header(offset + HEADER_BYTES, offset + size)

    def _without_header(self, offset: int, header: bytes) -> tuple[int, bytes, str]:
        behind = self._next_header(offset + 1, self.end)
        stop = self.end if behind is None else behind
        size, length = stop - offset, stop - offset - FRAME_BYTES
        damage = _header_damage(header, length)
        if damage is not None:  # a single record
            payload, footer = self.read(length, offset + HEADER_BYTES), self.read(FOOTER_BYTES, stop - FOOTER_BYTES)
            return size, payload, "; ".join(filter(None, (damage, _data_damage(payload, footer))))
        if size < HEADER_BYTES and behind is None:
            return size, b"", f"the file ends inside a header, or {size:,} bytes were appended to it"
        zeros = self._leading_zeros(offset, stop)
        what = f", the first {zeros:,} of them zeros" if zeros >= HEADER_BYTES else ""
        where = "up to the file's end" if behind is None else "up to the next record"
        return size, b"", f"{size:,} bytes are no record{what}, {where}"

    def _next_header(self, start: int, stop: int) -> int | None:
        """Returns where the first header in [start, stop) begins whose record fits into the file."""
        for base in range(start, stop, _BUFFER):
            data = self.read(min(_BUFFER, stop - base) + HEADER_BYTES - 1, base)
            for position in _candidates(data):
                if self.fitting(data[position : position + HEADER_BYTES], base + position) is not None:
                    return base + position
        return None

    def _leading_zeros(self, start: int, stop: int) -> int:
        zeros = 0
        for chunk in self._chunks(start, stop):
            tail = len(chunk.lstrip(b"\0"))
            zeros += len(chunk) - tail
            if tail:
                break
        return zeros

    def _chunks(self, start: int, stop: int) -> Iterator[bytes]:
        return (self.read(min(_BUFFER, stop - base), base) for base in range(start, stop, _BUFFER))


def _candidates(data: bytes) -> list[int]:
    """Returns where a header may begin: the upper half of its length is zero, and not all of it is, as in empty stretches."""
    if len(data) < HEADER_BYTES:
        return []
    words = np.ndarray((len(data) - 3,), "<u4", data, strides=(1,))  # the four bytes at each position
    lower, upper, checksum = words[:-8], words[4:-4], words[8:]
    return np.flatnonzero((upper == 0) & (lower <= _MOST_BYTES) & (checksum != 0)).tolist()


def _header_damage(header: bytes, length: int) -> str | None:
    """Returns what is wrong with the header of a record whose data have that length; None if it is not of such a record."""
    if len(header) < HEADER_BYTES or not 0 <= length <= _MOST_BYTES:
        return None
    stated, _ = _HEADER.unpack(header)
    if stated == length:
        return "the checksum of its length is damaged"
    if header[8:] == _header(length)[8:]:
        return f"its length is damaged: it states {stated:,} bytes of data where {length:,} lie"
    return None


def _data_damage(payload: bytes, footer: bytes) -> str:
    """Returns what is wrong with data or their checksum; empty where nothing is."""
    differing = sum(a != b for a, b in zip(footer, _masked(google_crc32c.value(payload))))
    if differing == 1:  # by data alone once in 4 million damaged records
        return "the checksum of its data is damaged: a single byte of it"
    return "its data do not match their checksum" if differing else ""


def _length(header: bytes) -> int | None:
    """Returns the length that a header states, None where it is no header."""
    if len(header) < HEADER_BYTES or header[8:] != _masked(google_crc32c.value(header[:8])):
        return None
    length = int.from_bytes(header[:8], "little")
    return length if length <= _MOST_BYTES else None


def _header(length: int) -> bytes:
    data = struct.pack("<Q", length)
    return data + _masked(google_crc32c.value(data))


def _masked(checksum: int) -> bytes:
    rotated = (checksum >> 15 | checksum << 17) + _MASK_DELTA
    return (rotated & 0xFFFF_FFFF).to_bytes(4, "little")
