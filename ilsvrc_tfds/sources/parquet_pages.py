"""The pages of a column of a parquet file: where they are, and how they are encoded.

The format: apache/parquet-format, `README.md`, `Encodings.md`, and `PageHeader` in `parquet.thrift`, which is stored in
Thrift's compact protocol.
"""

import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ilsvrc_tfds.sources.byte_stream import ByteStream

if TYPE_CHECKING:
    from pyarrow.parquet import ColumnChunkMetaData

# Types of pages, and encodings.
DATA, INDEX, DICTIONARY, DATA_V2 = range(4)
PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY = 0, 2, 8
_FIELD_OF = {DATA: 5, DICTIONARY: 7, DATA_V2: 8}

_HEADER, _LARGEST_HEADER, _DEEPEST = 1 << 12, 1 << 22, 3
_AT_ONCE = 1 << 12  # numbers, a multiple of eight


class NotStreamableError(Exception):
    """A column, or the rest of it, must be read in another way: it cannot be streamed, or is not known here.

    That is so if it has nulls, values in another order than its dictionary, a dictionary of more than 131,072 values,
    another encoding than PLAIN and that of dictionaries, the compression LZ4 or an unknown one, bytes after the last
    value of a page, or page headers of a later version of the format.
    """


class Page(NamedTuple):
    """A page of a column.

    Attributes:
      kind: `DATA`, `DICTIONARY` or `DATA_V2`.
      values: Number of values.
      encoding: Encoding of the values, such as `PLAIN`.
      offset: Position of its data in the file.
      size: Size of its data in the file, in bytes.
      full_size: Size of its data when it is decompressed, in bytes.
      checksum: CRC-32 of the data as it is stored, or None.
      levels: Size of the levels before the data, which are not compressed; 0 unless it is `DATA_V2`.
      is_compressed: Whether the data after the levels is compressed, if the column is.
    """

    kind: int
    values: int
    encoding: int
    offset: int
    size: int
    full_size: int
    checksum: int | None
    levels: int
    is_compressed: bool


def pages_of(file: int, column: "ColumnChunkMetaData") -> list[Page]:
    """Returns the pages of a column of a row group, by their headers.

    >>> from pyarrow.parquet import ParquetFile
    >>> path = "/data/parquet/validation-00000-of-00001.parquet"
    >>> with open(path, "rb") as file:
    ...     pages = pages_of(file.fileno(), ParquetFile(path).metadata.row_group(0).column(0))
    >>> [page.kind == DICTIONARY for page in pages], pages[1].values
    ([True, False], 6)

    Args:
      file: Descriptor of the open file.
      column: Column of a row group, from the footer.

    Raises ValueError if the file is damaged, and NotStreamableError if a header is of another version of the format.
    """
    at, seen, pages = column.data_page_offset, 0, []
    if column.dictionary_page_offset:  # some writers state one that means nothing
        at = min(at, column.dictionary_page_offset)
    end = at + column.total_compressed_size
    while seen < column.num_values:
        fields, length = _header(file, at, end - at)
        at += length
        if fields.get(1) != INDEX:
            pages.append(page := _page(fields, at))
            seen += page.values if page.kind != DICTIONARY else 0
        at += _number(fields, 3)
        if at > end:
            raise ValueError("a page reaches beyond the end of its column")
    if seen > column.num_values:
        raise ValueError("the pages of a column have more values than stated")
    return pages


def _page(fields: dict[int, Any], offset: int) -> Page:
    """Returns a page by the fields of its `PageHeader`. Raises ValueError if one is missing, and NotStreamableError."""
    kind, full_size, size = (_number(fields, number) for number in (1, 2, 3))
    checksum = fields[4] & 0xFFFFFFFF if isinstance(fields.get(4), int) else None
    if kind not in _FIELD_OF:
        raise NotStreamableError
    own = fields.get(_FIELD_OF[kind])
    if not isinstance(own, dict):
        raise ValueError("a page header lacks the description of its page")
    encoding, levels, is_compressed = _number(own, 2), 0, True
    if kind == DATA_V2:
        encoding, levels, is_compressed = _number(own, 4), _number(own, 5) + _number(own, 6), own.get(7) is not False
    return Page(kind, _number(own, 1), encoding, offset, size, full_size, checksum, levels, is_compressed)


def _number(fields: dict[int, Any], number: int) -> int:
    value = fields.get(number)
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"a page header has {value!r:.20} in field {number}, expected a number from 0")
    return value


def _header(file: int, offset: int, most: int) -> tuple[dict[int, Any], int]:
    """Returns the fields of a `PageHeader` and its length in bytes."""
    length = _HEADER
    while True:
        data = os.pread(file, min(length, most), offset)
        stream = ByteStream(iter([data]))
        try:
            return _fields(stream), len(data) - len(stream.read(len(data)))
        except ValueError:
            if len(data) < length or length >= _LARGEST_HEADER:
                raise
        length *= 8  # it has statistics of long values


def _fields(stream: ByteStream, depth: int = 0) -> dict[int, Any]:
    """Returns the fields of a structure in Thrift's compact protocol by their numbers. Raises ValueError."""
    if depth > _DEEPEST:
        raise ValueError("a page header has too many structures in one another")
    fields: dict[int, Any] = {}
    number = 0
    while byte := stream.take(1)[0]:
        number = number + (byte >> 4) if byte >> 4 else _signed(stream.varint())
        fields[number] = _value(stream, byte & 15, depth)
    return fields


def _value(stream: ByteStream, kind: int, depth: int) -> Any:
    if kind in (1, 2):
        return kind == 1
    if kind == 3:
        return stream.take(1)[0]
    if kind in (4, 5, 6):
        return _signed(stream.varint())
    if kind == 7:
        return struct.unpack("<d", stream.take(8))[0]
    if kind == 8:
        return stream.take(stream.varint())
    if kind == 12:
        return _fields(stream, depth + 1)
    raise NotStreamableError  # no header of today has other types


def _signed(number: int) -> int:
    return number >> 1 ^ -(number & 1)


def runs(stream: ByteStream, width: int, count: int) -> Iterator[np.ndarray]:
    """Yields small numbers that are stored as runs of equal ones and as packed bits, in arrays of int64.

    >>> stored = bytes([3 << 1, 2, 1 << 1 | 1, 0b11100100, 0b11100100])
    >>> [numbers.tolist() for numbers in runs(ByteStream(iter([stored])), width=2, count=7)]
    [[2, 2, 2], [0, 1, 2, 3]]

    Args:
      stream: Bytes of the numbers.
      width: Bits of a number.
      count: Number of numbers.

    Raises ValueError if the bytes are damaged.
    """
    if width > 32:
        raise ValueError(f"a page has numbers of {width} bits")
    while count:
        header = stream.varint()
        left = min(count, (header >> 1) * (8 if header & 1 else 1))
        if not left:
            raise ValueError("a page has an empty run of numbers")
        count -= left
        value = 0 if header & 1 else int.from_bytes(stream.take(-(-width // 8)), "little")
        while left:
            own = min(left, _AT_ONCE)
            yield _packed(stream, width, own) if header & 1 else np.full(own, value, np.int64)
            left -= own


def _packed(stream: ByteStream, width: int, count: int) -> np.ndarray:
    """Returns numbers of some bits each, which are packed in groups of eight."""
    groups = -(-count // 8)
    bits = np.unpackbits(np.frombuffer(stream.take(groups * width), np.uint8), bitorder="little")
    return (bits.reshape(groups * 8, width).astype(np.int64) @ (1 << np.arange(width, dtype=np.int64)))[:count]
