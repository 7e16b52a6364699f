"""Scans one shard of a WebDataset: the name, the labels and the position of each sample's image."""

import codecs
import dataclasses
import json
import os
from collections.abc import Iterator

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, counted, first_few, shown, unreadable
from ilsvrc_tfds.sources.collecting import going_on, offenders, report
from ilsvrc_tfds.sources.members import Container, is_other_image
from ilsvrc_tfds.sources.scan import (
    Row,
    Scanned,
    classes_of_folders,
    official_spelling,
    open_archive,
    refuse_odd_names,
    tables,
)
from ilsvrc_tfds.sources.tar import ReadAhead, TarMember, read_members

KIND = "webdataset"
_IMAGES = (b"jpg", b"jpeg", b"png")
# A label has at most 9 bytes; timm's JSON has 120.
_MOST_BYTES = 1 << 20
# A sample has its label and its JSON in 3 to 6 blocks of 512 bytes one after another, with their headers.
_AHEAD = 4096
_OTHERS = 'Take a source with official names, such as n01440764_10026.JPEG in "filename" of .json, or as the key.'
_Label = tuple[str, int | None]  # what states it, the class index or None if it is not one


@dataclasses.dataclass(frozen=True, eq=False)
class _Sample:
    """The members of one key.

    Attributes:
      key: Path inside the archive up to the first dot of the base name.
      images: Members that are images.
      others: Names of members that are images in formats that are not read.
      names: What states a file name, and the name, without folders.
      labels: Class indices that other members state.
      folders: Class indices of the wnids among the folders of the key and of the name in `.json`.
    """

    key: bytes
    images: list[TarMember] = dataclasses.field(default_factory=list)
    others: list[bytes] = dataclasses.field(default_factory=list)
    names: list[tuple[str, bytes]] = dataclasses.field(default_factory=list)
    labels: list[_Label] = dataclasses.field(default_factory=list)
    folders: list[_Label] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class SampleScan:
    """A job: the scan of a shard.

    >>> [images] = SampleScan("train", "/data/webdataset/imagenet1k-train-0000.tar", "")().members
    >>> len(images), images.name[0].item()
    (5, b'n01440764_10.JPEG')

    Attributes:
      split: Split of the images.
      path: Path of the tar.
      stamp: Stamp of the tar, see `archive_stamp`.
      samples: Stated number of samples, or None if it is not stated.
    """

    split: str
    path: str
    stamp: str
    samples: int | None = None

    def __call__(self) -> Scanned:
        """Returns the labelled images of the shard. Raises SourceError or LabelError."""
        rows: list[Row] = []
        told: list[list[_Label]] = []
        passed_over: list[str] = []
        other_kinds: list[str] = []
        count = 0
        for sample in going_on(self._samples(passed_over)):
            if not sample.images and not sample.labels:
                other_kinds += [shown(os.fsdecode(name)) for name in sample.others]
                passed_over += [] if sample.others else [shown(os.fsdecode(sample.key.lstrip(b"/")))]
                continue
            count += 1
            try:
                image, name = self._image(sample), self._name(sample)
            except SourceError as error:
                report(error, "samples without one image and one official file name")
                continue
            rows.append((name, image.offset, image.size))
            told.append(sample.labels + sample.folders)
        if self.samples not in (None, count):
            text = f"{self.path} has {counted(count, 'sample')}, _info.json says {self.samples:,}. Get the shard again."
            report(SourceError(text), "shards with another number of samples than is stated")
        refuse_odd_names([name for name, _, _ in rows], self.path)
        if self.split != "test":
            self._check_labels(rows, told)
        container = Container(self.path, self.split, self.stamp, layout=KIND, in_classes=self.split == "train")
        return Scanned(tuple(tables(self.split, container, "", rows)), tuple(passed_over), tuple(other_kinds), ())

    def _samples(self, passed_over: list[str]) -> Iterator[_Sample]:
        """Yields the samples. As WebDataset's own reader expects, the members of a sample follow each other."""
        sample = None
        with open_archive(self.path) as file:
            try:
                ahead = ReadAhead(file.fileno(), _AHEAD)
                for member in read_members(ahead, self.path):
                    folder, _, base = member.name.replace(b"\\", b"/").rpartition(b"/")
                    stem, dot, extension = base.partition(b".")
                    if not stem or not dot:
                        passed_over.append(shown(os.fsdecode(member.name)))
                        continue
                    key = folder + b"/" + stem
                    if sample is None or sample.key != key:
                        if sample is not None:
                            yield sample
                        sample = _Sample(key, names=[("its key", stem + b".JPEG")])
                        sample.folders.extend(("its folder", told) for told in classes_of_folders(key))
                    self._add(sample, member, extension.lower(), ahead)
            except OSError as error:
                raise unreadable(self.path, error) from error
        if sample is not None:
            yield sample

    def _add(self, sample: _Sample, member: TarMember, extension: bytes, file: ReadAhead) -> None:
        if extension in _IMAGES:
            sample.images.append(member)
        elif extension == b"cls":
            sample.labels.append((".cls", _index_of(self._text(member, file).strip())))
        elif extension == b"json":
            self._add_described(sample, member, file)
        elif is_other_image(b"image." + extension):
            sample.others.append(member.name)

    def _add_described(self, sample: _Sample, member: TarMember, file: ReadAhead) -> None:
        """Adds what `.json` states: the file name, the class of its folder, and the label."""
        try:
            described = json.loads(self._text(member, file))
            name, label = described.get("filename"), described.get("label")
            encoded = (
                name.encode().replace(b"\\", b"/") if isinstance(name, str) else b""
            )  # a lone surrogate is no text
        except (ValueError, AttributeError, RecursionError) as error:
            text = f"{self._where(member.name)} makes no sense ({error!r:.200}). Make the set again."
            report(SourceError(text), "samples whose .json makes no sense")
            return
        if encoded:
            sample.names.append((".json", encoded.rpartition(b"/")[2]))
            sample.folders.extend(("its folder in .json", told) for told in classes_of_folders(encoded))
        if label is not None:
            sample.labels.append((".json", _index_of(str(label)) if type(label) in (int, str) else None))

    def _text(self, member: TarMember, file: ReadAhead) -> str:
        if member.size > _MOST_BYTES:
            raise SourceError(f"{self._where(member.name)} has {member.size:,} bytes, too many for a label.")
        # Not the codec utf-8-sig, which is written in Python.
        return file.read(member.size, member.offset).removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")

    def _image(self, sample: _Sample) -> TarMember:
        if len(sample.images) == 1:
            return sample.images[0]
        if sample.others and not sample.images:
            raise SourceError(
                f"{self.path}: {shown(os.fsdecode(sample.others[0]))} is an image of a kind that is not read. Its "
                "bytes are not those of the archives, which are JPEGs: take a set that keeps them."
            )
        what = f"{len(sample.images):,} images" if sample.images else "no image (.jpg, .jpeg or .png)"
        raise SourceError(
            f"{self._where(sample.key)}: the sample has {what}; expected one. Members of a sample must "
            "follow each other."
        )

    def _name(self, sample: _Sample) -> bytes:
        """Returns the official name of a sample. Raises SourceError if it has none, or two."""
        names = {name for _, name in sample.names}  # mostly one
        official = {official_spelling(name) for name in names if synsets.split_of_name(name)}
        if not official:
            stated = sample.names[-1][1] if len(sample.names) > 1 else sample.key
            raise SourceError(
                f"{self._where(sample.key)}: the sample has no official file name, only "
                f"{ascii(os.fsdecode(stated.lstrip(b'/'))):.80}. Without it no label can be checked. {_OTHERS}"
            )
        if len(official) > 1:
            raise SourceError(
                f"{self._where(sample.key)}: the key and .json name different images: "
                f"{first_few(shown(os.fsdecode(name[:80])) for name in sorted(official))}. Make the set again."
            )
        return official.pop()

    def _check_labels(self, rows: list[Row], told: list[list[_Label]]) -> None:
        """Raises LabelError if labels are not those of the names, and SourceError if a sample has none."""
        wrong, without = [], []
        for (name, _, _), labels in zip(rows, told):
            own = synsets.label_of_name(name)
            without += [] if labels else [shown(os.fsdecode(name))]
            wrong += [
                f"{shown(os.fsdecode(name))} has {label if label is not None else 'no class'} by {source}, not {own}"
                for source, label in labels
                if label != own
            ]
        if wrong:
            labels_contradict = counted(len(wrong), "label contradicts its name", "labels contradict their names")
            text = f"{self.path}: {labels_contradict}: {offenders(wrong)}. Make the set again."
            report(LabelError(text), "labels that contradict their names", len(wrong))
        if without:
            have_none = counted(len(without), "sample has no label", "samples have no label")
            text = (
                f"{self.path}: {have_none}, neither .cls nor `label` in .json: {offenders(without)}. Labels are "
                "expected, so that they can be checked. Make the set again with them."
            )
            report(SourceError(text), "samples that have no label", len(without))

    def _where(self, name: bytes) -> str:
        return f"{self.path}: {shown(os.fsdecode(name).lstrip('/'))}"


def _index_of(text: str) -> int | None:
    """Returns the class index that a label states, as a number or as a wnid; None if it is neither."""
    if text.isascii() and text.isdecimal() and len(text) <= 4:
        return int(text) if int(text) < synsets.NUM_CLASSES else None
    return synsets.index_of(text.lower()) if synsets.is_class(text.lower()) else None
