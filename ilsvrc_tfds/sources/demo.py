"""Draws a miniature ILSVRC2012 in the layout of the official archives, for demos and tests without a download.

It has eight of the 1000 classes, and all pictures differ. The first train picture of some classes has a format that is
rare in the real archives: an orange is a CMYK JPEG, a daisy is an RGBA PNG named .JPEG; a honeycomb, a spider web and a
traffic light are grey. All other pictures are RGB JPEGs, 4:2:0.
"""

import contextlib
import filecmp
import gzip
import io
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import DestinationError, OptionError, require_integers
from ilsvrc_tfds.sources.drawings import DRAWINGS, boxes_of_drawing, encoded_drawing
from ilsvrc_tfds.storage.files import PARTIAL_SUFFIX, destination_errors, partial_path, write_whole

# What a run that was killed has left.
_PARTIAL = re.compile(rf"ILSVRC2012_img_(train|val)\.tar\.[0-9a-f]{{8}}{re.escape(PARTIAL_SUFFIX)}")

_ODD_MODES = {"n07747607": "CMYK", "n11939491": "RGBA", "n03530642": "L", "n04275548": "L", "n06874185": "L"}


def draw(folder: str | os.PathLike, *, train_per_class: int = 60, val_per_class: int = 20, seed: int = 0) -> Path:
    """Draws `ILSVRC2012_img_train.tar` and `ILSVRC2012_img_val.tar` into a folder; returns the folder.

    The bytes depend only on the three numbers and on the versions of NumPy and Pillow. Those of a picture depend only
    on `seed` and its name. The number in the name of a validation picture is one of the 50 whose official label is the
    picture's class. Archives that exist must be the same, because nothing is replaced, and the folder must not contain
    anything else, because that would count as a source.

    >>> sorted(path.name for path in draw("/data/demo", train_per_class=1, val_per_class=1).iterdir())
    ['ILSVRC2012_img_train.tar', 'ILSVRC2012_img_val.tar']

    Args:
      folder: Folder for the archives. It is created if it does not exist.
      train_per_class: Number of train pictures of each class, in [1, 1300].
      val_per_class: Number of validation pictures of each class, in [1, 50].
      seed: Seed of the drawings, in [0, 2**32).

    Raises:
      OptionError: A number is outside its range.
      DestinationError: The folder cannot be written, has other archives of these names, or contains something else.
    """
    limits = ("train_per_class", train_per_class, 1, 1300), ("val_per_class", val_per_class, 1, 50)
    for name, value, low, high in (*limits, ("seed", seed, 0, 2**32 - 1)):
        require_integers(**{name: value})
        if not low <= value <= high:
            raise OptionError(f"{name} must be in [{low}, {high}], got {value}.")
    folder = Path(folder)
    members = {"train": _train_members(train_per_class, seed), "val": _val_members(val_per_class, seed)}
    with destination_errors(folder), contextlib.ExitStack() as partials:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"ILSVRC2012_img_{split}.tar" for split in members]
        _require_no_others(folder, paths)
        drawn = [partials.enter_context(_drawn(path, own)) for path, own in zip(paths, members.values())]
        for path, partial in zip(paths, drawn):
            if path.exists() and not filecmp.cmp(path, partial, shallow=False):
                raise DestinationError(
                    f"{path} is there already, and is not the archive that is drawn here. It is left as it is: choose "
                    "another folder."
                )
        for path, partial in zip(paths, drawn):
            if not path.exists():
                os.replace(partial, path)
    return folder


def annotate(path: str | os.PathLike, *, val_per_class: int = 20, seed: int = 0) -> Path:
    """Writes the bounding boxes of the validation pictures that `draw` makes with the same numbers; returns the path.

    The file is like the official `ILSVRC2012_bbox_val_v3.tgz`: an archive with an XML file for each picture, which
    `export` takes as `bbox`. It does not belong into the folder of `draw`.

    >>> from ilsvrc_tfds.sources.boxes import read_boxes
    >>> boxes = read_boxes([annotate("/data/ILSVRC2012_bbox_val_v3.tgz", val_per_class=1)])
    >>> boxes[b"ILSVRC2012_val_00000274"]
    Boxes(width=221.0, height=189.0, corners=((42.0, 26.0, 87.0, 152.0),))

    Args:
      path: Path of the archive. An existing file is replaced.
      val_per_class: Number of validation pictures of each class, in [1, 50].
      seed: Seed of the drawings.
    """
    content = io.BytesIO()
    _write_tar(content, _annotations(val_per_class, seed))
    write_whole(path, gzip.compress(content.getvalue(), mtime=0))
    return Path(path)


def _annotations(per_class: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yields an XML file for each validation picture, in the format of PASCAL VOC."""
    for name, wnid in _val_pictures(per_class):
        stem = name.removesuffix(".JPEG")
        (width, height), boxes = boxes_of_drawing(wnid, name, seed)
        objects = "".join(
            f"<object><name>{wnid}</name><bndbox>"
            + "".join(f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box))
            + "</bndbox></object>"
            for box in boxes
        )
        size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        yield f"val/{stem}.xml", f"<annotation><filename>{stem}</filename>{size}{objects}</annotation>\n".encode()


def _require_no_others(folder: Path, paths: list[Path]) -> None:
    """Raises DestinationError if a folder holds something that was not drawn. Removes what a killed run left."""
    for path in folder.iterdir():
        if _PARTIAL.fullmatch(path.name):
            path.unlink()
        elif path not in paths and not path.name.startswith("."):
            raise DestinationError(
                f"{folder} holds {ascii(path.name)}, which was not drawn here. Choose another folder."
            )


@contextlib.contextmanager
def _drawn(path: Path, members: Iterable[tuple[str, bytes]]) -> Iterator[Path]:
    """Yields the path of a new archive of these members beside `path`. It is removed at the end if it still exists."""
    partial = Path(partial_path(path))
    try:
        with partial.open("wb") as file:
            _write_tar(file, members)
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _write_tar(file: io.BufferedIOBase, members: Iterable[tuple[str, bytes]]) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            header = tarfile.TarInfo(name)  # mtime, uid and gid 0, mode 0o644, no user: the same bytes everywhere
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))


def _train_members(per_class: int, seed: int) -> Iterator[tuple[str, bytes]]:
    for wnid in sorted(DRAWINGS):
        inner, modes = io.BytesIO(), [_ODD_MODES.get(wnid, "RGB")] + ["RGB"] * (per_class - 1)
        names = [f"{wnid}_{10 + 17 * k}.JPEG" for k in range(per_class)]  # with gaps, like the official numbers
        _write_tar(
            inner, ((name, encoded_drawing(wnid, name, seed, mode)) for name, mode in zip(names, modes, strict=True))
        )
        yield f"{wnid}.tar", inner.getvalue()


def _val_members(per_class: int, seed: int) -> Iterator[tuple[str, bytes]]:
    for name, wnid in _val_pictures(per_class):
        yield name, encoded_drawing(wnid, name, seed, "RGB")


def _val_pictures(per_class: int) -> Iterator[tuple[str, str]]:
    """Yields the name and the wnid of each validation picture, in the order of their numbers."""
    labels = synsets.validation_labels()
    wnids = {int(k): wnid for wnid in DRAWINGS for k in np.flatnonzero(labels == synsets.index_of(wnid))[:per_class]}
    for k in sorted(wnids):
        yield f"ILSVRC2012_val_{k + 1:08d}.JPEG", wnids[k]
