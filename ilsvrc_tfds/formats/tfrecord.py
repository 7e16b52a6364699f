"""Reads TFRecord files: all records, a single one, or the span of each. Describes what is damaged in a file."""

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import google_crc32c
import numpy as np

from ilsvrc_tfds.errors import SourceError, counted, unreadable
from ilsvrc_tfds.formats.framing import (
    FOOTER_BYTES,
    FRAME_BYTES,
    HEADER_BYTES,
    MOST_BYTES,
    frame,
    header_of,
    masked,
    parse_length,
)
from ilsvrc_tfds.storage.regular import open_regular, read_part
from ilsvrc_tfds.storage.stand_ins import fetched

_BUFFER = 1 << 20


class Record(NamedTuple):
    """One record of a file, or a damaged stretch of bytes between records. Together, in order, they are the whole file.

    Attributes:
      number: Position in the file, from 0. A damaged stretch counts as one, however many records it contained.
      offset: Position of its first byte in the file.
      size: Number of its bytes in the file, including the framing.
      payload: Data of the record. If there is damage it cannot be trusted, and is empty if its limits are not known.
      damage: Description of the damage; empty for an undamaged record.
    """

    number: int
    offset: int
    size: int
    payload: bytes
    damage: str = ""


class Digest(Protocol):
    """A hash that bytes are fed to, as those of xxhash and hashlib."""

    def update(self, data: bytes, /) -> object: ...


def read_records(path: str | os.PathLike, digest: Digest | None = None) -> Iterator[Record]:
    """Yields every record of a file after comparing its checksums, and continues after damage if it can.

    The time is linear in the size of the file, whatever its contents. The memory is that of the longest record, at most
    1 GiB.

    Args:
      path: Path of the file.
      digest: Hash to be updated with all bytes of the file in the same pass.

    Raises SourceError if the file cannot be read.

    >>> [(record.payload, record.damage) for record in read_records(shard)]
    [(b'first', ''), (b'second', '')]
    """
    try:
        with fetched(path) as local, open_regular(local, buffering=0) as file:
            shard = _Shard(file.fileno())
            for record, pieces in shard.records():
                if digest is not None:
                    for piece in pieces:
                        digest.update(piece)
                yield record
    except OSError as error:
        raise unreadable(path, error) from error


def read_spans(path: str | os.PathLike) -> list[tuple[int, int]]:
    """Returns (offset, size) of each record of a file. Only the headers are read, and their checksums compared.

    Raises SourceError if the file cannot be read, or at the first damaged header.

    >>> read_spans(shard)
    [(0, 21), (21, 22)]
    """
    spans: list[tuple[int, int]] = []
    offset = 0
    try:
        with fetched(path) as local, open_regular(local, buffering=0) as file:
            shard = _Shard(file.fileno())
            while offset < shard.end:
                length = shard.fitting(shard.read(HEADER_BYTES, offset), offset)
                if length is None:
                    raise SourceError(
                        f"{path}: record {len(spans):,}, byte {offset:,}: no whole record begins here. "
                        "Run `ilsvrc-tfds verify` for details, and make the file again."
                    )
                spans.append((offset, FRAME_BYTES + length))
                offset += FRAME_BYTES + length
    except OSError as error:
        raise unreadable(path, error) from error
    return spans


def read_record(path: str | os.PathLike, offset: int, size: int) -> bytes:
    """Returns the payload of one record.

    Args:
      path: Path of the file.
      offset: Position of the record's first byte, as from `read_spans`.
      size: Number of the record's bytes, including the framing, as from `read_spans`.

    Raises SourceError if the file cannot be read or a checksum does not match.

    >>> read_record(shard, offset=21, size=22)
    b'second'
    """
    try:
        record = read_part(path, offset, size)
    except OSError as error:
        raise unreadable(path, error) from error
    data = record[HEADER_BYTES:-FOOTER_BYTES]
    if b"".join(frame([data])) != record:
        raise SourceError(
            f"{path}: byte {offset:,}: the record is damaged. "
            "Run `ilsvrc-tfds verify` for details, and make the file again."
        )
    return data


class _Shard:
    """An open file of records."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.end = os.fstat(fd).st_size
        # Number of bytes of damaged records that may still be searched for a record that begins inside them. Without
        # this limit, a file of nested headers would be read once for each header.
        self.searchable = self.end

    def records(self) -> Iterator[tuple[Record, Iterable[bytes]]]:
        """Yields each record, and its bytes in the file."""
        number = offset = 0
        header = self.read(HEADER_BYTES, 0)
        while offset < self.end:
            length, payload, after = self.fitting(header, offset), b"", b""
            if length is not None:
                # Two reads for each record, and no copies: the next header is read together with the checksum.
                payload = self.read(length, offset + HEADER_BYTES)
                after = self.read(FOOTER_BYTES + HEADER_BYTES, offset + HEADER_BYTES + length)
            footer = after[:FOOTER_BYTES]
            if length is not None and footer == masked(google_crc32c.value(payload)):
                yield Record(number, offset, FRAME_BYTES + length, payload), (header, payload, footer)
                header = after[FOOTER_BYTES:]
                offset += FRAME_BYTES + length
            else:
                size, payload, damage = self._damage(offset, header, payload, after)
                yield Record(number, offset, size, payload, damage), self._chunks(offset, offset + size)
                offset += size
                header = self.read(HEADER_BYTES, offset)
            number += 1

    def read(self, size: int, offset: int) -> bytes:
        return os.pread(self.fd, size, offset)

    def fitting(self, header: bytes, offset: int) -> int | None:
        """Returns the length in the header at an offset, or None if it is not a header or the record would not fit."""
        length = parse_length(header)
        return None if length is None or offset + FRAME_BYTES + length > self.end else length

    def _damage(self, offset: int, header: bytes, payload: bytes, after: bytes) -> tuple[int, bytes, str]:
        """Returns size, payload and damage of a damaged record, or of the bytes up to the next record.

        Args:
          offset: Position of the first byte.
          header: Bytes at this position.
          payload: Bytes after the header, if it is one.
          after: Bytes after the payload: the footer and the next record's header.
        """
        length = parse_length(header)
        if length is None:
            return self._without_header(offset, header)
        size = FRAME_BYTES + length
        if offset + size > self.end:
            inside = self._next_header(offset + HEADER_BYTES, self.end)
            if inside is None:
                where = "the checksum of its data" if offset + HEADER_BYTES + length <= self.end else "its data"
                early = counted(offset + size - self.end, "byte")
                return self.end - offset, b"", f"the file ends inside {where}, {early} early"
        else:
            inside = self._header_inside(offset, size, after)
            if inside is None:
                return size, payload, _data_damage(payload, after[:FOOTER_BYTES])
        missing = offset + size - inside
        are = "is" if missing == 1 else "are"
        return inside - offset, b"", f"{missing:,} of its {size:,} bytes {are} missing: the next record begins"

    def _header_inside(self, offset: int, size: int, after: bytes) -> int | None:
        """Returns where the next record begins if it begins inside the damaged one, which has lost bytes; else None."""
        follows = offset + size == self.end or self.fitting(after[FOOTER_BYTES:], offset + size) is not None
        if follows or size > self.searchable:
            return None
        self.searchable -= size
        return self._next_header(offset + HEADER_BYTES, offset + size)

    def _without_header(self, offset: int, header: bytes) -> tuple[int, bytes, str]:
        """Returns size, payload and damage of the bytes from an offset without a header up to the next record."""
        following = self._next_header(offset + 1, self.end)
        stop = self.end if following is None else following
        size, length = stop - offset, stop - offset - FRAME_BYTES
        damage = _header_damage(header, length)
        if damage is not None:  # a single record
            payload, footer = self.read(length, offset + HEADER_BYTES), self.read(FOOTER_BYTES, stop - FOOTER_BYTES)
            return size, payload, "; ".join(filter(None, (damage, _data_damage(payload, footer))))
        if size < HEADER_BYTES and following is None:
            appended = counted(size, "byte was", "bytes were")
            return size, b"", f"the file ends inside a header, or {appended} appended to it"
        zeros = self._leading_zeros(offset, stop)
        what = f", the first {zeros:,} of them zeros" if zeros >= HEADER_BYTES else ""
        where = "up to the file's end" if following is None else "up to the next record"
        return size, b"", f"{counted(size, 'byte is', 'bytes are')} not a record{what}, {where}"

    def _next_header(self, start: int, stop: int) -> int | None:
        """Returns the position of the first header in [start, stop) whose record fits into the file, or None."""
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
    """Returns positions where a header may begin: the upper half of the length is zero, and the checksum is not."""
    # The checksum of a header in a stretch of zeros would be zero.
    if len(data) < HEADER_BYTES:
        return []
    words = np.ndarray((len(data) - 3,), "<u4", data, strides=(1,))  # the four bytes at each position
    lower, upper, checksum = words[:-8], words[4:-4], words[8:]
    return np.flatnonzero((upper == 0) & (lower <= MOST_BYTES) & (checksum != 0)).tolist()


def _header_damage(header: bytes, length: int) -> str | None:
    """Returns the damage of a record's header, or None if the bytes are not the header of a record with such data.

    Args:
      header: Bytes at the position of the header.
      length: Actual number of bytes of data.
    """
    if len(header) < HEADER_BYTES or not 0 <= length <= MOST_BYTES:
        return None
    stated = int.from_bytes(header[:8], "little")
    if stated == length:
        return "the checksum of its length is damaged"
    if header[8:] == header_of(length)[8:]:
        return f"its length is damaged: it states {stated:,} bytes of data instead of {length:,}"
    return None


def _data_damage(payload: bytes, footer: bytes) -> str:
    """Returns the damage of data or their checksum; empty if there is none."""
    differing = sum(a != b for a, b in zip(footer, masked(google_crc32c.value(payload))))
    if differing == 1:  # damaged data would cause this only once in 4 million records
        return "the checksum of its data is damaged: a single byte of it"
    return "its data does not match the checksum" if differing else ""
