"""Scans shards of array_record, and reads their images one after another, with the package `array_record`.

TFDS writes them with `file_format="array_record"`. The payload of a record is that of a TFRecord. Records are in
compressed chunks, so an image is no piece of the file. The chunks have checksums, which the package compares.
"""

import contextlib
import dataclasses
import importlib.util
import os
from collections.abc import Iterable, Iterator
from io import FileIO
from typing import Any, ClassVar

import xxhash

from ilsvrc_tfds.errors import SourceError, shown, system_error, unreadable
from ilsvrc_tfds.formats.example_in_place import Picture, parse_payload
from ilsvrc_tfds.formats.folder import IN_TFRECORD
from ilsvrc_tfds.formats.kinds import KINDS, TFDS
from ilsvrc_tfds.formats.naming import ARRAY_RECORD
from ilsvrc_tfds.formats.tfrecord import Record
from ilsvrc_tfds.sources.members import LARGEST_IMAGE
from ilsvrc_tfds.sources.record_scan import RecordScan
from ilsvrc_tfds.sources.scan import archive_stamp
from ilsvrc_tfds.storage.receipts import file_digest
from ilsvrc_tfds.storage.regular import require_regular

KIND = ARRAY_RECORD
# One chunk after another in this thread: there is a worker for each core.
_OPTIONS = "readahead_buffer_size:0,max_parallelism:0"
_AGAIN = "Get the shard again, or make the set again."


def require_package(folder: str | os.PathLike) -> None:
    """Raises SourceError if the package `array_record` is not installed.

    >>> require_package("/data/tfds/ilsvrc2012/classification/1.0.0")
    """
    if importlib.util.find_spec("array_record") is None:
        raise SourceError(
            f"{folder} is in the format {ARRAY_RECORD}, which is read by the package of that name. Install it: python "
            f'-m pip install "ilsvrc-tfds[array_record]". Or: {IN_TFRECORD}'
        )


@dataclasses.dataclass(frozen=True)
class ArrayRecordScan(RecordScan):
    """A job: the scan of a shard of array_record. All of it is decompressed.

    The offset of an image is the number of its record.
    """

    layout: ClassVar[str] = KIND

    def _records(self, digest: xxhash.xxh3_64 | None) -> Iterator[Record]:
        with _opened(self.path) as reader:
            for number in range(reader.num_records()):
                yield Record(number, number, 0, reader.read())

    def _where(self, record: Record) -> str:
        return f"{self.path}: record {record.number}"

    def _offset_of(self, record: Record, image: Picture) -> int:
        return record.number

    def _check_stated(self, records: int, size: int, digest: str) -> None:
        try:
            size = os.path.getsize(self.path)
            super()._check_stated(records, size, "" if self.entry is None else file_digest(self.path))
        except OSError as error:
            raise unreadable(self.path, error) from error


def images(path: str, stamp: str, places: Iterable[tuple[int, int]]) -> Iterator[bytes | None]:
    """Yields the images of some records of a shard; None for one that is too large to be read.

    Args:
      path: Path of the file.
      stamp: Stamp of the file when it was indexed.
      places: Numbers of the records, which ascend, and the sizes of the images.

    Raises SourceError if the file is damaged, or has changed since it was indexed.
    """
    with _opened(path) as reader:
        for number, size in places:
            yield _image(reader, path, number) if size <= LARGEST_IMAGE else None
    if archive_stamp(path) != stamp:
        raise _changed(path)


def read(file: FileIO, offset: int, size: int) -> bytes:
    """Returns one image.

    Args:
      file: Open file.
      offset: Number of the record.
      size: Not used.
    """
    path = os.fsdecode(file.name)
    with _opened(path) as reader:
        return _image(reader, path, offset)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Yields the package's reader of a file. Raises SourceError if it cannot be read or is damaged."""
    from array_record.python.array_record_module import ArrayRecordReader

    try:
        require_regular(path)
        reader = ArrayRecordReader(os.fsencode(path), _OPTIONS)  # a path need not be UTF-8
        if not reader.ok():
            reader.close()  # raises the error; until then there would be no records
        yield reader
        reader.close()
    except OSError as error:
        raise unreadable(path, error) from error
    except (RuntimeError, IndexError) as error:
        if (reason := system_error(str(error))).errno:
            raise unreadable(path, reason) from error
        raise SourceError(f"{path} is damaged or cut short ({shown(str(error)[:200])}). {_AGAIN}") from error


def _image(reader: Any, path: str, number: int) -> bytes:
    """Returns the image of a record. Raises SourceError if it has none: the file has been replaced."""
    if not 0 <= number < reader.num_records():
        raise _changed(path)
    reader.seek(number)
    _, image = parse_payload(reader.read(), KINDS[TFDS].fields.image, f"{path}: record {number}")
    if image is None:
        raise _changed(path)
    return image.copy()


def _changed(path: str) -> SourceError:
    return SourceError(f"{path} has changed since it was indexed. Run the command again.")
