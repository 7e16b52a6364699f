"""The members of a tar archive with the offsets of their bytes, from the headers alone.

Format: POSIX.1-1988 (ustar), POSIX.1-2001 (pax) and GNU tar, as described in GNU tar's manual, "Basic Tar Format". Standard
`tarfile` builds an object of 40 fields for each member; 1.3 million images want less.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple

from ilsvrc_tfds.errors import SourceError

BLOCK = 512
# A pax or GNU header is some hundred bytes; a larger one is no name but an attack or damage.
_MAX_EXTENSION = 1 << 20

_FILE_TYPES = b"07\0"
_LINK_TYPES = b"12"
_PASSED_OVER = b"3456"  # devices, directories, pipes


class TarMember(NamedTuple):
    """A regular file in an archive.

    Attributes:
      name: path inside the archive, as stored.
      offset: of its first byte in the file on disk.
      size: bytes.
    """

    name: bytes
    offset: int
    size: int


def read_members(fd: int, path: str, start: int = 0, end: int | None = None) -> Iterator[TarMember]:
    """Yields the regular files of the tar in bytes [start, end) of an open file, in their order there.

    Args:
      fd: file descriptor of the archive.
      path: its name in messages.
      start: first byte; not 0 for an archive inside an archive.
      end: where it must end at the latest; the file's end by default.

    Raises:
      SourceError: no tar, cut short, damaged, or a member that is a link.
    """
    end = os.fstat(fd).st_size if end is None else end
    position, extension = start, {}
    while True:
        header = os.pread(fd, BLOCK, position)
        if position + BLOCK > end or len(header) < BLOCK:
            raise SourceError(_cut_short(path, start, position, end))
        if header.count(0) == BLOCK:
            return  # the end mark
        size = _checked_size(header, path, start, position)
        kind = header[156]
        position += BLOCK
        if kind in b"xLgK":
            if size > _MAX_EXTENSION:
                raise SourceError(f"{path}: the header at byte {position - BLOCK:,} claims {size:,} bytes for a name; the archive is damaged.")
            extension |= _extension(kind, os.pread(fd, size, position))
            position += _padded(size)
            continue
        name = extension.get(b"path") or _name(header)
        size = int(extension.get(b"size", size))
        extension = {}
        if kind in _LINK_TYPES:
            raise SourceError(
                f"{path}: member {os.fsdecode(name)!r} is a link, and links are not followed. "
                "Make the archive anew with tar --dereference --hard-dereference."
            )
        if kind in _FILE_TYPES and not name.endswith(b"/"):
            if position + size > end:
                raise SourceError(_cut_short(path, start, position + size, end, name))
            yield TarMember(name, position, size)
        elif kind not in _FILE_TYPES and kind not in _PASSED_OVER:
            raise SourceError(f"{path}: member {os.fsdecode(name)!r} has the unknown type {chr(kind)!r}; expected plain files.")
        position += _padded(size) if kind not in _PASSED_OVER else 0


def _checked_size(header: bytes, path: str, start: int, position: int) -> int:
    """Returns a header's size field after its checksum held."""
    try:
        stored = int(header[148:156].strip(b" \0"), 8)
        size = _number(header[124:136])
    except ValueError:
        stored, size = -1, 0
    # The checksum is taken with its own eight bytes as blanks.
    if stored != sum(header) - sum(header[148:156]) + 8 * 32:
        what = "is no tar archive" if position == start else "is damaged"
        raise SourceError(f"{path} {what}: no tar header at byte {position:,}. Get the archive again and compare its checksum.")
    return size


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU's base-256, for 8 GiB and more
        return int.from_bytes(field[1:], "big")
    return int(field.strip(b" \0") or b"0", 8)


def _name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    # GNU's own magic is `ustar  `: it has other things where POSIX has the prefix.
    if header[345] and header[257:263] == b"ustar\0":
        return header[345:500].partition(b"\0")[0] + b"/" + name
    return name


def _extension(kind: int, payload: bytes) -> dict[bytes, bytes]:
    """Returns what an extension header says of the member behind it: a GNU long name, or pax records `<length> <key>=<value>\\n`."""
    if kind == ord("L"):
        return {b"path": payload.partition(b"\0")[0]}
    records = {}
    while kind == ord("x") and payload:
        length, _, rest = payload.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(payload):
            break
        key, _, value = payload[len(length) + 1 : int(length) - 1].partition(b"=")
        if key == b"path" or key == b"size" and value.isdigit():
            records[key] = value
        payload = payload[int(length) :]
    return records


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _cut_short(path: str, start: int, wanted: int, end: int, name: bytes | None = None) -> str:
    inside = f", in {os.fsdecode(name)!r}" if name else ""
    what = "The file" if start == 0 else f"The inner archive at byte {start:,}"
    return f"{path} is cut short{inside}. {what} should go on to byte {wanted:,} at least and ends at {end:,}. Get it again."
