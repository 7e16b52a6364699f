"""Unpacks a prepared data set into image files, with HDF5 metadata whose paths name these files.

    <out>/
        train256/<wnid>/<name>, val256/<wnid>/<name>, test256/<name>
                            images; 256 is the shorter side of resized images, others are in train, val and test
        metadata.h5         metadata of the labelled splits, if there are any
        classes.txt         the 1000 wnids, one in each line, if there are labelled splits; each labelled split has a
                            folder for every wnid
        unpacked.json       a mark that this folder was unpacked; only folders with this mark can be replaced

The files wait in `.<out>.staging` beside `out` until all of them are written. A run that was killed is resumed with the
shards that are left.
"""

import functools
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, counted
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.formats.data_sets import Data, folder_of
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.in_buckets import from_buckets
from ilsvrc_tfds.formats.kinds import ANEW
from ilsvrc_tfds.formats.nearby import MARK_NAME
from ilsvrc_tfds.outputs.exported_already import BYTES, MADE_OF, SHARDS, digest_of_shards, require_same_files
from ilsvrc_tfds.outputs.replaceable import require_free_for_files, require_not_read, unpacked_in
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.shards.image_files import FilesTask, write_files
from ilsvrc_tfds.shards.image_folders import add_classes, as_files, split_folder, warn_of_empty_classes
from ilsvrc_tfds.shards.plan import Shard, SplitPlan
from ilsvrc_tfds.shards.watching import watched_files
from ilsvrc_tfds.sources import Members
from ilsvrc_tfds.sources.prepared import index_prepared
from ilsvrc_tfds.sources.record_sets import recorded_op
from ilsvrc_tfds.storage.destination import real_path, require_replaceable
from ilsvrc_tfds.storage.files import destination_errors, require_local, sync_file_system
from ilsvrc_tfds.storage.space import require_space
from ilsvrc_tfds.storage.staging import Staging, claim, receipt_path, tidy

_TREE = "files"
_LONGEST_NAME = 255

_log = logging.getLogger(__name__)


@from_buckets("data", whole=True)
def unpack(
    data: Data,
    out: str | os.PathLike,
    *,
    data_dir: str | os.PathLike | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    sync: bool = True,
) -> Path:
    """Writes the images of a prepared data set as files, all or nothing.

    If an earlier run of the same call was stopped, this run resumes it: finished files are not written again. If it
    was finished, the data set is compared with the one whose images are there, and nothing is written.

    >>> import ilsvrc_tfds
    >>> out = ilsvrc_tfds.unpack("/data/tfds/ilsvrc2012/classification/1.0.0", "/data/files")
    >>> sorted(path.name for path in out.iterdir())
    ['classes.txt', 'metadata.h5', 'train', 'unpacked.json', 'val']

    Args:
      data: Prepared data set, in any form that `for_training` takes. The checksum of every record is compared.
      out: Folder for the files. It must be empty or not exist, unless `overwrite` is set.
      data_dir: TFDS's data directory, in which names are looked up.
      workers: Number of worker processes; None uses all cores.
      overwrite: Whether files that were unpacked into `out` earlier are replaced, once the new ones are finished.
      sync: Whether all files must be on disk before `out` gets its name, so that it is whole even after a power
        failure. Use False for scratch disks only.

    Returns:
      The absolute path of `out`, with links resolved.

    Raises:
      SourceError: The data set is missing or damaged, or has names that are not safe as file names.
      LabelError: A record has a label that is not valid.
      DestinationError: `out` contains something else, or cannot be written, or there is too little space.
      OptionError: `workers` is less than 1, or a path is a URL.
      InterruptedRun: A worker process died.
    """
    require_local(out)
    out = real_path(out)
    require_replaceable(out)
    tidy(out)
    there = unpacked_in(out, overwrite)
    output = find_output(folder_of(data, data_dir))
    images = recorded_op(output)
    if there is not None:
        require_same_files(out, there, output, images)
        return out
    made_of = {SHARDS: digest_of_shards(output, output.shards)}
    with LocalRunner(workers) as runner:
        index = index_prepared(output, runner.run)
        require_not_read(out, index)
        plans = [_plan(members) for members in index.splits.values()]
        _require_plain(plans)
        files = [as_files(plan.members, _suffix(images)) for plan in plans]
        _require_distinct(plans, [members.paths() for members in files])
        with claim(out) as claimed:
            require_free_for_files(out, overwrite)  # data that a killed run had moved aside is in its place again
            tree = _written(plans, files, claimed, runner)
            _describe(tree, {"images": images, MADE_OF: made_of}, files, sync)
            require_free_for_files(out, overwrite)  # somebody may have written there during the hours of work
            with claimed.replacing(sync=sync), destination_errors(out):
                tree.rename(out)
            claimed.discard()
    warn_of_empty_classes(out, files)
    return out


def _suffix(images: Mapping[str, object]) -> str:
    """Returns the suffix of the folders of splits: `256` if the images were resized to a shorter side of 256, or ""."""
    if images.get("op") != "Resized":
        return ""
    side = images.get("shorter_side")
    if type(side) is not int or not 1 <= side <= 99_999:
        raise SourceError(f"The images are said to have a shorter side of {side!r:.40} pixels. {ANEW}")
    return str(side)


def _plan(members: Members) -> SplitPlan:
    """Returns a plan with the shards of the prepared data set. Its tables are in the order of the shards."""
    bounds = np.searchsorted(members.container, np.arange(len(members.containers) + 1)).tolist()
    return SplitPlan(members, np.arange(len(members)), tuple(bounds), int(members.size.sum()))


def _require_plain(plans: Sequence[SplitPlan]) -> None:
    """Raises LabelError or SourceError if an image has no valid class or no safe file name: records are not trusted."""
    if not plans:
        raise SourceError(f"There are no images in the prepared data set. {ANEW}")
    for plan in plans:
        lowest, highest = (-1, -1) if plan.members.split == "test" else (0, synsets.NUM_CLASSES - 1)
        for row in np.flatnonzero((plan.members.label < lowest) | (plan.members.label > highest))[:1]:
            raise LabelError(
                f"{_place(plan, row)} has label {plan.members.label[row]}; expected {lowest} to {highest}."
            )
        for row, name in enumerate(plan.members.name.tolist()):
            if not _is_plain(name):
                raise SourceError(
                    f"{_place(plan, row)} has the file name {name[:80]!r}; expected printable ASCII of 1 to "
                    f"{_LONGEST_NAME} characters without separators. Nothing was written."
                )


def _is_plain(name: bytes) -> bool:
    text = name.decode("ascii", errors="replace")
    separated = "/" in text or "\\" in text
    return (
        name.isascii()
        and text.isprintable()
        and 0 < len(name) <= _LONGEST_NAME
        and not separated
        and text not in (".", "..")
    )


def _place(plan: SplitPlan, row: int) -> str:
    shard = plan.members.container[row]
    return f"{plan.members.containers[shard].path}: record {row - plan.bounds[shard]:,}"


def _require_distinct(plans: Sequence[SplitPlan], paths: Sequence[np.ndarray], where: str = "") -> None:
    """Raises SourceError if a path occurs twice in a split. The splits have separate folders."""
    for plan, own in zip(plans, paths):
        order = np.argsort(own, kind="stable")
        for k in np.flatnonzero(own[order][1:] == own[order][:-1])[:1]:
            first, second = (_place(plan, row) for row in order[k : k + 2])
            path = own[order[k]].decode("ascii")
            raise SourceError(f"{second} would be the same file as {first}, {path}{where}. Nothing was written.")


def _written(plans: Sequence[SplitPlan], files: Sequence[Members], claimed: Staging, runner: LocalRunner) -> Path:
    """Writes all images as files into staging and returns their folder. Files that an earlier run finished are kept."""
    paths = [members.paths() for members in files]
    folder, anew = claimed.folder_for(
        run.fingerprint(
            plans, {"folders": [[container.folder for container in members.containers] for members in files]}
        )
    )
    if anew:
        _log.warning("The data set has changed since the last run was stopped: starting anew.")
    tree = folder / _TREE
    with destination_errors(tree):
        tree.mkdir(exist_ok=True)
    if _folds_case(tree):
        _require_distinct(plans, [np.char.lower(own) for own in paths], " on this file system, which ignores case")
    _fill(functools.partial(_tasks, plans, paths, folder), folder, runner)
    return tree


def _folds_case(folder: Path) -> bool:
    """Returns whether the file system ignores case: whether a folder with a lower-case name is found in upper case."""
    return folder.with_name(folder.name.upper()).exists()


def _tasks(plans: Sequence[SplitPlan], paths: Sequence[np.ndarray], folder: Path) -> Iterator[FilesTask]:
    for plan, own in zip(plans, paths):
        for shard, start, stop in zip(plan.shards(), plan.bounds, plan.bounds[1:]):
            yield FilesTask(
                shard.members, own[start:stop], str(folder / _TREE), receipt_path(str(folder / _name(shard)))
            )


def _name(shard: Shard) -> str:
    return f"{shard.split}-{shard.index:05d}-of-{shard.count:05d}"


def _fill(tasks: Callable[[], Iterator[FilesTask]], folder: Path, runner: LocalRunner) -> None:
    """Writes the files of all unfinished tasks. Shows the progress."""
    left = [task.room if not os.path.exists(task.receipt) else None for task in tasks()]
    if kept := left.count(None):
        _log.info("Continuing: the images of %s of %s are written already.", f"{kept:,}", counted(len(left), "shard"))
    require_space(folder, sum(filter(None, left)))
    with watched_files(tasks(), runner) as watch:
        for count in runner.run(write_files, tasks()):
            watch.finish(count)


def _describe(tree: Path, described: Mapping[str, object], files: Sequence[Members], sync: bool) -> None:
    """Writes the classes, the metadata and the mark. If `sync`, they and all files are on disk when this returns."""
    add_classes(tree, files)
    held = {split_folder(members): len(members) for members in files}
    sizes = {split_folder(members): int(members.size.sum()) for members in files}
    beside = tree.parent / hdf5.NAME  # written beside the files, so that no partial file of a killed run is among them
    if any(members.split in hdf5.SPLITS for members in files):
        hdf5.write(beside, files, sync=sync)
    with destination_errors(tree):
        if beside.exists():
            beside.rename(tree / hdf5.NAME)
        mark = {"format": 1, **described, "files": held, BYTES: sizes}
        (tree / MARK_NAME).write_text(json.dumps(mark, indent=1) + "\n")
        if sync:
            sync_file_system(tree)
