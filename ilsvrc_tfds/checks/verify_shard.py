"""What one shard holds and what is wrong with it; a job for a runner."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xxhash

from ilsvrc_tfds.checks.verify_record import Rules, check_record
from ilsvrc_tfds.errors import SourceError, unreadable
from ilsvrc_tfds.formats.tfrecord import FRAME_BYTES, read_records

_BUFFER = 1 << 20


class ShardJob(NamedTuple):
    """One shard to check; without rules (of a format that is not read here) only its bytes."""

    split: str
    index: int
    path: str
    rules: Rules | None


class Rows(NamedTuple):
    """Records that have a name and a label, columns of shape (n,).

    Attributes:
      name: file names, S.
      label: as they stand in the records, int64.
      told: the class index that name or synset tells, -1 in `test`, UNKNOWN where nothing does; int16.
      boxed: whether they have bounding boxes, bool.
      shard: index of the shard, int32.
      number: of the record in its shard, int32.
      offset: of the record's first byte, int64.
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
        """Returns the rows of several tables in their order."""
        return cls(*map(np.concatenate, zip(*parts))) if parts else _rows([], 0)


class Findings(NamedTuple):
    """What a shard holds.

    Attributes:
      job: that it was.
      records: in the shard, stretches of damage included; None where it was not read as records.
      bytes: of the file.
      payload_bytes: of the records, without framing; None where there is damage, or it was not read as records.
      digest: XXH3 (64 bits) of the file, hexadecimal; empty where it could not be read.
      rows: of the records.
      problems: `record 3, byte 1,234: what is wrong`, a line for each record with something wrong.
    """

    job: ShardJob
    records: int | None
    bytes: int
    payload_bytes: int | None
    digest: str
    rows: Rows
    problems: tuple[str, ...]


def check_shard(job: ShardJob) -> Findings:
    """Returns what a shard holds and all that is wrong with it. Memory is that of a few of its longest records."""
    return _check_bytes(job) if job.rules is None else _check_records(job)


def place(number: int, offset: int) -> str:
    """Returns where in its shard a record lies, for messages."""
    return f"record {number:,}, byte {offset:,}"


def _check_bytes(job: ShardJob) -> Findings:
    digest, size, problems = xxhash.xxh3_64(), 0, ()
    try:
        with open(job.path, "rb", buffering=0) as file:
            while chunk := file.read(_BUFFER):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        problems = (str(unreadable(job.path, error)),)
    return Findings(job, None, size, None, "" if problems else digest.hexdigest(), _rows([], job.index), problems)


def _check_records(job: ShardJob) -> Findings:
    digest, rows, problems, size, count, whole = xxhash.xxh3_64(), [], [], 0, 0, True
    try:
        for record in read_records(job.path, digest):
            count, size, whole = count + 1, size + record.size, whole and not record.damage
            row, wrong = (None, record.damage) if record.damage else check_record(record.payload, job.rules, job.split)
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
