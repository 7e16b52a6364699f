"""A set of TFRecord shards in a folder, and the file names of shards."""

import dataclasses
import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, counted, first_few
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.folder import Output, file_names
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.kinds import ANEW, IMAGENET2012
from ilsvrc_tfds.formats.naming import ARRAY_RECORD, TFRECORD, own_split, parse_shard_name, shard_pattern
from ilsvrc_tfds.formats.tfrecord import FRAME_BYTES
from ilsvrc_tfds.sources.array_records import ArrayRecordScan, require_package
from ilsvrc_tfds.sources.collecting import report
from ilsvrc_tfds.sources.label_offset import first_offset
from ilsvrc_tfds.sources.record_scan import GET_AGAIN, RecordScan
from ilsvrc_tfds.sources.subset import Subset, in_words

GO_WITHOUT = "Or go without this split: name the others (--splits, splits=)."
IMAGENET_SHARD = re.compile(shard_pattern(IMAGENET2012))
# A shard of any of TFDS's data sets.
TFDS_SHARD = re.compile(r"(?P<name>\w+)-(?P<split>\w+)\.(?P<file_format>[a-z_]+)-\d{5}-of-\d{5}")


@dataclasses.dataclass(frozen=True)
class RecordSet:
    """The shards of a set in one folder.

    >>> from ilsvrc_tfds.sources.record_sets import find_set
    >>> found = find_set(Path("/data/tfds/ilsvrc2012/classification/1.0.0"))
    >>> found.words, list(found.shards)
    ('prepared data set', ['train', 'val'])

    Attributes:
      folder: Folder of the shards.
      words: What the set is, in words.
      kind: Kind of the records, see `formats.kinds`.
      shards: File names of each split's shards in order, including those of missing files.
      label_offset: Number that was added to the class index to make a label; None if it is not stated.
      made: Recorded operation on the images, as `images.describe_op` returns it; empty if it is not known.
      output: The folder as one of ours; None if another program made it.
      lengths: Number of records in each shard of the splits for which it is stated.
      file_format: Format of the shards: TFRECORD or ARRAY_RECORD.
    """

    folder: Path
    words: str
    kind: str
    shards: Mapping[str, tuple[str, ...]]
    label_offset: int | None = None
    made: Mapping[str, object] = dataclasses.field(default_factory=dict)
    output: Output | None = None
    lengths: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    file_format: str = TFRECORD

    @property
    def remedy(self) -> str:
        """What to do about a set that is damaged or incomplete."""
        return GET_AGAIN if self.output is None else ANEW

    @property
    def part(self) -> str:
        """Words for the subset that the set holds; empty if it holds all images, or nothing records a subset."""
        return in_words(self.described) if self.described else ""

    @property
    def described(self) -> Mapping[str, object]:
        """Recorded description of the subset that the set holds; empty as for `part`."""
        if self.output is None:
            return {}
        stated = self.output.manifest.subset if self.output.manifest is not None else {}
        if stated or not self.output.numbering:
            return stated
        return Subset(classes=self.output.numbering, relabel=True).described()  # TFDS's list names the labels

    def paths(self, split: str) -> list[str]:
        """Returns the paths of a split's shards, whether or not they exist."""
        return [os.path.join(self.folder, name) for name in self.shards[split]]

    def scans(self, split: str) -> list[RecordScan]:
        """Returns a scan for each shard of a split.

        Raises:
          SourceError: A shard is missing or cannot be read, or the shards have another size than is stated.
          LabelError: The first label is neither of the numbers that it can be.
        """
        if self.file_format == ARRAY_RECORD:
            require_package(self.folder)
        kind = ArrayRecordScan if self.file_format == ARRAY_RECORD else RecordScan
        paths, described = self.paths(split), self.output.manifest if self.output is not None else None
        if missing := [path for path in paths if not os.path.isfile(path)]:
            error = SourceError(
                f"{counted(len(missing), f'shard of split {split!r} is', f'shards of split {split!r} are')} missing: "
                f"{first_few(missing)}. {self.remedy} {GO_WITHOUT}"
            )
            report(error)
        entries = itertools.repeat(None) if described is None else described.shards[split]
        lengths = self.lengths.get(split) or itertools.repeat(None)
        offset = self.label_offset
        if offset is None:
            offset = 0 if split == "test" else first_offset([path for path in paths if path not in missing], self.kind)
        is_own, side = self.output is not None, None if described is not None or self.lengths else self._side
        numbering = self.output.numbering if self.output is not None else ()
        notes = (f"{self.folder} is {self.part}; to make it again, name the same list",) if self.part else ()
        return [
            kind(split, path, self.kind, offset, length, entry, is_own, side, numbering, notes)
            for path, length, entry in zip(paths, lengths, entries)
            if path not in missing
        ]

    @property
    def _side(self) -> int:
        """Shorter side of the images by what the set records of them; 0 if it records none."""
        side = self.made.get("shorter_side")
        return side if isinstance(side, int) else 0

    def refuse_strangers(self, split: str, way_on: str = GO_WITHOUT) -> None:
        """Raises SourceError if files beside the set are shards of this split too, but not of the set.

        Args:
          split: Split of the shards.
          way_on: What to do instead of moving them away, for the message.
        """
        own = self.shards.get(split, ())
        if self.output is not None:
            strange = self.output.strange_shards()
        else:  # the same shards may be there in another format
            names = file_names(self.folder)
            strange = [name for name in names if name not in own and (not own or f".{self.file_format}-" in name)]
        if strange := [name for name in strange if split_of_shard(name) == split]:
            raise SourceError(
                f"{self.folder}: shards of split {split} are not part of the set that {self.stated_by}: "
                f"{first_few(strange)}. Move them away. {way_on}".rstrip()
            )

    @property
    def stated_by(self) -> str:
        """What states which shards there are, in words."""
        if self.output is not None and self.output.manifest is not None:
            return f"{manifest.NAME} describes"
        return f"{INFO_NAME} describes" if self.lengths else f"is there in the format {self.file_format}"

    def check_bytes(self, split: str) -> None:
        """Raises SourceError if TFDS's info, which has no digests, states another size of the records than there is."""
        own = self.output
        if own is None or own.info is None or own.manifest is not None or self.file_format != TFRECORD:
            return  # in other formats it is not the size of the files
        paths = self.paths(split)
        stated = {entry["name"]: entry.get("numBytes") for entry in own.info["splits"]}.get(split)
        size = sum(map(os.path.getsize, paths)) - FRAME_BYTES * sum(self.lengths.get(split, ()))
        if stated is not None and size != int(stated):
            shards = counted(len(paths), f"shard of split {split!r} has", f"shards of split {split!r} have")
            raise SourceError(
                f"{self.folder}: the {shards} {size:,} bytes of data, {INFO_NAME} says {int(stated):,}. {ANEW}"
            )


def split_of_shard(name: str, of_any_set: bool = False) -> str | None:
    """Returns the split of a shard by its file name, or None if it is not one.

    Args:
      name: Name of the file.
      of_any_set: Whether shards of all of TFDS's data sets count, and not only those that can be read.

    >>> split_of_shard("imagenet2012-validation.tfrecord-00000-of-00064"), split_of_shard("train-00000-of-01024")
    ('val', 'train')
    """
    if match := IMAGENET_SHARD.fullmatch(name):
        return own_split(match["split"])
    if shard := parse_shard_name(name):
        return shard.split
    match = TFDS_SHARD.fullmatch(name) if of_any_set else None
    return own_split(match["split"]) if match else None
