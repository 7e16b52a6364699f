"""The plain copy of a compressed tar, with a receipt that says whether it is whole."""

import concurrent.futures
import dataclasses
import os
from collections import deque
from collections.abc import Callable
from typing import BinaryIO

import xxhash

from ilsvrc_tfds.interrupts import interrupts_held
from ilsvrc_tfds.storage.receipts import CHUNK_BYTES, whole_receipt, write_with_receipt

# Bytes that the writing thread gets at once, and how many such parts may wait for it.
_PART_BYTES, _MOST_PARTS = 1 << 20, 8
_THEN = "Finished files are kept: run the same command again to continue. --scratch puts them elsewhere."


@dataclasses.dataclass(frozen=True)
class Copy:
    """The plain copy of a compressed tar.

    Attributes:
      path: Path of the finished copy.
      sync: Whether its bytes must be on disk before it counts as finished.
    """

    path: str
    sync: bool = True

    def is_finished(self) -> bool:
        """Returns whether the copy exists and has the bytes that were written."""
        return whole_receipt(self.path) is not None

    def write(self, read_all: Callable[[Callable[[bytes], object]], None], stamp: str) -> None:
        """Writes the copy.

        >>> copy = Copy("/data/a-copy.tar", sync=False)
        >>> copy.write(lambda keep: keep(b"content"), "7-1700000000000000000")
        >>> copy.is_finished()
        True

        Args:
          read_all: Function that calls its argument with all bytes, one piece after the other.
          stamp: Stamp of the compressed tar. The copy gets its time, so that a copy that has to be written again has
            the same stamp, and with it the plan of the shards is the same.

        Raises DestinationError if it cannot be written, and what `read_all` raises.
        """

        def write(partial: str) -> dict[str, object]:
            with open(partial, "wb", buffering=CHUNK_BYTES) as file, _Writer(file) as writer:
                read_all(writer.keep)
                writer.finish()
                receipt = {"file_bytes": file.tell(), "digest": writer.digest.hexdigest()}
            mtime = int(stamp.rpartition("-")[2])
            os.utime(partial, ns=(mtime, mtime))
            return receipt

        write_with_receipt(self.path, write, dict, sync=self.sync, then=_THEN)


class _Writer:
    """Writes to a file in a thread of its own, while the next bytes are decompressed."""

    def __init__(self, file: BinaryIO):
        self.digest = xxhash.xxh3_64()
        self._file, self._pieces, self._size = file, list[bytes](), 0
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._parts: deque[concurrent.futures.Future[None]] = deque()

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *exception: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def keep(self, data: bytes) -> None:
        """Takes the next bytes. Raises OSError if earlier ones could not be written."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= _PART_BYTES:
            self._hand_over()

    def finish(self) -> None:
        """Waits until all is written. Raises OSError."""
        self._hand_over()
        while self._parts:
            self._parts.popleft().result()
        self._file.flush()

    def _hand_over(self) -> None:
        if len(self._parts) == _MOST_PARTS:
            self._parts.popleft().result()
        with interrupts_held():  # the first part starts the thread
            self._parts.append(self._thread.submit(self._write, self._pieces))
        self._pieces, self._size = [], 0

    def _write(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._file.write(piece)
            self.digest.update(piece)
