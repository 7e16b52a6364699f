"""Stretches of a source, in any layout, as parts of a report."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ilsvrc_tfds.checks.heads import chunks, images_of
from ilsvrc_tfds.checks.report.looking import Faults, Item
from ilsvrc_tfds.errors import ImageError, shown
from ilsvrc_tfds.formats.tfrecord import Digest
from ilsvrc_tfds.images import look
from ilsvrc_tfds.sources import Index, Members
from ilsvrc_tfds.sources.boxes import Boxes, image_key, select
from ilsvrc_tfds.sources.spooling import is_stream


@dataclasses.dataclass(frozen=True, eq=False)
class ChunkPart:
    """Some images of a source: all of one stream, or a number of others.

    Attributes:
      members: Places of the images.
      boxes: Bounding boxes of those images that have any, by `image_key`.
    """

    members: Members
    boxes: Mapping[bytes, Boxes] = dataclasses.field(default_factory=dict)

    @property
    def split(self) -> str:
        return self.members.split

    @property
    def images(self) -> int:
        return len(self.members)

    @property
    def is_stream(self) -> bool:
        """Whether the images can only be read one after another."""
        return is_stream(self.members)

    @property
    def file(self) -> str:
        return ""

    def items(self, faults: Faults, digest: Digest) -> Iterator[Item]:
        return self._items(np.arange(len(self.members)), faults)

    def some(self, places: Sequence[tuple[int, int]]) -> Iterator[Item]:
        return self._items(np.array([at for at, _ in places], np.int64), Faults(self.split))

    def place(self, item: Item) -> str:
        return shown(self.members.place(item.at))

    def _items(self, rows: np.ndarray, faults: Faults) -> Iterator[Item]:
        members = self.members if len(rows) == len(self.members) else self.members.take(rows)
        names, labels = members.name.tolist(), members.label.tolist()
        for row, image in images_of(members, lambda line, images: faults.add("", shown(line), images)):
            boxes = self._boxes(names[row], image) if self.boxes and isinstance(image, bytes) else ()
            yield Item(int(rows[row]), 0, names[row], labels[row], 0, image, boxes)

    def _boxes(self, name: bytes, image: bytes) -> Sequence[tuple[float, float, float, float]]:
        found = self.boxes.get(image_key(name))
        if found is None:
            return ()
        try:
            head = look(image)
        except ImageError:  # reported when it is looked at
            return ()
        return found.relative(head.width, head.height)


def chunk_parts(index: Index, boxes: Mapping[bytes, Boxes] | None = None) -> list[ChunkPart]:
    """Returns all images of a source in parts, in the order of its splits.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> [(part.split, part.images) for part in chunk_parts(index_images(find_layout(["/data/imagenet"])))]
    [('train', 12), ('val', 6)]

    Args:
      index: Index of the source.
      boxes: Bounding boxes by `image_key`, if there are any.
    """
    tables = (table for members in index.splits.values() for table in chunks(members))
    return [ChunkPart(table, _selected(boxes, table, table.split in index.made) if boxes else {}) for table in tables]


def _selected(boxes: Mapping[bytes, Boxes], members: Members, is_resized: bool) -> dict[bytes, Boxes]:
    """Returns the boxes of these images. Corners in pixels of the original images say nothing of resized ones."""
    found = select(boxes, members.name.tolist())
    return {key: own for key, own in found.items() if own.has_size} if is_resized else found
