"""Prepared data sets as sources of images: their records are indexed in place, like the members of an archive."""

import itertools
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import xxhash

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, counted, first_few, shown
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.example_in_place import Picture, parse_payload
from ilsvrc_tfds.formats.folder import ANEW, INFO_NAME, Output
from ilsvrc_tfds.formats.kinds import KINDS, TFDS
from ilsvrc_tfds.formats.manifest import ShardEntry
from ilsvrc_tfds.formats.tfrecord import FRAME_BYTES, HEADER_BYTES, read_records
from ilsvrc_tfds.sources import Container, Index, Members, join_members
from ilsvrc_tfds.sources.layouts import archives
from ilsvrc_tfds.sources.scan import archive_stamp


class _ShardScan(NamedTuple):
    """A shard to index.

    Attributes:
      split: that it belongs to.
      path: of the file.
      records: Number of records that it has by the manifest or TFDS's info; None if neither says it.
      entry: What the manifest says of it; None without one.
    """

    split: str
    path: str
    records: int | None
    entry: ShardEntry | None


def index_prepared(output: Output, run: Callable = map) -> Index:
    """Returns the place and label of every image of a prepared data set.

    The checksums of all records are compared. The number of records, the size and the digest of each shard are compared
    too, if the manifest or TFDS's info state them, because the checksums of a shard that was exchanged, or cut between
    two records, are right.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> index = index_prepared(find_output("/data/tfds/ilsvrc2012/classification/1.0.0"))
    >>> {split: len(members) for split, members in index.splits.items()}
    {'train': 12, 'val': 6}

    Args:
      output: Folder of the data set.
      run: Function such as `map` that runs the scans: `run(function, jobs)` yields `function(job)` in the order of the
        jobs.

    Raises:
      SourceError: The folder is not a prepared data set in TFRecord format, or is incomplete, damaged or mixed up.
      LabelError: The label of a record contradicts its file name.
    """
    output = output.in_tfrecord()
    if output.kind != TFDS:
        raise SourceError(
            f"{output.folder} holds exported TFRecords; expected a prepared data set or a source of images."
        )
    jobs = [job for split in output.shards for job in _jobs(output, split)]
    by_split: dict[str, list[Members]] = {split: [] for split in output.shards}
    for job, members in zip(jobs, run(_scan, jobs)):
        by_split[job.split].append(members)
    splits = {split: _joined(output, split, tables) for split, tables in by_split.items()}
    return Index(os.fspath(output.folder), "prepared data set", splits)


def _jobs(output: Output, split: str) -> Iterator[_ShardScan]:
    paths = output.paths(split)
    entries = itertools.repeat(None) if output.manifest is None else output.manifest.shards[split]
    lengths = output.stated_lengths(split) or itertools.repeat(None)
    return (_ShardScan(split, *own) for own in zip(paths, lengths, entries))


def _joined(output: Output, split: str, tables: list[Members]) -> Members:
    """Returns the images of a split.

    Raises SourceError if it has none, if two shards have the same image, or if bytes are missing.
    """
    if not sum(map(len, tables)):
        names = first_few(output.shards[split]) or "no shards"
        raise SourceError(f"{output.folder}: there are no images of split {split!r}: {names}. {ANEW}")
    members = join_members(tables)
    order = np.lexsort((members.size, members.label, members.name))
    same = [column[order][1:] == column[order][:-1] for column in (members.name, members.label, members.size)]
    for k in np.flatnonzero(np.logical_and.reduce(same)):
        first, second = sorted(members.containers[members.container[row]].path for row in order[k : k + 2])
        if first != second:
            name = shown(os.fsdecode(members.name[order[k]]))
            raise SourceError(f"{second}: {name} is in {first} as well, as if that was copied over this. {ANEW}")
    _check_bytes(output, split, members)
    return members


def _check_bytes(output: Output, split: str, members: Members) -> None:
    """Raises SourceError where TFDS's info, which has no digests, says another size of the records than there is."""
    stated = (
        {entry["name"]: entry.get("numBytes") for entry in output.info["splits"]} if output.info is not None else {}
    )
    if output.manifest is not None or stated.get(split) is None:
        return
    size = sum(os.path.getsize(container.path) for container in members.containers) - FRAME_BYTES * len(members)
    if size != int(stated[split]):
        shards = counted(len(members.containers), f"shard of split {split!r} has", f"shards of split {split!r} have")
        raise SourceError(
            f"{output.folder}: the {shards} {size:,} bytes of data, {INFO_NAME} says {int(stated[split]):,}. {ANEW}"
        )


def _scan(job: _ShardScan) -> Members:
    rows, digest, size = [], xxhash.xxh3_64(), 0
    for record in read_records(job.path, digest):
        where = f"{job.path}: record {record.number}, byte {record.offset:,}"
        if record.damage:
            raise SourceError(f"{where}: {record.damage}. `ilsvrc-tfds verify` lists all damage. {ANEW}")
        name, image, label = fields_of(record.payload, where)
        rows.append((name, label, record.offset + HEADER_BYTES + image.start, image.stop - image.start))
        size += record.size
    names, labels, offsets, sizes = (list(column) for column in zip(*rows)) if rows else ([], [], [], [])
    _check_splits(job, names)
    _check_labels(job, names, labels)
    _check_stated(job, len(rows), size, digest.hexdigest())
    return Members(
        split=job.split,
        containers=(Container(job.path, job.split, archive_stamp(job.path), archives.KIND),),
        name=np.array(names, np.bytes_),
        label=np.array(labels, np.int16),
        container=np.zeros(len(rows), np.int32),
        offset=np.array(offsets, np.int64),
        size=np.array(sizes, np.int64),
    )


def fields_of(payload: bytes, where: str) -> tuple[bytes, Picture, int]:
    """Returns (file name, image, label) of a record of a prepared data set. Raises SourceError, which names `where`.

    The image is a part of the payload.

    >>> from ilsvrc_tfds.formats.example import encode_example
    >>> payload = b"".join(encode_example(b"n01440764_18.JPEG", b"image", 0))
    >>> name, image, label = fields_of(payload, "record 0")
    >>> name, payload[image.start : image.stop], label
    (b'n01440764_18.JPEG', b'image', 0)
    """
    keys = KINDS[TFDS].fields
    features, image = parse_payload(payload, keys.image, where)
    values = [features.get(key, []) for key in (keys.file_name, keys.label)]
    if image is None or any(len(value) != 1 for value in values):
        found = sorted({*features, keys.image} if image is not None else features)
        raise SourceError(f"{where} has the keys {found}; expected file_name, image and label, with one value each.")
    name, label = (value[0] for value in values)
    if not (isinstance(name, bytes) and isinstance(label, int)):
        raise SourceError(
            f"{where} has values of wrong types; expected bytes for file_name and image, and an integer for label."
        )
    if not -1 <= label < synsets.NUM_CLASSES or not name.isascii() or b"\0" in name:
        raise SourceError(f"{where} has file name {name[:80]!r} and label {label}; expected ASCII, and -1 to 999.")
    return name, image, label


def _check_splits(job: _ShardScan, names: list[bytes]) -> None:
    """Raises SourceError where names are official ones of another split: names of the user's own are of none."""
    strange = [name for name in names if synsets.split_of_name(name) not in (None, job.split)]
    if strange:
        are = "is" if len(strange) == 1 else "are"
        raise SourceError(
            f"{job.path}: {len(strange):,} of {counted(len(names), 'record')} {are} not of the split {job.split}: "
            f"{first_few(map(os.fsdecode, strange))}. {ANEW}"
        )


def _check_stated(job: _ShardScan, records: int, size: int, digest: str) -> None:
    """Raises SourceError where a shard is not as the manifest or TFDS's info says."""
    if job.records not in (None, records):
        source = INFO_NAME if job.entry is None else manifest.NAME
        raise SourceError(f"{job.path} has {counted(records, 'record')}, {source} says {job.records:,}. {ANEW}")
    if job.records is None and not records:
        raise SourceError(f"{job.path} has no records. {ANEW}")
    if job.entry is not None and (size, digest) != (job.entry.bytes, job.entry.xxh3_64):
        raise SourceError(
            f"{job.path} has {counted(size, 'byte')} with the xxh3_64 {digest}, {manifest.NAME} says "
            f"{job.entry.bytes:,} and {job.entry.xxh3_64}: it is another file than was made here. {ANEW}"
        )


def _check_labels(job: _ShardScan, names: list[bytes], labels: list[int]) -> None:
    """Raises LabelError if a file name states another class than the label. A user's own names state none."""
    wrong = []
    for name, label in zip(names, labels):
        told = synsets.label_of_name(name) if job.split != "test" else -1
        if told is not None and told != label:
            wrong.append(f"{os.fsdecode(name)} has label {label}, not {told}")
    if wrong:
        records = counted(len(wrong), "record is", "records are")
        raise LabelError(f"{job.path}: {records} mislabelled: {first_few(wrong)}. {ANEW}")
