"""Where a source is looked for, and what was found there."""

import logging
import os
from collections.abc import Collection
from pathlib import Path

from ilsvrc_tfds.runners.local import LocalRunner
from ilsvrc_tfds.sources.index import index_images
from ilsvrc_tfds.sources.layouts import find_layout
from ilsvrc_tfds.sources.members import Index

_log = logging.getLogger(__name__)

SOURCE_VARIABLE = "ILSVRC2012_DIR"


def usual_places(manual_dir: Path, below_data_dir: Path) -> list[str | os.PathLike]:
    """Returns where the source is looked for if it was not named: ILSVRC2012_DIR; else TFDS's manual folder, `<data_dir>/ilsvrc2012`."""
    variable = os.environ.get(SOURCE_VARIABLE)
    return [variable] if variable else [manual_dir, below_data_dir]


def find_images(
    candidates: list[str | os.PathLike], runner: LocalRunner, splits: Collection[str] | None = None
) -> Index:
    """Returns the index of the first candidate folder that holds ILSVRC2012, and logs what was found.

    Args:
      candidates: folders to look into.
      runner: carries out the scans.
      splits: the only ones that are taken; all where None.

    Raises:
      IncompleteError: one of `splits` is not there.
      SourceError, LabelError.
    """
    index = index_images(find_layout(candidates).only(splits), runner.run)
    counts = ", ".join(f"{len(members):,} {split}" for split, members in index.splits.items())
    _log.info("%s: %s, %s images", index.source, index.layout, counts)
    for note in index.notes:
        _log.info("%s", note)
    for warning in index.warnings:
        _log.warning("%s: %s.", index.source, warning)
    return index
