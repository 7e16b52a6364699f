"""Classic TFRecords, `train-00000-of-01024` and so on, straight from a source or from a prepared data set."""

import dataclasses
import functools
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import xxhash

from ilsvrc_tfds.errors import DestinationError, OptionError, SourceError, first_few
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.folder import find_output, is_output
from ilsvrc_tfds.formats.kinds import CLASSIC, CLASSIC_KEYS
from ilsvrc_tfds.formats.manifest import Manifest, boxes_in_words, shard_entries
from ilsvrc_tfds.formats.naming import CLASSIC_NAMES, own_split, own_splits, shard_name
from ilsvrc_tfds.formats.record_index import write_index
from ilsvrc_tfds.images import CONFIGS, Original, Resized, Untouched, codec_versions, describe_op
from ilsvrc_tfds.runners import LocalRunner, Runner
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.shards.encoders import ClassicExample
from ilsvrc_tfds.shards.plan import SplitPlan, plan_split
from ilsvrc_tfds.shards.writer import STOP, Receipt, ShardTask, require_known
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.sources.boxes import Boxes, read_boxes, select
from ilsvrc_tfds.sources.completeness import incomplete_is_allowed, log_shortfalls, of_splits
from ilsvrc_tfds.sources.find import find_images
from ilsvrc_tfds.sources.prepared import index_prepared
from ilsvrc_tfds.storage.files import require_local
from ilsvrc_tfds.storage.staging import claim, tidy

# What readers hard-code. The scripts that wrote such files first knew no test split.
NUM_SHARDS = {"train": 1024, "val": 128, "test": 128}
# The splits that have official bounding boxes.
_ANNOTATED = ("train", "val")

_log = logging.getLogger(__name__)


def export(
    source: str | os.PathLike,
    out: str | os.PathLike,
    *,
    config: str | Original | Resized | None = None,
    splits: Iterable[str] | None = None,
    num_shards: Mapping[str, int] | None = None,
    label_offset: int = 1,
    bbox: Iterable[str | os.PathLike] = (),
    index: bool = False,
    workers: int | None = None,
    runner: Runner | None = None,
    allow_incomplete: bool | None = None,
    on_error: str = STOP,
    overwrite: bool = False,
    sync: bool = True,
) -> Path:
    """Writes classic TFRecords and their manifest, all or nothing; continues where an earlier run of the call stopped.

    Args:
      source: folder in any layout; or a prepared data set (`…/ilsvrc2012/<config>/1.0.0`), whose images are passed on.
      out: folder for the files; it must not exist or be empty, unless `overwrite`.
      config: `classification` (where None) or `raw256`, or an operation as `Resized(160)`. A prepared data set has its own.
      splits: of train, val (or validation), test, the only ones that are taken, and all of them must be there; where None all
        that the source has, and train and val must be there.
      num_shards: of each split; where it is not said 1024 of train, 128 of val and test, or one an image if those are fewer.
      label_offset: added to the class index: 1 (0 is the background) or 0.
      bbox: archives, folders or tables of bounding boxes.
      index: whether an index for DALI and the package `tfrecord` is written beside each shard.
      workers: processes of this machine; all cores where None.
      runner: writes the shards on other machines; see `Ilsvrc2012`.
      allow_incomplete: whether train or val may be missing where `splits` is None, and whether a split may have another than
        the official number of images.
      on_error: What to do about a damaged image: `stop`, or `skip` it. Skipped images are listed in the manifest.
      overwrite: whether an export that is in `out` is replaced, once the new one is finished.
      sync: Whether all files are on disk before `out` has its name: what a power failure leaves is whole. False is for
        scratch disks.

    Returns:
      `out`, absolute.

    Raises:
      IlsvrcError: what the user can act on.
    """
    require_local(out)
    require_known(on_error)
    out = Path(out).expanduser().absolute()
    tidy(out)
    _require_free(out, overwrite)
    encoder = ClassicExample(label_offset=label_offset)
    splits, bbox = None if splits is None else own_splits(splits), list(bbox)
    with LocalRunner(workers) as local, runner or local as runner:
        images, op, made = _images(source, config, splits, local)
        log_shortfalls(images, incomplete_is_allowed(allow_incomplete), splits)
        plans = _plans(images, num_shards or {}, op)
        boxes = _boxes(plans, bbox, op)
        encoder = dataclasses.replace(encoder, op=op)
        identity = {"records": CLASSIC, "op": describe_op(op), "label_offset": label_offset, "boxes": _digest(boxes)}
        with claim(out) as claimed:
            _require_free(out, overwrite)  # another run may have been faster
            folder = run.shard_folder(claimed, plans, {**identity, "codecs": codec_versions()})
            tasks = _tasks(plans, encoder, boxes, {"on_error": on_error, "sync": sync}, folder)
            receipts = run.finish_shards(plans, tasks, runner, folder)
            files = [folder / name for plan in plans for name in _names(plan)]
            if index:
                files += map(Path, local.run(functools.partial(write_index, sync=sync), map(str, files[:])))
            described = _described(plans, receipts, made, label_offset, boxes=bool(bbox))
            claimed.publish([*files, manifest.write(described, folder, sync=sync)], sync=sync)
    _log_boxes(described)
    return out


def _described(
    plans: list[SplitPlan],
    receipts: Mapping[str, list[Receipt]],
    config: Mapping[str, object],
    label_offset: int,
    *,
    boxes: bool,
) -> Manifest:
    """Returns the manifest of the export; it counts the images with bounding boxes if some were asked for."""
    return Manifest(
        CLASSIC,
        "tfrecord",
        config,
        CLASSIC_KEYS,
        label_offset,
        {plan.members.split: shard_entries(_names(plan), receipts[plan.members.split]) for plan in plans},
        boxes={split: sum(r.boxed for r in receipts[split]) for split in receipts if split in _ANNOTATED}
        if boxes
        else None,
        skipped=run.skipped_images(receipts),
    )


def _require_free(out: Path, overwrite: bool) -> None:
    if not out.exists() or out.is_dir() and not any(out.iterdir()):
        return
    if not (out / manifest.NAME).is_file():
        raise DestinationError(f"{out} is not empty and holds no export. Choose another folder.")
    if not overwrite:
        raise DestinationError(
            f"{out} holds an export. Replace it with --overwrite (overwrite=True), or choose another folder."
        )


def _images(
    source, config, splits, runner: LocalRunner
) -> tuple[Index, Original | Resized | Untouched, Mapping[str, object]]:
    """Returns the index of a source or of a prepared data set, what is to be done with its images, and what is done then."""
    if not is_output(source):
        op = _op(config or "classification")
        return find_images([source], runner, splits), op, describe_op(op)
    if config is not None:
        raise OptionError(f"{source} is prepared: its images are passed on as they are. Leave the config out.")
    output = find_output(source)
    return of_splits(index_prepared(output, runner.run), splits), Untouched(), output.config()


def _op(config: str | Original | Resized) -> Original | Resized:
    if isinstance(config, str) and config not in CONFIGS:
        raise OptionError(f"config must be one of {', '.join(CONFIGS)}, or Resized(…), got {config!r}.")
    return CONFIGS[config] if isinstance(config, str) else config


def _plans(images: Index, num_shards: Mapping[str, int], op) -> list[SplitPlan]:
    if not isinstance(num_shards, Mapping):
        raise OptionError(f"num_shards must be of each split, as {{'train': 1024}}, got {num_shards!r}.")
    counts = {_split(name): count for name, count in num_shards.items()}
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


def _split(name: str) -> str:
    """Returns the data set's own name of a split, for either name. Raises OptionError."""
    own = own_split(name)
    if own is None:
        raise OptionError(f"There is no split {name!r}; expected some of train, validation (or val), test.")
    return own


def _boxes(plans: list[SplitPlan], paths: list[str | os.PathLike], op) -> dict[bytes, Boxes]:
    """Returns the bounding boxes of the images that are exported. Raises SourceError where none is of such an image."""
    if not paths:
        return {}
    found = read_boxes(paths)
    selected = {plan.members.split: select(found, plan.members.name.tolist()) for plan in plans}
    boxes = {key: image_boxes for of_split in selected.values() for key, image_boxes in of_split.items()}
    if not boxes:
        raise SourceError(f"{first_few(paths)}: none of the {len(found):,} annotated images is in the source.")
    for split, of_split in selected.items():
        if split in _ANNOTATED and not any(
            image_boxes.corners for image_boxes in of_split.values()
        ):  # before hours of work
            _log.warning("No image of %s will have bounding boxes: %s has none of them.", split, first_few(paths))
    if isinstance(op, Untouched) and not all(image_boxes.has_size for image_boxes in boxes.values()):
        raise OptionError(
            "Kaggle's tables give boxes in pixels of the original images, whose sizes are not known here. Export from the "
            "source, or give the XML annotations."
        )
    return boxes


def _log_boxes(made: Manifest) -> None:
    """Says how many images have bounding boxes, loudly where it is none of a split."""
    for split, count in (made.boxes or {}).items():
        words = boxes_in_words(count, sum(shard.records for shard in made.shards[split]))
        _log.log(logging.INFO if count else logging.WARNING, "%s: %s", CLASSIC_NAMES[split], words)


def _digest(boxes: Mapping[bytes, Boxes]) -> str:
    return xxhash.xxh3_128_hexdigest(repr(sorted(boxes.items())).encode())


def _names(plan: SplitPlan) -> list[str]:
    return [shard_name(CLASSIC, plan.members.split, k, len(plan)) for k in range(len(plan))]


def _tasks(
    plans: list[SplitPlan],
    encoder: ClassicExample,
    boxes: Mapping[bytes, Boxes],
    options: Mapping[str, object],
    folder: Path,
) -> Iterator[ShardTask]:
    for plan in plans:
        for shard, name in zip(plan.shards(), _names(plan)):
            own = select(boxes, shard.members.name.tolist()) if boxes else {}
            yield ShardTask(shard, str(folder / name), dataclasses.replace(encoder, boxes=own), **options)
