"""Immutable tables with the name, label and place of every image, one row per image.

The tables are columns and not objects because there are 1.3 million images: a row takes about 60 bytes.
"""

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ilsvrc_tfds import synsets

WHOLE_FILE = -1
# Reading loads a whole image into memory. At most 89,478,485 pixels are accepted; at 8 bytes each they are 683 MiB.
LARGEST_IMAGE = 1 << 30
_IMAGE_SUFFIXES = (b".jpeg", b".jpg", b".png")
READ_KINDS = "*.JPEG, *.jpg and *.png"
# Image formats that are not read, and suffixes of JPEG that no official name has.
_OTHER_SUFFIXES = (
    *(b".bmp", b".gif", b".webp", b".tif", b".tiff", b".avif", b".heic", b".heif", b".jxl", b".jp2", b".j2k", b".ppm"),
    *(b".pgm", b".tga", b".jpe", b".jfif"),
)


def is_image(name: bytes) -> bool:
    """Returns whether a file is an image according to its name. The `._name` that macOS's tar adds is not one.

    >>> is_image(b"n01440764_10026.JPEG"), is_image(b"._n01440764_10026.JPEG")
    (True, False)
    """
    return name.lower().endswith(_IMAGE_SUFFIXES) and not name.startswith(b".")


def is_other_image(name: bytes) -> bool:
    """Returns whether a file is, according to its name, an image in a format that is not read."""
    return name.lower().endswith(_OTHER_SUFFIXES) and not name.startswith(b".")


def size_fault(size: int) -> str:
    """Returns the reason why a file of this size cannot be an image, or an empty string if it can."""
    if size == 0:
        return "it is an empty file (0 bytes)"
    return f"it has {size:,} bytes, over the limit of {LARGEST_IMAGE:,}" if size > LARGEST_IMAGE else ""


@dataclasses.dataclass(frozen=True)
class Container:
    """A folder of images, an archive, or the part of an archive that holds one class.

    Attributes:
      path: Path of the folder or archive on disk.
      folder: Folder of the images in the layout, relative to the source: `train/n01440764`, `val`.
      stamp: Text that changes if the content does: size and time of an archive, digest of a folder's listing.
      layout: Kind of the layout that can read the images; see `layouts`.
      class_appended: Whether the stored names have the class appended to the official ones, as in Hugging Face's copy:
        `n01440764_10026_n01440764.JPEG`.
      in_classes: Whether the container holds images of several classes, whose paths have the folder of the class below
        `folder`, as they have in the official archives: `train/n01440764`.
      processed: Whether the images have other bytes than the source, because they were processed for a spool.
      origin: Path of the source's file that a spool or copy was made of, for messages; empty if `path` is that file.
    """

    path: str
    folder: str
    stamp: str
    layout: str
    class_appended: bool = False
    in_classes: bool = False
    processed: bool = False
    origin: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Members:
    """The images of one split.

    Attributes:
      split: Name of the split: `train`, `val` or `test`.
      containers: Folders and archives of the images.
      name: Official file names; S of shape (n,).
      label: Class indices in [0, 1000), or -1 in `test`; int16 of shape (n,).
      container: Position of each image's container in `containers`; int32 of shape (n,).
      offset: Position of each image's first byte in its archive, or WHOLE_FILE for a file; int64 of shape (n,).
      size: Number of bytes of each image; int64 of shape (n,).
      source_size: The same in the source, if the images were processed since; int64 of shape (n,), or None.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> train = index_images(find_layout(["/data/imagenet"])).splits["train"]
    >>> len(train), train.label.tolist()
    (12, [0, 0, 0, 0, 1, 1, 1, 1, 3, 3, 3, 3])
    >>> train.place(11)
    '/data/imagenet/ILSVRC2012_img_train.tar: train/n01491361/n01491361_12.JPEG'
    >>> train.paths().tolist()[0]
    b'train/n01440764/n01440764_9.JPEG'
    """

    split: str
    containers: tuple[Container, ...]
    name: np.ndarray
    label: np.ndarray
    container: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    source_size: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.name)

    def take(self, rows: np.ndarray) -> "Members":
        """Returns a table of these rows, with only the containers that they need."""
        container = self.container[rows]
        used = np.flatnonzero(np.bincount(container))  # `np.unique` would sort, and import numpy.ma first
        new = np.zeros(len(self.containers), np.int32)
        new[used] = np.arange(len(used))
        return Members(
            split=self.split,
            containers=tuple(self.containers[i] for i in used),
            name=self.name[rows],
            label=self.label[rows],
            container=new[container],
            offset=self.offset[rows],
            size=self.size[rows],
            source_size=None if self.source_size is None else self.source_size[rows],
        )

    def odd_sizes(self) -> list[str]:
        """Returns a line for each image that is empty or too large to be read: its place and the reason."""
        rows = np.flatnonzero((self.size == 0) | (self.size > LARGEST_IMAGE)).tolist()
        return [f"{self.place(row)}: {size_fault(int(self.size[row]))}" for row in rows]

    def place(self, row: int) -> str:
        """Returns the place of an image for messages, with its stored name.

        For example `/data/ILSVRC2012_img_val.tar: val/ILSVRC2012_val_00000001.JPEG`.
        """
        container = self.containers[self.container[row]]
        name = os.fsdecode(self.stored_name(row))
        if self.offset[row] == WHOLE_FILE:
            return os.path.join(container.path, name)
        return f"{container.origin or container.path}: {container.folder}/{name}"

    def stored_name(self, row: int) -> bytes:
        """Returns the file name of an image in the source; it may have the class appended to the official one."""
        name = bytes(self.name[row])
        if not self.containers[self.container[row]].class_appended:
            return name
        stem, dot, extension = name.rpartition(b".")
        return stem + b"_" + synsets.wnids()[self.label[row]].encode() + dot + extension

    def paths(self, *, official: bool = False) -> np.ndarray:
        """Returns the images' paths relative to the source; S of shape (n,).

        Args:
          official: Whether the paths end with the official names even if the source stores other names.
        """
        folders = np.array([os.fsencode(c.folder) + b"/" for c in self.containers], dtype=np.bytes_)
        is_stored_so = official or not any(container.class_appended for container in self.containers)
        names = self.name if is_stored_so else np.array([self.stored_name(row) for row in range(len(self))], np.bytes_)
        paths = folders[self.container]
        if any(container.in_classes for container in self.containers):
            classes = np.array([*(wnid.encode() + b"/" for wnid in synsets.wnids()), b""], np.bytes_)
            in_classes = np.array([container.in_classes for container in self.containers])[self.container]
            paths = np.char.add(paths, classes[np.where(in_classes, self.label, -1)])
        return np.char.add(paths, names)

    def digest(self, *, sizes: bool = True) -> str:
        """Returns a hexadecimal digest of all names, labels and sizes. It does not depend on places or order.

        Args:
          sizes: Whether sizes count. Those of images that have to be spooled are not known before.
        """
        order, size = np.argsort(self.name, kind="stable"), self.size if self.source_size is None else self.source_size
        digest = hashlib.blake2b(b"\0".join(self.name[order].tolist()), digest_size=16)
        digest.update(self.label[order].astype("<i2").tobytes())
        if sizes:
            digest.update(size[order].astype("<i8").tobytes())
        return digest.hexdigest()


def join_members(tables: Sequence[Members]) -> Members:
    """Returns one table with the rows of several of the same split, in their order. At least one table is needed."""
    offsets = itertools.accumulate([len(table.containers) for table in tables], initial=0)
    return Members(
        split=tables[0].split,
        containers=tuple(itertools.chain.from_iterable(table.containers for table in tables)),
        name=np.concatenate([table.name for table in tables]),
        label=np.concatenate([table.label for table in tables]),
        container=np.concatenate([table.container + offset for table, offset in zip(tables, offsets)], dtype=np.int32),
        offset=np.concatenate([table.offset for table in tables]),
        size=np.concatenate([table.size for table in tables]),
        source_size=_joined_source_sizes(tables),
    )


def _joined_source_sizes(tables: Sequence[Members]) -> np.ndarray | None:
    if all(table.source_size is None for table in tables):
        return None
    return np.concatenate([table.size if table.source_size is None else table.source_size for table in tables])


class Whole(NamedTuple):
    """What a split of a subset has if it is whole.

    Attributes:
      images: Number of images.
      classes: Number of classes, 0 in test.
      at_least: Whether there may be more images: the official number of each class is not known.
    """

    images: int
    classes: int
    at_least: bool = False


class Part(NamedTuple):
    """What a set of ours that is a subset records of one of its splits.

    Attributes:
      words: The subset, in words.
      missing: What of it was missing when the set was made, in words; empty if nothing was.
      described: Description of the subset, as `Subset.described` returns it.
      wnids: Wnid of each label, without the offset, if the classes are numbered anew in the set; otherwise None.
    """

    words: str
    missing: str = ""
    described: Mapping[str, object] = {}
    wnids: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Index:
    """All images of a source.

    Attributes:
      source: Folder that was searched.
      layout: Name of the layout: `archives`, `class archives`, `archives and folders`.
      splits: Images of each split that was found, in the order train, val, test.
      notes: Lines for the user: files that were skipped, other sources of the labels that agree.
      warnings: Lines about images that are not read or cannot be used.
      missing: For each missing split, a text that says what was found instead.
      made: For each split whose images have been processed already, the operation in JSON's types, as `describe_op`
        returns it: `{"op": "Resized", "shorter_side": 256, "quality": 95}`. Images of other splits are the original
        ones, as far as it is known.
      repaired: For each split, the names of images that are CMYK JPEGs or PNGs in the archives, and have been converted
        in the source.
      skipped: For each split of a set of ours, the damaged images that it was made without: the reason by file name.
      whole: For an index of a subset, what each split has if it is whole. Otherwise the official numbers count.
      subset: For an index that `Subset.of` has made, the description of the subset.
      parts: For each split that is read from a set of ours that is a subset, what the set records of it.
      recorded: For each split that is read from a set of ours, the number of images that the set records. So many are
        enough, because the set may only have been made if that was allowed.
      left_out: Splits that a set of ours was made without, if all splits are read from one.
    """

    source: str
    layout: str
    splits: dict[str, Members]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    made: Mapping[str, Mapping[str, object]] = dataclasses.field(default_factory=dict)
    repaired: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    skipped: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    whole: Mapping[str, Whole] = dataclasses.field(default_factory=dict)
    subset: Mapping[str, object] = dataclasses.field(default_factory=dict)
    parts: Mapping[str, Part] = dataclasses.field(default_factory=dict)
    recorded: Mapping[str, int] = dataclasses.field(default_factory=dict)
    left_out: tuple[str, ...] = ()
