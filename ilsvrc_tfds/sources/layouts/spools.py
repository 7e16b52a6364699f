"""The spool of a stream: its images are read at random. It is never found in a source, so it only has what reads it."""

import os
from io import FileIO

from ilsvrc_tfds.errors import ImageError

KIND = "spool"


def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
    """Returns the bytes of an image, which are stored as they are."""
    return os.pread(file.fileno(), size, offset)


class Damaged:
    """What reads the images that were damaged when they were spooled: in their place the spool has the reason."""

    KIND = "damaged"

    @staticmethod
    def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
        """Raises ImageError with the reason."""
        raise ImageError(os.pread(file.fileno(), size, offset).decode("utf-8", "replace"))
