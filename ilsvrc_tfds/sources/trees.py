"""Lists an archive of a whole tree of folders, such as Kaggle's: the images of all splits, and tables of labels."""

import dataclasses
import functools
import itertools
import os
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import ImageError, LabelError, NotFoundError, SourceError, first_few, shown
from ilsvrc_tfds.sources.collecting import report
from ilsvrc_tfds.sources.label_tables import UNLIKE, check_solution, check_synset_mapping
from ilsvrc_tfds.sources.members import Container, is_image, is_other_image
from ilsvrc_tfds.sources.names import SPLITS, USUAL_NAMES, split_of_archive, split_of_folder
from ilsvrc_tfds.sources.places import Place, absolute
from ilsvrc_tfds.sources.scan import Scanned, tables
from ilsvrc_tfds.sources.unread import THUMBNAILS, is_class_archive

_Entry = tuple[bytes, int, int]  # path, offset, size
# Kaggle's table of the validation split has 5 MB.
_LARGEST_TABLE = 64 << 20
# The names of the tables of labels, and what compares them with ours.
_TABLES: dict[str, Callable[[Path, bytes], str]] = {
    "LOC_val_solution.csv": check_solution,
    "LOC_synset_mapping.txt": check_synset_mapping,
}
# Folders of Kaggle's tree without images: 600,000 annotations, and lists.
_WITHOUT_IMAGES = (b"Annotations", b"ImageSets")
# Archives inside an archive that may hold images, such as `imagenet_object_localization_patched2019.tar.gz`.
_INNER = re.compile(
    r"(?:imagenet|ilsvrc|cls.?loc|(?<![a-z])(?:train|val|test)).*\.(?:tar|tgz|zip|7z|rar)(?:\.\w+)?", re.I
)
_SUFFIXES = re.compile(r"\.(?:tar|zip|tgz|tar\.gz)$", re.I)
_NO_IMAGES = re.compile(r"bbox|devkit|annotation", re.I)


@dataclasses.dataclass(frozen=True, eq=False)
class Listing:
    """The images of one class folder, or of a split without class folders. Takes 80 bytes an image.

    Attributes:
      names: File names.
      offsets: Positions in the archive.
      sizes: Numbers of bytes.
    """

    names: list[bytes] = dataclasses.field(default_factory=list)
    offsets: array = dataclasses.field(default_factory=lambda: array("q"))
    sizes: array = dataclasses.field(default_factory=lambda: array("q"))


@dataclasses.dataclass(frozen=True, eq=False)
class Tree:
    """The contents of an archive of a tree.

    Attributes:
      path: Path of the archive.
      stamp: Stamp of the archive from before it was listed, see `scan.unchanged`.
      splits: Images of each split, by the class folder; it is empty for images that are in none.
      passed_over: Names of files that are not images.
      other_kinds: Names of images in formats that are not read.
      unread: Number of images in each folder that belongs to no split, or is too deep.
      archives: Names of archives inside the archive.
      tables: Path inside the archive and contents of each table of labels.
      tops: Folders of each split.
    """

    path: str
    stamp: str
    splits: dict[str, dict[str, Listing]] = dataclasses.field(default_factory=dict)
    passed_over: list[str] = dataclasses.field(default_factory=list)
    other_kinds: list[str] = dataclasses.field(default_factory=list)
    unread: Counter[str] = dataclasses.field(default_factory=Counter)
    archives: list[str] = dataclasses.field(default_factory=list)
    tables: list[tuple[str, bytes]] = dataclasses.field(default_factory=list)
    tops: dict[str, set[str]] = dataclasses.field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that the tables agree with the official labels. Reports a SourceError or LabelError if they do not."""
        for told in self._compared:
            if not isinstance(told, str):
                report(told, UNLIKE)
        return tuple(told for told in self._compared if isinstance(told, str))

    @functools.cached_property
    def _compared(self) -> list[str | SourceError | LabelError]:
        """What the tables say, each read once for all splits."""
        found: list[str | SourceError | LabelError] = []
        for name, data in self.tables:
            try:
                found.append(_TABLES[os.path.basename(name)](Path(self.path, name), data))
            except (SourceError, LabelError) as error:
                found.append(error)
        return found

    def places(self, kind: str) -> list[Place]:
        """Returns the places of the splits.

        Raises:
          SourceError: There are none, but archives, which are not read inside of an archive.
          NotFoundError: There are none. The message says what there is.
        """
        path = absolute(Path(self.path))
        if self.splits:
            # An archive of one split with the official name belongs together with those of the others.
            is_usual = len(self.splits) == 1 and f"{_SUFFIXES.sub('', os.path.basename(path))}.tar" in USUAL_NAMES
            own = "" if is_usual else path
            return [Place(s, path, s, kind, set=own, listing=self) for s in SPLITS if s in self.splits]
        if self.archives:
            them = "it" if all(name.lower().endswith(".tar") for name in self.archives) else "it and what is inside"
            raise SourceError(
                f"{self.path} holds archives, which are not read in place inside of it: {first_few(self.archives)}. "
                f"Unpack {them}, and name the folder."
            )
        folders = [f"{folder} ({count:,} images)" for folder, count in self.unread.items()]
        others = first_few([*folders, *self.other_kinds, *self.passed_over]) or "nothing that is read"
        raise NotFoundError(f"{self.path} holds no images in folders train/, val/ or test/, but {others}.")

    def scanned(self, split: str, kind: str) -> Scanned:
        """Returns the labelled images of a split, and what the tables say.

        Args:
          split: Split to return.
          kind: Kind of the layout that reads the images.

        Raises:
          SourceError: A name or folder is unknown, or belongs to another split; or two folders may be the split.
          LabelError: Two sources of a label contradict each other.
        """
        if len(tops := self.tops[split]) > 1:
            raise SourceError(
                f"{self.path}: {first_few(shown(top) or '.' for top in sorted(tops))} may both be the split {split}. "
                "Unpack the archive without the wrong one, and name the folder."
            )
        found = []
        for folder, own in self.splits[split].items():
            place = f"train/{folder}" if split == "train" and folder else split
            rows = list(zip(own.names, own.offsets, own.sizes))
            found += list(tables(split, Container(self.path, place, self.stamp, kind), folder, rows))
        rest = (tuple(self.passed_over), tuple(self.other_kinds))
        unread = (*self.unread.items(), *((name, 0) for name in self.archives))
        return Scanned(tuple(found), *rest, unread, notes=self.notes)


@dataclasses.dataclass(frozen=True, eq=False)
class Listed:
    """A scan that is done already, because the splits of an archive are known only when all of it is listed.

    Attributes:
      split: Split of the images.
      path: Path of the archive.
      found: Result of the scan.
    """

    split: str
    path: str
    found: Scanned

    def __call__(self) -> Scanned:
        """Returns the result."""
        return self.found


def list_tree(path: str, stamp: str, entries: Iterable[_Entry], read: Callable[[int, int], bytes]) -> Tree:
    """Returns the contents of an archive of a tree.

    >>> jpeg = (b"ILSVRC/Data/CLS-LOC/train/n01440764/n01440764_18.JPEG", 512, 110_000)
    >>> tree = list_tree("a.tar", "", [jpeg], read=lambda offset, size: b"")
    >>> tree.splits["train"]["n01440764"].names
    [b'n01440764_18.JPEG']

    Args:
      path: Path of the archive.
      stamp: Stamp of the archive from before it was listed.
      entries: Path inside the archive, offset and size of each file.
      read: Function that returns the bytes of a file: `read(offset, size)`.
    """
    tree, of_archive = Tree(path, stamp), split_of_archive(_SUFFIXES.sub("", os.path.basename(path)) + ".tar")
    for name, offset, size in entries:
        folder, _, base = name.rpartition(b"/")
        if is_image(base):
            split, wnid, top = place_of(folder, of_archive)
            if split is None or wnid is None:
                if _may_hold_images(folder):
                    tree.unread[shown(os.fsdecode(folder)) or "."] += 1
                continue
            tree.tops.setdefault(split, set()).add(top)
            own = tree.splits.setdefault(split, {}).setdefault(wnid, Listing())
            own.names.append(base)
            own.offsets.append(offset)
            own.sizes.append(size)
        elif base.decode("ascii", "replace") in _TABLES and size <= _LARGEST_TABLE:
            tree.tables.append((shown(os.fsdecode(name)), _table(tree, name, read, offset, size)))
        elif not _may_hold_images(folder):
            continue
        elif is_other_image(base):
            tree.other_kinds.append(shown(os.fsdecode(name)))
        elif is_class_archive(base) or is_inner_archive(base):
            tree.archives.append(shown(os.fsdecode(name)))
        elif not any(part in _WITHOUT_IMAGES for part in folder.split(b"/")):
            tree.passed_over.append(shown(os.fsdecode(name)))
    return tree


def _table(tree: Tree, name: bytes, read: Callable[[int, int], bytes], offset: int, size: int) -> bytes:
    try:
        return read(offset, size)
    except ImageError as error:
        raise SourceError(f"{tree.path}: {shown(os.fsdecode(name))}: {error}.") from error


@functools.lru_cache(1 << 12)
def place_of(folder: bytes, of_archive: str | None = None) -> tuple[str | None, str | None, str]:
    """Returns the split, the class folder, and the folder of the split of the images in a folder of a tree.

    The split is None if no part of the path names one, or if it belongs to another task or to a file server. The class
    folder is empty if there is none, and None if the folder is too deep below that of the split.

    >>> place_of(b"ILSVRC/Data/CLS-LOC/val"), place_of(b"./train/n01440764"), place_of(b"train/n01440764/old")
    (('val', '', 'ILSVRC/Data/CLS-LOC/val'), ('train', 'n01440764', 'train'), ('train', None, 'train'))

    Args:
      folder: Path of the folder in the archive.
      of_archive: Split that the archive is named for, as `train.zip` is. It may have images or classes at its root.
    """
    parts = [os.fsdecode(part) for part in folder.split(b"/") if part not in (b"", b".")]
    if not _may_hold_images(folder) or any(os.fsencode(part) in _WITHOUT_IMAGES for part in parts):
        return None, None, ""
    if any(above == "Data" and not _is_data(below) for above, below in itertools.pairwise(parts)):
        return None, None, ""
    most = next((k for k, part in enumerate(parts) if synsets.is_wnid(part)), len(parts))
    for k in reversed(range(most)):
        if split := split_of_folder(parts[k]):
            below = parts[k + 1 :]
            is_class = len(below) == 1 and (split == "train" or synsets.is_wnid(below[0]))
            return split, below[0] if is_class else None if below else "", "/".join(parts[: k + 1])
    if of_archive is None or len(parts) > 1 or most:
        return None, None, ""
    return of_archive, "".join(parts), ""


def _is_data(folder: str) -> bool:
    """Returns whether a folder in Kaggle's `Data/` has our images: `CLS-LOC`, and not those of detection or videos."""
    return folder == "CLS-LOC" or split_of_folder(folder) is not None


def is_inner_archive(name: bytes) -> bool:
    """Returns whether a file in an archive is, by its name, an archive that may hold images of several classes.

    >>> is_inner_archive(b"ILSVRC2012_img_train.tar"), is_inner_archive(b"ILSVRC2012_devkit_t12.tar.gz")
    (True, False)
    """
    text = os.fsdecode(name)
    return bool(_INNER.search(text)) and not _NO_IMAGES.search(text)


def _may_hold_images(folder: bytes) -> bool:
    parts = os.fsdecode(folder).split("/")
    return not any(part in THUMBNAILS or part[:1] == "." != part for part in parts)
