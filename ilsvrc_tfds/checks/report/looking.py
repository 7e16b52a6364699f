"""Looks at the images of one part of a data set, as a job: one row of numbers for each image, and what is damaged."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import xxhash

from ilsvrc_tfds.checks.report.values import Fault
from ilsvrc_tfds.errors import ImageError, shown
from ilsvrc_tfds.formats.tfrecord import Digest
from ilsvrc_tfds.images import Head, look

# Their positions are the numbers in the column `kind`.
KINDS = ("RGB JPEG", "grey JPEG", "CMYK JPEG", "RGB PNG", "grey or palette PNG", "grey PNG with alpha", "RGBA PNG")
_KIND_OF = {
    ("JPEG", 3): 0, ("JPEG", 1): 1, ("JPEG", 4): 2,
    ("PNG", 3): 3, ("PNG", 1): 4, ("PNG", 2): 5, ("PNG", 4): 6,
}  # fmt: skip
# Bits of the column `signs`.
MISNAMED, NO_CLASS, OTHER_CLASS = 1, 2, 4
# If everything is damaged, no more lines of one job are kept.
MOST_FAULTS = 200

Box = tuple[float, float, float, float]


class Item(NamedTuple):
    """One image of a part.

    Attributes:
      at: Position in the part, by which it can be read again: its row, or the offset of its record.
      span: Size of its record, or 0.
      name: File name.
      label: Class index, or -1 if it has none.
      signs: NO_CLASS if its label is not valid, OTHER_CLASS if its name contradicts the label, or 0.
      image: Bytes of the image file, or the reason why it cannot be read.
      boxes: Bounding boxes, as xmin, ymin, xmax, ymax from 0 to 1; those that make no sense are left out.
    """

    at: int
    span: int
    name: bytes
    label: int
    signs: int
    image: bytes | ImageError
    boxes: Sequence[Box] = ()


class Part(Protocol):
    """A part of a data set that one job looks at. It can be pickled."""

    @property
    def split(self) -> str: ...

    @property
    def images(self) -> int:
        """Number of images that it has, as far as that is known before it is read."""

    @property
    def file(self) -> str:
        """Name of its shard, or empty."""

    @property
    def is_stream(self) -> bool:
        """Whether the images can only be read one after another."""

    def items(self, faults: "Faults", digest: Digest) -> Iterator[Item]:
        """Yields all images, adds what cannot be read as an image, and feeds the bytes of a shard to the digest."""

    def some(self, places: Sequence[tuple[int, int]]) -> Iterator[Item]:
        """Yields the images at these places, `(at, span)`, in ascending order. Stops at what cannot be read."""

    def place(self, item: Item) -> str:
        """Returns where an image is, for messages."""


@dataclasses.dataclass(frozen=True)
class Faults:
    """What cannot be read: a list that grows, and its number, of which the list has the first ones only."""

    split: str
    listed: list[Fault] = dataclasses.field(default_factory=list)
    counted: list[int] = dataclasses.field(default_factory=lambda: [0])

    def add(self, place: str, reason: str, images: int = 1) -> None:
        """Adds a line about one or more images."""
        self.counted[0] += images
        if len(self.listed) < MOST_FAULTS:
            self.listed.append(Fault(self.split, place, reason))


class Table(NamedTuple):
    """The images of a part that can be read, with columns of shape (n,).

    A row takes about 70 bytes, because there are 1.3 million.

    Attributes:
      name: File names, S.
      label: Class indices, or -1; int16.
      kind: Positions in KINDS, uint8.
      signs: Bits MISNAMED, NO_CLASS, OTHER_CLASS; uint8.
      width: Widths in pixels, int32.
      height: Heights in pixels, int32.
      bytes: Sizes in bytes, int64.
      boxes: Numbers of bounding boxes, uint16.
      digest: XXH3 (128 bits) of the bytes; uint64 of shape (n, 2).
      at: See `Item`; int64.
      span: See `Item`; int64.
    """

    name: np.ndarray
    label: np.ndarray
    kind: np.ndarray
    signs: np.ndarray
    width: np.ndarray
    height: np.ndarray
    bytes: np.ndarray
    boxes: np.ndarray
    digest: np.ndarray
    at: np.ndarray
    span: np.ndarray


class Looked(NamedTuple):
    """The result of looking at a part: its table, the first faults, the number of all, and the XXH3 of its shard."""

    table: Table
    faults: tuple[Fault, ...]
    num_faults: int
    digest: str


def look_at(part: Part) -> Looked:
    """Returns a row for each image of a part, and what is damaged.

    >>> from ilsvrc_tfds.checks.report.shards import shard_parts
    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> *_, val = shard_parts(find_output("/data/tfds/ilsvrc2012/classification/1.0.0"))
    >>> looked = look_at(val)
    >>> looked.table.width.tolist(), looked.num_faults
    ([60, 60, 60, 60, 60, 60], 0)
    """
    rows: list[tuple] = []
    faults, digest = Faults(part.split), xxhash.xxh3_64()
    for item in part.items(faults, digest):
        try:
            rows.append(_row(item))
        except ImageError as error:
            faults.add(part.place(item), str(error))
    return Looked(table_of(rows), tuple(faults.listed), faults.counted[0], digest.hexdigest())


def _row(item: Item) -> tuple:
    if isinstance(item.image, ImageError):
        raise item.image
    head, digest = look(item.image), xxhash.xxh3_128_intdigest(item.image)
    signs = item.signs | (MISNAMED if _is_misnamed(item.name, head) else 0)
    return (
        *(item.name, item.label, _KIND_OF[head.format, head.components], signs, head.width, head.height),
        *(len(item.image), min(len(item.boxes), 0xFFFF), digest >> 64, digest & 0xFFFF_FFFF_FFFF_FFFF),
        *(item.at, item.span),
    )


def _is_misnamed(name: bytes, head: Head) -> bool:
    """Returns whether an image of one format has the suffix of the other."""
    suffix = name.rpartition(b".")[2].lower()
    return suffix in (b"jpeg", b"jpg") if head.format == "PNG" else suffix == b"png"


def table_of(rows: list[tuple]) -> Table:
    """Returns the table of rows as `look_at` makes them."""
    columns = tuple(zip(*rows)) if rows else ((),) * 12
    name, label, kind, signs, width, height, size, boxes, high, low, at, span = columns
    return Table(
        name=np.array(name, np.bytes_),
        label=np.array(label, np.int16),
        kind=np.array(kind, np.uint8),
        signs=np.array(signs, np.uint8),
        width=np.array(width, np.int32),
        height=np.array(height, np.int32),
        bytes=np.array(size, np.int64),
        boxes=np.array(boxes, np.uint16),
        digest=np.array([high, low], np.uint64).T.reshape(-1, 2),
        at=np.array(at, np.int64),
        span=np.array(span, np.int64),
    )


def printable(name: bytes) -> str:
    """Returns a file name in printable characters.

    >>> printable(b"a.JPEG"), printable(b"\\xff.JPEG")
    ('a.JPEG', "'\\\\udcff.JPEG'")
    """
    return shown(os.fsdecode(name))
