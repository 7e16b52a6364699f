"""Checks one shard, as a job for a runner."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xxhash

from ilsvrc_tfds.checks.verify_record import Rules, check_record
from ilsvrc_tfds.errors import SourceError, unreadable
from ilsvrc_tfds.formats.tfrecord import FRAME_BYTES, read_records
from ilsvrc_tfds.storage.stand_ins import fetched

_BUFFER = 1 << 20


@dataclasses.dataclass(frozen=True)
class ShardJob:
    """One shard to check.

    Attributes:
      split: `train`, `val` or `test`.
      index: Number of the shard in its split.
      path: Path of the file.
      rules: Rules for its records; None if only the bytes are read, because the format is not TFRecord.
    """

    split: str
    index: int
    path: str
    rules: Rules | None


class Rows(NamedTuple):
    """A table of the records that have a name and a label, with columns of shape (n,).

    Attributes:
      name: File names, S.
      label: Labels as stored in the records, int64.
      told: Class indices according to file name or synset, int16: -1 in `test`, UNKNOWN if neither names a class.
      boxed: Whether records have bounding boxes, bool.
      shard: Index of the shard, int32.
      number: Number of the record in its shard, int32.
      offset: Position of the record's first byte in its shard, int64.
    """

    name: np.ndarray
    label: np.ndarray
    told: np.ndarray
    boxed: np.ndarray
    shard: np.ndarray
    number: np.ndarray
    offset: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """Returns one table with the rows of several tables, in order."""
        return cls(*map(np.concatenate, zip(*parts))) if parts else _rows([], 0)


class Findings(NamedTuple):
    """The result of checking one shard.

    Attributes:
      job: The job itself.
      records: Number of records, each stretch of damage counted as one; None if the file was not read as records.
      bytes: Size of the file.
      payload_bytes: Size of all records without framing; None if there is damage, or the file was not read as records.
      digest: XXH3 (64 bits) of the file, hexadecimal; empty if it could not be read.
      rows: Table of the records.
      problems: One line for each wrong record: `record 3, byte 1,234: what is wrong`.
    """

    job: ShardJob
    records: int | None
    bytes: int
    payload_bytes: int | None
    digest: str
    rows: Rows
    problems: tuple[str, ...]


def check_shard(job: ShardJob) -> Findings:
    """Returns the contents of a shard and everything that is wrong with it.

    This needs as much memory as a few of the longest records.

    >>> from ilsvrc_tfds.formats.kinds import KINDS
    >>> shard = "/data/tfds/ilsvrc2012/classification/1.0.0/ilsvrc2012-val.tfrecord-00000-of-00001"
    >>> findings = check_shard(ShardJob("val", 0, shard, Rules("tfds", KINDS["tfds"].keys, exact=True)))
    >>> findings.records, findings.problems
    (6, ())
    """
    with fetched(job.path):
        return _check_bytes(job) if job.rules is None else _check_records(job, job.rules)


def place(number: int, offset: int) -> str:
    """Returns the position of a record in its shard, for messages.

    >>> place(3, 1234)
    'record 3, byte 1,234'
    """
    return f"record {number:,}, byte {offset:,}"


def _check_bytes(job: ShardJob) -> Findings:
    digest, size = xxhash.xxh3_64(), 0
    problems: tuple[str, ...] = ()
    try:
        with open(job.path, "rb", buffering=0) as file:
            while chunk := file.read(_BUFFER):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        problems = (str(unreadable(job.path, error)),)
    return Findings(job, None, size, None, "" if problems else digest.hexdigest(), _rows([], job.index), problems)


def _check_records(job: ShardJob, rules: Rules) -> Findings:
    digest, rows, problems, size, count, whole = xxhash.xxh3_64(), [], [], 0, 0, True
    try:
        for record in read_records(job.path, digest):
            count, size, whole = count + 1, size + record.size, whole and not record.damage
            row, wrong = (None, record.damage) if record.damage else check_record(record.payload, rules, job.split)
            if row is not None:
                rows.append((*row, record.number, record.offset))
            if wrong:
                problems.append(f"{place(record.number, record.offset)}: {wrong}")
    except SourceError as error:
        return Findings(job, None, size, None, "", _rows(rows, job.index), (*problems, str(error)))
    payload_bytes = size - count * FRAME_BYTES if whole else None
    return Findings(job, count, size, payload_bytes, digest.hexdigest(), _rows(rows, job.index), tuple(problems))


def _rows(rows: list[tuple], shard: int) -> Rows:
    name, label, told, boxed, number, offset = zip(*rows) if rows else ((),) * 6
    return Rows(
        name=np.array(name, np.bytes_),
        label=np.array(label, np.int64),
        told=np.array(told, np.int16),
        boxed=np.array(boxed, np.bool_),
        shard=np.full(len(rows), shard, np.int32),
        number=np.array(number, np.int32),
        offset=np.array(offset, np.int64),
    )
