"""Finds the shards of a split, given a data set's name, its folder, or its builder."""

import dataclasses
import functools
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, SourceError, counted, first_few, reading
from ilsvrc_tfds.formats.data_sets import Data, folder_of
from ilsvrc_tfds.formats.folder import Output, find_output
from ilsvrc_tfds.formats.framing import FRAME_BYTES
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.kinds import KINDS, Fields
from ilsvrc_tfds.formats.naming import own_split
from ilsvrc_tfds.formats.record_index import shard_spans
from ilsvrc_tfds.pipeline.numbering import label_offset_of
from ilsvrc_tfds.storage.bucket import bucket_url, is_read_by_tensorflow
from ilsvrc_tfds.storage.stamps import stamp_of, stamps_of

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Split:
    """The records of one split.

    Attributes:
      name: Name of the split, train, val or test.
      folder: Folder of the shards.
      paths: Paths of the shards, in order.
      lengths: Number of records in each shard.
      kind: Kind of the records, `tfds` in a prepared data set, `classic` in exported TFRecords.
      label_offset: Label of the first class, 0 or 1. The labels of the test split are -1.
      stamps: Size and modification time of each shard, as `stamp_of` returns them.
      wnids: Wnid of each label, without the offset, if the classes of a subset are numbered anew. Otherwise None.

    >>> val = find_split("/data/tfds/ilsvrc2012/classification/1.0.0", "val")
    >>> val.name, val.kind, val.num_examples, val.label_offset
    ('val', 'tfds', 6, 0)
    """

    name: str
    folder: Path
    paths: tuple[str, ...]
    lengths: tuple[int, ...]
    kind: str
    label_offset: int
    stamps: tuple[tuple[int, int], ...]
    wnids: tuple[str, ...] | None = None

    @property
    def num_labels(self) -> int:
        """Number of labels of the classes: 1000, or those of a subset whose classes are numbered anew."""
        return synsets.NUM_CLASSES if self.wnids is None else len(self.wnids)

    @property
    def renumbered(self) -> int | None:
        """Number of classes if those of a subset are numbered anew; otherwise None."""
        return None if self.wnids is None else len(self.wnids)

    @property
    def num_examples(self) -> int:
        """Number of records in all shards."""
        return sum(self.lengths)

    @property
    def encoded_paths(self) -> list[bytes]:
        """Paths of the shards as bytes, for TensorFlow: a name on disk need not be UTF-8."""
        return list(map(os.fsencode, self.paths))

    @property
    def fields(self) -> Fields:
        """Keys of a record's features."""
        return KINDS[self.kind].fields


def find_split(
    data: Data, split: str, *, data_dir: str | os.PathLike | None = None, label_offset: int | None = None
) -> Split:
    """Returns a split of a prepared data set or of exported TFRecords.

    Args:
      data: Name such as `ilsvrc2012/raw256` or `imagenet2012`, data directory that has one data set, folder of the
        shards, or TFDS builder. A string in the form of a name is always a name. Write `./ilsvrc2012/raw256` for the
        folder.
      split: Name of the split: train, val or validation, test.
      data_dir: TFDS's data directory, in which names are looked up. If None, the environment's TFDS_DATA_DIR, or
        ~/tensorflow_datasets.
      label_offset: Label of the first class in exported TFRecords: 0 if labels are 0..999, 1 if they are 1..1000.
        Needed only if there is no manifest.json and the first records do not identify their class by file name or
        synset.

    Raises:
      OptionError: The data set or split does not exist, or `label_offset` is missing or wrong.
      LabelError: The first records contradict manifest.json or each other.
      SourceError: The data set is incomplete or cannot be read.

    >>> find_split("ilsvrc2012", "train", data_dir="/data/tfds").num_examples
    12
    >>> find_split("/data/tfrecords", "validation").label_offset
    1
    """
    output = find_output(folder_of(data, data_dir)).in_tfrecord()
    name = own_split(split)
    if name is None or name not in output.shards:
        raise OptionError(
            f"There is no split {split!r} in {output.folder}; it has {', '.join(output.shards)}. Name one of "
            f"these{'' if name is None else f', or make the set again with {name}'}."
        )
    if not is_read_by_tensorflow(output.folder):
        raise OptionError(
            f"{output.folder} cannot be read by tf.data, because TensorFlow has no file system for s3://. Copy it to a "
            f"local disk (`aws s3 sync {output.folder} FOLDER`), or mount the bucket. `verify`, `show`, `unpack` and "
            "`export` read it as it is."
        )
    paths = tuple(output.paths(name))
    _require_readable(paths)
    with reading(output.folder):
        stamps = stamps_of(paths)
    if bucket_url(output.folder):
        from ilsvrc_tfds.pipeline.reading import require_opened  # loads TensorFlow

        require_opened(paths[0])
    offset = label_offset_of(output, name, paths, label_offset)
    lengths = _lengths(output, name, paths)
    if not sum(lengths):
        raise SourceError(f"{output.folder}: split {name!r} has no records. {output.remedy}")
    return Split(name, output.folder, paths, lengths, output.kind, offset, stamps, output.wnids)


def _require_readable(paths: Iterable[str]) -> None:
    """Raises SourceError if permissions forbid to read a shard, now rather than after hours of training."""
    effective = os.access in os.supports_effective_ids
    local = [path for path in paths if bucket_url(path) is None]
    refused = [path for path in local if not os.access(path, os.R_OK, effective_ids=effective)]
    if refused:
        raise SourceError(
            f"{counted(len(refused), 'shard')} cannot be read (Permission denied): {first_few(refused)}. Check your "
            "permissions."
        )


def _lengths(output: Output, split: str, paths: tuple[str, ...]) -> tuple[int, ...]:
    """Returns the number of records in each shard, as the data set states it. If it does not, the shards are read."""
    lengths = output.stated_lengths(split) or tuple(map(_length, paths))
    if output.manifest is None and output.info is not None and not bucket_url(output.folder):
        _require_counts(output, split, paths, lengths)
    empty = [path for path, length in zip(paths, lengths) if not length]
    if empty:
        shards = counted(len(empty), f"shard of split {split!r} has", f"shards of split {split!r} have")
        _log.warning("%s no records: %s. `ilsvrc-tfds verify` says whether any are lost.", shards, first_few(empty))
    return lengths


def _require_counts(output: Output, split: str, paths: tuple[str, ...], lengths: tuple[int, ...]) -> None:
    """Raises SourceError if shards have other numbers of records than TFDS's info says: images would be lost.

    The records are only counted if the size of all shards is not the one that follows from the info.
    """
    stated = {entry["name"]: entry.get("numBytes") for entry in (output.info or {})["splits"]}.get(split)
    with reading(output.folder):
        size = sum(map(os.path.getsize, paths)) - FRAME_BYTES * sum(lengths)
    if stated is not None and int(stated) == size:
        return
    for path, length in zip(paths, lengths):
        if (found := _length(path)) != length:
            raise SourceError(
                f"{path} has {counted(found, 'record')}, {INFO_NAME} says {length:,}. `ilsvrc-tfds verify` says what "
                f"is wrong. {output.remedy}"
            )


def _length(path: str) -> int:
    with reading(path):
        _, changed = stamp_of(path)
    return _counted(path, changed)


@functools.lru_cache(4096)
def _counted(path: str, mtime_ns: int) -> int:
    return len(shard_spans(path))
