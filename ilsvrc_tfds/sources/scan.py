"""Look through one archive or folder and return where its images lie. Each scan is a job of its own."""

import dataclasses
import hashlib
import os
from collections import defaultdict

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, first_few
from ilsvrc_tfds.sources.labels import label_images
from ilsvrc_tfds.sources.members import WHOLE_FILE, Container, Members
from ilsvrc_tfds.sources.tar import read_members

IMAGE_SUFFIXES = (b".jpeg", b".jpg", b".png")
_LONGEST_NAME = 255


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
    """

    split: str
    path: str
    folder: str
    wnid: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Scanned:
    """What a scan found: the images, and names of files passed over."""

    members: tuple[Members, ...]
    passed_over: tuple[str, ...]


def scan(job: TarScan | FolderScan) -> Scanned:
    """Returns the images of one archive or folder, labelled. Raises SourceError, LabelError."""
    return _SCANS[type(job)](job)


def archive_stamp(path: str) -> str:
    """Returns what changes when an archive is replaced: its size and its time."""
    status = os.stat(path)
    return f"{status.st_size}-{status.st_mtime_ns}"


def inner_archives(path: str) -> tuple[dict[str, tuple[int, int]], bool]:
    """Returns the class archives inside an archive, `{wnid: (start, end)}`, and whether it holds images of its own.

    Raises SourceError for an inner archive that is named by none of the 1000 classes, or a class that comes twice.
    """
    classes, has_images = {}, False
    with open_archive(path) as file:
        for member in read_members(file.fileno(), path):
            name = _base_name(member.name)
            has_images |= _is_image(name)
            if not name.endswith(b".tar") or name.startswith(b"."):
                continue
            wnid = os.fsdecode(name[:-4])
            if wnid in classes or not synsets.is_class(wnid):
                what = "comes twice" if wnid in classes else "is none of the 1000 classes of ILSVRC2012"
                raise SourceError(
                    f"{path}: the inner archive {os.fsdecode(member.name)!r} {what}; expected one <wnid>.tar for each class."
                )
            classes[wnid] = (member.offset, member.offset + member.size)
    return classes, has_images


def open_archive(path: str):
    """Opens an archive for reading; SourceError where that is not permitted."""
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror}. Check the path and your permissions.") from error


def _scan_tar(job: TarScan) -> Scanned:
    by_folder, passed_over = defaultdict(list), []
    with open_archive(job.path) as file:
        for member in read_members(file.fileno(), job.path, job.start, job.end):
            name = _base_name(member.name)
            if _is_image(name):
                by_folder[job.wnid or _class_folder(job.split, member.name)].append((name, member.offset, member.size))
            else:
                passed_over.append(os.fsdecode(member.name))
    tables = []
    for folder, rows in by_folder.items():
        place = f"train/{folder}" if job.split == "train" and folder else job.split
        tables.append(_table(job.split, Container(job.path, place, job.stamp), folder, rows))
    return Scanned(tuple(tables), tuple(passed_over))


def _scan_folder(job: FolderScan) -> Scanned:
    rows, passed_over, listing = [], [], hashlib.blake2b(digest_size=16)
    try:
        with os.scandir(job.path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = os.fsencode(entry.name)
                if entry.is_dir() or not _is_image(name):
                    # The split's own folder has class folders, which are scans of their own.
                    if job.wnid or not entry.is_dir():
                        passed_over.append(f"{job.folder}/{entry.name}")
                    continue
                status = entry.stat()  # follows links; one that points nowhere is an error
                rows.append((name, WHOLE_FILE, status.st_size))
                listing.update(b"%s\0%d\0%d\0" % (name, status.st_size, status.st_mtime_ns))
    except OSError as error:
        place = error.filename or job.path
        raise SourceError(f"{place} cannot be read: {error.strerror}. Check the path and your permissions.") from error
    container = Container(job.path, job.folder, listing.hexdigest())
    return Scanned((_table(job.split, container, job.wnid, rows),) if rows else (), tuple(passed_over))


_SCANS = {TarScan: _scan_tar, FolderScan: _scan_folder}


def _table(split: str, container: Container, folder: str, rows: list[tuple[bytes, int, int]]) -> Members:
    names, offsets, sizes = (list(column) for column in zip(*rows))
    where = f"{container.path} ({container.folder})"
    _refuse_odd_files(names, sizes, where)
    return Members(
        split=split,
        containers=(container,),
        name=np.array(names, np.bytes_),
        label=label_images(split, folder, names, where),
        container=np.zeros(len(names), np.int32),
        offset=np.array(offsets, np.int64),
        size=np.array(sizes, np.int64),
    )


def _refuse_odd_files(names: list[bytes], sizes: list[int], where: str) -> None:
    odd = [name for name in names if not (name.isascii() and name.decode("ascii").isprintable()) or len(name) > _LONGEST_NAME]
    if odd:
        raise SourceError(
            f"{where}: {len(odd):,} file names are not printable ASCII of up to {_LONGEST_NAME} characters: "
            f"{first_few(name[:80] for name in odd)}. Rename them."
        )
    empty = [os.fsdecode(name) for name, size in zip(names, sizes) if size == 0]
    if empty:
        raise SourceError(f"{where}: {len(empty):,} images are empty files (0 bytes): {first_few(empty)}. Get them again.")


def _base_name(name: bytes) -> bytes:
    return name.rpartition(b"/")[2]


def _is_image(name: bytes) -> bool:
    # macOS's tar adds a `._name` file of its own beside each file.
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(b".")


def _class_folder(split: str, name: bytes) -> str:
    """Returns the class folder of a path inside an archive, empty where the images lie flat (`./`, `val/`)."""
    folder = os.fsdecode(_base_name(name.rpartition(b"/")[0]))
    return folder if split == "train" and folder not in ("", ".", "train", "ILSVRC2012_img_train") or synsets.is_wnid(folder) else ""
