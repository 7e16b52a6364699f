"""The images of a prepared data set as files again, and HDF5 metadata whose paths point at them.

    <out>/
        train256/<wnid>/<name>, val256/<wnid>/<name>, test256/<name>
                            the shorter side, 256, is part of the name where images were resized; else train, val, test
        metadata.h5         where there are labels
        classes.txt         the same: the 1000 wnids, a line each; each labelled split has a folder for each of them
        unpacked.json       says that this folder was made here: nothing else is ever replaced

Until all is there, the files wait in `.<out>.staging` beside it: a run that was killed goes on with the shards that are left.
"""

import functools
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, unreadable
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.formats.folder import ANEW, Output, find_output, senseless
from ilsvrc_tfds.outputs.replaceable import MARK_NAME, require_free_for_files
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.shards.image_files import FilesTask, write_files
from ilsvrc_tfds.shards.image_folders import add_classes, as_files, split_folder, warn_of_empty_classes
from ilsvrc_tfds.shards.plan import Shard, SplitPlan
from ilsvrc_tfds.sources import Members
from ilsvrc_tfds.sources.prepared import index_prepared
from ilsvrc_tfds.storage import staging
from ilsvrc_tfds.storage.destination import real_path, require_replaceable
from ilsvrc_tfds.storage.files import destination_errors, require_local, sync_file_system
from ilsvrc_tfds.storage.regular import open_regular
from ilsvrc_tfds.storage.staging import receipt_path

_TREE = "files"
_LONGEST_NAME = 255

_log = logging.getLogger(__name__)


def unpack(
    prepared: str | os.PathLike,
    out: str | os.PathLike,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    sync: bool = True,
) -> Path:
    """Writes the images of a prepared data set as files, all or nothing; continues where an earlier run of the call stopped.

    Args:
      prepared: folder of the data set, `…/ilsvrc2012/<config>/1.0.0`; every checksum in it is compared.
      out: folder for the files; it must not exist or be empty, unless `overwrite`.
      workers: processes; all cores where None.
      overwrite: whether files unpacked into `out` earlier are replaced, once the new ones are finished.
      sync: Whether all files are on disk before `out` has its name: what a power failure leaves is whole. False is for
        scratch disks.

    Returns:
      `out`, absolute and without links.

    Raises:
      SourceError: no prepared data set, a damaged one, or one with names that cannot be files'; LabelError.
      DestinationError: `out` holds something else, cannot be written, or has too little room; InterruptedRun; OptionError.
    """
    require_local(out)
    out = real_path(out)
    require_replaceable(out)
    staging.tidy(out)
    require_free_for_files(out, overwrite)
    output = find_output(prepared)
    images = _images(output)
    with LocalRunner(workers) as runner:
        plans = [_plan(members) for members in index_prepared(output, runner.run).splits.values()]
        _require_plain(plans)
        files = [as_files(plan.members, _suffix(images)) for plan in plans]
        _require_distinct(plans, [members.paths() for members in files])
        with staging.claim(out) as claimed:
            require_free_for_files(out, overwrite)  # what a run that was killed had moved aside is back
            tree = _written(plans, files, claimed, runner)
            _describe(tree, images, files, sync)
            require_free_for_files(out, overwrite)  # hours later
            with claimed.replacing(sync=sync), destination_errors(out):
                tree.rename(out)
            claimed.discard()
    warn_of_empty_classes(out, files)
    return out


def _images(output: Output) -> Mapping[str, object]:
    """Returns what became of the images, by the manifest or by TFDS's metadata; empty where neither says it."""
    if output.config():
        return output.config()
    path = output.folder / "metadata.json"
    try:
        with open_regular(path) as file:
            images = json.loads(file.read()).get("images")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise senseless(path, error) from error
    return images if isinstance(images, dict) else {}


def _suffix(images: Mapping[str, object]) -> str:
    """Returns what the names of splits end with: `256` where the shorter side was made 256, else nothing."""
    if images.get("op") != "Resized":
        return ""
    side = images.get("shorter_side")
    if type(side) is not int or not 1 <= side <= 99_999:
        raise SourceError(f"The images are said to have a shorter side of {side!r:.40} pixels. {ANEW}")
    return str(side)


def _plan(members: Members) -> SplitPlan:
    """Returns the plan whose shards are those of the prepared data set; its tables are in their order."""
    bounds = np.searchsorted(members.container, np.arange(len(members.containers) + 1)).tolist()
    return SplitPlan(members, np.arange(len(members)), tuple(bounds), int(members.size.sum()))


def _require_plain(plans: Sequence[SplitPlan]) -> None:
    """Raises SourceError, LabelError where an image has no class or a name that no file may have: nobody vouches for them."""
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
                    f"{_place(plan, row)} has the file name {name[:80]!r}; expected printable ASCII of 1 to {_LONGEST_NAME} "
                    "characters without separators. Nothing was written."
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
    """Raises SourceError where a path comes twice; splits have folders of their own."""
    for plan, own in zip(plans, paths):
        order = np.argsort(own, kind="stable")
        for k in np.flatnonzero(own[order][1:] == own[order][:-1])[:1]:
            first, second = (_place(plan, row) for row in order[k : k + 2])
            path = own[order[k]].decode("ascii")
            raise SourceError(f"{second} would be the same file as {first}, {path}{where}. Nothing was written.")


def _written(
    plans: Sequence[SplitPlan], files: Sequence[Members], claimed: staging.Staging, runner: LocalRunner
) -> Path:
    """Returns the folder in staging with all images as files; what an earlier run has finished is not written again."""
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
        _require_distinct(plans, [np.char.lower(own) for own in paths], " on this file system, which takes A for a")
    _fill(functools.partial(_tasks, plans, paths, folder), sum(map(len, files)), folder, runner)
    return tree


def _folds_case(folder: Path) -> bool:
    """Returns whether a folder, named in lower case, is found in upper case too."""
    return folder.with_name(folder.name.upper()).exists()


def _tasks(plans: Sequence[SplitPlan], paths: Sequence[np.ndarray], folder: Path) -> Iterator[FilesTask]:
    for plan, own in zip(plans, paths):
        for shard, start, stop in zip(plan.shards(), plan.bounds, plan.bounds[1:]):
            yield FilesTask(
                shard.members, own[start:stop], str(folder / _TREE), receipt_path(str(folder / _name(shard)))
            )


def _name(shard: Shard) -> str:
    return f"{shard.split}-{shard.index:05d}-of-{shard.count:05d}"


def _fill(tasks: Callable[[], Iterator[FilesTask]], num_images: int, folder: Path, runner: LocalRunner) -> None:
    """Writes the files of all tasks that are not finished already; shows progress on a terminal."""
    left = [task.room if not os.path.exists(task.receipt) else None for task in tasks()]
    if kept := left.count(None):
        _log.info("Continuing: the images of %d of %d shards are written already.", kept, len(left))
    staging.require_space(folder, sum(filter(None, left)))
    with run.at_work(runner, num_images) as bar:
        for count in runner.run(write_files, tasks()):
            bar.update(count)


def _describe(tree: Path, images: Mapping[str, object], files: Sequence[Members], sync: bool) -> None:
    """Writes the classes, the metadata and the mark; returns when they and all files are on disk."""
    add_classes(tree, files)
    held = {split_folder(members): len(members) for members in files}
    beside = tree.parent / hdf5.NAME  # a part of it, left by a run that was killed, is removed there
    if any(members.split in hdf5.SPLITS for members in files):
        hdf5.write(beside, files, sync=sync)
    with destination_errors(tree):
        if beside.exists():
            beside.rename(tree / hdf5.NAME)
        (tree / MARK_NAME).write_text(json.dumps({"format": 1, "images": images, "files": held}, indent=1) + "\n")
        if sync:
            sync_file_system(tree)
