"""From a source to finished shards and metadata, ready to be put under their final names."""

import contextlib
import dataclasses
import functools
import importlib.metadata
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ilsvrc_tfds import jobs, manifest, metadata, staging, synsets
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.images import Original, Resized, codec_versions
from ilsvrc_tfds.manifest import TFDS, Manifest, shard_entries
from ilsvrc_tfds.plan import SplitPlan, plan_split, require_complete, shortfalls
from ilsvrc_tfds.records import TFDS_KEYS, TfdsExample
from ilsvrc_tfds.runners import LocalRunner, Runner
from ilsvrc_tfds.shards import TFRECORD, Receipt, ShardTask
from ilsvrc_tfds.sources import Index, find_layout, index_images

SOURCE_VARIABLE = "ILSVRC2012_DIR"
ALLOW_VARIABLE = "ILSVRC2012_ALLOW_INCOMPLETE"

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
      allow_incomplete: whether a split may have another than the official number of images.
      overwrite: whether data that is there is replaced.
      sync: Whether all files are on disk before the data set has its name.
    """

    op: Original | Resized
    shard_name: Callable[[str, int, int], str]
    file_format: str = TFRECORD
    num_shards: int | Mapping[str, int] | None = None
    max_examples: int | None = None
    allow_incomplete: bool = False
    overwrite: bool = False
    sync: bool = True

    def __post_init__(self):
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
        """Returns how the data was made, as JSON: the options, the codecs, the source's layout, what is missing from it."""
        missing = {split: "all images" for split in metadata.SPLITS if split not in self.index.splits}
        missing |= shortfalls(self.index)
        return {
            "ilsvrc_tfds": importlib.metadata.version("ilsvrc-tfds"),
            "images": describe_op(self.options.op),
            "codecs": codec_versions(),
            "source_layout": self.index.layout,
            "complete": not missing and self.options.max_examples is None,
            "missing": missing,
            "max_examples_per_split": self.options.max_examples,
            "changed_images": {split: sum(r.changed for r in receipts) for split, receipts in self.receipts.items()},
        }


def describe_op(op: Original | Resized) -> dict[str, object]:
    """Returns what became of the images, as JSON: `{"op": "Resized", "shorter_side": 256, "quality": 95}`."""
    return {"op": type(op).__name__, **dataclasses.asdict(op)}


def usual_places(manual_dir: Path, below_data_dir: Path) -> list[str | os.PathLike]:
    """Returns where the source is looked for if it was not named: ILSVRC2012_DIR; else TFDS's manual folder, `<data_dir>/ilsvrc2012`."""
    variable = os.environ.get(SOURCE_VARIABLE)
    return [variable] if variable else [manual_dir, below_data_dir]


def incomplete_is_allowed(argument: bool | None) -> bool:
    """Returns whether incomplete splits are allowed: by the argument, or by ILSVRC2012_ALLOW_INCOMPLETE=1 where it is None."""
    return os.environ.get(ALLOW_VARIABLE) == "1" if argument is None else argument


def find_images(candidates: list[str | os.PathLike], runner: LocalRunner) -> Index:
    """Returns the index of the first candidate folder that holds ILSVRC2012, and logs what was found. Raises SourceError, LabelError."""
    index = index_images(find_layout(candidates), runner.run)
    counts = ", ".join(f"{len(members):,} {split}" for split, members in index.splits.items())
    _log.info("%s: %s, %s images", index.source, index.layout, counts)
    for note in index.notes:
        _log.info("%s", note)
    return index


def require_room(index: Index, wanted: Mapping[Path, Options]) -> None:
    """Raises DestinationError where there is not room for all of several data sets, by destination, of one source."""
    needed = sum(plan.num_bytes for options in wanted.values() for plan in _plans(index, options))
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
    log_shortfalls(index, options.allow_incomplete)
    plans = _plans(index, options)
    identity = {"op": options.op, "codecs": codec_versions(), "file_format": options.file_format}
    tasks = functools.partial(_tasks, plans, options)
    with jobs.finished_shards(plans, tasks, destination, runner, overwrite=options.overwrite, sync=options.sync, **identity) as made:
        folder, receipts = made
        names = {plan.members.split: [options.shard_name(plan.members.split, k, len(plan)) for k in range(len(plan))] for plan in plans}
        files = [folder / name for split in names for name in names[split]]
        if any(plan.members.split in metadata.SPLITS for plan in plans):
            metadata.write(folder / metadata.NAME, [plan.planned_members() for plan in plans], sync=options.sync)
            files.append(folder / metadata.NAME)
        shards = {split: shard_entries(names[split], receipts[split]) for split in names}
        described = Manifest(TFDS, options.file_format, describe_op(options.op), TFDS_KEYS, 0, shards)
        files.append(manifest.write(described, folder, sync=options.sync))
        yield Prepared(index, options, tuple(files), receipts)


def log_shortfalls(index: Index, allow_incomplete: bool) -> None:
    """Says what is missing from the source; raises IncompleteError where that is not allowed."""
    if not allow_incomplete:
        require_complete(index)
    for split, text in shortfalls(index).items():
        _log.warning("Incomplete, and allowed: %s has %s.", split, text)
    for split in synsets.OFFICIAL_COUNTS.keys() - index.splits.keys():
        _log.info("There is no %s split in the source.", split)


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


def _tasks(plans: list[SplitPlan], options: Options, folder: Path) -> Iterator[ShardTask]:
    encode = TfdsExample(options.op)
    for plan in plans:
        for shard in plan.shards():
            name = options.shard_name(shard.split, shard.index, shard.count)
            yield ShardTask(shard, str(folder / name), encode, options.file_format, options.sync)
