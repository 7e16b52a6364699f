"""Write one shard, all or nothing; one that is already there and whole is not written again."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping

import xxhash

from ilsvrc_tfds.errors import OptionError, system_error, unwritable
from ilsvrc_tfds.formats.example import Example
from ilsvrc_tfds.formats.tfrecord import frame
from ilsvrc_tfds.shards.plan import Shard
from ilsvrc_tfds.sources.reader import read_images
from ilsvrc_tfds.storage.files import destination_errors, partial_path, sync_file
from ilsvrc_tfds.storage.staging import receipt_path

TFRECORD = "tfrecord"
# What to do about a damaged image.
STOP, SKIP = "stop", "skip"
_BUFFER = 1 << 20


@dataclasses.dataclass(frozen=True, eq=False)
class ShardTask:
    """All that is needed to write one shard, anywhere.

    Attributes:
      shard: the images and their order.
      path: of the finished file.
      encode: `encode(file_name, data, label)`, the record's example of an image's bytes in the source.
      file_format: one of TFDS's, `tfrecord`, `array_record`, ….
      on_error: STOP, or SKIP to leave damaged images out.
      sync: Whether the file's bytes are on disk before it counts as finished.
    """

    shard: Shard
    path: str
    encode: Callable[[bytes, bytes, int], Example]
    file_format: str = TFRECORD
    on_error: str = STOP
    sync: bool = True


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What a finished shard holds; it lies beside the shard as JSON.

    Attributes:
      split: that the shard belongs to.
      index: number of the shard.
      records: in the shard.
      payload_bytes: of its examples, without framing: what TFDS calls `num_bytes`.
      file_bytes: of the file.
      digest: XXH3 (64 bits) of the file, hexadecimal.
      changed: Number of images whose bytes are not the source's.
      boxed: Number of records with bounding boxes.
      skipped: Images that were left out because they are damaged: the reason by file name.
    """

    split: str
    index: int
    records: int
    payload_bytes: int
    file_bytes: int
    digest: str
    changed: int
    boxed: int
    skipped: Mapping[str, str] = dataclasses.field(default_factory=dict)


def finish_shard(task: ShardTask) -> Receipt:
    """Returns the receipt of a shard that is whole at `task.path`: it was there, or it is written now.

    Raises:
      ImageError, SourceError: an image is damaged or gone; the message names it.
      DestinationError: the file cannot be written.
      OptionError: a package that the file format needs is missing.
    """
    receipt = _existing(task.path)
    if receipt is None or receipt.skipped and task.on_error == STOP:
        return _write(task)
    if task.sync:  # the run that wrote it may have been killed before it did that
        with destination_errors(task.path):
            sync_file(task.path)
    return receipt


def require_known(on_error: str) -> None:
    """Raises OptionError for a value that `on_error` does not have."""
    if on_error not in (STOP, SKIP):
        raise OptionError(f"on_error must be {STOP!r} or {SKIP!r}, got {on_error!r}.")


def _existing(path: str) -> Receipt | None:
    """Returns the receipt of a shard that is there and has the bytes that were written, else None."""
    try:
        with open(receipt_path(path), "rb") as file:
            receipt = Receipt(**json.load(file))
        whole = os.path.getsize(path) == receipt.file_bytes and _digest(path) == receipt.digest
    except (OSError, ValueError, TypeError):
        return None
    return receipt if whole else None


def _write(task: ShardTask) -> Receipt:
    partial, partial_receipt = (partial_path(task.path) for _ in range(2))
    write = _write_tfrecord if task.file_format == TFRECORD else _write_with_tfds
    try:
        receipt = write(task, partial)
        if task.sync:
            sync_file(partial)
        # The receipt is not synced: its digest is compared with the shard's bytes.
        with open(partial_receipt, "w") as file:
            json.dump(dataclasses.asdict(receipt), file)
        os.replace(partial, task.path)
        os.replace(partial_receipt, receipt_path(task.path))
    except OSError as error:
        then = "Finished shards are kept: run the same command again to continue."
        raise unwritable(task.path, error, then=then) from error
    finally:
        for path in (partial, partial_receipt):
            with contextlib.suppress(OSError):
                os.unlink(path)
    return receipt


def _write_tfrecord(task: ShardTask, partial: str) -> Receipt:
    digest, records, changed, boxed, payload_bytes, skipped = xxhash.xxh3_64(), 0, 0, 0, 0, {}
    with open(partial, "wb", buffering=_BUFFER) as file:
        for data, example in _examples(task, skipped):
            for piece in frame(example):
                file.write(piece)
                digest.update(piece)
            records += 1
            payload_bytes += example.size
            changed += example.image is not data
            boxed += example.has_boxes
        file_bytes = file.tell()
    shard = task.shard
    return Receipt(
        shard.split, shard.index, records, payload_bytes, file_bytes, digest.hexdigest(), changed, boxed, skipped
    )


def _examples(task: ShardTask, skipped: dict[str, str]) -> Iterator[tuple[bytes, Example]]:
    return read_images(task.shard.members, task.encode, skipped if task.on_error == SKIP else None)


def _write_with_tfds(task: ShardTask, partial: str) -> Receipt:
    """Writes a shard in one of TFDS's other formats, with TFDS's own writer."""
    from tensorflow_datasets.core import file_adapters

    sizes, changes, boxed, skipped = [], [], [], {}

    def keyed() -> Iterator[tuple[int, bytes]]:
        for key, (data, example) in enumerate(_examples(task, skipped)):
            sizes.append(example.size)
            changes.append(example.image is not data)
            boxed.append(example.has_boxes)
            yield key, b"".join(example)

    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat.from_value(task.file_format)]
    try:
        adapter.write_examples(partial, keyed())
    except ImportError as error:
        raise OptionError(
            f"The file format {task.file_format!r} needs a package: {error}. Install it, or use {TFRECORD!r}."
        ) from error
    except RuntimeError as error:  # array_record's, of the file system
        raise system_error(str(error)) from error
    shard, file_bytes = task.shard, os.path.getsize(partial)
    digest = _digest(partial)
    return Receipt(
        shard.split, shard.index, len(sizes), sum(sizes), file_bytes, digest, sum(changes), sum(boxed), skipped
    )


def _digest(path: str) -> str:
    digest = xxhash.xxh3_64()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_BUFFER):
            digest.update(chunk)
    return digest.hexdigest()
