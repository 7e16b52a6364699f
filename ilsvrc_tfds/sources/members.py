"""Where every image lies: immutable tables, one row an image.

Columns instead of objects, since there are 1.3 million images: about 60 bytes each.
"""

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Mapping, Sequence

import numpy as np

from ilsvrc_tfds import synsets

WHOLE_FILE = -1
# Reading takes an image into memory as a whole. 89,478,485 pixels, the most that are accepted, of 8 bytes are 683 MiB.
LARGEST_IMAGE = 1 << 30
_IMAGE_SUFFIXES = (b".jpeg", b".jpg", b".png")
READ_KINDS = "*.JPEG, *.jpg and *.png"
# Images as other tools save them, and JPEGs by a name that none of the official ones has.
_OTHER_SUFFIXES = (
    *(b".bmp", b".gif", b".webp", b".tif", b".tiff", b".avif", b".heic", b".heif", b".jxl", b".jp2", b".j2k", b".ppm"),
    *(b".pgm", b".tga", b".jpe", b".jfif"),
)


def is_image(name: bytes) -> bool:
    """Returns whether a file is an image by its name; not macOS's `._name`, which its tar adds beside each file."""
    return name.lower().endswith(_IMAGE_SUFFIXES) and not name.startswith(b".")


def is_other_image(name: bytes) -> bool:
    """Returns whether a file is an image by its name, of a kind that is not read."""
    return name.lower().endswith(_OTHER_SUFFIXES) and not name.startswith(b".")


def size_fault(size: int) -> str:
    """Returns why no image has so many bytes, in words; nothing if one may have them."""
    if size == 0:
        return "it is an empty file (0 bytes)"
    return f"it has {size:,} bytes, over the limit of {LARGEST_IMAGE:,}" if size > LARGEST_IMAGE else ""


@dataclasses.dataclass(frozen=True)
class Container:
    """A folder of images, or an archive (or the part of one that holds one class).

    Attributes:
      path: of the folder or the archive on disk.
      folder: where the layout has its images, relative to the source: `train/n01440764`, `val`.
      stamp: changes when the content does: size and time of an archive, digest of a folder's listing.
      class_appended: whether the images are stored with the class appended to their official names, as Hugging Face's are:
        `n01440764_10026_n01440764.JPEG`.
    """

    path: str
    folder: str
    stamp: str
    class_appended: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Members:
    """The images of one split.

    Attributes:
      split: `train`, `val` or `test`.
      containers: where the images lie.
      name: official file names, S of shape (n,).
      label: class indices in [0, 1000), -1 in `test`; int16 of shape (n,).
      container: which of `containers`; int32 of shape (n,).
      offset: of the image's first byte in its archive, WHOLE_FILE for a file in a folder; int64 of shape (n,).
      size: bytes; int64 of shape (n,).
    """

    split: str
    containers: tuple[Container, ...]
    name: np.ndarray
    label: np.ndarray
    container: np.ndarray
    offset: np.ndarray
    size: np.ndarray

    def __len__(self) -> int:
        return len(self.name)

    def take(self, rows: np.ndarray) -> "Members":
        """Returns these rows, with only the containers that they need."""
        used, container = np.unique(self.container[rows], return_inverse=True)
        return Members(
            split=self.split,
            containers=tuple(self.containers[i] for i in used),
            name=self.name[rows],
            label=self.label[rows],
            container=container.astype(np.int32),
            offset=self.offset[rows],
            size=self.size[rows],
        )

    def odd_sizes(self) -> list[str]:
        """Returns the places of the images that are empty or too large to be read, and which of both each is."""
        rows = np.flatnonzero((self.size == 0) | (self.size > LARGEST_IMAGE)).tolist()
        return [f"{self.place(row)}: {size_fault(int(self.size[row]))}" for row in rows]

    def place(self, row: int) -> str:
        """Returns where an image lies, under the name that it has there, for messages.

        For example `/data/ILSVRC2012_img_val.tar: val/ILSVRC2012_val_00000001.JPEG`.
        """
        container = self.containers[self.container[row]]
        name = os.fsdecode(self._stored_name(row))
        if self.offset[row] == WHOLE_FILE:
            return os.path.join(container.path, name)
        return f"{container.path}: {container.folder}/{name}"

    def paths(self, *, official: bool = False) -> np.ndarray:
        """Returns the images' paths relative to the source, as its layout has them; S of shape (n,).

        Args:
          official: Whether the paths end with the official names, also where the source has other ones.
        """
        folders = np.array([os.fsencode(c.folder) + b"/" for c in self.containers], dtype=np.bytes_)
        is_stored_so = official or not any(container.class_appended for container in self.containers)
        names = self.name if is_stored_so else np.array([self._stored_name(row) for row in range(len(self))], np.bytes_)
        return np.char.add(folders[self.container], names)

    def digest(self) -> str:
        """Returns what changes with an image's name, label or size, and not with where or in which order they lie; hexadecimal."""
        order = np.argsort(self.name, kind="stable")
        digest = hashlib.blake2b(b"\0".join(self.name[order].tolist()), digest_size=16)
        for column in (self.label[order].astype("<i2"), self.size[order].astype("<i8")):
            digest.update(column.tobytes())
        return digest.hexdigest()

    def _stored_name(self, row: int) -> bytes:
        name = bytes(self.name[row])
        if not self.containers[self.container[row]].class_appended:
            return name
        stem, dot, extension = name.rpartition(b".")
        return stem + b"_" + synsets.wnids()[self.label[row]].encode() + dot + extension


def join_members(tables: Sequence[Members]) -> Members:
    """Returns one table of several of the same split, in their order; at least one."""
    offsets = itertools.accumulate([len(table.containers) for table in tables], initial=0)
    return Members(
        split=tables[0].split,
        containers=tuple(itertools.chain.from_iterable(table.containers for table in tables)),
        name=np.concatenate([table.name for table in tables]),
        label=np.concatenate([table.label for table in tables]),
        container=np.concatenate([table.container + offset for table, offset in zip(tables, offsets)], dtype=np.int32),
        offset=np.concatenate([table.offset for table in tables]),
        size=np.concatenate([table.size for table in tables]),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Index:
    """All images of a source.

    Attributes:
      source: the folder that was searched.
      layout: how the images lie there, in words: `archives`, `class archives`, `archives and folders`.
      splits: the splits found, in the order train, val, test.
      notes: what a user should know: files passed over, second sources of the labels that agree.
      warnings: images that are there and are not read, or cannot be.
      missing: for each split that is not there, what was seen in its place, in words.
    """

    source: str
    layout: str
    splits: dict[str, Members]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
