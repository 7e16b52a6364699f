"""Look through one archive or folder and return where its images lie. Each scan is a job of its own."""

import dataclasses
import hashlib
import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from io import FileIO

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, first_few, shown, unreadable
from ilsvrc_tfds.sources.labels import check_appended, class_of_folder, label_images
from ilsvrc_tfds.sources.members import WHOLE_FILE, Container, Members, is_image, is_other_image
from ilsvrc_tfds.sources.tar import TarMember, read_members
from ilsvrc_tfds.sources.unread import images_below, is_class_archive

_LONGEST_NAME = 255
# Folders inside an archive that name no class.
_NO_CLASSES = ("", ".", "..", "train", "ILSVRC2012_img_train")
_CLASS_IN_PATH = re.compile(rb"(?:^|/)(n\d{8})(?=/)")

_Row = tuple[bytes, int, int]  # name, offset, size


@dataclasses.dataclass(frozen=True)
class TarScan:
    """An archive to look through, or a part of it.

    Attributes:
      split: that the images belong to.
      path: of the archive.
      stamp: of the archive.
      wnid: class of all images where the archive is a class's, else empty.
      start: first byte.
      end: byte behind the last; None for the file's end.
    """

    split: str
    path: str
    stamp: str
    wnid: str = ""
    start: int = 0
    end: int | None = None


@dataclasses.dataclass(frozen=True)
class FolderScan:
    """A folder of image files to look through.

    Attributes:
      split: that the images belong to.
      path: of the folder.
      folder: the same relative to the source.
      wnid: class of all images where the folder is a class's, else empty.
      passes_over: names in it that are scans of their own.
    """

    split: str
    path: str
    folder: str
    wnid: str = ""
    passes_over: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Scanned:
    """What a scan found.

    Attributes:
      members: The images.
      passed_over: Names of what does not hold images.
      other_kinds: Names of images of kinds that are not read.
      unread: Names of folders in too deep a place, and the number of images in each; of class archives of another kind, and 0.
    """

    members: tuple[Members, ...]
    passed_over: tuple[str, ...]
    other_kinds: tuple[str, ...]
    unread: tuple[tuple[str, int], ...]


def scan(job: TarScan | FolderScan) -> Scanned:
    """Returns the images of one archive or folder, labelled. Raises SourceError, LabelError."""
    return _scan_tar(job) if isinstance(job, TarScan) else _scan_folder(job)


def archive_stamp(path: str) -> str:
    """Returns what changes when an archive is replaced: its size and its time. Raises SourceError."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise unreadable(path, error) from error
    return f"{status.st_size}-{status.st_mtime_ns}"


def inner_archives(path: str) -> tuple[dict[str, tuple[int, int]], bool]:
    """Returns the class archives inside an archive, `{wnid: (start, end)}`, and whether it holds other files as well.

    Raises SourceError for an inner archive that is named by none of the 1000 classes, or a class that comes twice.
    """
    classes, has_others = {}, False
    for member in _read_archive(path):
        name = _base_name(member.name)
        if not _is_archive(name):
            has_others = True
            continue
        wnid = os.fsdecode(name[:-4])
        class_of_folder(wnid, f"{path}: inner archive {os.fsdecode(member.name)!r}")
        if wnid in classes:
            raise SourceError(f"{path}: the inner archive {wnid}.tar comes twice. Get the archive again.")
        classes[wnid] = (member.offset, member.offset + member.size)
    return classes, has_others


def open_archive(path: str) -> FileIO:
    """Opens an archive for reading; SourceError where that is not permitted."""
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise unreadable(path, error) from error


def _read_archive(path: str, inner: str = "", start: int = 0, end: int | None = None) -> Iterator[TarMember]:
    """Yields the regular files of an archive, or of the archive named `inner` in its bytes [start, end)."""
    with open_archive(path) as file:
        try:
            yield from read_members(file.fileno(), f"{path}: {inner}" if inner else path, start, end)
        except OSError as error:
            raise unreadable(path, error) from error


def _scan_tar(job: TarScan) -> Scanned:
    by_folder: defaultdict[str, list[_Row]] = defaultdict(list)
    passed_over, other_kinds, unread = [], [], []
    inner = f"inner archive {job.wnid}.tar" if job.start else ""
    for member in _read_archive(job.path, inner, job.start, job.end):
        name = _base_name(member.name)
        if is_image(name):
            by_folder[_class_folder(job, member.name)].append((name, member.offset, member.size))
        elif is_other_image(name):
            other_kinds.append(shown(os.fsdecode(member.name)))
        elif is_class_archive(name) and not job.wnid and not (job.split == "train" and _is_archive(name)):
            unread.append((shown(os.fsdecode(member.name)), 0))
        elif job.wnid or job.split != "train" or not _is_archive(name):
            passed_over.append(shown(os.fsdecode(member.name)))
    tables: list[Members] = []
    for folder, rows in by_folder.items():
        place = f"train/{folder}" if job.split == "train" and folder else job.split
        tables += _tables(job.split, Container(job.path, place, job.stamp), folder, rows)
    return Scanned(tuple(tables), tuple(passed_over), tuple(other_kinds), tuple(unread))


def _scan_folder(job: FolderScan) -> Scanned:
    rows, others, listing = [], [], hashlib.blake2b(digest_size=16)
    try:
        with os.scandir(job.path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = os.fsencode(entry.name)
                status = entry.stat() if is_image(name) else None  # follows links; one that points nowhere is an error
                if status is None or not stat.S_ISREG(status.st_mode):  # a folder; a pipe, which would be read for ever
                    if entry.name not in job.passes_over:
                        others.append(entry)
                    continue
                rows.append((name, WHOLE_FILE, status.st_size))
                listing.update(b"%s\0%d\0%d\0" % (name, status.st_size, status.st_mtime_ns))
    except OSError as error:
        raise unreadable(job.path, error) from error
    container = Container(job.path, job.folder, listing.hexdigest())
    others, kinds = ([e for e in others if _is_of_other_kind(e) == is_image] for is_image in (False, True))
    other_kinds = tuple(shown(f"{job.folder}/{entry.name}") for entry in kinds)
    passed_over, unread = _not_read(job, others)
    return Scanned(tuple(_tables(job.split, container, job.wnid, rows)), passed_over, other_kinds, unread)


def _is_of_other_kind(entry: os.DirEntry[str]) -> bool:
    return is_other_image(os.fsencode(entry.name)) and entry.is_file()


def _not_read(job: FolderScan, others: list[os.DirEntry[str]]) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
    """Returns the names of what is passed over in a folder, and of what holds images that are not read, with their number."""
    passed_over, unread, classes = [], [], {name[:9] for name in job.passes_over}
    for entry in others:
        name, count = shown(f"{job.folder}/{entry.name}"), images_below(entry.path) if entry.is_dir() else 0
        # In the folder of its own class, or beside it, an archive has been unpacked already.
        is_lost = is_class_archive(os.fsencode(entry.name)) and not job.wnid and entry.name[:9] not in classes
        if count or is_lost:
            unread.append((name, count))
        else:
            passed_over.append(name)
    return tuple(passed_over), tuple(unread)


def _tables(split: str, container: Container, folder: str, rows: list[_Row]) -> Iterator[Members]:
    """Yields the table of these images; two where some names have the class appended and others do not."""
    where = f"{container.path} ({shown(container.folder)})"
    if rows:
        _refuse_odd_names([name for name, _, _ in rows], where)
    plain, appended, wnids = [], [], []
    for row in rows:
        # The test images have no class.
        found = synsets.without_class(row[0]) if b"_n" in row[0] and split != "test" else None
        if found is None:
            plain.append(row)
        else:
            appended.append((found[0], *row[1:]))
            wnids.append(found[1])
    if plain:
        yield _table(split, container, folder, plain, where)
    if appended:
        table = _table(split, dataclasses.replace(container, class_appended=True), folder, appended, where)
        check_appended(table.name.tolist(), wnids, table.label, where)
        yield table


def _table(split: str, container: Container, folder: str, rows: list[_Row], where: str) -> Members:
    names, offsets, sizes = (list(column) for column in zip(*rows))
    return Members(
        split=split,
        containers=(container,),
        name=np.array(names, np.bytes_),
        label=label_images(split, folder, names, where),
        container=np.zeros(len(names), np.int32),
        offset=np.array(offsets, np.int64),
        size=np.array(sizes, np.int64),
    )


def _refuse_odd_names(names: Sequence[bytes], where: str) -> None:
    plain = (name.isascii() and name.decode().isprintable() and len(name) <= _LONGEST_NAME for name in names)
    odd = [name for name, is_plain in zip(names, plain) if not is_plain]
    if odd:
        raise SourceError(
            f"{where}: {len(odd):,} file names are not printable ASCII of up to {_LONGEST_NAME} characters: "
            f"{first_few(ascii(os.fsdecode(name[:80])) for name in odd)}. Rename them."
        )


def _base_name(name: bytes) -> bytes:
    return name.rpartition(b"/")[2]


def _is_archive(name: bytes) -> bool:
    return name.endswith(b".tar") and not name.startswith(b".")


def _class_folder(job: TarScan, name: bytes) -> str:
    """Returns the class folder of a path inside an archive, empty where the images lie flat (`./`, `val/`).

    Raises LabelError where it is another than the archive's own class.
    """
    classes = [os.fsdecode(wnid) for wnid in _CLASS_IN_PATH.findall(name)]
    if job.wnid:
        strange = [wnid for wnid in classes if wnid != job.wnid]
        if strange:
            raise LabelError(
                f"{job.path}: the archive of class {job.wnid} holds {os.fsdecode(name)!r}, which lies in the folder of "
                f"class {strange[-1]}. Take the official archives, or unpack it and move the images to their class."
            )
        return job.wnid
    folder = os.fsdecode(_base_name(name.rpartition(b"/")[0]))
    if job.split == "train":
        return folder if folder not in _NO_CLASSES else ""
    return classes[-1] if classes else ""
