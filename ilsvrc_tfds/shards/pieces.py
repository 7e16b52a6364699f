"""Writes few shards, or the last of them, in pieces: all workers are busy until the end, and the bytes are the same.

A TFRecord file is its records one after another, so a shard is its pieces one after another. A piece is written like a
shard, with a receipt, so a run that was stopped keeps the pieces that it had finished.
"""

import dataclasses
import heapq
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import xxhash

from ilsvrc_tfds.formats.naming import TFRECORD
from ilsvrc_tfds.images import Resized
from ilsvrc_tfds.shards.writer import Receipt, ShardTask, publish_shard
from ilsvrc_tfds.storage.files import destination_errors
from ilsvrc_tfds.storage.receipts import CHUNK_BYTES
from ilsvrc_tfds.storage.staging import receipt_path

# Resizing so many images takes a worker a fifth of a second: so long the others may wait at the end. Pieces must not
# depend on the number of workers, so that a run with more or fewer of them finds those of the last one.
_PIECE_IMAGES = 100
# With so many shards for each worker, the workers that end first wait for less than a tenth of the time.
_ENOUGH_SHARDS = 10
# A worker resizes so many images in ten seconds. If it then ends a twentieth later than the others, they have not run
# out of pieces, because a `LocalRunner` hands out three ahead.
_MOST_WHOLE_IMAGES, _UNEVEN = 5000, 0.05
_MARK = ".records-"


def is_worth_cutting(task: ShardTask, num_shards: int, workers: int) -> bool:
    """Returns whether the shards of a run are so few that their pieces are shared better than they are themselves.

    Images that are copied are not worth it: a shard is as quickly written as joined.

    >>> from ilsvrc_tfds.images import Resized
    >>> from ilsvrc_tfds.shards.encoders import TfdsExample
    >>> from ilsvrc_tfds.shards.plan import plan_split
    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> [shard] = plan_split(index_images(find_layout(["/data/imagenet"])).splits["train"]).shards()
    >>> task = ShardTask(shard, "/data/shard", TfdsExample(Resized(256)))
    >>> is_worth_cutting(task, num_shards=3, workers=2), is_worth_cutting(task, num_shards=1024, workers=2)
    (True, False)

    Args:
      task: Any task of the run.
      num_shards: Number of shards to write.
      workers: Number of worker processes.
    """
    return is_resized(task) and task.file_format == TFRECORD and 1 < workers and num_shards < _ENOUGH_SHARDS * workers


def is_resized(task: ShardTask) -> bool:
    """Returns whether a task resizes its images, which takes a hundred times as long as copying them.

    >>> from ilsvrc_tfds.shards.plan import plan_split
    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> [shard] = plan_split(index_images(find_layout(["/data/imagenet"])).splits["val"]).shards()
    >>> is_resized(ShardTask(shard, "/data/shard", encode=len))
    False
    """
    return isinstance(getattr(task.encode, "op", None), Resized)


def cut_first(tasks: Sequence[ShardTask], workers: int) -> int:
    """Returns the number of the first task to cut. Those before it are kept whole, because joining copies each byte.

    They are as many as keep the workers equally busy, as far as the pieces of the others make up for the rest, and for
    workers of uneven speed. A worker gets whole shards for ten seconds at most, and none with pieces of an earlier run.

    >>> from ilsvrc_tfds.shards.encoders import TfdsExample
    >>> from ilsvrc_tfds.shards.plan import plan_split
    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> train, val = (index_images(find_layout(["/data/imagenet"])).splits[split] for split in ("train", "val"))
    >>> shards = [*plan_split(train, num_shards=2).shards(), *plan_split(val).shards()]
    >>> cut_first([ShardTask(shard, f"/data/{number}", encode=len) for number, shard in enumerate(shards)], workers=2)
    2

    Args:
      tasks: Tasks of all shards that are not finished, in order.
      workers: Number of worker processes, which take the tasks in order.
    """
    left = sum(len(task.shard.members) for task in tasks)
    loads, first = [0] * workers, 0
    for number, task in enumerate(tasks, 1):
        left -= len(task.shard.members)
        heapq.heapreplace(loads, loads[0] + len(task.shard.members))
        longest = max(loads)
        if longest > _MOST_WHOLE_IMAGES or _has_pieces(task):
            break
        if sum(longest - load for load in loads) + (workers - 1) * _UNEVEN * longest <= left:
            first = number
    return first


def pieces_of(tasks: Iterable[ShardTask]) -> Iterator[ShardTask]:
    """Yields the tasks that write the pieces of each shard, in order."""
    for task in tasks:
        for start, stop in _bounds(task):
            rows = task.shard.members.take(np.arange(start, stop))
            shard = dataclasses.replace(task.shard, members=rows)
            yield dataclasses.replace(task, shard=shard, path=_path(task, start, stop), sync=False, scratch="")


def join_pieces(task: ShardTask, receipts: Iterator[Receipt]) -> Receipt:
    """Writes a shard from its pieces as soon as they are finished, removes them, and returns its receipt.

    Args:
      task: Task of the shard.
      receipts: Receipts of pieces, which begin with those of this shard.

    Raises:
      DestinationError: A piece cannot be read, or the shard not be written.
    """
    paths = [_path(task, start, stop) for start, stop in _bounds(task)]

    own = list(itertools.islice(receipts, len(paths)))

    def write(partial: str) -> Receipt:
        digest = xxhash.xxh3_64()
        with open(partial, "wb") as shard:  # buffered: a write of less than all bytes is continued, or an error
            for path in paths:
                with open(path, "rb", buffering=0) as piece:
                    while chunk := piece.read(CHUNK_BYTES):
                        shard.write(chunk)
                        digest.update(chunk)
                _remove(path)  # now, so that the join needs the room of one piece only
        return dataclasses.replace(_sum(own), digest=digest.hexdigest())

    return publish_shard(task, write)


def remove_pieces(folder: Path, but: Iterable[ShardTask] = ()) -> None:
    """Removes the pieces of an earlier run from a folder of shards.

    >>> remove_pieces(Path("/data"))

    Args:
      folder: Folder of the shards.
      but: Tasks of the shards whose pieces are kept.

    Raises:
      DestinationError: A piece cannot be removed.
    """
    kept = {os.path.basename(_path(task, start, stop)) for task in but for start, stop in _bounds(task)}
    with destination_errors(folder):
        for path in folder.glob(f"*{_MARK}*[0-9]"):
            if path.name not in kept:
                _remove(path)


def _remove(path: str | os.PathLike) -> None:
    Path(receipt_path(os.fspath(path))).unlink(missing_ok=True)  # first: without it a piece is written anew
    os.unlink(path)


def _sum(receipts: Sequence[Receipt]) -> Receipt:
    """Returns the receipt of the shard that consists of these pieces, without its digest."""
    first = receipts[0]
    counts = ("records", "payload_bytes", "file_bytes", "changed", "boxed")
    sums = {name: sum(getattr(receipt, name) for receipt in receipts) for name in counts}
    skipped = {name: why for receipt in receipts for name, why in receipt.skipped.items()}
    converted = [name for receipt in receipts for name in receipt.converted]
    return Receipt(first.split, first.index, digest="", skipped=skipped, converted=converted, **sums)


def _bounds(task: ShardTask) -> list[tuple[int, int]]:
    """Returns the first and the last row, exclusive, of each piece of a shard."""
    total = len(task.shard.members)
    count = -(-total // _PIECE_IMAGES)  # all of about the same size, so that the workers end together
    return [(total * k // count, total * (k + 1) // count) for k in range(count)]


def _has_pieces(task: ShardTask) -> bool:
    return any(os.path.exists(_path(task, start, stop)) for start, stop in _bounds(task))


def _path(task: ShardTask, start: int, stop: int) -> str:
    # Pieces of a shard that is uploaded stay on this machine.
    path = os.path.join(task.scratch, os.path.basename(task.path)) if task.scratch else task.path
    return f"{path}{_MARK}{start:07d}-{stop:07d}"
