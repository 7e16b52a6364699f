"""Writes all shards of a plan with any engine. Shards that an earlier run finished are kept."""

import functools
import hashlib
import itertools
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ilsvrc_tfds.errors import ImageError, counted, first_few
from ilsvrc_tfds.images import codec_versions
from ilsvrc_tfds.runners import LocalRunner, Runner
from ilsvrc_tfds.shards.pieces import cut_first, is_resized, is_worth_cutting, join_pieces, pieces_of, remove_pieces
from ilsvrc_tfds.shards.plan import SplitPlan
from ilsvrc_tfds.shards.watching import Watch, watched
from ilsvrc_tfds.shards.writer import STOP, Receipt, ShardTask, finish_alike, finish_shard, finished_receipt
from ilsvrc_tfds.sources import reader
from ilsvrc_tfds.storage.staging import Staging
from ilsvrc_tfds.storage.uploads import place_of
from ilsvrc_tfds.terminal.units import in_bytes

# Increase this number if the records or the receipts change, so that shards of older versions are not reused.
_FORMAT = 2

# So long it takes until two workers have started. Then a byte, a file that is opened and copied, an image to resize.
_SECONDS_ALONE, _SECONDS_A_BYTE, _SECONDS_TO_COPY, _SECONDS_TO_RESIZE = 0.7, 1e-9, 1e-4, 5e-3

_log = logging.getLogger(__name__)


def require_sizes(plans: Sequence[SplitPlan], on_error: str) -> None:
    """Raises ImageError if a damaged image stops the run and the index shows one, before anything is written."""
    for plan in plans if on_error == STOP else ():
        if plan.members.odd_sizes():  # another image than those that are planned, perhaps
            reader.require_sizes(plan.planned_members())


def shard_folder(claimed: Staging, plans: Sequence[SplitPlan], identity: Mapping[str, object]) -> Path:
    """Returns the folder in staging for the shards of a plan, with those that an earlier run of the plan finished.

    Args:
      claimed: Staging folder of the destination.
      plans: Plans of the splits.
      identity: Everything else that the bytes of the shards depend on; see `fingerprint`.

    Raises:
      DestinationError: There is too little space, or the folder cannot be created.
    """
    folder, anew = claimed.folder_for(fingerprint(plans, identity))
    if anew:
        _log.warning("The source or an option has changed since the last run was stopped: starting anew.")
    kept = claimed.finished_bytes(folder)
    if kept:
        _log.info("Continuing: %s are finished already.", in_bytes(kept))
    largest = max((-(-plan.num_bytes // len(plan)) for plan in plans), default=0)
    claimed.require_space(folder, sum(plan.num_bytes for plan in plans) - kept, largest * (os.cpu_count() or 1))
    return folder


def finish_shards(
    plans: Sequence[SplitPlan], tasks: Iterable[ShardTask], runner: Runner, folder: Path, label: str = "shards"
) -> dict[str, list[Receipt]]:
    """Writes the shards that are not finished yet, and returns the receipts of all shards of each split, in order.

    Args:
      plans: Plans of the splits.
      tasks: Jobs that write the shards into the folder, in the order of the plans.
      runner: Engine that runs the jobs.
      folder: Folder in staging.
      label: Text that names the run where its progress is shown; the split is added to it.

    Raises:
      SourceError, ImageError: An image cannot be read, is damaged, or none of a split can be used.
      DestinationError: A shard cannot be written.
      OptionError: A worker has other codec versions than the driver, or a package for the file format is missing.
      InterruptedRun: A worker died.
    """
    receipts = fill(tasks, plans, runner, folder, label)
    by_split = {plan.members.split: [r for r in receipts if r.split == plan.members.split] for plan in plans}
    _report_skipped(by_split)
    return by_split


def skipped_images(receipts: Mapping[str, Sequence[Receipt]]) -> dict[str, dict[str, str]]:
    """Returns the skipped images of each split that has any: `{"train": {file name: reason}}`."""
    found = {split: {name: why for r in own for name, why in r.skipped.items()} for split, own in receipts.items()}
    return {split: skipped for split, skipped in found.items() if skipped}


def converted_images(receipts: Mapping[str, Sequence[Receipt]]) -> dict[str, list[str]]:
    """Returns the file names of the converted images of each split that has any, sorted."""
    found = {split: sorted(name for r in own for name in r.converted) for split, own in receipts.items()}
    return {split: names for split, names in found.items() if names}


def fingerprint(plans: Iterable[SplitPlan], identity: Mapping[str, object]) -> str:
    """Returns 16 hexadecimal digits that change whenever the bytes of a shard could change.

    >>> from ilsvrc_tfds.shards.plan import plan_split
    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> plans = [plan_split(members) for members in index_images(find_layout(["/data/imagenet"])).splits.values()]
    >>> fingerprint(plans, {"op": "Original"}) == fingerprint(plans, {"op": "Resized"})
    False

    Args:
      plans: Plans of the splits, from which the images, their places and sizes, and the bounds of the shards are taken.
      identity: Everything else that the bytes depend on, in JSON's types.
    """
    digest = hashlib.sha256(json.dumps([_FORMAT, identity], sort_keys=True).encode())
    for plan in plans:
        members = plan.members
        places = [(container.folder, container.stamp) for container in members.containers]
        digest.update(json.dumps([members.split, plan.bounds, places]).encode())
        for column in (members.name, members.label, members.container, members.offset, members.size):
            digest.update(column.tobytes())
    return digest.hexdigest()[:16]


def fill(
    tasks: Iterable[ShardTask], plans: Sequence[SplitPlan], runner: Runner, folder: Path, label: str = "shards"
) -> list[Receipt]:
    """Runs the tasks and returns their receipts in order. Shows the progress.

    Few shards are written in pieces; see `pieces`.
    """
    tasks, num_shards = iter(tasks), sum(map(len, plans))
    first = next(tasks)
    tasks = itertools.chain([first], tasks)
    workers = 1  # pieces are for workers of this machine only
    if isinstance(runner, LocalRunner):
        if runner.may_use_fewer and not runner.has_started() and _seconds(first, plans) < _SECONDS_ALONE:
            runner = LocalRunner(1)
        workers = runner.workers
    cuts = is_worth_cutting(first, num_shards, workers)
    if not cuts:
        remove_pieces(folder)  # of a run with other workers
    with watched(label, plans, folder, runner) as watch:
        if cuts:
            return list(_in_pieces(list(tasks), workers, runner, folder, watch))
        return list(_receipts(tasks, runner, folder, watch))


def _seconds(task: ShardTask, plans: Sequence[SplitPlan]) -> float:
    """Returns about how long one process would take for all shards."""
    images, num_bytes = sum(len(plan.order) for plan in plans), sum(plan.num_bytes for plan in plans)
    return num_bytes * _SECONDS_A_BYTE + images * (_SECONDS_TO_RESIZE if is_resized(task) else _SECONDS_TO_COPY)


def _receipts(tasks: Iterable[ShardTask], runner: Runner, folder: Path, watch: Watch) -> Iterator[Receipt]:
    """Yields the receipt of each task, in order."""
    # Workers of this machine load the same codecs.
    function = finish_shard if isinstance(runner, LocalRunner) else functools.partial(finish_alike, codec_versions())
    for receipt in runner.run(function, watch.waiting(tasks), place_of(folder)):
        watch.finish(receipt)
        yield receipt


def _in_pieces(
    tasks: Sequence[ShardTask], workers: int, runner: Runner, folder: Path, watch: Watch
) -> Iterator[Receipt]:
    """Yields the receipt of each shard, in order. Those that are not there yet are cut, from `cut_first` on."""
    finished = {task.path: receipt for task in tasks if (receipt := finished_receipt(task))}
    watch.keep(task for task in tasks if task.path in finished)
    missing = [task for task in tasks if task.path not in finished]
    first = cut_first(missing, workers)
    whole, cut = missing[:first], missing[first:]
    remove_pieces(folder, but=cut)  # those that another version cut
    receipts = _receipts(itertools.chain(whole, pieces_of(cut)), runner, folder, watch)
    paths = {task.path for task in whole}
    for task in tasks:
        yield finished.get(task.path) or (next(receipts) if task.path in paths else join_pieces(task, receipts))


def _report_skipped(receipts: Mapping[str, Sequence[Receipt]]) -> None:
    """Logs the skipped images. Raises ImageError if all images of a split were skipped."""
    for split, skipped in skipped_images(receipts).items():
        reasons = first_few((f"{name}: {why}" for name, why in skipped.items()), 10)
        if not sum(receipt.records for receipt in receipts[split]):
            raise ImageError(f"None of the images of split {split!r} can be used ({len(skipped):,}): {reasons}.")
        _log.warning(
            "Skipped %s of the split %s, which is now incomplete: %s.",
            *(counted(len(skipped), "damaged image"), split, reasons),
        )
