"""Folders: the images as files, in `train/<wnid>/`, `val/`, `val/<wnid>/` and `test/`; or in `train/<wnid>.tar`.

A split may mix class folders and class archives, so both are one layout. So is Kaggle's tree, which has the same
folders deeper down, in `ILSVRC/Data/CLS-LOC/`.
"""

import dataclasses
import hashlib
import os
import stat
from collections.abc import Collection
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, shown, unreadable
from ilsvrc_tfds.sources import copies
from ilsvrc_tfds.sources.class_folders import meanings_of
from ilsvrc_tfds.sources.collecting import report
from ilsvrc_tfds.sources.gzips import GzipScan
from ilsvrc_tfds.sources.labels import class_of_folder
from ilsvrc_tfds.sources.layouts.archives import TarScan
from ilsvrc_tfds.sources.members import WHOLE_FILE, Container, is_image, is_other_image
from ilsvrc_tfds.sources.names import FOLDERS, OTHER_ROOTS, USUAL_NAMES, split_of_folder
from ilsvrc_tfds.sources.other_sets import many_foreign_classes
from ilsvrc_tfds.sources.places import Place, absolute, kind_of, names_in
from ilsvrc_tfds.sources.scan import Scan, Scanned, archive_stamp, stamp_of_full, tables
from ilsvrc_tfds.sources.sightings import contents
from ilsvrc_tfds.sources.unread import THUMBNAILS, images_below, is_class_archive

KIND = "folder"
COMPRESSED = (".tar.gz", ".tgz")


def find(source: Path, root: str) -> list[Place]:
    """Returns the folders of all splits in one folder of a source.

    >>> [(place.split, place.kind, place.folder) for place in find(Path("/data/folders"), "")]
    [('train', 'folder', 'train'), ('val', 'folder', 'val')]
    """
    found, folder = [], source / root
    for own, names in FOLDERS.items() if root not in OTHER_ROOTS else ():
        usual = (folder / name for name in names)
        found += [_place(source, path, own) for path in usual if _is_used(path)]
    for name in names_in(folder):
        split = split_of_folder(name) if root in OTHER_ROOTS or name not in USUAL_NAMES else None
        if split and kind_of(folder / name) == "folder":
            place = dataclasses.replace(_place(source, folder / name, split), usual=False)
            # A name such as `dev` may belong to something else, as /dev does.
            if contents(place.path) not in ("", "shards"):
                found.append(place)
    return found


def scans(place: Place) -> tuple[list[Scan], list[str]]:
    """Returns the scans of one split, one for each class if it has classes; and the folders that are not used."""
    if error := many_foreign_classes(place.path, _foreign_classes(place)):
        raise error
    archives: dict[str, Scan] = {}
    folders: dict[str, FolderScan] = {}
    compressed: dict[str, Scan] = {}
    for name in names_in(place.path):
        try:
            job = _scan_of_class(place, name)
        except SourceError as error:
            report(error)
            continue
        if isinstance(job, FolderScan):
            folders[job.wnid] = job
        elif job is not None:
            (compressed if isinstance(job, GzipScan) else archives)[job.wnid] = job
    # If a class has both, that which is not compressed is used: it is read in place.
    archives = compressed | archives
    # If a class has an archive and a folder, the archive is used: if it is cut short, the scan notices.
    used = archives | {name: job for name, job in folders.items() if name not in archives}
    names = (*folders, *(os.path.basename(job.path) for job in archives.values()))
    own = FolderScan(place.split, place.path, place.folder, passes_over=names)
    unused = [job.path for name, job in folders.items() if name in archives]
    return [*(used[name] for name in sorted(used)), own], unused


def _scan_of_class(place: Place, name: str) -> "TarScan | FolderScan | None":
    """Returns the scan of an entry of the folder of a split, or None if it does not belong to one class.

    Raises SourceError for an entry that must belong to a class and does not.
    """
    path = os.path.join(place.path, name)
    if name in THUMBNAILS:
        return None
    if _is_of_class(place, name, path):
        return FolderScan(place.split, path, f"{place.folder}/{name}", name)
    if place.split == "train" and name.endswith(".tar"):
        wnid = name.removesuffix(".tar")
        class_of_folder(wnid, path)
        return TarScan(place.split, path, stamp_of_full(path), wnid)
    if place.split == "train" and synsets.is_class(name[:9]) and name[9:] in COMPRESSED:
        stamp = stamp_of_full(path)
        return GzipScan(place.split, path, stamp, name[:9], copy=copies.of(path, stamp))
    if synsets.is_wnid(name) and os.path.islink(path):
        archive_stamp(path)  # raises SourceError for a broken link
    elif _is_stray(place.path, name, place.split):
        raise SourceError(_stray(place, path))
    return None


def _foreign_classes(place: Place) -> list[str]:
    """Returns the wnids of the class folders and archives that are not among the 1000 classes."""
    wnids = (name.removesuffix(".tar") for name in names_in(place.path))
    return [wnid for wnid in wnids if synsets.is_wnid(wnid) and not synsets.is_class(wnid)]


def _is_of_class(place: Place, name: str, path: str) -> bool:
    """Returns whether an entry of the folder of a split is a folder whose images belong to one class."""
    if place.split == "train" or synsets.is_wnid(name):
        return os.path.isdir(path)
    if place.split != "val" or is_image(os.fsencode(name)):  # by name first, because a flat folder has 50,000 images
        return False
    return bool(meanings_of(name)) and os.path.isdir(path)


def in_words(places: Collection[Place], jobs: Collection[Scan]) -> str:
    """Returns the name of the layout, from all places and scans of the source."""
    if any("CLS-LOC" in place.path for place in places):
        return "Kaggle CLS-LOC folders"
    has_archives = any(isinstance(job, TarScan) and os.path.basename(job.path)[:9] == job.wnid for job in jobs)
    return "class archives" if has_archives else "folders"


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

    def __call__(self) -> Scanned:
        """Returns the labelled images of the folder. Raises SourceError or LabelError."""
        rows, others, listing = [], [], hashlib.blake2b(digest_size=16)
        try:
            with os.scandir(self.path) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    name = os.fsencode(entry.name)
                    status = entry.stat() if is_image(name) else None  # follows links; a broken link is an error
                    if status is None or not stat.S_ISREG(
                        status.st_mode
                    ):  # a folder, or a pipe, whose reading would not end
                        if entry.name not in self.passes_over:
                            others.append(entry)
                        continue
                    rows.append((name, WHOLE_FILE, status.st_size))
                    listing.update(b"%s\0%d\0%d\0" % (name, status.st_size, status.st_mtime_ns))
        except OSError as error:
            raise unreadable(self.path, error) from error
        container = Container(self.path, self.folder, listing.hexdigest(), KIND)
        others, kinds = ([e for e in others if _is_of_other_kind(e) == is_image] for is_image in (False, True))
        other_kinds = tuple(shown(f"{self.folder}/{entry.name}") for entry in kinds)
        passed_over, unread = _not_read(self, others)
        return Scanned(tuple(tables(self.split, container, self.wnid, rows)), passed_over, other_kinds, unread)


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


def _is_used(folder: Path) -> bool:
    """Returns whether a folder of a split holds anything except shards, which other layouts read."""
    if kind_of(folder) != "folder" or not (names := names_in(folder)):
        return False
    return contents(folder) != "shards" or any(_is_of_folders(folder, name) for name in names)


def _is_of_folders(folder: Path, name: str) -> bool:
    """Returns whether an entry of a folder of a split is one of a class, or a folder that may hold images."""
    return synsets.is_wnid(name.removesuffix(".tar")) or name not in THUMBNAILS and os.path.isdir(folder / name)


def _place(source: Path, folder: Path, split: str) -> Place:
    inner = _innermost(folder, split)
    return Place(split, absolute(inner), os.path.relpath(inner, source), KIND)


def _innermost(folder: Path, split: str) -> Path:
    """Returns the folder, or the one in it that has all its images: `val/val/`, from a tar with `val/`."""
    names = names_in(folder)
    if any(is_image(os.fsencode(name)) or synsets.is_wnid(name.removesuffix(".tar")) for name in names):
        return folder
    if any(_is_stray(folder, name, split) for name in names):
        return folder
    inner = [folder / name for name in names if name in FOLDERS[split] and names_in(folder / name)]
    inner += [folder / name for name in names if split_of_folder(name) == split and contents(folder / name)]
    return inner[0] if inner else folder


def _is_stray(folder: str | os.PathLike, name: str, split: str) -> bool:
    """Returns whether `name` in the folder of a split is a folder of images that is neither a class's nor `val/val/`.

    >>> _is_stray("/data/folders/train", "n01440764", "train"), _is_stray("/data/folders", "val", "train")
    (False, True)
    """
    # By name first: in a flat folder this saves 50,000 looks at the file system.
    if is_image(os.fsencode(name)) or synsets.is_wnid(name) or name in FOLDERS[split] or split_of_folder(name) == split:
        return False
    path = os.path.join(folder, name)
    return any(is_image(os.fsencode(below)) and os.path.isfile(os.path.join(path, below)) for below in names_in(path))


def _stray(place: Place, path: str) -> str:
    return (
        f"{shown(path)} holds images but its name is not one of the 1000 classes. Images of split {place.split!r} are "
        f"expected in {place.path} itself or in class folders such as n01440764. Rename it, or move it away."
    )
