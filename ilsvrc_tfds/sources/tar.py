"""Lists the members of a tar archive with the offsets of their bytes. Only the headers are read.

Format: POSIX.1-1988 (ustar), POSIX.1-2001 (pax) and GNU tar, as described in GNU tar's manual, "Basic Tar Format".
Python's `tarfile` builds an object of 40 fields for each member, too much for 1.3 million images.
"""

import functools
import os
import tarfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from ilsvrc_tfds.errors import SourceError

BLOCK = 512
# A pax or GNU header has some hundred bytes. A larger one is damaged, or an attack.
_MAX_EXTENSION = 1 << 20
# After the end mark tar fills its last record with zeros: usually 10 KB, and 1 MiB with the largest blocking factors.
MAX_PADDING = 1 << 20
_MAX_DIGITS = 20

_EXTENSIONS = b"xXgLK"  # pax, Solaris' pax, pax for all members (holds no names), GNU's long name, GNU's long link
_FILES = b"07\0"
_LINKS = b"12"
_WITHOUT_DATA = b"3456V"  # devices, directories, pipes, GNU's name of the whole archive

# Other files that people name like a tar archive, by their first bytes.
_NO_TARS = {
    b"\x1f\x8b": "It is compressed with gzip: gunzip it first.",
    b"BZh": "It is compressed with bzip2: bunzip2 it first.",
    b"\xfd7zXZ": "It is compressed with xz: unxz it first.",
    b"PK\3\4": "It is a zip archive: unzip it first.",
    b"<": "It looks like a web page, which servers send if a login has failed: download the archive again.",
}
_AGAIN = "Get the archive again and compare its checksum."
_ANEW = "Make the archive anew with tar --dereference --hard-dereference, without --sparse."


class TarMember(NamedTuple):
    """A regular file in an archive.

    Attributes:
      name: Path inside the archive, as stored.
      offset: Position of the first byte in the file on disk.
      size: Number of bytes.
    """

    name: bytes
    offset: int
    size: int


class BoundedHeader(tarfile.TarInfo):
    """A header for `tarfile`, which reads compressed archives. Raises TarError for names of over 1 MiB.

    Without the limit, some megabytes of a compressed archive could fill the memory with a name of gigabytes.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "BoundedHeader":
        header = super().frombuf(buf, encoding, errors)
        if header.type in map(bytes, zip(_EXTENSIONS)) and header.size > _MAX_EXTENSION:
            raise tarfile.TarError(f"a header claims {header.size:,} bytes for a name")
        return header


class ReadAhead:
    """Reads an open file in pieces of at least `ahead` bytes, for members so small that several are in one piece.

    >>> with open("/data/imagenet/ILSVRC2012_img_val.tar", "rb") as file:
    ...     ReadAhead(file.fileno(), 8192).read(size=20, offset=0)
    b'ILSVRC2012_val_00000'
    """

    def __init__(self, fd: int, ahead: int) -> None:
        self.fd, self._ahead = fd, ahead
        self._data, self._start = b"", 0

    def read(self, size: int, offset: int) -> bytes:
        """Returns up to `size` bytes at a position, as `os.pread` does. Raises OSError."""
        begin = offset - self._start
        if begin < 0 or begin + size > len(self._data):
            self._data, self._start, begin = os.pread(self.fd, max(size, self._ahead), offset), offset, 0
        return self._data[begin : begin + size]

    def rest(self, position: int, end: int) -> tuple[int, bytes]:
        """Returns the number of bytes in [position, end), and up to 1 MiB of them. Raises OSError."""
        return end - position, os.pread(self.fd, min(end - position, MAX_PADDING), position)


def read_members(fd: int | ReadAhead, path: str, start: int = 0, end: int | None = None) -> Iterator[TarMember]:
    """Yields the regular files of the tar archive in bytes [start, end) of an open file, in their stored order.

    >>> with open("/data/imagenet/ILSVRC2012_img_val.tar", "rb") as file:
    ...     next(read_members(file.fileno(), file.name)).name
    b'ILSVRC2012_val_00000236.JPEG'

    Args:
      fd: File descriptor of the archive; or the archive as it is read ahead.
      path: Name of the archive in messages.
      start: Position of the first byte; not 0 for an archive inside an archive.
      end: Position that the archive must not exceed, or None for the end of the file.

    Raises:
      SourceError: The file is not a tar archive, is cut short or damaged, or a member is a link or a sparse file.
    """
    file = ReadAhead(fd, BLOCK) if isinstance(fd, int) else fd
    end = os.fstat(file.fd).st_size if end is None else end
    position = start
    extension: dict[bytes, bytes] = {}
    while found := _header(file, path, position, start, end):
        header, size = found
        kind, data = header[156], position + BLOCK
        if kind in _EXTENSIONS:
            extension |= _extension(file, path, kind, data, size)
            position = data + _padded(size)
            continue
        name = extension.get(b"path") or _name(header)
        size = int(extension.get(b"size", size))
        if kind not in _FILES or extension:
            if fault := _odd_kind(kind, extension):
                raise SourceError(f"{path}: member {os.fsdecode(name)!r} {fault}. {_ANEW}")
            extension = {}
        if kind in _WITHOUT_DATA:
            position = data
            continue
        if data + size > end:
            raise SourceError(_cut_short(path, data + size, end, name))
        if not name.endswith(b"/"):
            yield TarMember(name, data, size)
        position = data + _padded(size)
    _check_padding(file, path, position, end)


def _header(file: ReadAhead, path: str, position: int, start: int, end: int) -> tuple[bytes, int] | None:
    """Returns the header at a position, its checksum verified, and its size field; or None at the end mark."""
    header = file.read(min(BLOCK, end - position), position) if position < end else b""
    if len(header) == BLOCK:
        if not header[0] and header.count(0) == BLOCK:
            return None
        # The checksum is computed with spaces for its own eight bytes.
        checksum = header[148:156]
        if _number(checksum) == _sum(header) - sum(checksum) + 8 * 32:
            size = _number(header[124:136])
            if size is not None:
                return header, size
    if header and position == start:
        advice = next((text for magic, text in _NO_TARS.items() if header.startswith(magic)), _AGAIN)
        raise SourceError(f"{path} is not a tar archive. {advice}")
    if len(header) < BLOCK:
        raise SourceError(_cut_short(path, position + BLOCK, end))
    raise SourceError(f"{path} is damaged: no tar header at byte {position:,}. {_AGAIN}")


def _sum(header: bytes) -> int:
    """Returns the sum of the bytes of a block."""
    # The lower half of Adler-32 is 1 + the sum modulo 65,521, and neither 256 bytes nor 512 ASCII ones can exceed that.
    # `sum` takes 20 times as long.
    if header.isascii():
        return (zlib.adler32(header) & 0xFFFF) - 1
    return (zlib.adler32(header[:256]) & 0xFFFF) + (zlib.adler32(header[256:]) & 0xFFFF) - 2


@functools.lru_cache(maxsize=1 << 12)
def _number(field: bytes) -> int | None:
    """Returns the value of a number field, or None if the field is not a number. Cached, because most values recur."""
    if field[0] == 0x80:  # GNU's base-256, for 8 GiB and more
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip(b" ")
    if digits.strip(b"01234567"):
        return None
    return int(digits or b"0", 8)


def _name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    # GNU's own magic is `ustar  `; such headers have other fields in place of POSIX's prefix.
    if header[345] and header[257:263] == b"ustar\0":
        return header[345:500].partition(b"\0")[0] + b"/" + name
    return name


def _extension(file: ReadAhead, path: str, kind: int, start: int, size: int) -> dict[bytes, bytes]:
    """Returns the fields that an extension header gives the next member: a GNU long name, or pax records."""
    if size > _MAX_EXTENSION:
        what = f"the header at byte {start - BLOCK:,} claims {size:,} bytes for a name"
        raise SourceError(f"{path} is damaged: {what}. {_AGAIN}")
    payload = file.read(size, start)
    if kind == ord("L"):
        return {b"path": payload.partition(b"\0")[0]}
    if kind not in b"xX":
        return {}
    try:
        return _pax_records(payload.rstrip(b"\0"))
    except ValueError as error:
        raise SourceError(f"{path} is damaged: the pax header at byte {start - BLOCK:,} {error}. {_AGAIN}") from error


def _pax_records(payload: bytes) -> dict[bytes, bytes]:
    """Returns the records `<length> <key>=<value>\\n`; the length counts the whole record. Raises ValueError."""
    records, start = {}, 0
    while start < len(payload):
        digits = payload[start : start + _MAX_DIGITS].partition(b" ")[0]
        length = int(digits) if digits.isdigit() and len(digits) < _MAX_DIGITS else 0
        end = start + length
        if not len(digits) + 1 < length <= len(payload) - start or payload[end - 1 : end] != b"\n":
            raise ValueError("holds no records")
        key, _, value = payload[start + len(digits) + 1 : end - 1].partition(b"=")
        if key == b"size" and not (value.isdigit() and len(value) < _MAX_DIGITS):
            raise ValueError("has a size that is not a number")
        records[key] = value
        start = end
    return records


def _odd_kind(kind: int, extension: dict[bytes, bytes]) -> str:
    """Returns why a member of this type and with these fields cannot be read, or an empty string if it can."""
    if kind in _LINKS:
        return "is a link, and links are not followed"
    # A list, because a generator takes longer than the one or two comparisons.
    if kind == ord("S") or any([key.startswith(b"GNU.sparse.") for key in extension]):
        return "is stored as a sparse file and cannot be read in place"
    if kind not in _FILES and kind not in _WITHOUT_DATA:
        return f"has the unknown type {chr(kind)!r}; expected plain files"
    return ""


def _check_padding(file: ReadAhead, path: str, position: int, end: int) -> None:
    """Raises SourceError if more than the zeros of one record follows the end mark: images would be lost silently.

    Some download programs reserve the whole file first, and leave zeros in parts that have not arrived.
    """
    count, rest = file.rest(position, end)
    if count > MAX_PADDING or rest.count(0) != len(rest):
        raise SourceError(
            f"{path} has its end mark at byte {position:,}, but {count:,} bytes follow. Either parts of it "
            "were never downloaded (get it again), or archives were joined (unpack it with tar --ignore-zeros)."
        )


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _cut_short(path: str, wanted: int, end: int, name: bytes = b"") -> str:
    inside = f", in {os.fsdecode(name)!r}" if name else ""
    return f"{path} is cut short{inside}. It should go on to byte {wanted:,} at least, and ends at {end:,}. {_AGAIN}"
