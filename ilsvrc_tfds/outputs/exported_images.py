"""The images of an export, and how they are processed: those of a source, or of a prepared data set as they are."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.images import CONFIGS, Original, Resized, Untouched, describe_op
from ilsvrc_tfds.outputs.data_set import remaining_op
from ilsvrc_tfds.outputs.exported_part import ExportedPart, part_of_index, part_of_set
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.sources.completeness import of_splits, require_splits
from ilsvrc_tfds.sources.find import find_images
from ilsvrc_tfds.sources.prepared import has_records_in_place, index_prepared, is_prepared
from ilsvrc_tfds.sources.record_sets import set_of


def exported_images(
    source: Path,
    config: str | Original | Resized | None,
    splits: Collection[str] | None,
    runner: LocalRunner,
) -> tuple[Index, Original | Resized | Untouched, Mapping[str, object], ExportedPart]:
    """Returns the images of a source or of a prepared data set, and how they are processed.

    >>> with LocalRunner(1) as runner:
    ...     images, op, made, _ = exported_images(Path("/data/imagenet"), "raw256", None, runner)
    >>> op, made["op"], len(images.splits["train"])
    (Resized(shorter_side=256, quality=95), 'Resized', 12)

    Returns:
      images: Index of the images, with those that a prepared data set was made without.
      op: Operation that remains to be applied to each of them.
      made: Description, for the manifest, of how the exported images were made.
      part: Part that a set of ours has, and its labels, which an export keeps.
    """
    if not is_prepared(source) or not has_records_in_place(source):
        images = find_images([source], runner, splits)
        made = next(iter(images.made.values()), {}) if config is None else {}
        if made and all(images.made.get(split) == made for split in images.splits):
            return images, Untouched(), made, part_of_index(images)
        op = _op(config or "classification")
        return images, remaining(images, op), describe_op(op), part_of_index(images)
    if config is not None:
        raise OptionError(f"{source} is prepared: its images are passed on as they are. Leave the config out.")
    output = find_output(source)
    if splits is not None:
        require_splits(os.fspath(output.folder), output.shards, splits)
    images = of_splits(index_prepared(output, runner.run, splits), splits)
    return images, Untouched(), output.config(), part_of_set(set_of(output))


def remaining(images: Index, op: Original | Resized | Untouched) -> Original | Resized | Untouched:
    """Returns the operation that is left for all splits; for those that need none it does no harm.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> remaining(index_images(find_layout(["/data/imagenet"])), Original())
    Original()
    """
    left = {remaining_op(images, split, op) for split in images.splits}
    return left.pop() if len(left) == 1 else op


def _op(config: str | Original | Resized) -> Original | Resized:
    if not isinstance(config, str):
        return config
    if config not in CONFIGS:
        raise OptionError(f"config must be one of {', '.join(CONFIGS)}, or Resized(…), got {config!r}.")
    return CONFIGS[config]
