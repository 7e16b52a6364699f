"""Shards of array_record, whose images cannot be read at random: they are written into a spool first, see `spooling`.

`records` finds them: TFDS's `imagenet2012` and prepared data sets. So this module only has what reads the images.
"""

from collections.abc import Iterable, Iterator
from io import FileIO

from ilsvrc_tfds.sources import array_records

KIND = array_records.KIND


def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
    """Returns one image: see `array_records.read`."""
    return array_records.read(file, offset, size)


def images(path: str, stamp: str, places: Iterable[tuple[int, int]]) -> Iterator[bytes | None]:
    """Yields the images of some records of a shard: see `array_records.images`."""
    return array_records.images(path, stamp, places)
