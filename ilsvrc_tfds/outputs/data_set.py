"""The files of a prepared data set, from an index to shards, metadata and manifest in staging."""

import dataclasses
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, first_few
from ilsvrc_tfds.formats import hdf5, manifest
from ilsvrc_tfds.formats.kinds import TFDS, TFDS_KEYS
from ilsvrc_tfds.formats.manifest import Manifest, shard_entries
from ilsvrc_tfds.formats.naming import shard_name
from ilsvrc_tfds.images import Original, Resized, codec_versions, describe_op
from ilsvrc_tfds.runners import Runner
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.shards.encoders import TfdsExample
from ilsvrc_tfds.shards.plan import SplitPlan, plan_split
from ilsvrc_tfds.shards.writer import STOP, TFRECORD, Receipt, ShardTask, require_known
from ilsvrc_tfds.sources import Index, Members
from ilsvrc_tfds.sources.completeness import log_shortfalls, missing_splits, of_splits, shortfalls
from ilsvrc_tfds.storage.staging import Staging, require_space, staged_bytes


@dataclasses.dataclass(frozen=True)
class Options:
    """What a preparation is to make.

    Attributes:
      op: from an image's bytes to a record's.
      file_format: one of TFDS's.
      num_shards: of each split, or of those named; by the size of the data where None.
      max_examples: of each split; all where None.
      splits: that are taken; where None all that the source has, which must be train and val at least.
      allow_incomplete: whether a split may have another than the official number of images.
      overwrite: whether data that is there is replaced.
      on_error: `stop` at a damaged image, or `skip` it.
      sync: Whether all files are on disk before the data set has its name.
    """

    op: Original | Resized
    file_format: str = TFRECORD
    num_shards: int | Mapping[str, int] | None = None
    max_examples: int | None = None
    splits: tuple[str, ...] | None = None
    allow_incomplete: bool = False
    overwrite: bool = False
    on_error: str = STOP
    sync: bool = True

    def __post_init__(self):
        require_known(self.on_error)
        unknown = set(self.num_shards) - set(synsets.OFFICIAL_COUNTS) if isinstance(self.num_shards, Mapping) else ()
        if unknown:
            raise OptionError(
                f"num_shards names the splits {sorted(unknown)}; there are {sorted(synsets.OFFICIAL_COUNTS)}."
            )

    def shards_of(self, split: str) -> int | None:
        """Returns the wanted number of shards of a split, None where it follows from the size."""
        return self.num_shards.get(split) if isinstance(self.num_shards, Mapping) else self.num_shards

    def require_splits(self, splits: Iterable[str]) -> None:
        """Raises OptionError where a number of shards is said of a split that is none of these."""
        splits = list(splits)
        missing = (
            [name for name in self.num_shards if name not in splits] if isinstance(self.num_shards, Mapping) else []
        )
        if missing:
            raise OptionError(
                f"num_shards names the split {first_few(missing)}, which is none of those to make: {', '.join(splits)}."
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Files:
    """Finished files in staging, and what they were made of.

    Attributes:
      folder: Folder in staging that holds them.
      paths: Shards, metadata and manifest.
      receipts: Receipts of the shards of each split, in order.
      provenance: How the data was made, in JSON's types; see `provenance`.
    """

    folder: Path
    paths: tuple[Path, ...]
    receipts: Mapping[str, list[Receipt]]
    provenance: Mapping[str, object]


def write_files(index: Index, options: Options, claimed: Staging, runner: Runner) -> Files:
    """Writes all files of a data set but TFDS's own into staging; those that an earlier run finished are kept.

    Args:
      index: Index of the source.
      options: What to make.
      claimed: Staging folder of the destination.
      runner: Engine that writes the shards.

    Raises:
      IncompleteError, SourceError, ImageError, DestinationError, OptionError, InterruptedRun.
    """
    index = of_splits(index, options.splits)
    log_shortfalls(index, options.allow_incomplete, options.splits)
    plans = _plans(index, options)
    run.require_sizes(plans, options.on_error)
    identity = {"records": TFDS, "op": describe_op(options.op), "file_format": options.file_format}
    folder = run.shard_folder(claimed, plans, {**identity, "codecs": codec_versions()})
    receipts = run.finish_shards(plans, _tasks(plans, options, folder), runner, folder)
    shards = [folder / name for plan in plans for name in _names(plan, options)]
    described = [*_write_metadata(plans, receipts, options, folder), _write_manifest(plans, receipts, options, folder)]
    return Files(folder, (*shards, *described), receipts, provenance(index, options, receipts))


def provenance(index: Index, options: Options, receipts: Mapping[str, list[Receipt]]) -> dict[str, object]:
    """Returns how the data was made, in JSON's types: the options, the codecs, the source's layout, what is missing from it.

    `missing` is about the splits that were asked for; the data is `complete` if it is the whole of train and val at least.
    `source_images` is what `comparison` compares a source with.
    """
    missing = {**dict.fromkeys(missing_splits(index, options.splits), "all images"), **shortfalls(index)}
    is_whole = not missing and index.splits.keys() >= set(hdf5.SPLITS)
    skipped = run.skipped_images(receipts)
    return {
        "ilsvrc_tfds": importlib.metadata.version("ilsvrc-tfds"),
        "images": describe_op(options.op),
        "codecs": codec_versions(),
        "source_layout": index.layout,
        "source_images": {
            split: {"images": len(members), "digest": members.digest()} for split, members in index.splits.items()
        },
        "complete": is_whole and not skipped and options.max_examples is None,
        "missing": missing,
        "skipped_images": skipped,
        "splits": None if options.splits is None else list(options.splits),
        "max_examples_per_split": options.max_examples,
        "changed_images": {split: sum(r.changed for r in own) for split, own in receipts.items()},
    }


def require_room(index: Index, wanted: Mapping[Path, Options]) -> None:
    """Raises DestinationError where there is not room for all of several data sets, by destination, of one source."""
    needed = sum(
        plan.num_bytes for options in wanted.values() for plan in _plans(of_splits(index, options.splits), options)
    )
    require_space(next(iter(wanted)), needed - sum(map(staged_bytes, wanted)))


def _plans(index: Index, options: Options) -> list[SplitPlan]:
    options.require_splits(index.splits)
    return [
        plan_split(
            members,
            num_shards=options.shards_of(split),
            image_bytes=options.op.image_bytes,
            max_examples=options.max_examples,
        )
        for split, members in index.splits.items()
    ]


def _names(plan: SplitPlan, options: Options) -> list[str]:
    """Returns the file names of a split's shards, in order."""
    return [shard_name(TFDS, plan.members.split, k, len(plan), options.file_format) for k in range(len(plan))]


def _tasks(plans: list[SplitPlan], options: Options, folder: Path) -> Iterator[ShardTask]:
    encode = TfdsExample(options.op)
    for plan in plans:
        for shard, name in zip(plan.shards(), _names(plan, options)):
            yield ShardTask(shard, str(folder / name), encode, options.file_format, options.on_error, options.sync)


def _write_metadata(
    plans: list[SplitPlan], receipts: Mapping[str, list[Receipt]], options: Options, folder: Path
) -> list[Path]:
    """Writes `metadata.h5` of the labelled splits and returns its path; nothing if there are none."""
    if all(plan.members.split not in hdf5.SPLITS for plan in plans):
        return []
    skipped = run.skipped_images(receipts)
    written = [_written_members(plan, skipped) for plan in plans]
    hdf5.write(folder / hdf5.NAME, written, official=True, sync=options.sync)
    return [folder / hdf5.NAME]


def _written_members(plan: SplitPlan, skipped: Mapping[str, Mapping[str, str]]) -> Members:
    """Returns the images of a split in the order of its records, without those that were skipped."""
    members = plan.planned_members()
    left_out = [name.encode() for name in skipped.get(members.split, ())]
    return members.take(np.flatnonzero(~np.isin(members.name, left_out))) if left_out else members


def _write_manifest(
    plans: list[SplitPlan], receipts: Mapping[str, list[Receipt]], options: Options, folder: Path
) -> Path:
    shards = {plan.members.split: shard_entries(_names(plan, options), receipts[plan.members.split]) for plan in plans}
    skipped = run.skipped_images(receipts)
    described = Manifest(TFDS, options.file_format, describe_op(options.op), TFDS_KEYS, 0, shards, skipped=skipped)
    return manifest.write(described, folder, sync=options.sync)
