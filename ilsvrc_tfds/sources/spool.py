"""Writes the images of a stream into a spool: one plain file, in which each of them can be read at random.

A stream is a file of the source that can only be read from its beginning to its end, such as a parquet file. Where the
images of the result are resized, the spool holds the resized ones. A receipt beside the file says where each image is.
A file that is already there and whole is not written again.
"""

import base64
import dataclasses
import os
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import xxhash

from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.images import Original, Resized
from ilsvrc_tfds.sources.layouts import STREAMS
from ilsvrc_tfds.sources.members import Members, size_fault
from ilsvrc_tfds.storage.files import destination_errors, sync_file
from ilsvrc_tfds.storage.receipts import CHUNK_BYTES, whole_receipt, write_with_receipt

# States of an image in a spool: as it is in the source, changed, or damaged; of that the spool holds the reason.
KEPT, CHANGED, DAMAGED = range(3)
_AT_ONCE = 1 << 12
_INTEGER = "<i8"  # in receipts
_WAY_ON = 'Damaged images are left out with --on-error skip (on_error="skip").'


@dataclasses.dataclass(frozen=True, eq=False)
class SpoolTask:
    """Everything that a worker on any machine needs to spool one stream.

    Attributes:
      members: Images of the stream, in the order of their offsets.
      path: Path of the finished file.
      op: Operation on each image; None keeps its bytes.
      skips: Whether a damaged image is recorded as such, instead of stopping the run.
      sync: Whether the bytes of the file must be on disk before it counts as finished.
    """

    members: Members
    path: str
    op: Original | Resized | None = None
    skips: bool = False
    sync: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class Spooled:
    """The places of the images in a spool.

    Attributes:
      offset: Position of each image; int64 of shape (n,).
      size: Number of bytes of each image in the spool; int64 of shape (n,).
      source_size: Number of bytes of each image in the source; int64 of shape (n,).
      state: KEPT, CHANGED or DAMAGED for each image; int8 of shape (n,).
      file_bytes: Size of the file.
    """

    offset: np.ndarray
    size: np.ndarray
    source_size: np.ndarray
    state: np.ndarray
    file_bytes: int


def images_in_order(members: Members) -> Iterator[tuple[bytes | None, int]]:
    """Yields bytes and size of each image of a stream; None instead of the bytes of one that is too large to be read.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> val = index_images(find_layout(["/data/parquet"])).splits["val"]
    >>> [data[:2] for data, _ in images_in_order(val.take([0, 1]))]
    [b'\\xff\\xd8', b'\\xff\\xd8']

    Args:
      members: Images of the stream, in the order of their offsets.

    Raises SourceError if the stream is damaged, or has changed since it was indexed.
    """
    container = members.containers[0]
    images = STREAMS[container.layout].images(container.path, container.stamp, _places(members))
    for data, (_, stated) in zip(images, _places(members), strict=True):
        yield data, stated if data is None else len(data)


def _places(members: Members) -> Iterator[tuple[int, int]]:
    """Yields offset and size of each image. There may be 1.3 million in one stream: no list is made."""
    for start in range(0, len(members), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        yield from zip(members.offset[rows].tolist(), members.size[rows].tolist())


def finish_spool(task: SpoolTask) -> Spooled:
    """Spools a stream, unless that is done already, and returns the places of its images.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> val = index_images(find_layout(["/data/parquet"])).splits["val"]
    >>> finish_spool(SpoolTask(val, "/data/val.images")).state.tolist()
    [0, 0, 0, 0, 0, 0]

    Raises:
      SourceError: The stream is damaged, or has changed since it was indexed.
      ImageError: An image is damaged, and damaged ones are not skipped; the message names its place.
      DestinationError: The file cannot be written.
    """
    found = _existing(task.path, len(task.members))
    if found is None or not task.skips and (found.state == DAMAGED).any():
        return _write(task)
    if task.sync:  # the run that wrote it may have been killed before it synced the file
        with destination_errors(task.path):
            sync_file(task.path)
    return found


def _existing(path: str, images: int) -> Spooled | None:
    """Returns the places of the images in a file that exists and has the bytes that were written, or None."""
    receipt = whole_receipt(path)
    try:
        found = None if receipt is None else _spooled(receipt["rows"], receipt["file_bytes"])
    except (ValueError, TypeError, KeyError):
        return None
    return found if found is not None and len(found.size) == images else None


def _write(task: SpoolTask) -> Spooled:
    def write(partial: str) -> dict[str, Any]:
        with open(partial, "wb", buffering=CHUNK_BYTES) as file:
            rows, digest = _copy(task, file.write)
            file_bytes = file.tell()
        # So the stamp of the file, and with it the plan of the shards, is the same if it has to be written again.
        mtime = int(task.members.containers[0].stamp.rpartition("-")[2])
        os.utime(partial, ns=(mtime, mtime))
        return {"file_bytes": file_bytes, "digest": digest, "rows": rows}

    then = "Finished files are kept: run the same command again to continue. --scratch puts them elsewhere."
    receipt = write_with_receipt(task.path, write, dict, sync=task.sync, then=then)
    return _spooled(receipt["rows"], receipt["file_bytes"])


def _copy(task: SpoolTask, write: Callable[[bytes], object]) -> tuple[dict[str, str], str]:
    """Writes the images one after another. Returns the columns of the receipt, and the digest of the file."""
    columns, digest = {"size": array("q"), "source_size": array("q"), "state": array("q")}, xxhash.xxh3_64()
    for row, (data, size) in enumerate(images_in_order(task.members)):
        stored, state = _processed(task, row, data, size)
        write(stored)
        digest.update(stored)
        for column, value in zip(columns.values(), (len(stored), size, state)):
            column.append(value)
    packed = {name: base64.b64encode(np.asarray(column, _INTEGER).tobytes()) for name, column in columns.items()}
    return {name: data.decode() for name, data in packed.items()}, digest.hexdigest()


def _processed(task: SpoolTask, row: int, data: bytes | None, size: int) -> tuple[bytes, int]:
    """Returns the bytes for the spool and the state of an image. Raises ImageError if it is damaged and not skipped."""
    try:
        if (fault := size_fault(size)) or data is None:
            raise ImageError(fault)
        stored = data if task.op is None else task.op(data)
        return stored, KEPT if stored is data else CHANGED
    except ImageError as error:
        if not task.skips:
            raise ImageError(f"{task.members.place(row)}: {error}. {_WAY_ON}") from error
        return str(error).encode(), DAMAGED


def _spooled(rows: Mapping[str, str], file_bytes: int) -> Spooled:
    """Returns the places of the images, from the columns of a receipt. Raises ValueError if they do not fit."""
    packed = (base64.b64decode(rows[name]) for name in ("size", "source_size", "state"))
    size, source_size, state = (np.frombuffer(data, _INTEGER).astype(np.int64) for data in packed)
    if not len(size) == len(source_size) == len(state) or size.sum() != file_bytes:
        raise ValueError("The columns have different lengths, or are those of another file.")
    return Spooled(np.cumsum(size) - size, size, source_size, state.astype(np.int8), file_bytes)
