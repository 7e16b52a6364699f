"""Prepared data sets as sources of images: their records are indexed in place, like the members of an archive."""

import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, first_few
from ilsvrc_tfds.formats.example import encode_example, parse_example
from ilsvrc_tfds.formats.folder import ANEW, Output
from ilsvrc_tfds.formats.kinds import FIELDS, TFDS
from ilsvrc_tfds.formats.tfrecord import HEADER_BYTES, read_records
from ilsvrc_tfds.sources import Container, Index, Members, join_members
from ilsvrc_tfds.sources.scan import archive_stamp


class _ShardScan(NamedTuple):
    split: str
    path: str


def index_prepared(output: Output, run: Callable = map) -> Index:
    """Returns the place and label of every image of a prepared data set, after verifying all checksums of its records.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> index = index_prepared(find_output("/data/tfds/ilsvrc2012/classification/1.0.0"))
    >>> {split: len(members) for split, members in index.splits.items()}
    {'train': 12, 'val': 6}

    Args:
      output: Folder of the data set.
      run: Function such as `map` that runs the scans: `run(function, jobs)` yields `function(job)` in the order of the
        jobs.

    Raises:
      SourceError: The folder is not a prepared data set in TFRecord format, or is incomplete or damaged.
      LabelError: The label of a record contradicts its file name.
    """
    output = output.in_tfrecord()
    if output.kind != TFDS:
        raise SourceError(
            f"{output.folder} holds exported TFRecords; expected a prepared data set or a source of images."
        )
    jobs = [_ShardScan(split, path) for split in output.shards for path in output.paths(split)]
    tables = list(run(_scan, jobs))
    by_split = {split: [table for table in tables if table.split == split] for split in output.shards}
    splits = {split: join_members(found) for split, found in by_split.items() if found}
    return Index(os.fspath(output.folder), "prepared data set", splits)


def _scan(job: _ShardScan) -> Members:
    rows = []
    for record in read_records(job.path):
        where = f"{job.path}: record {record.number}, byte {record.offset:,}"
        if record.damage:
            raise SourceError(f"{where}: {record.damage}. `ilsvrc-tfds verify` lists all damage. {ANEW}")
        name, image, label = fields_of(record.payload, where)
        offset = record.offset + HEADER_BYTES + _image_offset(record.payload, name, image, label)
        rows.append((name, label, offset, len(image)))
    names, labels, offsets, sizes = (list(column) for column in zip(*rows)) if rows else ([], [], [], [])
    _check_labels(job, names, labels)
    return Members(
        split=job.split,
        containers=(Container(job.path, job.split, archive_stamp(job.path)),),
        name=np.array(names, np.bytes_),
        label=np.array(labels, np.int16),
        container=np.zeros(len(rows), np.int32),
        offset=np.array(offsets, np.int64),
        size=np.array(sizes, np.int64),
    )


def _image_offset(payload: bytes, name: bytes, image: bytes, label: int) -> int:
    before = encode_example(name, image, label).before
    # A search takes ten times as long. It is needed if another writer stored the features in another order.
    return len(before) if payload.startswith(before) else payload.find(image)


def fields_of(payload: bytes, where: str) -> tuple[bytes, bytes, int]:
    """Returns (file name, image, label) of a record of a prepared data set. Raises SourceError, which names `where`.

    >>> payload = b"".join(encode_example(b"n01440764_18.JPEG", b"image", 0))
    >>> fields_of(payload, "record 0")
    (b'n01440764_18.JPEG', b'image', 0)
    """
    features = parse_example(payload, where)
    values = [features.get(key, []) for key in FIELDS[TFDS]]
    if any(len(value) != 1 for value in values):
        raise SourceError(
            f"{where} has the keys {sorted(features)}; expected file_name, image and label, with one value each."
        )
    name, image, label = (value[0] for value in values)
    if not (isinstance(name, bytes) and isinstance(image, bytes) and isinstance(label, int)):
        raise SourceError(
            f"{where} has values of wrong types; expected bytes for file_name and image, and an integer for label."
        )
    if not -1 <= label < synsets.NUM_CLASSES or not name.isascii() or b"\0" in name:
        raise SourceError(f"{where} has file name {name[:80]!r} and label {label}; expected ASCII, and -1 to 999.")
    return name, image, label


def _check_labels(job: _ShardScan, names: list[bytes], labels: list[int]) -> None:
    """Raises LabelError if a file name states another class than the label. A user's own names state none."""
    wrong = []
    for name, label in zip(names, labels):
        told = synsets.label_of_name(name) if job.split != "test" else -1
        if told is not None and told != label:
            wrong.append(f"{os.fsdecode(name)} has label {label}, not {told}")
    if wrong:
        raise LabelError(f"{job.path}: {len(wrong):,} records are mislabelled: {first_few(wrong)}. {ANEW}")
