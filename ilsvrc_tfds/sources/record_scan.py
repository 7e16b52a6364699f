"""Scans one shard of TFRecords: the name, label and position of each image, so that images are read in place."""

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xxhash

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import ImageError, LabelError, SourceError, counted, first_few, shown
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.example_in_place import Picture, parse_payload
from ilsvrc_tfds.formats.folder import ANEW
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.kinds import KINDS, TFDS
from ilsvrc_tfds.formats.manifest import ShardEntry
from ilsvrc_tfds.formats.tfrecord import HEADER_BYTES, Record, read_records
from ilsvrc_tfds.sources.members import Container, Members
from ilsvrc_tfds.sources.scan import (
    LONGEST_NAME,
    Row,
    Scanned,
    classes_of_folders,
    is_plain,
    official_spelling,
    tables,
    unchanged,
)
from ilsvrc_tfds.sources.sides import common_side

KIND = "records"
GET_AGAIN = "Get the set again, or make it again with the tool that made it."
_SYNSET = "image/class/synset"
_GZIP = b"\x1f\x8b"
# So many images of a shard are looked at.
_MOST_SIDES = 40


class RecordFields(NamedTuple):
    """What a source needs of a record.

    Attributes:
      name: File name of the image.
      image: The image within the payload.
      label: Class index, or -1.
      synset: Wnid that a classic record states; empty if it does not.
      folders: Class index of each wnid among the folders of the name, see `classes_of_folders`.
    """

    name: bytes
    image: Picture
    label: int
    synset: bytes
    folders: tuple[int | None, ...] = ()


@dataclasses.dataclass(frozen=True)
class RecordScan:
    """A job: the scan of a shard. The checksums of all records are compared.

    Attributes:
      split: Split of the images.
      path: Path of the file.
      kind: Kind of the records, see `formats.kinds`.
      label_offset: Number that was added to the class index to make a record's label.
      records: Stated number of records, or None if it is not stated.
      entry: What the manifest says of the shard; None if there is no manifest.
      is_own: Whether this package made the records. Their file names may be names of the user's own.
      side: Shorter side of the images if they are resized, and 0 if they are not; compared with some images of a shard
        that nothing describes. None if it is described.
      numbering: Class index of each label, without the offset, if the classes are numbered anew; otherwise empty.
      notes: Lines for the user about the set of the shard.
    """

    split: str
    path: str
    kind: str = TFDS
    label_offset: int = 0
    records: int | None = None
    entry: ShardEntry | None = None
    is_own: bool = True
    side: int | None = None
    numbering: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def remedy(self) -> str:
        """What to do about a shard that is damaged or mixed up."""
        return ANEW if self.is_own else GET_AGAIN

    def __call__(self) -> Scanned:
        """Returns the labelled images of the shard. Raises SourceError or LabelError."""
        with unchanged(self.path) as stamp:
            return self._scanned(stamp)

    def _scanned(self, stamp: str) -> Scanned:
        digest, size = (None if self.entry is None else xxhash.xxh3_64()), 0
        rows: list[Row] = []
        labels: list[int] = []
        wrong: list[str] = []
        sides: list[int] = []
        for record in read_records(self.path, digest):
            fields = self._fields(record)
            image = fields.image
            rows.append((fields.name, record.offset + HEADER_BYTES + image.start, image.stop - image.start))
            labels.append(fields.label)
            wrong += self._wrong_witnesses(fields)
            size += record.size
            if self.side is not None and len(rows) <= _MOST_SIDES:
                with contextlib.suppress(ImageError):  # reported when it is read
                    sides.append(min((head := image.look()).height, head.width))
        names = [name for name, _, _ in rows]
        self._check_splits(names)
        self._check_labels(names, labels, wrong)
        self._check_stated(len(rows), size, "" if digest is None else digest.hexdigest())
        self._check_sides(sides)
        container = Container(self.path, self.split, stamp, layout=KIND, in_classes=self.split == "train")
        return Scanned(tuple(self._tables(container, rows, labels)), (), (), (), notes=self.notes)

    def _fields(self, record: Record) -> RecordFields:
        where = f"{self.path}: record {record.number}, byte {record.offset:,}"
        if record.damage and record.offset == 0 and _begin(self.path) == _GZIP:
            raise SourceError(
                f"{self.path} is compressed with gzip, and cannot be read in place. Decompress the shards (`gunzip`)."
            )
        if record.damage:
            advice = "`ilsvrc-tfds verify` lists all damage. " if self.is_own else ""
            raise SourceError(f"{where}: {record.damage}. {advice}{self.remedy}")
        highest = len(self.numbering or range(synsets.NUM_CLASSES)) - 1
        fields = fields_of(record.payload, where, self.kind, self.label_offset, highest, remedy=self.remedy)
        if self.numbering and fields.label >= 0:
            fields = fields._replace(label=self.numbering[fields.label])
        if not self.is_own:
            path = fields.name.replace(b"\\", b"/")  # Windows
            name = official_spelling(path.rpartition(b"/")[2])
            fields = fields._replace(name=name, folders=classes_of_folders(path))
        if not is_plain(fields.name):
            raise SourceError(
                f"{where} has the file name {ascii(os.fsdecode(fields.name[:80]))}; expected printable ASCII of 1 to "
                f"{LONGEST_NAME} characters, without folders. {self.remedy}"
            )
        return fields

    def _wrong_witnesses(self, fields: RecordFields) -> Iterator[str]:
        """Yields what states another class than the label, besides the name: the synset, and the folder of the name."""
        if self.split == "test":
            return
        name, label = shown(os.fsdecode(fields.name)), self._stored(fields.label)
        if fields.synset and synsets.class_told(b"", fields.synset) != fields.label:
            yield f"{name} has label {label} and synset {shown(os.fsdecode(fields.synset[:40]))!r}"
        for told in fields.folders:
            if told != fields.label:
                wnid = "none of the 1000 classes" if told is None else synsets.wnids()[told]
                yield f"{name} has label {label} and lies in the folder of {wnid}"

    def _stored(self, index: int) -> int | str:
        """Returns the label that a class index is stored as, for messages."""
        if index < 0:
            return index
        if self.numbering and index not in self.numbering:
            return f"one of {synsets.wnids()[index]}, which the set does not have"
        return (self.numbering.index(index) if self.numbering else index) + self.label_offset

    def _check_splits(self, names: list[bytes]) -> None:
        """Raises SourceError if names are official ones of another split. A user's own names belong to none."""
        strange = [name for name in names if synsets.split_of_name(name) not in (None, self.split)]
        if strange:
            are = "is" if len(strange) == 1 else "are"
            raise SourceError(
                f"{self.path}: {len(strange):,} of {counted(len(names), 'record')} {are} not of the split "
                f"{self.split}: {first_few(shown(os.fsdecode(name)) for name in strange)}. {self.remedy}"
            )

    def _check_labels(self, names: list[bytes], labels: list[int], wrong: list[str]) -> None:
        """Raises LabelError if a file name or synset states another class than the label.

        A user's own names state none. They are refused in a set that was not made here, as nothing confirms its labels.
        """
        told = [synsets.label_of_name(name) if self.split != "test" else -1 for name in names]
        for name, label, own in zip(names, labels, told):
            if own is not None and own != label:
                wrong.append(f"{shown(os.fsdecode(name))} has label {self._stored(label)}, not {self._stored(own)}")
        if wrong:
            records = counted(len(wrong), "record is", "records are")
            raise LabelError(f"{self.path}: {records} mislabelled: {first_few(wrong)}. {self.remedy}")
        unnamed = [name for name in names if synsets.split_of_name(name) is None]
        if unnamed and not self.is_own:
            do = "does" if len(unnamed) == 1 else "do"
            raise SourceError(
                f"{self.path}: {len(unnamed):,} of {counted(len(names), 'record')} {do} not have the official file "
                f"name of an image: {first_few(shown(os.fsdecode(name[:80])) or repr('') for name in unnamed)}. "
                "Without it no label can be checked. Take a source with official names, such as n01440764_10026.JPEG."
            )

    def _check_stated(self, records: int, size: int, digest: str) -> None:
        """Raises SourceError if a shard is not as the manifest or TFDS's info says."""
        if self.records not in (None, records):
            source = INFO_NAME if self.entry is None else manifest.NAME
            there = f"{self.path} has {counted(records, 'record')}"
            raise SourceError(f"{there}, {source} says {self.records:,}. {self.remedy}")
        if self.records is None and not records:
            raise SourceError(f"{self.path} has no records. {self.remedy}")
        if self.entry is not None and (size, digest) != (self.entry.bytes, self.entry.xxh3_64):
            raise SourceError(
                f"{self.path} has {counted(size, 'byte')} with the xxh3_64 {digest}, {manifest.NAME} says "
                f"{self.entry.bytes:,} and {self.entry.xxh3_64}: it is another file than was made here. {self.remedy}"
            )

    def _check_sides(self, sides: list[int]) -> None:
        """Raises SourceError if the images are resized in another way than those of the set."""
        others = Counter(side for side in sides if side != self.side)
        if wrong := others.most_common(1)[0] if self.side and others else common_side(others):
            side, count = wrong
            expected = f"only {self.side:,}" if self.side else "several, as original images have"
            raise SourceError(
                f"{self.path}: {count:,} of {counted(len(sides), 'image')} of {self.split} that were looked at "
                f"{'has' if count == 1 else 'have'} the shorter side {side:,}; expected {expected}. Nothing describes "
                f"the shards of the set ({manifest.NAME} is missing), so this one may be of another. Get these files "
                "again with their manifest, or take another source."
            )

    def _tables(self, container: Container, rows: list[Row], labels: list[int]) -> Iterator[Members]:
        if not self.is_own and rows:
            yield from tables(self.split, container, "", rows)
            return
        names, offsets, sizes = (list(column) for column in zip(*rows)) if rows else ([], [], [])
        yield Members(
            split=self.split,
            containers=(container,),
            name=np.array(names, np.bytes_),
            label=np.array(labels, np.int16),
            container=np.zeros(len(rows), np.int32),
            offset=np.array(offsets, np.int64),
            size=np.array(sizes, np.int64),
        )


def fields_of(
    payload: bytes,
    where: str,
    kind: str = TFDS,
    label_offset: int = 0,
    highest: int = synsets.NUM_CLASSES - 1,
    remedy: str = "",
) -> RecordFields:
    """Returns file name, image, class index and synset of a record. Raises SourceError or LabelError with `where`.

    Args:
      payload: Payload of the record.
      where: Place of the record, for messages.
      kind: Kind of the record.
      label_offset: Number that was added to the class index to make its label.
      highest: Highest class index that is accepted.
      remedy: What to do about a wrong name or label, for messages.

    >>> from ilsvrc_tfds.formats.example import encode_example
    >>> payload = b"".join(encode_example(b"n01440764_18.JPEG", b"image", 0))
    >>> fields = fields_of(payload, "record 0")
    >>> fields.name, fields.image.copy(), fields.label
    (b'n01440764_18.JPEG', b'image', 0)
    """
    keys = KINDS[kind].fields
    features, image = parse_payload(payload, keys.image, where)
    values = [features.get(key, ()) for key in (keys.file_name, keys.label)]
    if any(len(value) != 1 for value in values) or image is None and len(features.get(keys.image, ())) != 1:
        found = sorted({*features, *([keys.image] if image is not None else [])})
        raise SourceError(
            f"{where} has the keys {found}; expected {keys.file_name}, {keys.image} and {keys.label}, with one value "
            "each."
        )
    name, label = (value[0] for value in values)
    if not (isinstance(name, bytes) and image is not None and isinstance(label, int)):
        raise SourceError(
            f"{where} has values of wrong types; expected bytes for {keys.file_name} and {keys.image}, and an integer "
            f"for {keys.label}."
        )
    index = label - label_offset if label >= 0 else label  # -1 in the test split, whatever the offset
    if not name.isascii() or b"\0" in name:
        raise SourceError(
            f"{where} has the file name {ascii(os.fsdecode(name[:80]))}; expected ASCII. {remedy}".rstrip()
        )
    if not -1 <= index <= highest or label == 0 < label_offset:
        raise LabelError(
            f"{where}, {shown(os.fsdecode(name[:80]))}, has the label {label}; expected {label_offset} to "
            f"{highest + label_offset}, or -1 in the split test. {remedy}".rstrip()
        )
    return RecordFields(name, image, index, _synset(features))


def _synset(features: Mapping[str, Sequence[Any]]) -> bytes:
    return next((value for value in features.get(_SYNSET, ())[:1] if isinstance(value, bytes)), b"")


def _begin(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(len(_GZIP))
