"""Writes the metadata of a source as HDF5, or finds that the file has it already."""

import logging
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np

from ilsvrc_tfds.errors import DestinationError, SourceError, counted
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.formats.hdf5 import SplitMetadata
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources.completeness import incomplete_is_allowed, log_missing_splits
from ilsvrc_tfds.sources.find import find_images
from ilsvrc_tfds.storage.files import file_to_replace

_log = logging.getLogger(__name__)


def write_metadata(
    source: str | os.PathLike,
    out: str | os.PathLike,
    *,
    image_root: str = "",
    splits: Collection[str] | None = None,
    workers: int | None = None,
    allow_incomplete: bool | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes the metadata of a source into an HDF5 file, and returns its path. A file with the same content is kept.

    >>> write_metadata("/data/imagenet", "/data/metadata.h5").name
    'metadata.h5'

    Args:
      source: Folder in any layout.
      out: Path of the file.
      image_root: Folder to put before each path. If empty, paths are relative to the source.
      splits: Splits to describe; None for all.
      workers: Number of worker processes; None uses all cores.
      allow_incomplete: Whether train or val may be missing; None asks the environment variable.
      overwrite: Whether a file with another content is replaced.

    Raises:
      SourceError: See `find_images`; or none of the splits has labels.
      DestinationError: The file cannot be written, or has another content and is not to be replaced.
    """
    out = file_to_replace(out)  # before the work
    with LocalRunner(workers) as runner:
        index = find_images([source], runner, splits)
    log_missing_splits(index, incomplete_is_allowed(allow_incomplete), splits)
    if out.exists() and not overwrite:
        with tempfile.TemporaryDirectory() as folder:
            new = Path(folder, hdf5.NAME)
            hdf5.write(new, index.splits.values(), image_root=image_root, sync=False)
            if differing := "; ".join(_differences(out, hdf5.read(new))):
                raise DestinationError(
                    f"{out} exists already, and {differing}. Replace it with --overwrite (overwrite=True), or choose "
                    "another name."
                )
        _log.info("%s has the metadata already.", out)
        return out
    hdf5.write(out, index.splits.values(), image_root=image_root)
    return out


def _differences(there: Path, new: Mapping[str, SplitMetadata]) -> Iterator[str]:
    """Yields the differences between a file and the metadata that it would have now, in words."""
    try:
        old = hdf5.read(there)
    except SourceError:
        yield "is not the metadata of ILSVRC2012"
        return
    if old.keys() != new.keys():
        yield f"has {', '.join(old)}, not {', '.join(new)}"
    for split in old.keys() & new.keys():
        then, now = old[split], new[split]
        if len(then.image_filenames) != len(now.image_filenames):
            yield f"has {counted(len(then.image_filenames), 'image')} of {split}, not {len(now.image_filenames):,}"
        elif not np.array_equal(then.image_filenames, now.image_filenames):
            row = int(np.flatnonzero(then.image_filenames != now.image_filenames)[0])
            yield f"has other paths of {split}: {then.image_filenames[row]}, not {now.image_filenames[row]}"
        elif not _same(then, now):
            yield f"has other classes of {split}"


def _same(then: SplitMetadata, now: SplitMetadata) -> bool:
    columns = ("classes", "labels", "descriptions", "object_ids", "list_image_filenames_per_class")
    return all(np.array_equal(getattr(then, name), getattr(now, name)) for name in columns)
