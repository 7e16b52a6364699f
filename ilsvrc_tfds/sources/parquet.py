"""Reads parquet files of images: the names alone, all images one after another, or one image.

pyarrow reads small row groups; the images of large ones are streamed, whatever the size of their pages. What cannot be
streamed, see `NotStreamableError`, is left to pyarrow, which holds several copies of a page.
"""

import collections
import contextlib
import dataclasses
import functools
import itertools
import os
from collections.abc import Iterable, Iterator
from io import FileIO
from typing import TYPE_CHECKING

from ilsvrc_tfds.errors import SourceError, shown, unreadable
from ilsvrc_tfds.sources.collecting import going_on
from ilsvrc_tfds.sources.hugging_face import GET_AGAIN
from ilsvrc_tfds.sources.members import LARGEST_IMAGE, Container
from ilsvrc_tfds.sources.parquet_pages import NotStreamableError
from ilsvrc_tfds.sources.parquet_values import values
from ilsvrc_tfds.sources.rows import APPENDED, images_of, official_names, require_schema
from ilsvrc_tfds.sources.scan import Row, Scanned, archive_stamp, tables
from ilsvrc_tfds.storage.regular import require_regular

if TYPE_CHECKING:
    from pyarrow.parquet import ColumnChunkMetaData, ParquetFile

KIND = "parquet"
_IMAGE = "image.bytes"
_BUFFER = 1 << 20
# Rows that are in memory at once: 11 MB of the original images. Fewer if they are larger.
_ROWS, _BATCH_BYTES = 100, 16 << 20
_NAMES = 1 << 14
# A row group of more bytes may be one page, of which pyarrow holds up to four copies.
_LARGE = 16 << 20


@dataclasses.dataclass(frozen=True)
class ParquetScan:
    """A job: the scan of a parquet file. Only the columns of names and labels are read.

    The offset of an image is the number of its row. Its size is an estimate, the mean of its row group.

    >>> [members] = ParquetScan("val", "/data/parquet/validation-00000-of-00001.parquet", "")().members
    >>> members.offset.tolist()
    [0, 1, 2, 3, 4, 5]

    Attributes:
      split: Split of the images.
      path: Path of the file.
      stamp: Stamp of the file, see `archive_stamp`.
    """

    split: str
    path: str
    stamp: str

    def __call__(self) -> Scanned:
        """Returns the labelled images of the file. Raises SourceError or LabelError."""
        rows: list[Row] = []
        is_appended, before = False, 0
        with open_parquet(self.path) as (file, raw):
            for group in range(file.num_row_groups):
                size, first = _mean_size(file, group), 0
                if _has_nulls(file, group):  # told now, and not after hours
                    collections.deque(going_on(_images(file, raw, self.path, group)), maxlen=0)
                for batch in going_on(_batches(file, self.path, group, ["image.path", "label"], _NAMES)):
                    paths, labels = batch.column(0).flatten()[0].to_pylist(), batch.column(1).to_pylist()
                    where = functools.partial(_where, self.path, group, first)
                    for row, name, appended in official_names(self.split, paths, labels, where):
                        rows.append((name, before + first + row, size))
                        is_appended |= appended
                    first += batch.num_rows
                before += file.metadata.row_group(group).num_rows
        container = Container(self.path, self.split, self.stamp, KIND, in_classes=self.split == "train")
        notes = (APPENDED.format(split=self.split),) if is_appended else ()
        return Scanned(tuple(tables(self.split, container, "", rows)), (), (), (), notes)


def images(path: str, stamp: str, places: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """Yields the images of some rows of a parquet file. Row groups that have none of them are passed over.

    >>> path = "/data/parquet/validation-00000-of-00001.parquet"
    >>> [data[:2] for data in images(path, archive_stamp(path), [(0, 1), (5, 1)])]
    [b'\\xff\\xd8', b'\\xff\\xd8']

    Args:
      path: Path of the file.
      stamp: Stamp of the file when it was indexed.
      places: Numbers of the rows, which ascend, with estimated sizes.

    Raises SourceError if the file is damaged, has changed since it was indexed, or lacks an image.
    """
    rows, first = (row for row, _ in places), 0
    wanted = next(rows, None)
    with open_parquet(path) as (file, raw):
        for group in range(file.num_row_groups):
            after = first + file.metadata.row_group(group).num_rows
            if wanted is not None and wanted < after:
                for row, data in enumerate(_images(file, raw, path, group), first):
                    if row == wanted:
                        yield data
                        wanted = next(rows, None)
            first = after
    if wanted is not None or archive_stamp(path) != stamp:
        raise SourceError(f"{path} has changed since it was indexed. Run the command again.")


def read(file: FileIO, offset: int, size: int) -> bytes:
    """Returns one image. Reads its whole row group, so this is for a few images, or for many in their order.

    Args:
      file: Open parquet file.
      offset: Number of the row.
      size: Not used, because it is an estimate.
    """
    path = os.fsdecode(file.name)
    return _found(path, archive_stamp(path), offset)


@contextlib.contextmanager
def open_parquet(path: str) -> Iterator[tuple["ParquetFile", int]]:
    """Yields a parquet file of images and its descriptor. Raises SourceError for a damaged or foreign one; LabelError.

    >>> with open_parquet("/data/parquet/validation-00000-of-00001.parquet") as (file, _):
    ...     file.metadata.num_rows
    6
    """
    from pyarrow import OSFile
    from pyarrow.parquet import ParquetFile

    with contextlib.ExitStack() as stack:
        try:
            require_regular(path)
            raw = stack.enter_context(
                OSFile(os.fsencode(path))
            )  # of a file of Python's each page would be copied once more
        except OSError as error:
            raise unreadable(path, error) from error
        with errors_of(path):
            file = ParquetFile(raw, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True)
            require_schema(file.schema_arrow, path)
            for group in range(file.num_row_groups):
                _image_columns(file, group)  # raises an error now if the footer is damaged
        yield file, raw.fileno()


@contextlib.contextmanager
def errors_of(where: str) -> Iterator[None]:
    """Turns an error of pyarrow in the block into a SourceError that names the place."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, LookupError, ArithmeticError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno:
            raise unreadable(where, error) from error
        reason = shown(" ".join(str(error).split())[:200]) or type(error).__name__
        raise SourceError(f"{where} is damaged or cut short ({reason}). {GET_AGAIN}") from error


def _batches(file: "ParquetFile", path: str, group: int, columns: list[str], rows: int) -> Iterator:
    with errors_of(f"{path}: row group {group}"):
        batches = file.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False)
    while True:
        with errors_of(f"{path}: row group {group}"):
            batch = next(batches, None)
            if batch is not None:
                batch.validate(full="image.path" in columns)
        if batch is None:
            return
        yield batch


def _images(file: "ParquetFile", raw: int, path: str, group: int) -> Iterator[bytes]:
    """Yields the images of a row group, of the file with the descriptor `raw`."""
    streamed = 0
    if sum(column.total_uncompressed_size for column in _image_columns(file, group)) > _LARGE:
        try:
            for data in _streamed(file, raw, path, group):
                yield data
                streamed += 1
            return
        except NotStreamableError:
            pass
    yield from itertools.islice(_in_batches(file, path, group), streamed, None)


def _streamed(file: "ParquetFile", raw: int, path: str, group: int) -> Iterator[bytes]:
    """Yields the images of a row group one after another. Raises NotStreamableError if pyarrow must read the rest."""
    with errors_of(where := f"{path}: row group {group}"):
        columns = _image_columns(file, group)
        own = [field for field in map(file.schema.column, range(len(file.schema))) if field.path == _IMAGE]
    if len(columns) != 1 or columns[0].num_values != file.metadata.row_group(group).num_rows:
        raise NotStreamableError
    found = values(raw, columns[0], own[0].max_definition_level)
    while True:
        with errors_of(where):
            data = next(found, None)
        if data is None:
            return
        yield data


def _in_batches(file: "ParquetFile", path: str, group: int) -> Iterator[bytes]:
    """Yields the images of a row group, which pyarrow reads in batches."""
    first = 0
    for batch in _batches(file, path, group, ["image"], _rows_at_once(file, group)):
        yield from images_of(batch, functools.partial(_where, path, group, first))
        first += batch.num_rows


def _rows_at_once(file: "ParquetFile", group: int) -> int:
    return max(1, min(_ROWS, _BATCH_BYTES // _mean_size(file, group)))


def _mean_size(file: "ParquetFile", group: int) -> int:
    """Returns the mean size of the images of a row group, by the footer: at least 1."""
    described = file.metadata.row_group(group)
    total = sum(column.total_uncompressed_size for column in _image_columns(file, group))
    return max(1, min(total // max(1, described.num_rows), LARGEST_IMAGE))


def _has_nulls(file: "ParquetFile", group: int) -> bool:
    """Returns whether an image of a row group is null, by the footer; False if it does not say."""
    counts = [column.statistics.null_count for column in _image_columns(file, group) if column.is_stats_set]
    return any(counts)


def _image_columns(file: "ParquetFile", group: int) -> list["ColumnChunkMetaData"]:
    described = file.metadata.row_group(group)
    columns = [described.column(k) for k in range(described.num_columns)]
    return [column for column in columns if column.path_in_schema == _IMAGE]


@functools.lru_cache(1)
def _group(path: str, stamp: str, group: int) -> list[bytes]:
    """Returns the images of a row group."""
    with open_parquet(path) as (file, raw):
        return list(_images(file, raw, path, group))


def _found(path: str, stamp: str, row: int) -> bytes:
    for group, rows in enumerate(_rows_of_groups(path, stamp)):
        if row < rows:
            return _group(path, stamp, group)[row]
        row -= rows
    raise SourceError(f"{path} has changed since it was indexed. Run the command again.")


@functools.lru_cache(8)
def _rows_of_groups(path: str, stamp: str) -> list[int]:
    with open_parquet(path) as (file, _):
        return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


def _where(path: str, group: int, first: int, row: int) -> str:
    return f"{path}: row group {group}, row {first + row}"
