"""From a source to finished shards and metadata, ready to be put under their final names."""

import contextlib
import dataclasses
import functools
import importlib.metadata
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.formats import hdf5, manifest
from ilsvrc_tfds.formats.kinds import TFDS, TFDS_KEYS
from ilsvrc_tfds.formats.manifest import Manifest, shard_entries
from ilsvrc_tfds.images import Original, Resized, codec_versions
from ilsvrc_tfds.runners import Runner
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.shards.encoders import TfdsExample
from ilsvrc_tfds.shards.plan import SplitPlan, plan_split
from ilsvrc_tfds.shards.writer import STOP, TFRECORD, Receipt, ShardTask, require_known
from ilsvrc_tfds.sources import Index, Members
from ilsvrc_tfds.sources.completeness import log_shortfalls, missing_splits, of_splits, shortfalls
from ilsvrc_tfds.storage import staging

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Options:
    """What a preparation is to make.

    Attributes:
      op: from an image's bytes to a record's.
      shard_name: `shard_name(split, index, count)`, the file name of a shard.
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
    shard_name: Callable[[str, int, int], str]
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
            raise OptionError(f"num_shards names the splits {sorted(unknown)}; there are {sorted(synsets.OFFICIAL_COUNTS)}.")

    def shards_of(self, split: str) -> int | None:
        """Returns the wanted number of shards of a split, None where it follows from the size."""
        return self.num_shards.get(split) if isinstance(self.num_shards, Mapping) else self.num_shards


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """Finished files in the staging folder.

    Attributes:
      index: of the source.
      options: they were made with.
      files: shards and metadata, in staging.
      receipts: of the shards of each split, in order.
    """

    index: Index
    options: Options
    files: tuple[Path, ...]
    receipts: dict[str, list[Receipt]]

    def publish(self, folder: Path) -> None:
        """Puts the files under their names into a folder."""
        staging.publish(self.files, folder)

    def provenance(self) -> dict:
        """Returns how the data was made, as JSON: the options, the codecs, the source's layout, what is missing from it.

        `missing` tells of what was asked for; the data is `complete` if it is the whole of train and val at least.
        `source_images` is what `comparison` compares a source with.
        """
        missing = {**dict.fromkeys(missing_splits(self.index, self.options.splits), "all images"), **shortfalls(self.index)}
        is_whole = not missing and self.index.splits.keys() >= set(hdf5.SPLITS)
        skipped = run.skipped_images(self.receipts)
        return {
            "ilsvrc_tfds": importlib.metadata.version("ilsvrc-tfds"),
            "images": describe_op(self.options.op),
            "codecs": codec_versions(),
            "source_layout": self.index.layout,
            "source_images": {
                split: {"images": len(members), "digest": members.digest()} for split, members in self.index.splits.items()
            },
            "complete": is_whole and not skipped and self.options.max_examples is None,
            "missing": missing,
            "skipped_images": skipped,
            "splits": None if self.options.splits is None else list(self.options.splits),
            "max_examples_per_split": self.options.max_examples,
            "changed_images": {split: sum(r.changed for r in receipts) for split, receipts in self.receipts.items()},
        }


def describe_op(op: Original | Resized) -> dict[str, object]:
    """Returns what became of the images, as JSON: `{"op": "Resized", "shorter_side": 256, "quality": 95}`."""
    return {"op": type(op).__name__, **dataclasses.asdict(op)}


def require_room(index: Index, wanted: Mapping[Path, Options]) -> None:
    """Raises DestinationError where there is not room for all of several data sets, by destination, of one source."""
    needed = sum(plan.num_bytes for options in wanted.values() for plan in _plans(of_splits(index, options.splits), options))
    staging.require_space(next(iter(wanted)), needed - sum(map(staging.staged_bytes, wanted)))


@contextlib.contextmanager
def prepared(index: Index, destination: Path, options: Options, runner: Runner) -> Iterator[Prepared]:
    """Holds all files of a prepared data set, finished, and the place for them. See `jobs.finished_shards`.

    Args:
      index: of the source.
      destination: folder that the data set will have; staging is beside it.
      options: what to make.
      runner: carries out the shards.

    Raises:
      IncompleteError, SourceError, ImageError, DestinationError, OptionError, InterruptedRun.
    """
    index = of_splits(index, options.splits)
    log_shortfalls(index, options.allow_incomplete, options.splits)
    plans = _plans(index, options)
    identity = {"op": options.op, "codecs": codec_versions(), "file_format": options.file_format}
    tasks = functools.partial(_tasks, plans, options)
    with run.finished_shards(plans, tasks, destination, runner, overwrite=options.overwrite, sync=options.sync, **identity) as made:
        folder, receipts = made
        names = {plan.members.split: [options.shard_name(plan.members.split, k, len(plan)) for k in range(len(plan))] for plan in plans}
        files = [folder / name for split in names for name in names[split]]
        skipped = run.skipped_images(receipts)
        if any(plan.members.split in hdf5.SPLITS for plan in plans):
            written = [_written_members(plan, skipped) for plan in plans]
            hdf5.write(folder / hdf5.NAME, written, official=True, sync=options.sync)
            files.append(folder / hdf5.NAME)
        shards = {split: shard_entries(names[split], receipts[split]) for split in names}
        described = Manifest(TFDS, options.file_format, describe_op(options.op), TFDS_KEYS, 0, shards, skipped=skipped)
        files.append(manifest.write(described, folder, sync=options.sync))
        yield Prepared(index, options, tuple(files), receipts)


def _plans(index: Index, options: Options) -> list[SplitPlan]:
    return [
        plan_split(
            members,
            num_shards=options.shards_of(split),
            image_bytes=options.op.image_bytes,
            max_examples=options.max_examples,
        )
        for split, members in index.splits.items()
    ]


def _written_members(plan: SplitPlan, skipped: Mapping[str, Mapping[str, str]]) -> Members:
    """Returns the images of a split in the order of its records, without those that were skipped."""
    members = plan.planned_members()
    left_out = [name.encode() for name in skipped.get(members.split, ())]
    return members.take(np.flatnonzero(~np.isin(members.name, left_out))) if left_out else members


def _tasks(plans: list[SplitPlan], options: Options, folder: Path) -> Iterator[ShardTask]:
    encode = TfdsExample(options.op)
    for plan in plans:
        for shard in plan.shards():
            name = options.shard_name(shard.split, shard.index, shard.count)
            yield ShardTask(shard, str(folder / name), encode, options.file_format, options.on_error, options.sync)
