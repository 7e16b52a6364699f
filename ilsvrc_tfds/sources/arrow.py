"""Scans Arrow streams of images, as the library `datasets` writes them: names, labels, and the place of each image.

Their buffers are not compressed, so the bytes of an image are one piece of the file and are read there.
"""

import dataclasses
import functools
import mmap
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ilsvrc_tfds.errors import SourceError, shown, unreadable
from ilsvrc_tfds.sources.collecting import going_on
from ilsvrc_tfds.sources.members import Container
from ilsvrc_tfds.sources.parquet import errors_of
from ilsvrc_tfds.sources.rows import APPENDED, official_names, require_schema
from ilsvrc_tfds.sources.scan import Row, Scanned, tables
from ilsvrc_tfds.storage.regular import open_regular

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "arrow"
# What ends a stream; without it the last batches may be missing.
_END = b"\xff\xff\xff\xff\0\0\0\0"
_AGAIN = "Make the set again, or take the files that it was made of."


@dataclasses.dataclass(frozen=True)
class ArrowScan:
    """A job: the scan of an Arrow stream. Of the images only the positions are looked at.

    >>> [images] = ArrowScan("val", "/data/saved/validation/data-00000-of-00001.arrow", "")().members
    >>> len(images)
    6

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
        is_appended = False
        whole = _mapped(self.path)
        for number, batch in enumerate(going_on(_batches(whole, self.path))):
            where = functools.partial(_where, self.path, number)
            image = batch.column(batch.schema.get_field_index("image"))
            fields = dict(zip((field.name for field in image.type), image.flatten()))
            with errors_of(self.path):
                fields["path"].validate(full=True)
                paths = fields["path"].to_pylist()
                labels = batch.column(batch.schema.get_field_index("label")).to_pylist()
            offsets, sizes = _places(fields["bytes"], paths, whole, where)
            for row, name, appended in official_names(self.split, paths, labels, where):
                rows.append((name, offsets[row], sizes[row]))
                is_appended |= appended
        container = Container(self.path, self.split, self.stamp, KIND, in_classes=self.split == "train")
        notes = (APPENDED.format(split=self.split),) if is_appended else ()
        return Scanned(tuple(tables(self.split, container, "", rows)), (), (), (), notes)


def _places(
    images: "pa.Array", paths: list[str | None], whole: "pa.Buffer", where: Callable[[int], str]
) -> tuple[list[int], list[int]]:
    """Returns positions and sizes of the images of a batch. Raises SourceError for null or compressed images."""
    if images.null_count:
        row = images.is_null().to_pylist().index(True)
        there = f", and only names the file {shown(str(paths[row])[:200])}" if paths[row] else ""
        raise SourceError(f"{where(row)} has no image (`image.bytes` is null){there}. {_AGAIN}")
    _, ends, data = images.buffers()
    if not len(images) or data is None:
        return [0] * len(images), [0] * len(images)
    kind = np.int64 if str(images.type) == "large_binary" else np.int32
    bounds = np.frombuffer(ends, kind)[images.offset : images.offset + len(images) + 1].astype(np.int64)
    start = data.address - whole.address
    sizes = np.diff(bounds)
    if not 0 <= start <= start + bounds[-1] <= whole.size or (sizes < 0).any() or bounds[0] < 0:
        raise SourceError(f"{where(0)}: the images are compressed, or the file is damaged. {_AGAIN}")
    return (start + bounds[:-1]).tolist(), sizes.tolist()


def _mapped(path: str) -> "pa.Buffer":
    """Returns the content of a file, of which only the parts that are looked at are read. Raises SourceError."""
    import pyarrow as pa

    try:
        with open_regular(path, buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(_END)))
            if file.read(len(_END)) == _END:
                return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise unreadable(path, error) from error
    raise SourceError(f"{path} is cut short or no Arrow stream: it does not end as one. {_AGAIN}")


def _batches(whole: "pa.Buffer", path: str) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa

    with errors_of(path):
        reader = pa.ipc.open_stream(pa.BufferReader(whole))
        require_schema(reader.schema, path)
        stored = reader.schema.field("image").type.field("bytes").type
    if str(stored) not in ("binary", "large_binary"):
        raise SourceError(f"{path}: image.bytes is {shown(str(stored))}; expected binary. {_AGAIN}")
    while True:
        with errors_of(path):
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            batch.validate()
        yield batch


def _where(path: str, batch: int, row: int) -> str:
    return f"{path}: record batch {batch}, row {row}"
