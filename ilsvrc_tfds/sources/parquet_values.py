"""Streams the values of a column of byte strings out of a parquet file, whatever the size of its pages.

pyarrow holds a page in memory compressed, decompressed, and as a dictionary. Of images that are written with its
defaults a page has 1,024, which are 110 MB. Here only one image is in memory, a megabyte around it, and the images of
the page that come again.
"""

import collections
import io
import os
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ilsvrc_tfds.sources import snappy
from ilsvrc_tfds.sources.byte_stream import ByteStream
from ilsvrc_tfds.sources.parquet_pages import (
    DATA_V2,
    DICTIONARY,
    PLAIN,
    PLAIN_DICTIONARY,
    RLE_DICTIONARY,
    NotStreamableError,
    Page,
    pages_of,
    runs,
)

if TYPE_CHECKING:
    from pyarrow.parquet import ColumnChunkMetaData

_PIECE = 1 << 20
_LARGEST_LEVELS = 1 << 22
_MOST_NUMBERS = 1 << 17
_STREAMED = {"GZIP": "gzip", "ZSTD": "zstd", "BROTLI": "brotli"}


def values(file: int, column: "ColumnChunkMetaData", definition: int) -> Iterator[bytes]:
    """Yields the values of a column of a row group, in order.

    >>> from pyarrow.parquet import ParquetFile
    >>> path = "/data/parquet/validation-00000-of-00001.parquet"
    >>> parquet = ParquetFile(path)
    >>> with open(path, "rb") as file:
    ...     images = list(values(file.fileno(), parquet.metadata.row_group(0).column(0), definition=2))
    >>> len(images), images[0][:2]
    (6, b'\\xff\\xd8')

    Args:
      file: Descriptor of the open file.
      column: Column of a row group, from the footer.
      definition: Definition level of a value that is not null: the number of optional fields around it.

    Raises:
      NotStreamableError: The next value, and those after it, must be read in another way.
      ValueError: The file is damaged.
    """
    if column.physical_type != "BYTE_ARRAY":
        raise NotStreamableError
    pages = pages_of(file, column)
    dictionaries = [page for page in pages if page.kind == DICTIONARY]
    data = [page for page in pages if page.kind != DICTIONARY]
    numbered = [page for page in data if page.encoding != PLAIN]
    if numbered:
        if len(dictionaries) != 1 or data[: len(numbered)] != numbered:
            raise NotStreamableError
        numbers = _numbers(file, column, numbered, definition)
        stream = _data(file, dictionaries[0], column.compression)
        yield from _numbered(_strings(stream, dictionaries[0].values, dictionaries[0].full_size), numbers)
    for page in data[len(numbered) :]:
        stream = _data(file, page, column.compression)
        levels = _pass_levels(stream, page, definition)
        yield from _strings(stream, page.values, page.full_size - levels)


def _strings(stream: ByteStream, count: int, left: int) -> Iterator[bytes]:
    """Yields the strings of a page, each of which has its length before it.

    Raises ValueError if the page is damaged, and NotStreamableError if there are more bytes.
    """
    for _ in range(count):
        length = int.from_bytes(stream.take(4), "little")
        left -= 4 + length
        if left < 0:
            raise ValueError("a value reaches beyond the end of its page")
        yield stream.take(length)
    if stream.read(1):
        raise NotStreamableError


def _numbered(dictionary: Iterator[bytes], numbers: np.ndarray) -> Iterator[bytes]:
    """Yields values of a dictionary by their numbers, of which each new one is the next. Those that repeat are kept.

    Raises NotStreamableError if the values are in another order, and ValueError if there are too few.
    """
    highest = np.maximum.accumulate(numbers)
    if (np.diff(highest, prepend=-1) > 1).any():
        raise NotStreamableError
    last = dict(zip(numbers.tolist(), range(len(numbers))))
    kept: dict[int, bytes] = {}
    new = 0
    for row, number in enumerate(numbers.tolist()):
        if number == new:
            if (value := next(dictionary, None)) is None:
                raise ValueError("a page has more values than its dictionary")
            new += 1
        else:
            value = kept.pop(number)
        if row < last[number]:
            kept[number] = value
        yield value
    collections.deque(dictionary, maxlen=0)  # the rest is not used, but may be damaged


def _numbers(file: int, column: "ColumnChunkMetaData", pages: list[Page], definition: int) -> np.ndarray:
    """Returns the numbers in the dictionary of the values of some pages; int64 of shape (n,)."""
    known = all(page.encoding in (PLAIN_DICTIONARY, RLE_DICTIONARY) for page in pages)
    if not known or sum(page.values for page in pages) > _MOST_NUMBERS:
        raise NotStreamableError
    found = [np.zeros(0, np.int64)]
    for page in pages:
        stream = _data(file, page, column.compression)
        _pass_levels(stream, page, definition)
        found += runs(stream, stream.take(1)[0], page.values)
    return np.concatenate(found)


def _pass_levels(stream: ByteStream, page: Page, definition: int) -> int:
    """Takes the levels of a page out of its data. Returns their size. Raises NotStreamableError if there are nulls."""
    if not definition and not page.levels:
        return 0
    size = page.levels if page.kind == DATA_V2 else int.from_bytes(stream.take(4), "little")
    if size > min(page.full_size, _LARGEST_LEVELS):
        raise ValueError("the levels of a page are longer than their values need")
    for levels in runs(ByteStream(iter(filter(None, [stream.take(size)]))), definition.bit_length(), page.values):
        if (levels != definition).any():
            raise NotStreamableError
    return size if page.kind == DATA_V2 else 4 + size


def _data(file: int, page: Page, compression: str) -> ByteStream:
    """Returns the decompressed data of a page, its levels first."""
    stored = ByteStream(_stored(file, page))
    if compression == "UNCOMPRESSED" or not page.is_compressed:
        return stored
    if compression == "SNAPPY":
        return ByteStream(_after_levels(stored, page.levels, _of_snappy(stored)))
    if compression in _STREAMED:
        return ByteStream(_after_levels(stored, page.levels, _inflated(stored, _STREAMED[compression])))
    raise NotStreamableError


def _stored(file: int, page: Page) -> Iterator[bytes]:
    """Yields the data of a page as it is in the file. Raises ValueError at its end if it has another checksum."""
    checksum, at, end = 0, page.offset, page.offset + page.size
    while at < end:
        if not (piece := os.pread(file, min(_PIECE, end - at), at)):
            raise ValueError("the file ends within a page")
        checksum = zlib.crc32(piece, checksum)
        at += len(piece)
        if at == end and page.checksum is not None and checksum != page.checksum:
            raise ValueError("a page has another checksum than stated")
        yield piece


def _after_levels(stored: ByteStream, levels: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    if levels:
        yield stored.take(levels)
    yield from pieces


def _of_snappy(stored: ByteStream) -> Iterator[bytes]:
    try:
        yield from snappy.decompressed(stored)
    except snappy.FarCopyError as error:
        raise NotStreamableError from error
    if stored.read(1):
        raise ValueError("a page has more bytes than its Snappy data")


def _inflated(stored: ByteStream, compression: str) -> Iterator[bytes]:
    import pyarrow as pa

    stream = pa.CompressedInputStream(pa.PythonFile(_File(stored), "r"), compression)
    while piece := stream.read(_PIECE):
        yield piece


class _File(io.RawIOBase):
    """A stream as a file that is read from its beginning to its end."""

    def __init__(self, stream: ByteStream):
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
