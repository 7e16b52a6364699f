"""Writes one shard, all or nothing. A shard that is already there and whole is not written again."""

import dataclasses
import functools
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence

import xxhash

from ilsvrc_tfds.errors import OptionError, system_error
from ilsvrc_tfds.formats.example import Example
from ilsvrc_tfds.formats.naming import TFRECORD
from ilsvrc_tfds.formats.tfrecord import frame
from ilsvrc_tfds.images import Original, codec_versions
from ilsvrc_tfds.shards.plan import Shard
from ilsvrc_tfds.sources.reader import read_images
from ilsvrc_tfds.storage.files import destination_errors, sync_file
from ilsvrc_tfds.storage.receipts import CHUNK_BYTES, file_digest, whole_receipt, write_with_receipt
from ilsvrc_tfds.storage.uploads import is_url, upload_with_receipt, uploaded_receipt

# Values of `on_error`: what to do about a damaged image.
STOP, SKIP = "stop", "skip"


@dataclasses.dataclass(frozen=True, eq=False)
class ShardTask:
    """Everything that a worker on any machine needs to write one shard.

    Attributes:
      shard: Images in the order of the records.
      path: Path of the finished file, or its URL in a bucket.
      encode: Function that returns the example of an image: `encode(file_name, data, label)`.
      file_format: One of TFDS's file formats: `tfrecord`, `array_record`, ….
      on_error: `stop` to fail at a damaged image, or `skip` to leave it out.
      sync: Whether the bytes of the file must be on disk before it counts as finished.
      scratch: Folder for a file that is uploaded, and for pieces of it, on machines that have this folder.
    """

    shard: Shard
    path: str
    encode: Callable[[bytes, bytes, int], Example]
    file_format: str = TFRECORD
    on_error: str = STOP
    sync: bool = True
    scratch: str = ""


@dataclasses.dataclass(frozen=True)
class Receipt:
    """The contents of a finished shard, stored beside it as JSON.

    Attributes:
      split: Split of the shard.
      index: Number of the shard.
      records: Number of records.
      payload_bytes: Size of all examples without framing, which TFDS calls `num_bytes`.
      file_bytes: Size of the file.
      digest: XXH3 (64 bits) of the file, hexadecimal.
      changed: Number of images whose bytes differ from those of the source.
      boxed: Number of records with bounding boxes.
      skipped: Damaged images that were left out: reasons by file name.
      converted: File names of the changed images, if the operation keeps the bytes of all others.
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
    converted: Sequence[str] = dataclasses.field(default_factory=list)


def finish_shard(task: ShardTask) -> Receipt:
    """Writes a shard, unless it is already there and whole, and returns its receipt.

    >>> from ilsvrc_tfds.images import Original, codec_versions
    >>> from ilsvrc_tfds.shards.encoders import TfdsExample
    >>> from ilsvrc_tfds.shards.plan import plan_split
    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> train = index_images(find_layout(["/data/imagenet"])).splits["train"]
    >>> shard = next(plan_split(train, num_shards=3).shards())
    >>> path = "/data/ilsvrc2012-train.tfrecord-00000-of-00003"
    >>> receipt = finish_shard(ShardTask(shard, path, TfdsExample(Original())))
    >>> receipt.split, receipt.index, receipt.records, receipt.boxed
    ('train', 0, 4, 0)

    Raises:
      ImageError, SourceError: An image is damaged or missing; the message names it.
      DestinationError: The file cannot be written.
      OptionError: A package that the file format needs is missing.
    """
    write = _write_tfrecord if task.file_format == TFRECORD else _write_with_tfds
    return finished_receipt(task) or publish_shard(task, functools.partial(write, task))


def finish_alike(codecs: Mapping[str, str], task: ShardTask) -> Receipt:
    """Runs `finish_shard` after checking the codec versions of this worker, because other versions write other bytes.

    Args:
      codecs: Codec versions of the driver.
      task: Shard to write.

    Raises:
      OptionError: This machine has other codec versions; and what `finish_shard` raises.
    """
    own = codec_versions()
    if own != codecs:
        raise OptionError(
            f"{socket.gethostname()} has {own}, the driver {dict(codecs)}: the images would differ. Install the same "
            "versions on all machines, and run the same command again to continue."
        )
    return finish_shard(task)


def finished_receipt(task: ShardTask) -> Receipt | None:
    """Returns the receipt of a shard that is there and whole, or None if it must be written.

    >>> from ilsvrc_tfds.shards.plan import plan_split
    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> [shard] = plan_split(index_images(find_layout(["/data/imagenet"])).splits["val"]).shards()
    >>> finished_receipt(ShardTask(shard, "/data/no-such-shard", encode=len)) is None
    True
    """
    receipt = _existing(task.path)
    if receipt is None or receipt.skipped and task.on_error == STOP:
        return None
    if task.sync and not is_url(task.path):  # the run that wrote it may have been killed before it synced the file
        with destination_errors(task.path):
            sync_file(task.path)
    return receipt


def require_known(on_error: str) -> None:
    """Raises OptionError if `on_error` is neither `stop` nor `skip`."""
    if on_error not in (STOP, SKIP):
        raise OptionError(f"on_error must be {STOP!r} or {SKIP!r}, got {on_error!r}.")


def _existing(path: str) -> Receipt | None:
    """Returns the receipt of a shard that exists and has the bytes that were written, or None."""
    try:
        values = uploaded_receipt(path) if is_url(path) else whole_receipt(path)
        return None if values is None else Receipt(**values)
    except (OSError, ValueError, TypeError):
        return None


def publish_shard(task: ShardTask, write: Callable[[str], Receipt]) -> Receipt:
    """Writes a shard and its receipt, all or nothing.

    Args:
      task: Task of the shard.
      write: Function that writes the bytes of the shard to a path and returns its receipt.

    Raises:
      DestinationError: The file cannot be written.
    """
    then = "Finished shards are kept: run the same command again to continue."
    if is_url(task.path):
        return upload_with_receipt(task.path, write, dataclasses.asdict, scratch=task.scratch, then=then)
    return write_with_receipt(task.path, write, dataclasses.asdict, sync=task.sync, then=then)


def _write_tfrecord(task: ShardTask, partial: str) -> Receipt:
    digest, records, boxed, payload_bytes = xxhash.xxh3_64(), 0, 0, 0
    skipped: dict[str, str] = {}
    changed: list[str] = []
    with open(partial, "wb", buffering=CHUNK_BYTES) as file:
        for example in _examples(task, skipped, changed):
            header, before, image, after, footer = frame(example)
            for piece in (header + before, image, after + footer):  # the image is not copied
                file.write(piece)
                digest.update(piece)
            records += 1
            payload_bytes += example.size
            boxed += example.has_boxes
        file_bytes = file.tell()
    shard = task.shard
    counts = (records, payload_bytes, file_bytes, digest.hexdigest(), len(changed), boxed)
    return Receipt(shard.split, shard.index, *counts, skipped, _converted(task, changed))


def _examples(task: ShardTask, skipped: dict[str, str], changed: list[str]) -> Iterator[Example]:
    """Yields the examples. Adds the images that are skipped, and those whose bytes differ from those of the source."""

    def encode(file_name: bytes, data: bytes, label: int) -> Example:
        example = task.encode(file_name, data, label)
        if example.image is not data:
            changed.append(file_name.decode())
        return example

    return (
        example for _, example in read_images(task.shard.members, encode, skipped if task.on_error == SKIP else None)
    )


def _converted(task: ShardTask, changed: list[str]) -> list[str]:
    """Returns the names of the changed images, or none if the operation changes all."""
    return changed if isinstance(getattr(task.encode, "op", None), Original) else []


def _write_with_tfds(task: ShardTask, partial: str) -> Receipt:
    """Writes a shard in one of TFDS's other formats with TFDS's writer."""
    from tensorflow_datasets.core import file_adapters

    sizes: list[int] = []
    changed: list[str] = []
    boxed: list[bool] = []
    skipped: dict[str, str] = {}

    def keyed() -> Iterator[tuple[int, bytes]]:
        for key, example in enumerate(_examples(task, skipped, changed)):
            sizes.append(example.size)
            boxed.append(example.has_boxes)
            yield key, b"".join(example)

    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat.from_value(task.file_format)]
    try:
        adapter.write_examples(partial, keyed())
    except ImportError as error:
        raise OptionError(
            f"The file format {task.file_format!r} needs a package: {error}. Install it, or use {TFRECORD!r}."
        ) from error
    except RuntimeError as error:  # array_record reports errors of the file system in this way
        raise system_error(str(error)) from error
    shard, file_bytes = task.shard, os.path.getsize(partial)
    counts = (len(sizes), sum(sizes), file_bytes, file_digest(partial), len(changed), sum(boxed))
    return Receipt(shard.split, shard.index, *counts, skipped, _converted(task, changed))
