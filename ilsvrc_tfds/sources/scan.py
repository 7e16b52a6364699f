"""Scans: independent jobs that list the images of a part of a source. Each layout has its own kind of them."""

import contextlib
import dataclasses
import functools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, counted, shown, unreadable
from ilsvrc_tfds.sources.collecting import offenders, report
from ilsvrc_tfds.sources.labels import check_appended, label_images
from ilsvrc_tfds.sources.members import Container, Members
from ilsvrc_tfds.storage.regular import open_regular

LONGEST_NAME = 255
# Printable ASCII but no slash, and not only dots.
_PLAIN = re.compile(rb"(?!\.+\Z)[ -.0-~]{1,%d}" % LONGEST_NAME)

Row = tuple[bytes, int, int]  # name, offset, size


@dataclasses.dataclass(frozen=True, eq=False)
class Scanned:
    """The result of a scan.

    Attributes:
      members: Tables of the images.
      passed_over: Names of files and folders that hold no images.
      other_kinds: Names of images in formats that are not read.
      unread: Name and number of images of each folder that is too deep to be read; name and 0 of each class archive of
        another kind.
      notes: Lines for the user: other sources of the labels that agree.
    """

    members: tuple[Members, ...]
    passed_over: tuple[str, ...]
    other_kinds: tuple[str, ...]
    unread: tuple[tuple[str, int], ...]
    notes: tuple[str, ...] = ()


class Scan(Protocol):
    """A job for any worker: the scan of a part of a source, for example of an archive or a folder.

    Attributes:
      split: Split of the images.
      path: Path of the archive or folder.
    """

    @property
    def split(self) -> str: ...

    @property
    def path(self) -> str: ...

    def __call__(self) -> Scanned:
        """Returns the labelled images. Raises SourceError or LabelError."""


def scan(job: Scan) -> Scanned:
    """Returns the labelled images that a job lists. Raises SourceError or LabelError.

    >>> from ilsvrc_tfds.sources.layouts.folders import FolderScan
    >>> [members] = scan(FolderScan("val", "/data/folders/val", "val")).members
    >>> len(members), members.split
    (3, 'val')
    """
    return job()


def archive_stamp(path: str) -> str:
    """Returns the size and time of an archive, as a text that changes if it is replaced. Raises SourceError."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise unreadable(path, error) from error
    return f"{status.st_size}-{status.st_mtime_ns}"


def stamp_of_full(path: str) -> str:
    """Returns the stamp of an archive, see `archive_stamp`. Raises SourceError for an empty file too.

    >>> stamp_of_full("/data/imagenet/ILSVRC2012_img_val.tar").partition("-")[0]
    '20480'
    """
    stamp = archive_stamp(path)
    if stamp.startswith("0-") and os.path.isfile(path):
        raise SourceError(
            f"{shown(path)} is an empty file (0 bytes), as a download leaves it that failed or is not at its end. Get "
            "it again."
        )
    return stamp


def stamped(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yields each archive with its stamp. Reports a SourceError for one that is empty or cannot be read.

    >>> [os.path.basename(path) for path, _ in stamped(["/data/imagenet/ILSVRC2012_img_val.tar"])]
    ['ILSVRC2012_img_val.tar']
    """
    for path in paths:
        try:
            stamp = stamp_of_full(path)
        except SourceError as error:
            report(error)
        else:
            yield path, stamp


@contextlib.contextmanager
def unchanged(path: str, *, may_be_empty: bool = False) -> Iterator[str]:
    """Yields the stamp of an archive that is listed in the block. Raises SourceError if it has changed at its end.

    An empty file is refused, unless it may be empty, as TFRecords without records are.

    With a stamp that is taken after the list, a file that has been replaced in between would be read by the old list.

    >>> with unchanged("/data/imagenet/ILSVRC2012_img_val.tar") as stamp:
    ...     stamp == archive_stamp("/data/imagenet/ILSVRC2012_img_val.tar")
    True
    """
    stamp = archive_stamp(path) if may_be_empty else stamp_of_full(path)
    yield stamp
    if archive_stamp(path) != stamp:
        raise SourceError(f"{path} has changed while it was listed. Run the command again.")


def is_plain(name: bytes) -> bool:
    """Returns whether the name of an image is printable ASCII of 1 to 255 characters, without folders.

    All layouts accept only such names. A table has room for its longest name in each row: one of some megabytes would
    fill the memory.

    >>> is_plain(b"n01440764_10026.JPEG"), is_plain(b"../n01440764_10026.JPEG")
    (True, False)
    """
    return _PLAIN.fullmatch(name) is not None


def classes_of_folders(path: bytes) -> tuple[int | None, ...]:
    """Returns the class index of each folder in a path that is named like a wnid; None if it is none of the 1000.

    >>> classes_of_folders(b"train/n01440764/n01440764_10026.JPEG"), classes_of_folders(b"n00007846/a.JPEG")
    ((0,), (None,))
    """
    folder, slash, _ = path.rpartition(b"/")
    return _classes_in(folder) if slash else ()


@functools.lru_cache(4096)
def _classes_in(folder: bytes) -> tuple[int | None, ...]:
    wnids = filter(synsets.is_wnid, os.fsdecode(folder).lower().split("/"))
    return tuple(synsets.index_of(wnid) if synsets.is_class(wnid) else None for wnid in wnids)


def official_spelling(name: bytes) -> bytes:
    """Returns the official file name of an image of which a set has kept the name with another extension.

    >>> official_spelling(b"n01440764_10026.jpg"), official_spelling(b"photo.jpg")
    (b'n01440764_10026.JPEG', b'photo.jpg')
    """
    if name.endswith(b".JPEG") or synsets.split_of_name(name) is None:
        return name
    return name.rpartition(b".")[0] + b".JPEG"


def open_archive(path: str) -> BinaryIO:
    """Opens an archive for reading. Raises SourceError if it cannot be opened."""
    try:
        return open_regular(path, buffering=0)
    except OSError as error:
        raise unreadable(path, error) from error


def tables(split: str, container: Container, folder: str, rows: list[Row]) -> Iterator[Members]:
    """Yields the labelled table of these images, or two if only some names have the class appended.

    >>> container = Container("a.tar", "train", "", "archive")
    >>> [members] = tables("train", container, "n01440764", [(b"n01440764_9.JPEG", 512, 4000)])
    >>> members.label.tolist()
    [0]

    Args:
      split: Split of the images.
      container: Archive or folder of the images.
      folder: Name of their class folder, or an empty string; see `labels.label_images`.
      rows: Stored name, offset and size of each image.

    Raises:
      SourceError: A name is not printable ASCII, does not state a class, or belongs to another split.
      LabelError: Two sources of a label contradict each other.
    """
    where = f"{container.path} ({shown(container.folder)})"
    if folder and not synsets.is_wnid(folder):  # the official paths have the wnid instead
        container = dataclasses.replace(container, folder=os.path.dirname(container.folder), in_classes=True)
    if odd := refuse_odd_names([name for name, _, _ in rows], where):
        rows = [row for row in rows if row[0] not in odd]
    plain, appended, wnids = [], [], []
    for row in rows:
        # The test images have no class.
        found = synsets.without_class(row[0]) if b"_n" in row[0].lower() and split != "test" else None
        if found is None:
            plain.append(row)
        elif b"_" + found[1].encode() not in row[0]:  # it would be looked for under another name
            error = SourceError(
                f"{where}: {shown(os.fsdecode(row[0]))} has a class in capitals appended. Rename it: _{found[1]}."
            )
            report(error, "images with a class in capitals appended to their names")
        else:
            appended.append((found[0], *row[1:]))
            wnids.append(found[1])
    for own, is_appended in ((plain, False), (appended, True)):
        try:
            if own:
                table = _table(split, dataclasses.replace(container, class_appended=is_appended), folder, own, where)
                if is_appended:
                    check_appended(table.name.tolist(), wnids, table.label, where)
                yield table
        except (SourceError, LabelError) as error:
            report(error, "folders whose class cannot be told")


def _table(split: str, container: Container, folder: str, rows: list[Row], where: str) -> Members:
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


def refuse_odd_names(names: Sequence[bytes], where: str) -> set[bytes]:
    """Reports a SourceError if names are not plain, see `is_plain`, and returns them.

    >>> refuse_odd_names([b"n01440764_10026.JPEG"], "/data/imagenet/train")
    set()
    """
    if odd := [name for name in names if not is_plain(name)]:
        error = SourceError(
            f"{where}: {counted(len(odd), 'file name is', 'file names are')} not printable ASCII of up to "
            f"{LONGEST_NAME} characters: {offenders(ascii(os.fsdecode(name[:80])) for name in odd)}. Rename them."
        )
        report(error, "file names that are not printable ASCII", len(odd))
    return set(odd)
