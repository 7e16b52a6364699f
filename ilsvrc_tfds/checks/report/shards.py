"""The shards of a prepared or exported set, as parts of a report."""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ilsvrc_tfds.checks.report.looking import NO_CLASS, OTHER_CLASS, Box, Faults, Item
from ilsvrc_tfds.checks.told import class_of
from ilsvrc_tfds.errors import ImageError, SourceError
from ilsvrc_tfds.formats.example_in_place import Picture, parse_payload
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.formats.kinds import KINDS
from ilsvrc_tfds.formats.tfrecord import Digest, read_record, read_records

_CORNERS = tuple(f"image/object/bbox/{side}" for side in ("xmin", "ymin", "xmax", "ymax"))


@dataclasses.dataclass(frozen=True)
class ShardPart:
    """One shard.

    Attributes:
      split: `train`, `val` or `test`.
      path: Path of the file.
      kind: Kind of the records, see `formats.kinds`.
      label_offset: Number that was added to the class index to make a label; None if it is not known.
      numbering: Class index of each label if the classes are numbered anew; otherwise empty.
      images: Stated number of records, or 1 if none is stated.
    """

    split: str
    path: str
    kind: str
    label_offset: int | None
    numbering: tuple[int, ...]
    images: int

    @property
    def is_stream(self) -> bool:
        return False

    @property
    def file(self) -> str:
        return os.path.basename(self.path)

    def items(self, faults: Faults, digest: Digest) -> Iterator[Item]:
        try:
            for record in read_records(self.path, digest):
                if record.damage:
                    faults.add(self._place(record.offset), record.damage)
                    continue
                try:
                    yield self._item(record.payload, record.offset, record.size)
                except SourceError as error:
                    faults.add(self._place(record.offset), str(error))
        except SourceError as error:
            faults.add(self.file, str(error))

    def some(self, places: Sequence[tuple[int, int]]) -> Iterator[Item]:
        for offset, size in places:
            try:
                yield self._item(read_record(self.path, offset, size), offset, size)
            except SourceError:  # the shard has changed since it was looked at
                return

    def place(self, item: Item) -> str:
        return self._place(item.at)

    def _place(self, offset: int) -> str:
        return f"{self.file}: record at byte {offset:,}"

    def _item(self, payload: bytes, offset: int, size: int) -> Item:
        name_key, image_key, label_key = KINDS[self.kind].fields
        features, picture = parse_payload(payload, image_key, "its payload")
        name, label = (next(iter(features.get(key, ())), None) for key in (name_key, label_key))
        if not isinstance(name, bytes) or not isinstance(label, int) or picture is None:
            raise SourceError(f"expected one value each of {name_key}, {image_key} and {label_key}")
        index, signs = self._class(name, label, features)
        return Item(offset, size, name, index, signs, _image(picture), tuple(_boxes(features)))

    def _class(self, name: bytes, label: int, features: Mapping[str, Sequence[Any]]) -> tuple[int, int]:
        """Returns the class index of a record and its signs."""
        if self.split == "test":
            return -1, 0
        wnids = features.get("image/class/synset", ())
        synset = class_of(label, self.label_offset, name, wnids, self.numbering)
        told = class_of(label, None, name, wnids)
        if synset is None:
            return -1, NO_CLASS
        return synset.index, OTHER_CLASS if told not in (None, synset) else 0


def shard_parts(output: Output) -> list[ShardPart]:
    """Returns the shards that a folder has, in the order of splits and shards.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> [part.split for part in shard_parts(find_output("/data/tfds/ilsvrc2012/classification/1.0.0"))]
    ['train', 'val']
    """
    parts = []
    for split, names in output.shards.items():
        lengths = output.stated_lengths(split) or (1,) * len(names)
        for name, length in zip(names, lengths):
            path = os.path.join(output.folder, name)
            if os.path.isfile(path):
                parts.append(ShardPart(split, path, output.kind, output.label_offset, output.numbering, length))
    return parts


def _image(picture: Picture) -> bytes | ImageError:
    data = picture.copy()
    return data or ImageError("it is an empty file (0 bytes)")


def _boxes(features: Mapping[str, Sequence[Any]]) -> Iterator[Box]:
    for box in zip(*(features.get(side, ()) for side in _CORNERS)):
        if all(isinstance(value, float) for value in box):
            xmin, ymin, xmax, ymax = box
            if 0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1:
                yield xmin, ymin, xmax, ymax
