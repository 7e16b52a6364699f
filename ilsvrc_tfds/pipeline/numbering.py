"""Finds the label offset of a split from its first records, whose file names or synsets identify their class.

A label is the class index plus the label offset, which is 0 or 1.
"""

import itertools
import logging
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, OptionError, SourceError, first_few
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.formats.kinds import IMAGENET2012, KINDS
from ilsvrc_tfds.formats.tfrecord import Record, read_records
from ilsvrc_tfds.storage.stamps import stamp_of
from ilsvrc_tfds.storage.stand_ins import beginning

# Number of records that are compared, the first ones of up to as many shards: a folder may mix the shards of two
# exports.
_LOOKED_AT = 8
# If none of these identifies its class, so many records of the first shard are read: at 110 KB each, 0.1 s.
_MOST_LOOKED_AT = 2000
# TFDS labels validation images by their positions in the archive, so those behind a missing one are wrong. Records are
# in the order of digests, so this many of them are like a sample: if 1 % are wrong, it has one with 98 % probability.
_LABELS_COMPARED = 400
# So much of a shard in a bucket is read: eight images have a MB.
_HEAD_BYTES = 16 << 20
_SYNSET = "image/class/synset"
_GZIP = b"\x1f\x8b"

_log = logging.getLogger(__name__)


class _Classified(NamedTuple):
    """A record whose class is known from its file name or synset.

    Attributes:
      where: Place of the record and its file name, for messages.
      label: Label in the record.
      number: Number of the class that follows from the file name or synset: its index, or its position in the list of
        a subset whose classes are numbered anew.
      wnid: That class.
    """

    where: str
    label: int
    number: int
    wnid: str

    @property
    def offset(self) -> int:
        """Difference between the label and the number of the class."""
        return self.label - self.number

    def __str__(self) -> str:
        return f"{self.where} has the label {self.label}, and its class {self.wnid} has the index {self.number}"


def label_offset_of(output: Output, split: str, paths: Sequence[str], wanted: int | None) -> int:
    """Returns the label offset of a split, 0 or 1.

    Args:
      output: Folder of the split.
      split: Name of the split, train, val or test.
      paths: Paths of the split's shards.
      wanted: Label offset that the caller expects, or None.

    Raises:
      OptionError: The caller expects another label offset, or it is unknown and the caller does not pass it.
      LabelError: The first records contradict each other, or the folder's manifest.
      SourceError: The first records cannot be read.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> output = find_output("/data/tfrecords")
    >>> label_offset_of(output, "val", output.paths("val"), wanted=None)
    1
    """
    if wanted not in (None, 0, 1) or isinstance(wanted, (bool, float)):
        raise OptionError(f"label_offset must be 0 or 1, got {wanted!r}.")
    stated = output.label_offset
    if None not in (stated, wanted) and stated != wanted:
        raise OptionError(
            f"label_offset={wanted}, but {output.folder} has label_offset={stated}. Leave the option out."
        )
    if split == "test":  # its labels are -1, whatever the offset of the other splits
        return stated or wanted or 0
    first = _first_records(paths)
    if output.kind == IMAGENET2012 and split == "val":
        _require_unshifted(output, paths)
    known = _first_agreed(_classified(output, first))
    if known is None and stated is None:
        known = _first_agreed(_more_records(output, paths))
    _warn_of_other_splits(output, split, first)
    if known is None:
        if stated is wanted is None and all(record.damage for _, record in first):
            raise SourceError(_damage(paths, first))
        return _offset_or_error(output, stated if wanted is None else wanted)
    if stated not in (None, known.offset):
        source = manifest.NAME if output.manifest is not None else "its kind"
        raise LabelError(
            f"{output.folder}: by {source} label_offset is {stated}, but {known}. Correct the folder, or "
            "make the data again."
        )
    if wanted not in (None, known.offset):
        raise OptionError(f"label_offset={wanted}, but {known}. Leave the option out.")
    return known.offset


def _require_unshifted(output: Output, paths: Sequence[str]) -> None:
    """Raises LabelError if a validation record of TFDS's `imagenet2012` has another label than that of its image."""
    records = ((path, record) for path in paths for record in _records(path))
    for record in _classified(output, itertools.islice(records, _LABELS_COMPARED)):
        if record.offset:
            raise LabelError(
                f"{record}. TFDS labels validation images by their positions in the archive: if one was missing there, "
                "the labels of those behind it are wrong. `ilsvrc-tfds verify "
                f"{shlex.quote(str(output.folder))}` lists them. Make the data set again, of the whole archive."
            )


def _offset_or_error(output: Output, offset: int | None) -> int:
    if offset is None:
        raise OptionError(
            f"{output.folder} has no {manifest.NAME}, and neither file names nor synsets of its records identify "
            "their class. Pass label_offset=1 if labels are 1..1000 (0 is the background), or label_offset=0 if "
            "they are 0..999."
        )
    return offset


def _first_agreed(records: Iterator[_Classified]) -> _Classified | None:
    """Returns the first record, or None if there are none. Raises LabelError if others have another label offset."""
    first = None
    for record in records:
        first = first or record
        if record.offset not in (0, 1):
            raise LabelError(
                f"{record}: expected the label {record.number} or {record.number + 1}. Make the data again."
            )
        if record.offset != first.offset:
            raise LabelError(f"{record}; but {first}. Their labels are numbered differently. Make the data again.")
    return first


def _first_records(paths: Sequence[str]) -> list[tuple[str, Record]]:
    """Returns path and record of the first records of some shards. Raises SourceError if a shard is compressed."""
    chosen = sorted({len(paths) * k // _LOOKED_AT for k in range(_LOOKED_AT)})
    count = -(-_LOOKED_AT // len(chosen))
    found = [(paths[k], record) for k in chosen for record in itertools.islice(_records(paths[k]), count)]
    for path, record in found:
        if record.damage and record.offset == 0 and _begin(path) == _GZIP:
            raise SourceError(
                f"{path} is compressed with gzip, which is not supported. Decompress the shards (`gunzip`)."
            )
    return found


def _records(path: str) -> Iterator[Record]:
    with beginning(path, _HEAD_BYTES) as local:
        yield from read_records(local)


def _begin(path: str) -> bytes:
    with beginning(path, len(_GZIP)) as local, open(local, "rb") as file:
        return file.read(len(_GZIP))


def _classified(output: Output, records: Iterable[tuple[str, Record]]) -> Iterator[_Classified]:
    """Yields the sound records whose class is known. Raises LabelError if a name and a synset contradict each other."""
    for path, record in records:
        if not record.damage:  # damaged records are reported when batches are read
            yield from _class_of(output, record.payload, f"{path}: record {record.number:,}")


def _damage(paths: Sequence[str], records: list[tuple[str, Record]]) -> str:
    """Returns the message for shards in which no sound record was found."""
    path, damage = paths[0], "it has no records"
    for path, record in records[:1]:
        damage = f"record {record.number:,}, byte {record.offset:,}: {record.damage}"
    return f"{path}: {damage}; no sound record was found, so the numbering of labels is unknown. Make the shards again."


def _warn_of_other_splits(output: Output, split: str, records: list[tuple[str, Record]]) -> None:
    """Logs a warning if a record has the name of another split's image: training and evaluation may share images."""
    key = KINDS[output.kind].fields.file_name
    for path, record in records:
        name = b"" if record.damage else next(iter(parse_example(record.payload, path).get(key, ())), b"")
        other = synsets.split_of_name(os.path.basename(name)) if isinstance(name, bytes) else None
        if other not in (None, split):
            _log.warning(
                "%s: record %d of split %r has the name of an image of split %r, %a. Training and evaluation may share "
                "images. `ilsvrc-tfds verify` counts them.",
                *(path, record.number, split, other, name.decode("ascii", "backslashreplace")[:80]),
            )
            return


def _more_records(output: Output, paths: Sequence[str]) -> Iterator[_Classified]:
    """Yields at most one record, the first one of the first shard with records whose class is known."""
    path = next((path for path in paths if stamp_of(path)[0]), paths[0])
    records = itertools.islice(_records(path), _MOST_LOOKED_AT)
    yield from itertools.islice(_classified(output, ((path, record) for record in records)), 1)


def _class_of(output: Output, payload: bytes, where: str) -> Iterator[_Classified]:
    keys, features = KINDS[output.kind].fields, parse_example(payload, where)
    name, label, wnid = (next(iter(features.get(key, ())), None) for key in (keys.file_name, keys.label, _SYNSET))
    if not isinstance(name, bytes) or not isinstance(label, int):
        found = first_few(map(ascii, sorted(features)))
        raise SourceError(f"{where} has the keys {found}; expected a value of {keys.file_name} and of {keys.label}.")
    by_name, by_synset = synsets.class_told(name), synsets.class_told(b"", wnid if isinstance(wnid, bytes) else b"")
    where = f"{where}, {name.decode('ascii', 'backslashreplace')!r:.80},"
    if by_name is not None and by_synset is not None and by_name != by_synset:
        raise LabelError(
            f"{where} has the synset {synsets.wnids()[by_synset]}; its name belongs to {synsets.wnids()[by_name]}."
        )
    index = by_synset if by_name is None else by_name
    if index is not None:
        wnid = synsets.wnids()[index]
        if output.wnids is not None and wnid not in output.wnids:
            raise LabelError(
                f"{where} is of the class {wnid}, which is not one of the {len(output.wnids):,} classes of "
                f"{output.folder}. Make the data again."
            )
        yield _Classified(where, label, index if output.wnids is None else output.wnids.index(wnid), wnid)
