"""Bytes that come in pieces, taken in other pieces."""

from collections.abc import Iterator

from ilsvrc_tfds.errors import counted


class ByteStream:
    """Bytes that are taken one after another, of which only the current piece is in memory.

    >>> stream = ByteStream(iter([b"abc", b"defg"]))
    >>> stream.take(2), stream.take(3), stream.read(10), stream.read(10)
    (b'ab', b'cde', b'fg', b'')
    """

    def __init__(self, pieces: Iterator[bytes]):
        """Begins with the first of some pieces, none of which is empty."""
        self._pieces, self._piece, self._at = pieces, b"", 0

    def take(self, size: int) -> bytes:
        """Returns the next bytes, exactly so many. Raises ValueError if there are fewer."""
        end = self._at + size
        if end <= len(self._piece):
            data, self._at = self._piece[self._at : end], end
            return data
        parts, missing = [], size
        while missing:
            if not (data := self.read(missing)):
                raise ValueError(f"the data ends {counted(missing, 'byte')} early")
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def read(self, size: int) -> bytes:
        """Returns at least one of the next bytes and at most `size`, or none at the end."""
        if self._at == len(self._piece):
            self._piece, self._at = next(self._pieces, b""), 0
        data = self._piece[self._at : self._at + size]
        self._at += len(data)
        return data

    def varint(self) -> int:
        """Returns the next number, of seven bits in each byte, the lowest first. Raises ValueError above 64 bits."""
        number = 0
        for shift in range(0, 64, 7):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise ValueError("a number has more than 64 bits")
