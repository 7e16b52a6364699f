"""Spools all streams of a source before images are read at random, in a folder beside the result or in another place.

<data_dir>/ilsvrc2012/raw256/.1.0.0-spool.staging/
    lock.holder             the run that holds the folder
    <fingerprint>/          finished files and their receipts, for one operation on the images

The folder is removed when it is no longer needed. If the run fails or is killed, finished files stay, and the next run
continues. See `spool_place` for the other place.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from ilsvrc_tfds.errors import counted
from ilsvrc_tfds.images import Original, Resized, describe_op
from ilsvrc_tfds.runners import Runner
from ilsvrc_tfds.sources import copies
from ilsvrc_tfds.sources.layouts import STREAMS, spools
from ilsvrc_tfds.sources.members import Container, Index, Members, join_members
from ilsvrc_tfds.sources.scan import archive_stamp
from ilsvrc_tfds.sources.spool import Spooled, SpoolTask, finish_spool
from ilsvrc_tfds.sources.spool_place import Spool
from ilsvrc_tfds.storage.destination import real_path, remove
from ilsvrc_tfds.storage.files import destination_errors
from ilsvrc_tfds.storage.growth import Growth
from ilsvrc_tfds.storage.space import is_same_disk, require_space, room_for_result
from ilsvrc_tfds.storage.staging import receipt_path, staged_bytes
from ilsvrc_tfds.terminal.progress import progress
from ilsvrc_tfds.terminal.units import in_bytes

_SUFFIX = ".images"

_log = logging.getLogger(__name__)


def streams(index: Index) -> list[str]:
    """Returns the splits that have images in streams, which cannot be read at random.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> streams(index_images(find_layout(["/data/parquet"])))
    ['train', 'val']
    """
    return [
        split
        for split, members in index.splits.items()
        if any(container.layout in STREAMS for container in members.containers)
    ]


def room(index: Index, op: Original | Resized) -> int:
    """Returns the number of bytes that the spool of an index needs, an estimate.

    >>> from ilsvrc_tfds.images import Resized
    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> room(index_images(find_layout(["/data/parquet"])), Resized(256))
    792000
    """
    return sum(_room(part, op) for split in streams(index) for part in parts_of(index.splits[split]))


@contextlib.contextmanager
def spooled(
    index: Index, spool: Spool, runner: Runner, then: int = 0, taken: Mapping[str, np.ndarray] | None = None
) -> Iterator[Index]:
    """Yields the index with all streams replaced by their spools, which are removed if the block succeeds.

    If there are no streams, it is the same index. Files that an earlier run has finished are kept.

    >>> from ilsvrc_tfds.runners import LocalRunner
    >>> from ilsvrc_tfds.sources import Reader, find_layout, index_images
    >>> index = index_images(find_layout(["/data/parquet"]))
    >>> with LocalRunner(1) as runner, spooled(index, Spool(Path("/data/result")), runner) as ready:
    ...     with Reader() as reader:
    ...         image = reader.read(ready.splits["val"], 0)
    >>> image[:3]
    b'\\xff\\xd8\\xff'

    Args:
      index: Index of the source.
      spool: Place and kind of the spool.
      runner: Engine that writes the files.
      then: Number of bytes that the result needs, which must have room too if it is on the same file system.
      taken: Rows of each split that are needed; None for all. Other images stay where they are, and are not read.

    Raises:
      SourceError: A stream is damaged, or has changed since it was indexed.
      ImageError: An image is damaged, and damaged ones are not skipped.
      DestinationError: A file cannot be written, or there is too little space; or another run holds the folder.
      InterruptedRun: A worker died.
    """
    index = _with_copies(index, spool)
    needed = index if taken is None else _only(index, taken)
    splits = streams(needed)
    if not splits and not copies.paths(spool):
        yield index
        return
    with copies.spool_folder(spool) as (claimed, folder):
        parts = {split: parts_of(needed.splits[split]) for split in splits}
        spools = {
            split: dataclasses.replace(spool, op=Original()) if split in index.made else spool for split in splits
        }
        tasks = [_task(part, spools[split], folder) for split in splits for part in parts[split] if is_stream(part)]
        _remove_others(folder, [*(task.path for task in tasks), *copies.paths(spool)])
        if tasks:
            _require_room(spool, folder, tasks, then)
        results = iter(_filled(tasks, runner, folder))
        tables = {
            split: join_members([_in_spool(*next(results), part) if is_stream(part) else part for part in own])
            for split, own in parts.items()
        }
        made = dict.fromkeys(splits, describe_op(spool.op)) if isinstance(spool.op, Resized) else {}
        tables = {split: join_members([own, *_rest(index, split, taken)]) for split, own in tables.items()}
        yield dataclasses.replace(index, splits={**index.splits, **tables}, made={**index.made, **made})
        claimed.discard()


def _with_copies(index: Index, spool: Spool) -> Index:
    """Returns the index in which compressed tars are replaced by their plain copies, or the same one without copies."""
    there = {
        (container.path, container.stamp): copy
        for members in index.splits.values()
        for container in members.containers
        if (copy := copies.made_of(container.path, container.stamp, spool))
    }
    if not there:
        return index
    stamps = {copy: archive_stamp(copy.path) for copy in there.values()}

    def replaced(container: Container) -> Container:
        if (copy := there.get((container.path, container.stamp))) is None:
            return container
        return _kept(container, copy.path, stamps[copy])

    splits = {
        split: dataclasses.replace(members, containers=tuple(map(replaced, members.containers)))
        for split, members in index.splits.items()
    }
    return dataclasses.replace(index, splits=splits)


def _only(index: Index, taken: Mapping[str, np.ndarray]) -> Index:
    splits = {split: members.take(taken[split]) for split, members in index.splits.items()}
    return dataclasses.replace(index, splits=splits)


def _rest(index: Index, split: str, taken: Mapping[str, np.ndarray] | None) -> list[Members]:
    """Returns a table of the images that are not taken, in a list, which is empty if all are."""
    if taken is None or len(taken[split]) == len(index.splits[split]):
        return []
    return [index.splits[split].take(np.setdiff1d(np.arange(len(index.splits[split])), taken[split]))]


def parts_of(members: Members) -> list[Members]:
    """Returns a table for each file that is a stream, in the order of its images, and one for all other images.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> train = index_images(find_layout(["/data/parquet"])).splits["train"]
    >>> [len(part) for part in parts_of(train)]
    [6, 6]
    """
    streams: dict[str, list[int]] = {}
    for number, container in enumerate(members.containers):
        if container.layout in STREAMS:
            streams.setdefault(container.path, []).append(number)
    file_of = np.full(len(members.containers), -1, np.int32)
    for number, own in enumerate(streams.values()):
        file_of[own] = number
    files = file_of[members.container]
    order = np.lexsort((np.where(files < 0, np.arange(len(files)), members.offset), files))
    bounds = np.searchsorted(files[order], np.arange(-1, len(streams) + 1))
    parts = (members.take(order[start:stop]) for start, stop in itertools.pairwise(bounds))
    return [part for part in parts if len(part)]


def is_stream(part: Members) -> bool:
    """Returns whether a part, as `parts_of` returns it, is a stream."""
    return part.containers[0].layout in STREAMS


def _room(part: Members, op: Original | Resized) -> int:
    if not is_stream(part):
        return 0
    return int(part.size.sum()) if op.image_bytes is None else len(part) * op.image_bytes


def _task(part: Members, spool: Spool, folder: Path) -> SpoolTask:
    container = part.containers[0]
    # Which images are spooled matters too: those of another subset would be taken for these.
    digest = hashlib.sha256(json.dumps([container.path, container.stamp, part.split]).encode())
    for column in (part.offset, part.size):
        digest.update(column.tobytes())
    mark = digest.hexdigest()[:16]
    path = folder / f"{os.path.basename(container.path)}.{mark}{_SUFFIX}"
    return SpoolTask(
        part, str(path), spool.op if isinstance(spool.op, Resized) else None, skips=spool.skips, sync=spool.sync
    )


def _remove_others(folder: Path, files: Iterable[str]) -> None:
    """Removes the files of sources that have been replaced since."""
    own = {os.path.basename(path) for file in files for path in (file, receipt_path(file))}
    with destination_errors(folder):
        for path in folder.iterdir():
            if path.name not in own:
                remove(path)


def _require_room(spool: Spool, folder: Path, tasks: list[SpoolTask], then: int) -> None:
    """Raises DestinationError if the spool, and the result if it is on the same disk, do not have enough room."""
    waiting = [task for task in tasks if not os.path.exists(receipt_path(task.path))]
    needed = sum(_room(task.members, spool.op) for task in waiting)
    images = counted(sum(len(task.members) for task in tasks), "image")
    _log.info(
        "%s have no random access: they are written to %s first, which needs about %s%s.",
        *(images, folder, in_bytes(needed), "" if len(waiting) == len(tasks) else " more"),
    )
    left = room_for_result(spool.destination, max(0, then - staged_bytes(spool.destination)))
    if is_same_disk(folder, real_path(spool.destination).parent):
        needed += left
    else:  # now, not after hours of writing the spool
        require_space(spool.destination, left)
    require_space(folder, needed, "Make room, or choose another place for the images in between (--scratch DIR).")


def _filled(tasks: list[SpoolTask], runner: Runner, folder: Path) -> list[tuple[SpoolTask, Spooled]]:
    """Runs the tasks and returns their results in order. Shows the progress.

    The runner must stop before the claim on the folder ends, because after that another run may write there.
    """
    sizes = [int(task.members.containers[0].stamp.partition("-")[0]) for task in tasks]
    growth, found = Growth(folder), []
    expected = [_room(task.members, task.op or Original()) for task in tasks]
    done = sum(size for task, size, room in zip(tasks, sizes, expected) if not growth.expect(task.path, size, room))
    with progress("spool", sum(sizes), unit="B", done=done, look=lambda work: work.move_to(growth.amount())) as work:
        try:
            for task, result in zip(tasks, runner.run(finish_spool, iter(tasks), folder)):
                found.append((task, result))
                growth.finish(task.path, result.file_bytes)
                work.move_to(growth.amount())
        except BaseException:
            runner.stop()
            raise
    return found


def _kept(container: Container, path: str, stamp: str) -> Container:
    """Returns the container of the same images in a file in which they can be read at random."""
    return dataclasses.replace(
        container, path=path, stamp=stamp, layout=spools.KIND, class_appended=False, origin=container.path
    )


def _in_spool(task: SpoolTask, places: Spooled, part: Members) -> Members:
    """Returns the table of a stream with the places of its images in the spool."""
    stamp, containers = archive_stamp(task.path), []
    for container in part.containers:
        kept = _kept(container, task.path, stamp)
        damaged = dataclasses.replace(kept, layout=spools.Damaged.KIND)
        containers += [kept, dataclasses.replace(kept, processed=True), damaged]  # in the order of the states
    return dataclasses.replace(
        part,
        containers=tuple(containers),
        container=(part.container * 3 + places.state).astype(np.int32),
        offset=places.offset,
        size=places.size,
        source_size=places.source_size,
    )
