"""Official archives: one tar for each split, whose train images are in inner archives `<wnid>.tar`.

`ILSVRC2012_img_train.tar`, `ILSVRC2012_img_val.tar`, `ILSVRC2012_img_test*.tar`, and other names that `names.py` lists.
"""

import dataclasses
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from io import FileIO
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, shown, unreadable
from ilsvrc_tfds.sources.collecting import errors_reported, going_on, report
from ilsvrc_tfds.sources.labels import class_of_folder
from ilsvrc_tfds.sources.members import Container, Members, is_image, is_other_image
from ilsvrc_tfds.sources.names import ARCHIVES, OTHER_ROOTS, SPLITS, USUAL_NAMES, split_of_archive
from ilsvrc_tfds.sources.numbered import dated_archives
from ilsvrc_tfds.sources.places import Place, absolute, kind_of, names_in
from ilsvrc_tfds.sources.scan import Row, Scan, Scanned, open_archive, stamp_of_full, tables
from ilsvrc_tfds.sources.tar import TarMember, read_members
from ilsvrc_tfds.sources.unread import is_class_archive

KIND = "archive"

# Folders inside an archive that are not class folders.
_NO_CLASSES = ("", ".", "..", "train", "ILSVRC2012_img_train")
_CLASS_IN_PATH = re.compile(rb"(?:^|/)(n\d{8})(?=/)")


def find(source: Path, root: str) -> list[Place]:
    """Returns the archives of all splits in one folder of a source, or the archive that `source` itself is.

    >>> [(place.split, place.path) for place in find(Path("/data/imagenet"), "")]
    [('train', '/data/imagenet/ILSVRC2012_img_train.tar'), ('val', '/data/imagenet/ILSVRC2012_img_val.tar')]
    """
    if os.path.isfile(source):
        usual = (split for split, names in ARCHIVES.items() if source.name in names)
        stated = (own.split for own in dated_archives(source.parent, [source.name]) if not own.is_tree)
        split = next(usual, None) or split_of_archive(source.name) or next(stated, None)
        return [Place(split, absolute(source), split, KIND)] if split else []
    found = []
    if root not in OTHER_ROOTS:
        paths = [(split, source / root / name) for split in SPLITS for name in ARCHIVES[split]]
        found += [Place(split, absolute(path), split, KIND) for split, path in paths if kind_of(path) == "file"]
    names = names_in(source / root)
    dated = {own.name: own.split for own in dated_archives(source / root, names) if not own.is_tree}
    for name in names:
        path, split = source / root / name, split_of_archive(name) or dated.get(name)
        if split and (root in OTHER_ROOTS or name not in USUAL_NAMES) and kind_of(path) == "file":
            found.append(Place(split, absolute(path), split, KIND, usual=False))
    return found


def scans(place: Place) -> tuple[list[Scan], list[str]]:
    """Returns a scan for each class of the archive if it has inner archives; and no folders that are not used."""
    stamp = stamp_of_full(place.path)
    classes, has_others = _inner_archives(place.path) if place.split == "train" else ({}, True)
    jobs: list[Scan] = [TarScan(place.split, place.path, stamp, wnid, *span) for wnid, span in classes.items()]
    return ([*jobs, TarScan(place.split, place.path, stamp)] if has_others or not jobs else jobs), []


def in_words(places: Collection[Place], jobs: Collection[Scan]) -> str:
    """Returns the name of the layout."""
    return "archives"


def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
    """Returns the bytes of an image, which are stored as they are."""
    return os.pread(file.fileno(), size, offset)


@dataclasses.dataclass(frozen=True)
class TarScan:
    """A job: the scan of an archive or of a part of it.

    Attributes:
      split: Split of the images.
      path: Path of the archive.
      stamp: Stamp of the archive, see `archive_stamp`.
      wnid: Class of all images if this is the archive of a class, else empty.
      start: First byte to scan.
      end: End of the part, exclusive; None for the end of the file.
    """

    split: str
    path: str
    stamp: str
    wnid: str = ""
    start: int = 0
    end: int | None = None

    def __call__(self) -> Scanned:
        """Returns the labelled images of the archive. Raises SourceError or LabelError."""
        return self.labelled(self.members())

    def labelled(self, members: Iterator[TarMember]) -> Scanned:
        """Returns the labelled images among the members of the archive. Raises SourceError or LabelError."""
        by_folder: defaultdict[str, list[Row]] = defaultdict(list)
        passed_over, other_kinds, unread = [], [], []
        for member in going_on(members):
            name = _base_name(member.name)
            if is_image(name):
                row = name, member.offset, member.size
                try:
                    by_folder[_class_folder(self, member.name)].append(row)
                except (SourceError, LabelError) as error:
                    report(error, "images in the folder of another class than their archive's, or below one")
            elif is_other_image(name):
                other_kinds.append(shown(os.fsdecode(member.name)))
            elif is_class_archive(name) and not self.wnid and not (self.split == "train" and _is_archive(name)):
                unread.append((shown(os.fsdecode(member.name)), 0))
            elif self.wnid or self.split != "train" or not _is_archive(name):
                passed_over.append(shown(os.fsdecode(member.name)))
        found: list[Members] = []
        for folder, rows in by_folder.items():
            place = f"train/{folder}" if self.split == "train" and folder else self.split
            found += tables(self.split, Container(self.path, place, self.stamp, self.layout), folder, rows)
        return Scanned(tuple(found), tuple(passed_over), tuple(other_kinds), tuple(unread))

    @property
    def layout(self) -> str:
        """Kind of the layout that reads the images."""
        return KIND

    def members(self) -> Iterator[TarMember]:
        """Yields the regular files of the archive, or of its part. Raises SourceError."""
        inner = f"inner archive {self.wnid}.tar" if self.start else ""
        return _read_archive(self.path, inner, self.start, self.end)


def _inner_archives(path: str) -> tuple[dict[str, tuple[int, int]], bool]:
    """Returns the class archives inside an archive, `{wnid: (start, end)}`, and whether it holds other files too.

    Raises SourceError for an inner archive whose name is not one of the 1000 classes, and for a class that comes twice.

    >>> _inner_archives("/data/imagenet/ILSVRC2012_img_train.tar")[0]["n01440764"]
    (512, 10752)
    """
    classes, has_others = {}, False
    for member in going_on(_read_archive(path)):
        name = _base_name(member.name)
        if not _is_archive(name):
            has_others = True
            continue
        with errors_reported("inner archives of other classes, or that come twice"):
            wnid = os.fsdecode(name[:-4])
            class_of_folder(wnid, f"{path}: inner archive {os.fsdecode(member.name)!r}")
            if wnid in classes:
                raise SourceError(f"{path}: the inner archive {wnid}.tar comes twice. Get the archive again.")
            classes[wnid] = (member.offset, member.offset + member.size)
    return classes, has_others


def _read_archive(path: str, inner: str = "", start: int = 0, end: int | None = None) -> Iterator[TarMember]:
    """Yields the regular files of an archive, or of the archive named `inner` in its bytes [start, end)."""
    with open_archive(path) as file:
        try:
            yield from read_members(file.fileno(), f"{path}: {inner}" if inner else path, start, end)
        except OSError as error:
            raise unreadable(path, error) from error


def _base_name(name: bytes) -> bytes:
    return name.rpartition(b"/")[2]


def _is_archive(name: bytes) -> bool:
    return name.endswith(b".tar") and not name.startswith(b".")


def _class_folder(job: TarScan, name: bytes) -> str:
    """Returns the class folder of a path inside an archive, or an empty string if it has none (`./`, `val/`).

    Raises LabelError if it belongs to another class than the archive.
    """
    classes = [os.fsdecode(wnid) for wnid in _CLASS_IN_PATH.findall(name)]
    if job.wnid:
        strange = [wnid for wnid in classes if wnid != job.wnid]
        if strange:
            raise LabelError(
                f"{job.path}: the archive of class {job.wnid} holds {os.fsdecode(name)!r}, which is in the folder of "
                f"class {strange[-1]}. Take the official archives, or unpack it and move the images to their class."
            )
        return job.wnid
    folder = os.fsdecode(_base_name(name.rpartition(b"/")[0]))
    if job.split == "train":
        if classes and not synsets.is_wnid(folder):  # a folder below that of a class, whose wnid would not be compared
            class_of_folder(folder, f"{job.path} (train/{folder})")
        return folder if folder not in _NO_CLASSES else ""
    return classes[-1] if classes else ""
