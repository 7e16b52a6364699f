"""Exports classic TFRecords, `train-00000-of-01024` and so on, from a source or from a prepared data set."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ilsvrc_tfds.errors import OptionError, first_few
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.in_buckets import from_buckets
from ilsvrc_tfds.formats.kinds import CLASSIC, KINDS
from ilsvrc_tfds.formats.manifest import Manifest, classes_digest, shard_entries
from ilsvrc_tfds.formats.naming import TFRECORD, own_splits, shard_name
from ilsvrc_tfds.formats.record_index import write_index
from ilsvrc_tfds.images import Original, Resized, Untouched, codec_versions, describe_op
from ilsvrc_tfds.outputs.changed import changed_files
from ilsvrc_tfds.outputs.comparison import repaired_images
from ilsvrc_tfds.outputs.export_boxes import ANNOTATED, boxes_of, digest_of, log_boxes
from ilsvrc_tfds.outputs.exported_already import (
    BOXES,
    IMAGES,
    NUM_SHARDS,
    Asked,
    Source,
    of_prepared,
    record_of,
    require_same,
)
from ilsvrc_tfds.outputs.exported_images import exported_images, remaining
from ilsvrc_tfds.outputs.exported_part import ExportedPart
from ilsvrc_tfds.outputs.exported_source import source_of
from ilsvrc_tfds.outputs.in_buckets import to_buckets
from ilsvrc_tfds.outputs.replaceable import export_in, require_free_for_export, require_not_read
from ilsvrc_tfds.outputs.scratch import discard_finished, require_outside
from ilsvrc_tfds.runners import LocalRunner, Runner
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.shards.encoders import ClassicExample
from ilsvrc_tfds.shards.plan import SplitPlan, plan_split
from ilsvrc_tfds.shards.writer import SKIP, STOP, Receipt, ShardTask, require_known
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.sources.boxes import Boxes, select
from ilsvrc_tfds.sources.completeness import incomplete_is_allowed, log_shortfalls
from ilsvrc_tfds.sources.copies import keeping
from ilsvrc_tfds.sources.spool_place import Spool
from ilsvrc_tfds.sources.spooling import spooled, streams
from ilsvrc_tfds.sources.subset import Subset
from ilsvrc_tfds.sources.subset_lists import Classes, Images, as_subset
from ilsvrc_tfds.storage.destination import real_path, require_replaceable
from ilsvrc_tfds.storage.files import require_local
from ilsvrc_tfds.storage.staging import claim, tidy
from ilsvrc_tfds.storage.uploads import place_of


@from_buckets("source", whole=True)
@to_buckets("out", lambda arguments: [""])
def export(
    source: str | os.PathLike,
    out: str | os.PathLike,
    *,
    data_dir: str | os.PathLike | None = None,
    config: str | Original | Resized | None = None,
    splits: Iterable[str] | None = None,
    num_shards: Mapping[str, int] | None = None,
    label_offset: int = 1,
    bbox: Iterable[str | os.PathLike] = (),
    classes: Classes | None = None,
    relabel: bool = False,
    images: Images | None = None,
    index: bool = False,
    workers: int | None = None,
    runner: Runner | None = None,
    allow_incomplete: bool | None = None,
    on_error: str = STOP,
    overwrite: bool = False,
    sync: bool = True,
    scratch: str | os.PathLike | None = None,
    break_lock: bool = False,
) -> Path:
    """Writes classic TFRecords and their manifest, all or nothing.

    If an earlier run of the same call was stopped, this run resumes it: finished shards are not written again. If it
    was finished, the source is indexed and compared with what the export was made of, and nothing is written.

    >>> import ilsvrc_tfds
    >>> shards = {"train": 2, "val": 1}
    >>> out = ilsvrc_tfds.export("/data/imagenet", "/data/tfrecords", config="raw256", num_shards=shards)
    >>> sorted(path.name for path in out.iterdir())
    ['manifest.json', 'train-00000-of-00002', 'train-00001-of-00002', 'validation-00000-of-00001']

    Args:
      source: Folder in any layout; or a prepared data set, in any form that `for_training` takes, whose images are
        copied.
      out: Folder for the files, or its URL (`gs://…`, `s3://…`). It must be empty or not exist, unless `overwrite` is
        set.
      data_dir: TFDS's data directory, in which the name of a prepared data set is looked up.
      config: Processing of the images: `classification`, `raw256`, or an operation such as `Resized(160)`. None means
        `classification`, or no further processing of images that have been resized before. It must be None if
        `source` is a prepared data set.
      splits: Splits to export, of train, val (or validation) and test; all of them must be there. None exports all that
        the source has, which must include train and val.
      num_shards: Number of shards of each split. A split that is not named has 1024 (train) or 128 (val, test) shards,
        or one for each image if it has fewer images.
      label_offset: Number added to the class index: 1, which reserves 0 for the background, or 0.
      bbox: Archives, folders or tables with bounding boxes.
      classes: For a subset, the path of a list of wnids, or the wnids themselves. It has no test split.
      relabel: Whether the label of a class is its position in the list, plus `label_offset`. Otherwise it is the class
        index, plus `label_offset`; or the label of a prepared data set or export whose classes were numbered anew.
      images: For a subset, the path of a list of official file names, or the names themselves, with or without `.JPEG`.
        The list concerns the splits whose images it names. With `classes`, only its images of these classes are taken.
      index: Whether an index for DALI and the package `tfrecord` is written beside each shard.
      workers: Number of worker processes on this machine; None uses all cores.
      runner: Engine that writes the shards on other machines; see `Ilsvrc2012`.
      allow_incomplete: Whether train or val may be missing (if `splits` is None), and whether a split may have another
        number of images than the official one. None asks the environment variable ILSVRC2012_ALLOW_INCOMPLETE.
      on_error: `stop` to fail at a damaged image, or `skip` to leave it out. Skipped images are listed in the manifest.
      overwrite: Whether an existing export in `out` is replaced, once the new one is finished.
      sync: Whether all files must be on disk before they get their final names, so that they are whole even after a
        power failure. Use False for scratch disks only.
      scratch: Folder for the images of sources without random access, None: beside `out`; and for shards until
        they are uploaded, None: the system's temporary folder.
      break_lock: Whether to take the place of a run that has been silent for two minutes, if `out` is a URL.

    Returns:
      The path of `out`, absolute and with links resolved.

    Raises:
      IlsvrcError: Something that the user can act on, such as a damaged image or a full disk; see `ilsvrc_tfds.errors`.
    """
    require_local(out)
    require_known(on_error)
    out, source = real_path(out), source_of(source, data_dir)
    require_replaceable(out)
    require_outside(scratch, [out])
    tidy(out)
    there = export_in(out, overwrite)
    if there is not None:
        discard_finished(Spool(out, scratch), [out / manifest.NAME])
    encoder = ClassicExample(label_offset=label_offset)
    splits, bbox = None if splits is None else own_splits(splits), list(bbox)
    subset, allowed = as_subset(classes, relabel, images), incomplete_is_allowed(allow_incomplete)
    subset.require_splits(splits)
    shards, asked = _shards(num_shards or {}), Asked(label_offset, bool(bbox), index, on_error)
    as_is = subset == Subset() and config in (None, "classification", Original())
    copied = Spool(out, scratch, sync=sync) if as_is and there is None and runner is None else None
    with LocalRunner(workers) as local, runner or local as runner, keeping(copied, splits, local):
        if there is not None and not bbox and config is None:
            if (quick := of_prepared(source, splits, subset, shards, there)) is not None:
                require_same(out, there, quick, asked)
                return out
        found, op, made, part = exported_images(source, config, splits, local)
        require_not_read(out, found)
        found = subset.of(found, allowed)
        part = part.take(subset)
        log_shortfalls(found, allowed, splits)
        plans = _plans(found, shards, op)
        boxes = boxes_of(plans, bbox, op)
        made_of = record_of(source, found, boxes if bbox else None)
        if there is not None:
            repaired = repaired_images(found, there.skipped, op)
            counts = {plan.members.split: len(plan) for plan in plans}
            changed = changed_files(found, out / manifest.NAME) if IMAGES in made_of else ()
            require_same(out, there, Source(made, part, made_of, counts, found.skipped, repaired, changed), asked)
            return out
        # Boxes may be in pixels of the original images.
        spool_op = Original() if boxes or isinstance(op, Untouched) else op
        spool = Spool(out, scratch, spool_op, skips=on_error == SKIP, sync=sync)
        with contextlib.ExitStack() as stack:
            if streams(found):
                found = stack.enter_context(spooled(found, spool, runner, sum(plan.num_bytes for plan in plans)))
                op = op if isinstance(op, Untouched) else remaining(found, op)
                plans = _plans(found, shards, op)
            run.require_sizes(plans, on_error)
            encoder = dataclasses.replace(encoder, op=op, new_labels=part.new_labels)
            identity = {"records": CLASSIC, "op": describe_op(op), "label_offset": label_offset}
            identity |= {"boxes": digest_of(boxes), "codecs": codec_versions()}
            identity |= {"wnids": part.wnids} if part.wnids else {}
            claimed = stack.enter_context(claim(out))
            require_free_for_export(out, overwrite)  # another run may have finished meanwhile
            folder = run.shard_folder(claimed, plans, identity)
            tasks = _tasks(plans, encoder, boxes, folder, on_error=on_error, sync=sync)
            receipts = run.finish_shards(plans, tasks, runner, folder, "export")
            files = [folder / name for plan in plans for name in _names(plan)]
            if index:
                files += map(Path, local.run(functools.partial(write_index, sync=sync), map(str, files[:])))
            described = _described(plans, receipts, made, label_offset, found, part, made_of)
            require_free_for_export(out, overwrite)  # somebody may have written there meanwhile
            claimed.publish([*files, manifest.write(described, folder, sync=sync)], sync=sync)
    discard_finished(spool, [out / manifest.NAME])
    log_boxes(described)
    return out


def _described(
    plans: list[SplitPlan],
    receipts: Mapping[str, list[Receipt]],
    config: Mapping[str, object],
    label_offset: int,
    found: Index,
    part: ExportedPart,
    made_of: Mapping[str, object],
) -> Manifest:
    """Returns the manifest of the export; it counts the images with bounding boxes if some were asked for.

    Images that were skipped when its source was prepared, and those that had been repaired before, are handed on.
    """
    now, converted = run.skipped_images(receipts), run.converted_images(receipts)
    names = {split: sorted({*found.repaired.get(split, ()), *converted.get(split, ())}) for split in receipts}
    all_skipped = {split: {**found.skipped.get(split, {}), **now.get(split, {})} for split in receipts}
    return Manifest(
        CLASSIC,
        TFRECORD,
        config,
        KINDS[CLASSIC].keys,
        label_offset,
        {plan.members.split: shard_entries(_names(plan), receipts[plan.members.split]) for plan in plans},
        boxes={split: sum(r.boxed for r in receipts[split]) for split in receipts if split in ANNOTATED}
        if BOXES in made_of
        else None,
        skipped={split: dict(own) for split, own in all_skipped.items() if own},
        repaired_images={split: own for split, own in names.items() if own},
        classes=classes_digest(part.wnids),
        subset=part.described,
        wnids=part.wnids,
        made_of=made_of,
    )


def _shards(num_shards: Mapping[str, int]) -> dict[str, int]:
    """Returns the number of shards of each split that is named, by the data set's own names. Raises OptionError."""
    if not isinstance(num_shards, Mapping):
        raise OptionError(f"num_shards must name splits, as in {{'train': 1024}}, got {num_shards!r}.")
    counts = {own_splits(name)[0]: count for name, count in num_shards.items()}
    if len(counts) < len(num_shards):
        raise OptionError(f"num_shards names a split twice, by both of its names: {first_few(num_shards)}.")
    return counts


def _plans(images: Index, counts: Mapping[str, int], op: Original | Resized | Untouched) -> list[SplitPlan]:
    _require_splits(counts, images)
    return [
        plan_split(
            members,
            num_shards=counts.get(split, min(NUM_SHARDS[split], len(members))),
            image_bytes=op.image_bytes,
        )
        for split, members in images.splits.items()
    ]


def _require_splits(names: Iterable[str], images: Index) -> None:
    missing = [name for name in names if name not in images.splits]
    if missing:
        raise OptionError(f"There is no split {first_few(missing)} among those to export: {', '.join(images.splits)}.")


def _names(plan: SplitPlan) -> list[str]:
    return [shard_name(CLASSIC, plan.members.split, k, len(plan)) for k in range(len(plan))]


def _tasks(
    plans: list[SplitPlan],
    encoder: ClassicExample,
    boxes: Mapping[bytes, Boxes],
    folder: Path,
    *,
    on_error: str,
    sync: bool,
) -> Iterator[ShardTask]:
    for plan in plans:
        for shard, name in zip(plan.shards(), _names(plan)):
            own = select(boxes, shard.members.name.tolist()) if boxes else {}
            encode = dataclasses.replace(encoder, boxes=own)
            place = place_of(folder / name)
            yield ShardTask(shard, place, encode, on_error=on_error, sync=sync, scratch=str(folder))
