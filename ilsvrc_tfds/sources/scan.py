"""Lists the images of one archive or folder. Each scan is a job of its own."""

import dataclasses
import hashlib
import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, counted, first_few, shown, unreadable
from ilsvrc_tfds.sources.labels import check_appended, class_of_folder, label_images
from ilsvrc_tfds.sources.members import WHOLE_FILE, Container, Members, is_image, is_other_image
from ilsvrc_tfds.sources.tar import TarMember, read_members
from ilsvrc_tfds.sources.unread import images_below, is_class_archive
from ilsvrc_tfds.storage.regular import open_regular

_LONGEST_NAME = 255
# Folders inside an archive that are not class folders.
_NO_CLASSES = ("", ".", "..", "train", "ILSVRC2012_img_train")
_CLASS_IN_PATH = re.compile(rb"(?:^|/)(n\d{8})(?=/)")

_Row = tuple[bytes, int, int]  # name, offset, size


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


@dataclasses.dataclass(frozen=True)
class FolderScan:
    """A job: the scan of a folder of image files.

    Attributes:
      split: Split of the images.
      path: Path of the folder.
      folder: Path of the folder relative to the source.
      wnid: Class of all images if this is a class folder, else empty.
      passes_over: Names in the folder to ignore, because they have scans of their own.
    """

    split: str
    path: str
    folder: str
    wnid: str = ""
    passes_over: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Scanned:
    """The result of a scan.

    Attributes:
      members: Tables of the images.
      passed_over: Names of files and folders that hold no images.
      other_kinds: Names of images in formats that are not read.
      unread: Name and number of images of each folder that is too deep to be read; name and 0 of each class archive of
        another kind.
    """

    members: tuple[Members, ...]
    passed_over: tuple[str, ...]
    other_kinds: tuple[str, ...]
    unread: tuple[tuple[str, int], ...]


def scan(job: TarScan | FolderScan) -> Scanned:
    """Returns the labelled images of one archive or folder. Raises SourceError or LabelError.

    >>> [members] = scan(FolderScan("val", "/data/folders/val", "val")).members
    >>> len(members), members.split
    (3, 'val')
    """
    return _scan_tar(job) if isinstance(job, TarScan) else _scan_folder(job)


def archive_stamp(path: str) -> str:
    """Returns the size and time of an archive, as a text that changes if it is replaced. Raises SourceError."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise unreadable(path, error) from error
    return f"{status.st_size}-{status.st_mtime_ns}"


def inner_archives(path: str) -> tuple[dict[str, tuple[int, int]], bool]:
    """Returns the class archives inside an archive, `{wnid: (start, end)}`, and whether it holds other files too.

    Raises SourceError for an inner archive whose name is not one of the 1000 classes, and for a class that comes twice.

    >>> inner_archives("/data/imagenet/ILSVRC2012_img_train.tar")[0]["n01440764"]
    (512, 10752)
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


def open_archive(path: str) -> BinaryIO:
    """Opens an archive for reading. Raises SourceError if it cannot be opened."""
    try:
        return open_regular(path, buffering=0)
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
                status = entry.stat() if is_image(name) else None  # follows links; a broken link is an error
                if status is None or not stat.S_ISREG(
                    status.st_mode
                ):  # a folder, or a pipe, whose reading would not end
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
    """Returns the fields `passed_over` and `unread` of the result, from the entries of a folder that are not images."""
    passed_over, unread, classes = [], [], {name[:9] for name in job.passes_over}
    for entry in others:
        name, count = shown(f"{job.folder}/{entry.name}"), images_below(entry.path) if entry.is_dir() else 0
        # An archive in its own class folder, or beside that, has been unpacked already.
        is_lost = is_class_archive(os.fsencode(entry.name)) and not job.wnid and entry.name[:9] not in classes
        if count or is_lost:
            unread.append((name, count))
        else:
            passed_over.append(name)
    return tuple(passed_over), tuple(unread)


def _tables(split: str, container: Container, folder: str, rows: list[_Row]) -> Iterator[Members]:
    """Yields the table of these images, or two if only some names have the class appended."""
    where = f"{container.path} ({shown(container.folder)})"
    if rows:
        _refuse_odd_names([name for name, _, _ in rows], where)
    plain, appended, wnids = [], [], []
    for row in rows:
        # The test images have no class.
        found = synsets.without_class(row[0]) if b"_n" in row[0].lower() and split != "test" else None
        if found is None:
            plain.append(row)
        elif b"_" + found[1].encode() not in row[0]:  # it would be looked for under another name
            raise SourceError(
                f"{where}: {shown(os.fsdecode(row[0]))} has a class in capitals appended. Rename it: _{found[1]}."
            )
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
            f"{where}: {counted(len(odd), 'file name is', 'file names are')} not printable ASCII of up to "
            f"{_LONGEST_NAME} characters: {first_few(ascii(os.fsdecode(name[:80])) for name in odd)}. Rename them."
        )


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
        return folder if folder not in _NO_CLASSES else ""
    return classes[-1] if classes else ""
