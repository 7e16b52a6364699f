"""Scans one shard of TFRecords: the name, label and position of each image, so that images are read in place."""

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import xxhash

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import ImageError, LabelError, SourceError, counted, shown
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.example_in_place import Picture
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.kinds import ANEW, TFDS
from ilsvrc_tfds.formats.manifest import ShardEntry
from ilsvrc_tfds.formats.tfrecord import HEADER_BYTES, Record, read_records
from ilsvrc_tfds.sources.collecting import offenders, report
from ilsvrc_tfds.sources.members import Container, Members
from ilsvrc_tfds.sources.record_fields import RecordFields, fields_of
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
_GZIP = b"\x1f\x8b"
# So many images of a shard are looked at.
_MOST_SIDES = 40
_UNLIKE = "shards that are not as is stated"


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

    layout: ClassVar[str] = KIND  # that reads the images

    @property
    def remedy(self) -> str:
        """What to do about a shard that is damaged or mixed up."""
        return ANEW if self.is_own else GET_AGAIN

    def __call__(self) -> Scanned:
        """Returns the labelled images of the shard. Raises SourceError or LabelError."""
        with unchanged(self.path, may_be_empty=True) as stamp:
            return self._scanned(stamp)

    def _scanned(self, stamp: str) -> Scanned:
        digest, size = (None if self.entry is None else xxhash.xxh3_64()), 0
        rows: list[Row] = []
        labels: list[int] = []
        wrong: list[str] = []
        sides: list[int] = []
        has_unusable = False
        for record in self._records(digest):
            try:
                fields = self._fields(record)
            except (SourceError, LabelError) as error:
                report(error, "records that are damaged, or without a right name and label")
                has_unusable = True
                continue
            image = fields.image
            rows.append((fields.name, self._offset_of(record, image), image.stop - image.start))
            labels.append(fields.label)
            wrong += self._wrong_witnesses(fields)
            size += record.size
            if self.side is not None and len(rows) <= _MOST_SIDES:
                with contextlib.suppress(ImageError):  # reported when it is read
                    sides.append(min((head := image.look()).height, head.width))
        names = [name for name, _, _ in rows]
        self._check_splits(names)
        self._check_labels(names, labels, wrong)
        if not has_unusable:
            self._check_stated(len(rows), size, "" if digest is None else digest.hexdigest())
        self._check_sides(sides)
        container = Container(self.path, self.split, stamp, layout=self.layout, in_classes=self.split == "train")
        return Scanned(tuple(self._tables(container, rows, labels)), (), (), (), notes=self.notes)

    def _records(self, digest: xxhash.xxh3_64 | None) -> Iterator[Record]:
        """Yields the records. If there is a digest, the bytes of the file are added to it."""
        return read_records(self.path, digest)

    def _where(self, record: Record) -> str:
        return f"{self.path}: record {record.number}, byte {record.offset:,}"

    def _offset_of(self, record: Record, image: Picture) -> int:
        """Returns the offset of the image of a record, as the layout reads it."""
        return record.offset + HEADER_BYTES + image.start

    def _fields(self, record: Record) -> RecordFields:
        where = self._where(record)
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
            error = SourceError(
                f"{self.path}: {len(strange):,} of {counted(len(names), 'record')} {are} not of the split "
                f"{self.split}: {offenders(shown(os.fsdecode(name)) for name in strange)}. {self.remedy}"
            )
            report(error, f"records of split {self.split!r} with names of other splits", len(strange))

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
            text = f"{self.path}: {records} mislabelled: {offenders(wrong)}. {self.remedy}"
            report(LabelError(text), "records that are mislabelled", len(wrong))
        unnamed = [name for name in names if synsets.split_of_name(name) is None]
        if unnamed and not self.is_own:
            do = "does" if len(unnamed) == 1 else "do"
            error = SourceError(
                f"{self.path}: {len(unnamed):,} of {counted(len(names), 'record')} {do} not have the official file "
                f"name of an image: {offenders(shown(os.fsdecode(name[:80])) or repr('') for name in unnamed)}. "
                "Without it no label can be checked. Take a source with official names, such as n01440764_10026.JPEG."
            )
            report(error, "records without an official file name", len(unnamed))

    def _check_stated(self, records: int, size: int, digest: str) -> None:
        """Raises SourceError if a shard is not as the manifest or TFDS's info says."""
        if self.records not in (None, records):
            source = INFO_NAME if self.entry is None else manifest.NAME
            found = counted(records, "record")
            report(SourceError(f"{self.path} has {found}, {source} says {self.records:,}. {self.remedy}"), _UNLIKE)
            return
        if self.records is None and not records:
            raise SourceError(f"{self.path} has no records. {self.remedy}")
        if self.entry is not None and (size, digest) != (self.entry.bytes, self.entry.xxh3_64):
            error = SourceError(
                f"{self.path} has {counted(size, 'byte')} with the xxh3_64 {digest}, {manifest.NAME} says "
                f"{self.entry.bytes:,} and {self.entry.xxh3_64}: it is another file than was made here. {self.remedy}"
            )
            report(error, _UNLIKE)

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


def _begin(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(len(_GZIP))
