"""The spool of a stream, as a layout of its own: its images are read at random. It is never found in a source."""

import os
from collections.abc import Collection
from io import FileIO
from pathlib import Path

from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.sources.places import Place
from ilsvrc_tfds.sources.scan import Scan

KIND = "spool"


def find(source: Path, root: str) -> list[Place]:
    """Returns no places.

    >>> find(Path("/data/imagenet"), "")
    []
    """
    return []


def scans(place: Place) -> tuple[list[Scan], list[str]]:
    """Returns no scans, because there are no places."""
    return [], []


def in_words(places: Collection[Place], jobs: Collection[Scan]) -> str:
    """Returns the name of the layout."""
    return "spool"


def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
    """Returns the bytes of an image, which are stored as they are."""
    return os.pread(file.fileno(), size, offset)


class Damaged:
    """The layout of the images that were damaged when they were spooled: in their place the spool has the reason."""

    KIND = "damaged"
    find, scans, in_words = staticmethod(find), staticmethod(scans), staticmethod(in_words)

    @staticmethod
    def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
        """Raises ImageError with the reason."""
        raise ImageError(os.pread(file.fileno(), size, offset).decode("utf-8", "replace"))
