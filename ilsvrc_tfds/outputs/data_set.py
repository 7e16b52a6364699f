"""Writes the files of a prepared data set into staging: shards, metadata and manifest."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, first_few
from ilsvrc_tfds.formats import hdf5, manifest
from ilsvrc_tfds.formats.kinds import KINDS, TFDS
from ilsvrc_tfds.formats.manifest import Manifest, classes_digest, shard_entries
from ilsvrc_tfds.formats.naming import TFRECORD, disk_order, shard_name
from ilsvrc_tfds.images import Original, Resized, Untouched, codec_versions, describe_op, op_in_words
from ilsvrc_tfds.outputs.provenance import all_skipped, provenance, written_members
from ilsvrc_tfds.runners import Runner
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.shards.encoders import TfdsExample
from ilsvrc_tfds.shards.plan import SplitPlan, plan_split
from ilsvrc_tfds.shards.writer import SKIP, STOP, Receipt, ShardTask, require_known
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.sources.completeness import log_shortfalls, of_splits
from ilsvrc_tfds.sources.spool_place import Spool
from ilsvrc_tfds.sources.spooling import spooled
from ilsvrc_tfds.sources.subset import Subset
from ilsvrc_tfds.storage.space import require_space, room_for_result
from ilsvrc_tfds.storage.staging import Staging, staged_bytes
from ilsvrc_tfds.storage.uploads import place_of

# Of the official archives, on average.
_IMAGE_BYTES = 115_000


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of a preparation.

    >>> from ilsvrc_tfds.images import Resized
    >>> Options(Resized(160), num_shards={"train": 256}).shards_of("train")
    256

    Attributes:
      op: Operation that turns the bytes of an image in the source into those of the record.
      file_format: One of TFDS's file formats.
      num_shards: Number of shards of every split, or of the splits named; None, and splits not named, follow TFDS's
        rule.
      max_examples: Largest number of examples of each split; None takes all.
      splits: Splits to take; None takes all that the source has, which must include train and val.
      allow_incomplete: Whether a split may have another number of images than the official one.
      overwrite: Whether an existing data set is replaced.
      on_error: `stop` to fail at a damaged image, or `skip` to leave it out.
      sync: Whether all files must be on disk before the data set gets its name.
      subset: Subset of the images to take.
      scratch: Folder for images that are written in between, see `spooling`; None puts them beside the data set.
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
    subset: Subset = Subset()
    scratch: str | os.PathLike | None = None

    def __post_init__(self) -> None:
        require_known(self.on_error)
        unknown = set(self.num_shards) - set(synsets.OFFICIAL_COUNTS) if isinstance(self.num_shards, Mapping) else ()
        if unknown:
            raise OptionError(
                f"num_shards names the splits {sorted(unknown)}; there are {sorted(synsets.OFFICIAL_COUNTS)}."
            )

    def chosen(self, index: Index) -> Index:
        """Returns the index of the wanted splits and the wanted subset of a source. Raises IncompleteError."""
        return self.subset.of(of_splits(index, self.splits), self.allow_incomplete)

    def taken(self, index: Index) -> dict[str, np.ndarray] | None:
        """Returns the rows of each split that the plan takes, or None for all."""
        if self.max_examples is None:
            return None
        rows = {split: disk_order(split, members.name) for split, members in index.splits.items()}
        return {split: order[: self.max_examples] for split, order in rows.items()}

    def shards_of(self, split: str) -> int | None:
        """Returns the wanted number of shards of a split, or None to choose it by the size of the data."""
        return self.num_shards.get(split) if isinstance(self.num_shards, Mapping) else self.num_shards

    def spool(self, destination: Path) -> Spool:
        """Returns where and how images are spooled for a data set."""
        return Spool(destination, self.scratch, self.op, skips=self.on_error == SKIP, sync=self.sync)

    @property
    def takes_all(self) -> bool:
        """Whether all images of the wanted splits are taken."""
        return self.max_examples is None and self.subset == Subset()

    @property
    def share(self) -> float:
        """Bytes of the result as a share of those of the official images, an estimate."""
        return 1.0 if self.op.image_bytes is None else self.op.image_bytes / _IMAGE_BYTES

    def spool_of_copies(self, destination: Path) -> Spool | None:
        """Returns the spool for plain copies of compressed tars, or None if not all images are needed as they are."""
        return self.spool(destination) if self.takes_all and isinstance(self.op, Original) else None

    def require_splits(self, splits: Iterable[str]) -> None:
        """Raises OptionError if `num_shards` names a split that is not one of these."""
        splits = list(splits)
        missing = (
            [name for name in self.num_shards if name not in splits] if isinstance(self.num_shards, Mapping) else []
        )
        if missing:
            raise OptionError(
                f"num_shards names the split {first_few(missing)}, which is none of those to make: {', '.join(splits)}."
            )


def difference(name: str, there: object, asked: object) -> str:
    """Returns the difference of an option between a data set and what is asked for, in words.

    >>> difference("num_shards", {"train": 2}, {"train": 4}), difference("max_examples", 3, None)
    ('with num_shards train=2, not train=4', 'with max_examples 3, not without')
    """
    if there is None:
        return f"without {name}, not with {_value_in_words(asked)}"
    return f"with {name} {_value_in_words(there)}, not {'without' if asked is None else _value_in_words(asked)}"


def _value_in_words(value: object) -> str:
    """Returns the value of an option, as far as possible in the form that the command line takes."""
    if isinstance(value, Mapping):
        return op_in_words(value) if "op" in value else ",".join(f"{name}={number}" for name, number in value.items())
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


@dataclasses.dataclass(frozen=True, eq=False)
class Files:
    """Finished files in staging, and a record of how they were made.

    Attributes:
      folder: Folder in staging with the files.
      paths: Paths of the shards, the metadata and the manifest.
      receipts: Receipts of the shards of each split, in order.
      provenance: Record of how the data was made, in JSON's types; see `provenance.provenance`.
    """

    folder: Path
    paths: tuple[Path, ...]
    receipts: Mapping[str, list[Receipt]]
    provenance: Mapping[str, object]


def write_files(index: Index, options: Options, claimed: Staging, runner: Runner) -> Files:
    """Writes all files of a data set into staging, except TFDS's own. Shards that an earlier run finished are kept.

    Args:
      index: Index of the source.
      options: Options of the preparation.
      claimed: Staging folder of the destination.
      runner: Engine that writes the shards.

    Raises:
      IncompleteError: A split or images are missing, and that is not allowed.
      SourceError, ImageError: An image cannot be read, or is damaged.
      DestinationError: A file cannot be written, or there is too little space.
      OptionError: The number of shards does not fit a split, or `max_examples` is less than 1.
      InterruptedRun: A worker died.
    """
    index = options.chosen(index)
    log_shortfalls(index, options.allow_incomplete, options.splits, subset_as_whole=False)
    for split in index.splits:
        remaining_op(index, split, options.op)  # before anything is written
    plans = _plans(index, options)
    needed = sum(plan.num_bytes for plan in plans)
    with spooled(index, options.spool(claimed.destination), runner, needed, options.taken(index)) as ready:
        return _write_files(ready, plans if ready is index else _plans(ready, options), options, claimed, runner)


def _write_files(index: Index, plans: list[SplitPlan], options: Options, claimed: Staging, runner: Runner) -> Files:
    run.require_sizes(plans, options.on_error)
    identity: dict[str, object] = {"records": TFDS, "op": describe_op(options.op), "file_format": options.file_format}
    identity |= {"numbering": numbering} if (numbering := options.subset.numbering) else {}
    folder = run.shard_folder(claimed, plans, {**identity, "codecs": codec_versions()})
    config = claimed.destination.parent.name
    receipts = run.finish_shards(plans, _tasks(index, plans, options, folder), runner, folder, config)
    shards = [folder / name for plan in plans for name in _names(plan, options)]
    described = [
        *_write_metadata(plans, receipts, options, folder),
        _write_manifest(index, plans, receipts, options, folder),
    ]
    return Files(folder, (*shards, *described), receipts, provenance(index, options, plans, receipts))


def remaining_op(index: Index, split: str, op: Original | Resized | Untouched) -> Original | Resized | Untouched:
    """Returns the operation that is left to be applied to the images of a split, which may have been processed before.

    Raises OptionError if they have been processed in another way: what was lost of them does not come back.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> index = index_images(find_layout(["/data/imagenet"]))
    >>> remaining_op(index, "train", Original())
    Original()
    """
    made = index.made.get(split)
    if made is None:
        return op
    if made == describe_op(op):
        return Untouched()
    raise OptionError(
        f"{index.source}: the images of {split} were made with {op_in_words(made)}; other ones "
        f"({op_in_words(describe_op(op))}) cannot be made of them, because pixels are lost. Take the archives, or a "
        "data set of the config `classification`, as the source."
    )


def require_room(index: Index, wanted: Mapping[Path, Options]) -> int:
    """Returns the bytes that several data sets still need. Raises DestinationError if there is too little space.

    Args:
      index: Index of the source of all of them.
      wanted: Options of each data set, by its destination.
    """
    plans = [plan for options in wanted.values() for plan in _plans(options.chosen(index), options)]
    needed = sum(plan.num_bytes for plan in plans)
    needed -= sum(map(staged_bytes, wanted))
    first = next(iter(wanted))
    require_space(first, room_for_result(first, needed))
    return needed


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


def _tasks(index: Index, plans: list[SplitPlan], options: Options, folder: Path) -> Iterator[ShardTask]:
    for plan in plans:
        encode = TfdsExample(remaining_op(index, plan.members.split, options.op), options.subset.new_labels)
        for shard, name in zip(plan.shards(), _names(plan, options)):
            place = place_of(folder / name)
            yield ShardTask(shard, place, encode, options.file_format, options.on_error, options.sync, str(folder))


def _write_metadata(
    plans: list[SplitPlan], receipts: Mapping[str, list[Receipt]], options: Options, folder: Path
) -> list[Path]:
    """Writes `metadata.h5` and returns its path in a list, which is empty if no split is labelled."""
    if all(plan.members.split not in hdf5.SPLITS for plan in plans):
        return []
    skipped = run.skipped_images(receipts)
    written = [written_members(plan, skipped) for plan in plans]
    hdf5.write(folder / hdf5.NAME, written, official=True, numbering=options.subset.numbering, sync=options.sync)
    return [folder / hdf5.NAME]


def _write_manifest(
    index: Index, plans: list[SplitPlan], receipts: Mapping[str, list[Receipt]], options: Options, folder: Path
) -> Path:
    shards = {plan.members.split: shard_entries(_names(plan, options), receipts[plan.members.split]) for plan in plans}
    described = Manifest(
        *(TFDS, options.file_format, describe_op(options.op), KINDS[TFDS].keys, 0, shards),
        classes=classes_digest(options.subset.wnids),
        skipped=all_skipped(index, receipts),
        subset=options.subset.described(),
        wnids=options.subset.wnids,
    )
    return manifest.write(described, folder, sync=options.sync)
