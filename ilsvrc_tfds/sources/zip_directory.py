"""Finds the central directory of a zip archive, also where bytes were put in front of it, or its count is too large.

| writer | what it does |
|---|---|
| most | state the directory's position, and with zip64 the numbers that do not fit into 16 or 32 bits |
| self-extracting archives | put a program in front, and most of them leave all positions as they were |
| macOS's Finder | never writes zip64: numbers that do not fit are stated modulo 65,536 and 4 GiB |
"""

import os
import struct
from typing import NamedTuple

from ilsvrc_tfds.errors import SourceError

AGAIN = "Get the archive again and compare its checksum."

_END = struct.Struct("<4s4H2IH")  # end of central directory
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_MOST_COMMENT = 0xFFFF
# What may lie between the directory and its end: a signature, which nobody writes.
_MOST_BETWEEN = 1 << 20
_ENTRY_BEGINS = b"PK\1\2"
# Other files that people name like a zip archive, by their first bytes.
_NO_ZIPS = {
    b"\x1f\x8b": "It is compressed with gzip: gunzip it, and unpack it if it is a tar archive then.",
    b"<": "It looks like a web page, which servers send if a login has failed: download the archive again.",
    b"Rar!": "It is a RAR archive: unpack it with unrar, and name the folder.",
    b"7z\xbc\xaf": "It is a 7z archive: unpack it with 7z, and name the folder.",
}
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257


class Directory(NamedTuple):
    """The central directory of a zip archive.

    Attributes:
      stated: Stated number of entries.
      start: Position of the first entry in the file on disk.
      size: Number of bytes of all entries.
      shift: Number of bytes in front of the archive, which the positions in it do not count.
      has_zip64: Whether the numbers are 64-bit ones.
    """

    stated: int
    start: int
    size: int
    shift: int = 0
    has_zip64: bool = False

    def may_have(self, found: int) -> bool:
        """Returns whether the stated number of entries may be that of `found` ones, without those over 16 bits.

        >>> Directory(stated=4464, start=0, size=0).may_have(70_000)
        True
        """
        return not self.has_zip64 and self.stated == found % (1 << 16)


def find_directory(fd: int, path: str) -> Directory:
    """Returns the central directory of the zip archive in an open file.

    >>> with open("/data/kaggle.zip", "rb") as file:
    ...     find_directory(file.fileno(), file.name).shift
    0

    Args:
      fd: File descriptor of the archive.
      path: Name of the archive in messages.

    Raises:
      SourceError: The file is not a zip archive, is cut short or damaged, empty, or a part of several.
      OSError: The file cannot be read.
    """
    stop, end = _end(fd, path)
    _, disk, first_disk, _, count, size, start, _ = end
    has_zip64 = False
    at = max(0, stop - _LOCATOR64.size)
    locator = os.pread(fd, _LOCATOR64.size, at)
    if locator[:4] == b"PK\6\7" and len(locator) == _LOCATOR64.size:
        stop, record = _end64(fd, path, _LOCATOR64.unpack(locator)[2], at)
        _, _, _, _, disk, first_disk, _, count, size, start = record
        has_zip64 = True
    if disk or first_disk:
        raise SourceError(f"{path} is one of several parts. Join them first, for example with `zip -s 0`.")
    if not size and not count:
        raise SourceError(f"{path} is empty: it has no entries. {AGAIN}")
    return Directory(count, *_placed(fd, path, start, size, stop), has_zip64)


def _end(fd: int, path: str) -> tuple[int, tuple]:
    """Returns the position and the fields of the record that ends the archive. Raises SourceError if there is none."""
    size = os.fstat(fd).st_size
    tail_start = max(0, size - _END.size - _MOST_COMMENT)
    tail = os.pread(fd, size - tail_start, tail_start)
    found = tail.rfind(b"PK\5\6")
    while found >= 0 and (
        len(tail) - found < _END.size
        or tail_start + found + _END.size + tail[found + 20] + 256 * tail[found + 21] > size
    ):
        found = tail.rfind(b"PK\5\6", 0, found)
    if found < 0:
        raise SourceError(f"{path} {_no_zip(os.pread(fd, 512, 0))}")
    return tail_start + found, _END.unpack_from(tail, found)


def _no_zip(head: bytes) -> str:
    """Returns what is wrong with a file that has no end of a zip archive, and what to do, by its first bytes."""
    if head[:4] == b"PK\3\4":
        return f"is cut short: it has no central directory. {AGAIN}"
    advice = next((text for magic, text in _NO_ZIPS.items() if head.startswith(magic)), AGAIN)
    if head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
        advice = "It is a tar archive: rename it to .tar."
    return f"is not a zip archive. {advice}"


def _end64(fd: int, path: str, stated: int, locator: int) -> tuple[int, tuple]:
    """Returns the position and the fields of zip64's record: where it is stated, or right in front of its locator."""
    last = locator - _END64.size
    for position in (stated, last) if stated <= last else ():  # pread takes no position of 2**63 or more
        record = os.pread(fd, _END64.size, position)
        if len(record) == _END64.size and record[:4] == b"PK\6\6":
            return position, _END64.unpack(record)
    raise SourceError(f"{path} is damaged: its zip64 directory is not where it should be. {AGAIN}")


def _placed(fd: int, path: str, start: int, size: int, stop: int) -> tuple[int, int, int]:
    """Returns position and size of the directory, and the number of bytes in front of the archive.

    The directory is where it is stated to be, or else it ends where its end record begins.
    """
    if stop - _MOST_BETWEEN <= start + size <= stop and os.pread(fd, 4, start) == _ENTRY_BEGINS:
        return start, size, 0
    shift = stop - size - start
    if shift and shift % (1 << 32) == 0:
        raise SourceError(
            f"{path} has more than 4 GiB, and was written without zip64, as macOS's Finder does: where its entries are "
            "is not stated. Unpack it on a Mac, or with `ditto -x -k`, and name the folder."
        )
    if shift > 0 and os.pread(fd, 4, stop - size) == _ENTRY_BEGINS:
        return stop - size, size, shift
    raise SourceError(
        f"{path} is damaged: its directory of {size:,} bytes at byte {start:,} does not end at byte {stop:,}, or does "
        f"not begin there. {AGAIN}"
    )
