"""Compares a data set that is prepared already with the images of its source now."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ilsvrc_tfds.errors import DestinationError, first_few, shown
from ilsvrc_tfds.outputs.comparison import Made, differences, recorded_images, repaired_images
from ilsvrc_tfds.outputs.data_set import Options
from ilsvrc_tfds.outputs.replaceable import read_within
from ilsvrc_tfds.sources import Index

if TYPE_CHECKING:
    from ilsvrc_tfds.outputs.builder import Ilsvrc2012

REPLACE = "Replace it with --overwrite (overwrite=True), or choose another data directory"

_log = logging.getLogger(__name__)


def require_same_images(builder: "Ilsvrc2012", index: Index | None, wanted: Options) -> None:
    """Raises DestinationError if the source now has other images than those that the data set on disk was made of.

    >>> import ilsvrc_tfds
    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> import tensorflow_datasets as tfds
    >>> builder = ilsvrc_tfds.prepare("/data/imagenet", "/data/tfds")
    >>> index = index_images(find_layout(["/data/imagenet"]))
    >>> require_same_images(builder, index, builder.options(tfds.download.DownloadConfig()))

    Args:
      builder: Builder of the data set, which is prepared.
      index: Images that the source has now; None if it has none, so that nothing is compared.
      wanted: Options of the data set.
    """
    if index is None:
        return
    if not _is_source(builder, index):
        _compare(builder, index)
    _require_none_repaired(builder, index, wanted)


def _compare(builder: "Ilsvrc2012", index: Index) -> None:
    made, examples = builder.info.metadata, {name: split.num_examples for name, split in builder.info.splits.items()}
    gone = [split for split in examples if split not in index.splits]
    if gone:
        _log.warning("The split %s is no longer in %s: it was not compared.", first_few(gone), index.source)
    skipped = made.get("skipped_images", {})
    there = Made(Path(builder.data_dir), examples, made.get("max_examples_per_split"), recorded_images(made), skipped)
    found = differences(index, there)
    if not found:
        return
    texts = "; ".join(f"{split}: {text}" for split, text in found.items())
    keep = (
        f" Or, to leave the new ones out, --splits {','.join(examples)}." if not found.keys() & examples.keys() else ""
    )
    raise DestinationError(
        f"{builder.data_dir} exists already, and was made of other images than {index.source} has now ({texts}). "
        f"{REPLACE}.{keep}"
    )


def _is_source(builder: "Ilsvrc2012", index: Index) -> bool:
    """Returns whether all images are read from the data set on disk itself, so that there is nothing to compare."""
    containers = {container.path for members in index.splits.values() for container in members.containers}
    return containers <= set(read_within(Path(builder.data_dir), index))


def _require_none_repaired(builder: "Ilsvrc2012", index: Index, wanted: Options) -> None:
    """Raises DestinationError if an image that was skipped is sound now, even if its name and size are the same."""
    repaired = repaired_images(index, builder.info.metadata.get("skipped_images", {}), wanted.op)
    if repaired:
        raise DestinationError(
            f"{builder.data_dir} exists already, without images that were damaged then and are sound now in "
            f"{index.source}: {first_few(map(shown, repaired))}. {REPLACE}."
        )
