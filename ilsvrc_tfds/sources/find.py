"""Finds the source in the usual places, indexes it, and logs the result."""

import functools
import logging
import os
from collections.abc import Collection
from pathlib import Path

from ilsvrc_tfds.runners.local import LocalRunner
from ilsvrc_tfds.sources import copies
from ilsvrc_tfds.sources.index import index_images
from ilsvrc_tfds.sources.members import Index
from ilsvrc_tfds.sources.search import Layout, find_layout

_log = logging.getLogger(__name__)

SOURCE_VARIABLE = "ILSVRC2012_DIR"


def usual_places(manual_dir: Path, below_data_dir: Path) -> list[str | os.PathLike]:
    """Returns the folders to search if no source was named.

    The only one is the value of ILSVRC2012_DIR if that is set.

    >>> usual_places(Path("/data/tfds/downloads/manual"), Path("/data/tfds/ilsvrc2012"))
    [PosixPath('/data/tfds/downloads/manual'), PosixPath('/data/tfds/ilsvrc2012')]

    Args:
      manual_dir: TFDS's folder for data that is downloaded by hand.
      below_data_dir: The folder `<data_dir>/ilsvrc2012`.
    """
    variable = os.environ.get(SOURCE_VARIABLE)
    return [variable] if variable else [manual_dir, below_data_dir]


def find_images(
    candidates: list[str | os.PathLike], runner: LocalRunner, splits: Collection[str] | None = None
) -> Index:
    """Returns the index of the first candidate folder that holds ILSVRC2012. Logs its counts, notes and warnings.

    >>> with LocalRunner(1) as runner:
    ...     index = find_images(["/data/imagenet"], runner)
    >>> {split: len(members) for split, members in index.splits.items()}
    {'train': 12, 'val': 6}

    Args:
      candidates: Folders to search, in this order.
      runner: Runner of the scans.
      splits: Splits to index, or None for all.

    Raises:
      IncompleteError: One of `splits` is missing.
      SourceError: A source cannot be read or makes no sense.
      LabelError: Two sources of a label contradict each other.
    """
    return index_layout(find_layout(candidates, splits).only(splits), runner)


def index_layout(layout: Layout, runner: LocalRunner) -> Index:
    """Returns the index of a source that was found. Logs its counts, notes and warnings, and raises, as `find_images`.

    >>> with LocalRunner(1) as runner:
    ...     index = index_layout(find_layout(["/data/imagenet"]).only(["val"]), runner)
    >>> list(index.splits)
    ['val']
    """
    index = index_images(layout, functools.partial(runner.run_short, quick=layout.is_quick()))
    copies.end_progress()
    counts = ", ".join(f"{len(members):,} {split}" for split, members in index.splits.items())
    images = "image" if sum(map(len, index.splits.values())) == 1 else "images"
    _log.info("%s: %s, %s %s", index.source, index.layout, counts, images)
    for note in index.notes:
        _log.info("%s", note)
    for warning in index.warnings:
        _log.warning("%s: %s.", index.source, warning)
    return index
