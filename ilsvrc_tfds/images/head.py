"""Parses the header of a JPEG or PNG. The format is taken from the first bytes, never from a file name."""

from collections.abc import Iterator
from typing import NamedTuple

from ilsvrc_tfds.errors import ImageError, counted

# Pillow warns above the same limit, 1 GiB / 4 / 3. As RGB such an image has 268 MB; the largest official one has a
# third.
MAX_PIXELS = 89_478_485

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_JPEG_MAGIC = b"\xff\xd8\xff"
# Start-of-frame markers of Huffman-coded JPEG: baseline, extended, progressive (ITU-T T.81, table B.1).
_SOF = frozenset({0xC0, 0xC1, 0xC2})
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_OTHER_SOF = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
# A zero means that the 0xFF before it is a stray byte. The others are TEM and the restart markers.
_WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xD8)})
_APP0, _APP14, _SOI, _EOI, _SOS = 0xE0, 0xEE, 0xD8, 0xD9, 0xDA
# Huffman codes, quantization, number of lines, restart interval.
_TABLES = frozenset({0xC4, 0xDB, 0xDC, 0xDD})
# The markers of a header, with application data and comments. The number of lines comes after the first scan.
_PLAIN = (_TABLES - {0xDC}) | {*range(0xE0, 0xF0), 0xFE}
_IN_A_HEAD = _SOF | _OTHER_SOF | _PLAIN
_BETWEEN_SCANS = _TABLES | {_SOS, *range(0xE0, 0xF0), 0xFE}  # with application data and comments


class Head(NamedTuple):
    """Properties of an image that its header states.

    Attributes:
      format: `JPEG` or `PNG`.
      height: Height in pixels.
      width: Width in pixels.
      components: Number of channels. In a JPEG, 1 is grey, 3 is RGB or YCbCr, and 4 is CMYK or YCCK.
      adobe: Whether a JPEG has Adobe's marker, which means that CMYK is stored inverted.
    """

    format: str
    height: int
    width: int
    components: int
    adobe: bool = False


def look(data: bytes) -> Head:
    """Returns the header of an image, without decoding its pixels.

    Raises ImageError if the data is not a JPEG or PNG, the header is damaged or the JPEG ends early, or the image has
    more than MAX_PIXELS pixels.

    >>> look(jpeg)
    Head(format='JPEG', height=36, width=48, components=3, adobe=False)
    >>> look(b"GIF89a")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.ImageError: neither JPEG nor PNG: it begins with b'GIF89a'
    """
    if data.startswith(_JPEG_MAGIC):
        head, scan = _jpeg_head(data)
        # In entropy-coded data 0xFF is followed by 0 or a restart marker, so an end marker after the header is the
        # image's own.
        if data.rfind(b"\xff\xd9", scan) < 0:
            raise ImageError("the JPEG ends early: it has no end marker. Get it again")
    elif data.startswith(_PNG_MAGIC):
        head = _png_head(data)
    else:
        raise ImageError(f"neither JPEG nor PNG: it begins with {data[:8]!r}")
    if not head.height or not head.width:
        raise ImageError(f"the header of the {head.format} states a size of {head.width} x {head.height} pixels")
    if head.height * head.width > MAX_PIXELS:
        raise ImageError(f"{head.width:,} x {head.height:,} pixels are over the limit of {MAX_PIXELS:,}")
    return head


def plain_head(data: bytes) -> bytes:
    """Returns a JPEG with only those parts of the header that its pixels depend on, so that libjpeg has no warnings.

    Raises ImageError if the header is damaged or ends early, as `look` does.
    """
    kept, sequential = [data[:2]], False
    for marker, start, stop in _segments(data):
        if marker == _SOS:
            kept.append(_plain_scans(data[start:]) if sequential else data[start:])
        elif marker == _APP0 and data.startswith(b"JFIF\0", start + 4):
            # Revision 1.01, which all readers know.
            kept += (data[start : start + 9], b"\1\1", data[start + 11 : stop])
        elif marker in _SOF | _TABLES or marker == _APP14:
            kept.append(data[start:stop])
            sequential |= marker in _SEQUENTIAL
    return b"".join(kept)


def scan_ends(data: bytes) -> list[int]:
    """Returns the position of the marker after the compressed data of each scan.

    Raises ImageError if a marker after the header does not belong there, because libjpeg stops decoding at such a
    marker, or if the JPEG has no end marker.
    """
    ends, last = [], 0
    for marker, position in _scan_markers(data, _jpeg_head(data)[1]):
        if marker not in _BETWEEN_SCANS and marker != _EOI:
            what = f"marker {marker:#04x} at byte {position:,} does not belong in its scans"
            raise ImageError(f"the JPEG is damaged: {what}. Get it again")
        ends += [position] if last == _SOS else []
        last = marker
    if last != _EOI:
        raise ImageError("the JPEG ends early: inside its scans. Get it again")
    return ends


def _plain_scans(scans: bytes) -> bytes:
    """Returns the scans of a sequential JPEG with the only valid parameters for them: coefficients 0 to 63, all bits.

    Some programs write other values there. Decoders ignore them, but libjpeg warns about them.
    """
    plain = bytearray(scans)
    for marker, position in _scan_markers(scans, 0):
        if marker == _SOS:
            stop = position + 2 + int.from_bytes(scans[position + 2 : position + 4], "big")
            plain[stop - 3 : stop] = b"\0\x3f\0"
    return bytes(plain)


def _scan_markers(data: bytes, position: int) -> Iterator[tuple[int, int]]:
    """Yields (marker, position) of each marker from the first scan's to the end marker, except for restart markers."""
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 == len(data):
            return
        marker = data[position + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        yield marker, position
        if marker == _EOI:
            return
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")


def _jpeg_head(data: bytes) -> tuple[Head, int]:
    """Returns the parsed header of a JPEG and the position of its first scan."""
    frame, adobe = b"", False
    for marker, start, stop in _segments(data):
        if marker == _SOS:
            return _frame(frame, adobe), start
        if marker in _SOF:
            frame = data[start + 4 : stop]
        elif marker == _APP14:
            adobe |= data.startswith(b"Adobe", start + 4)
    raise AssertionError("_segments ends with a scan")


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields (marker, start, stop) of each segment up to and including the first scan's header.

    Bytes between segments are skipped, as libjpeg does. Raises ImageError if the header is damaged or ends early, or if
    the JPEG is of a kind that cannot be decoded.
    """
    position, has_frame = 2, False
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 4 > len(data):
            raise ImageError("the JPEG ends early: inside its header. Get it again")
        marker = data[position + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        length = data[position + 2] << 8 | data[position + 3]
        start, position = position, position + 2 + length
        if marker in _PLAIN and length >= 2:  # first, because most are
            yield marker, start, position
            continue
        if marker == _SOS and has_frame:
            yield marker, start, position
            return
        if marker not in _IN_A_HEAD or length < 2 or marker in _SOF and has_frame:
            raise ImageError(
                f"the JPEG is damaged: marker {marker:#04x} at byte {start:,} does not belong in its header"
            )
        if marker in _OTHER_SOF:
            raise ImageError(
                f"a JPEG of kind SOF{marker - 0xC0}; expected a baseline or progressive one with Huffman coding"
            )
        has_frame = True
        yield marker, start, position


def _frame(frame: bytes, adobe: bool) -> Head:
    """Returns the header of a JPEG from the contents of its frame segment (ITU-T T.81, B.2.2)."""
    if len(frame) < 6:
        raise ImageError("the JPEG ends early: inside its header. Get it again")
    precision, components = frame[0], frame[5]
    if precision != 8 or components not in (1, 3, 4):
        raise ImageError(
            f"a JPEG of {counted(precision, 'bit')} and {counted(components, 'component')}; expected 8 bits and 1, 3 "
            "or 4 components"
        )
    return Head("JPEG", int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big"), components, adobe)


def _png_head(data: bytes) -> Head:
    """Returns the header of a PNG from its first chunk, IHDR."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise ImageError("the PNG is damaged: it has no header")
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(data[25])
    if channels is None:
        raise ImageError(f"the PNG is damaged: colour type {data[25]}")
    return Head("PNG", int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"), channels)
