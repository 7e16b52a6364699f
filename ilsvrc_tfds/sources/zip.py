"""Lists the entries of a zip archive from its central directory, and reads one entry in place.

Format: PKWARE's APPNOTE.TXT 6.3.10, with zip64. The directory is read once, in pieces, and an entry takes no more
memory than its name: Python's `zipfile` needs 2 GB for the two million entries of Kaggle's archive.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from ilsvrc_tfds.errors import ImageError, SourceError, shown
from ilsvrc_tfds.sources.zip_directory import AGAIN, Directory, find_directory

STORED, DEFLATED = 0, 8

_ENTRY = struct.Struct("<4s6H3I5H2I")  # of the central directory
_LOCAL = struct.Struct("<4s5H3I2H")  # in front of an entry's data
_USUAL_NAME = 256  # read with the header; Kaggle's paths have up to 57 bytes
_BUFFER = 1 << 20
# The longest entry of the directory: name, extra field and comment have at most 65,535 bytes each.
_LONGEST_ENTRY = _ENTRY.size + 3 * 0xFFFF
# What is read of compressed data beyond the size of the inflated. Deflate adds 5 bytes to 64 KB that it cannot shrink.
_AROUND = 256
_MASK_32 = 0xFFFFFFFF
_ENCRYPTED, _STRONGLY_ENCRYPTED, _HAS_DESCRIPTOR = 1 << 0, 1 << 6, 1 << 3
# Deflate codes at most 258 bytes in 2 bits, so it never shrinks data to less than this.
_MOST_RATIO = 1032


class ZipEntry(NamedTuple):
    """A file in a zip archive.

    Attributes:
      name: Path inside the archive, with `/` between its parts.
      offset: Position of its local header in the file on disk.
      size: Number of bytes when it is inflated.
    """

    name: bytes
    offset: int
    size: int


def read_entries(fd: int, path: str) -> Iterator[ZipEntry]:
    """Yields the files of the zip archive in an open file, in the order of its central directory.

    >>> with open("/data/kaggle.zip", "rb") as file:
    ...     [entry.name for entry in read_entries(file.fileno(), file.name)][:1]
    [b'ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml']

    Args:
      fd: File descriptor of the archive.
      path: Name of the archive in messages.

    Raises:
      SourceError: The file is not a zip archive, is cut short or damaged, is a part of several, or has entries that are
        encrypted, compressed in another way than by Deflate, larger than that can be, or whose path leads out of it.
    """
    directory = find_directory(fd, path)
    start, end = directory.start, directory.start + directory.size
    position, found, data, begin = start, 0, b"", 0
    while True:
        if len(data) - begin < _LONGEST_ENTRY and position < end:
            data = data[begin:] + os.pread(fd, min(max(_BUFFER, _LONGEST_ENTRY), end - position), position)
            position, begin = min(end, position + max(_BUFFER, _LONGEST_ENTRY)), 0
        if begin == len(data):
            break
        entry, begin = _entry(data, begin, path, directory)
        found += 1
        if entry is not None:
            yield entry
    if found != directory.stated and not directory.may_have(found):
        raise SourceError(
            f"{path} is damaged: its directory has {found:,} entries, and states {directory.stated:,}. {AGAIN}"
        )


def read_entry(fd: int, offset: int, size: int, name: bytes = b"") -> bytes:
    """Returns the inflated bytes of an entry after comparing its checksum.

    >>> import os
    >>> with open("/data/kaggle.zip", "rb") as file:
    ...     entry = next(read_entries(file.fileno(), file.name))
    ...     read_entry(file.fileno(), entry.offset, entry.size, os.path.basename(entry.name))
    b'<annotation/>'

    Args:
      fd: File descriptor of the archive.
      offset: Position of the local header, from `read_entries`.
      size: Number of inflated bytes, from `read_entries`.
      name: Base name of the entry, which the local header has too; empty if it is not compared.

    Raises:
      ImageError: The entry is damaged or has another name, or inflates to another size than is stated.
      OSError: The file cannot be read.
    """
    head = os.pread(fd, _LOCAL.size + _USUAL_NAME, offset)
    if len(head) < _LOCAL.size or head[:4] != b"PK\3\4":
        raise ImageError(f"there is no entry at byte {offset:,} of the zip archive. Get it again")
    _, _, flags, method, _, _, checksum, compressed, _, name_size, extra_size = _LOCAL.unpack_from(head)
    stored = head[_LOCAL.size :][:name_size]
    if name_size > len(stored):
        stored = os.pread(fd, name_size, offset + _LOCAL.size)
    _require_name(stored, name)
    start = offset + _LOCAL.size + name_size + extra_size
    if method == STORED:
        data, stop = os.pread(fd, size, start), start + size
    elif method == DEFLATED:
        data, stop = _inflated(fd, start, size)
    else:
        raise ImageError(f"its entry in the zip archive has the method {method}. Get it again")
    if flags & _HAS_DESCRIPTOR:  # the writer did not know the checksum before the data
        after = os.pread(fd, 8, stop)
        checksum = int.from_bytes(after[4:] if after[:4] == b"PK\7\b" else after[:4], "little")
    elif compressed not in (stop - start, _MASK_32):
        raise ImageError(
            f"its entry in the zip archive is damaged: it has {stop - start:,} bytes, and states {compressed:,}. Get "
            "it again"
        )
    if len(data) != size or zlib.crc32(data) != checksum:
        raise ImageError("its entry in the zip archive is damaged: its checksum does not match. Get it again")
    return data


def _require_name(stored: bytes, name: bytes) -> None:
    """Raises ImageError if a local header has another name than the directory has: the data are those of another file.

    Only the base names are compared. No two images of a split have the same.
    """
    base = stored.replace(b"\\", b"/").rpartition(b"/")[2]
    if name and base != name:
        raise ImageError(
            f"the zip archive is damaged: its directory leads to {shown(os.fsdecode(base[:80]))!r} instead. Get it "
            "again"
        )


def _inflated(fd: int, start: int, size: int) -> tuple[bytes, int]:
    """Returns the inflated data at a position, and where the compressed data end. Raises ImageError."""
    inflater, position, pieces, left = zlib.decompressobj(-zlib.MAX_WBITS), start, [], size + 1
    rest = b""
    try:
        while not inflater.eof and left > 0:
            if not rest:
                # JPEGs are hardly compressible, so this is most often all of it.
                rest = os.pread(fd, min(left, _BUFFER) + _AROUND, position)
                position += len(rest)
                if not rest:
                    break
            pieces.append(inflater.decompress(rest, left))
            left -= len(pieces[-1])
            rest = inflater.unconsumed_tail
    except zlib.error as error:
        raise ImageError(f"its entry in the zip archive is damaged: {error}. Get it again") from error
    if left <= 0:
        raise ImageError(f"it inflates to more than the {size:,} bytes that the zip archive states. Get it again")
    return b"".join(pieces), position - len(inflater.unused_data)


def _entry(data: bytes, begin: int, path: str, directory: Directory) -> tuple[ZipEntry | None, int]:
    """Returns the entry of the directory that begins at a position, or None for a folder; and where the next begins."""
    if data[begin : begin + 4] != b"PK\1\2" or len(data) - begin < _ENTRY.size:
        raise SourceError(f"{path} is damaged: its directory has bytes that are not an entry. {AGAIN}")
    fields = _ENTRY.unpack_from(data, begin)
    _, _, _, flags, method, _, _, _, compressed, size, name_size, extra_size, comment_size, _, _, _, offset = fields
    stop = begin + _ENTRY.size + name_size + extra_size + comment_size
    name = data[begin + _ENTRY.size : begin + _ENTRY.size + name_size]
    where = f"{path}: {shown(os.fsdecode(name))}"
    if stop > len(data):
        raise SourceError(f"{path} is damaged: its directory ends inside an entry. {AGAIN}")
    if _MASK_32 in (size, compressed, offset):
        extra = data[begin + _ENTRY.size + name_size : stop - comment_size]
        size, compressed, offset = _in_64_bits(extra, [size, compressed, offset], where)
    name = name.replace(b"\\", b"/")
    if name.startswith(b"/") or name[1:3] == b":/" or b".." in name.split(b"/"):
        raise SourceError(f"{where} leads out of the archive, as no official name does. Get the archive elsewhere.")
    if name.endswith(b"/"):
        return None, stop
    if flags & (_ENCRYPTED | _STRONGLY_ENCRYPTED):
        raise SourceError(f"{where} is encrypted. Unpack the archive with its password, or make it again without one.")
    if method not in (STORED, DEFLATED):
        raise SourceError(
            f"{where} is compressed by the method {method}; only stored and deflated entries can be read in place. "
            "Unpack the archive, and name the folder."
        )
    if size > compressed * _MOST_RATIO:
        raise SourceError(
            f"{where} states {size:,} bytes, of {compressed:,} in the archive: they cannot inflate to so many. {AGAIN}"
        )
    offset += directory.shift
    if offset + _LOCAL.size + name_size + compressed > directory.start:
        raise SourceError(f"{where} would lie at byte {offset:,}, behind the archive's last entry. {AGAIN}")
    return ZipEntry(name, offset, size), stop


def _in_64_bits(extra: bytes, values: list[int], where: str) -> list[int]:
    """Returns the values with those that do not fit into 32 bits replaced by those of the zip64 extra field."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        body = extra[position + 4 : position + 4 + length]
        if kind == 1:
            wanted = [k for k, value in enumerate(values) if value == _MASK_32]
            if len(body) < 8 * len(wanted):
                break
            for k, value in zip(wanted, struct.unpack_from(f"<{len(wanted)}Q", body)):
                values[k] = value
            return values
        position += 4 + length
    raise SourceError(f"{where}: its sizes are missing in the directory. {AGAIN}")
