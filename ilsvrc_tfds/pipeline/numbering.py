"""What a split's labels are more than the class index: told by its first records, whose file names or synsets tell their class."""

import itertools
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, OptionError, SourceError, first_few
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.formats.kinds import FIELDS
from ilsvrc_tfds.formats.tfrecord import Record, read_records

# Records that are looked at in a split, the first ones of up to so many shards: those of two exports may be in one folder.
_LOOKED_AT = 8
# Where these tell nothing, so many of the first shard with records: at 110 KB each, 0.1 s.
_MOST_LOOKED_AT = 2000
_SYNSET = "image/class/synset"
_GZIP = b"\x1f\x8b"

_log = logging.getLogger(__name__)


class _Told(NamedTuple):
    """A record that tells its class.

    Attributes:
      where: it lies, and its file name.
      label: as the record has it.
      class_index: the class index that the record tells.
    """

    where: str
    label: int
    class_index: int

    @property
    def offset(self) -> int:
        """What the label is more than the class index."""
        return self.label - self.class_index

    def __str__(self) -> str:
        wnid = synsets.wnids()[self.class_index]
        return f"{self.where} has the label {self.label}, and its class {wnid} has the index {self.class_index}"


def label_offset_of(output: Output, split: str, paths: Sequence[str], wanted: int | None) -> int:
    """Returns what the labels of a split are more than the class index, 0 or 1.

    Args:
      output: the folder of the split.
      split: train, val or test.
      paths: of the split's shards.
      wanted: by the caller; None to take what is found.

    Raises:
      OptionError: the caller wants another than there is; or nothing tells which there is, and the caller says none.
      LabelError: the first records contradict each other, or what the folder says.
      SourceError: the first records cannot be read.
    """
    if wanted not in (None, 0, 1) or isinstance(wanted, (bool, float)):
        raise OptionError(f"label_offset must be 0 or 1, got {wanted!r}.")
    stated = output.label_offset
    if None not in (stated, wanted) and stated != wanted:
        raise OptionError(
            f"label_offset={wanted}, but {output.folder} has label_offset={stated}. Leave the option out."
        )
    if split == "test":  # its labels are -1, whatever those of the others
        return stated or wanted or 0
    first = _first_records(paths)
    told = _told_by_all(_told_by(output, first))
    if told is None and stated is None:
        told = _told_by_all(_more_records(output, paths))
    _warn_of_other_splits(output, split, first)
    if told is None:
        if stated is wanted is None and all(record.damage for _, record in first):
            raise SourceError(_damage(paths, first))
        return _believed(output, stated if wanted is None else wanted)
    if stated not in (None, told.offset):
        source = manifest.NAME if output.manifest is not None else "its kind"
        raise LabelError(
            f"{output.folder}: by {source} label_offset is {stated}, but {told}. Correct it, or make the data anew."
        )
    if wanted not in (None, told.offset):
        raise OptionError(f"label_offset={wanted}, but {told}. Leave the option out.")
    return told.offset


def _believed(output: Output, offset: int | None) -> int:
    if offset is None:
        raise OptionError(
            f"{output.folder} has no {manifest.NAME}, and neither file names nor synsets of its records tell how labels are "
            "numbered. Say label_offset=1 where they are 1..1000 (0 is the background), label_offset=0 where they are 0..999."
        )
    return offset


def _told_by_all(records: Iterator[_Told]) -> _Told | None:
    """Returns the first record, with which all others agree; None for none. Raises LabelError where they do not."""
    first = None
    for told in records:
        first = first or told
        if told.offset not in (0, 1):
            raise LabelError(
                f"{told}: expected the label {told.class_index} or {told.class_index + 1}. Make the data anew."
            )
        if told.offset != first.offset:
            raise LabelError(f"{told}; but {first}. These are numbered differently: make the data anew.")
    return first


def _first_records(paths: Sequence[str]) -> list[tuple[str, Record]]:
    """Returns path and record of the first records of some shards. Raises SourceError for a shard that is compressed."""
    chosen = sorted({len(paths) * k // _LOOKED_AT for k in range(_LOOKED_AT)})
    count = -(-_LOOKED_AT // len(chosen))
    found = [(paths[k], record) for k in chosen for record in itertools.islice(read_records(paths[k]), count)]
    for path, record in found:
        if record.damage and record.offset == 0 and _begin(path) == _GZIP:
            raise SourceError(f"{path} is compressed with gzip, which is not read. Decompress the shards (`gunzip`).")
    return found


def _begin(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(len(_GZIP))


def _told_by(output: Output, records: Iterable[tuple[str, Record]]) -> Iterator[_Told]:
    """Yields the whole records that tell their class. Raises LabelError for one whose name and synset tell two."""
    for path, record in records:
        if not record.damage:  # what becomes of damaged ones is said where they are read
            yield from _told(output, record.payload, f"{path}: record {record.number:,}")


def _damage(paths: Sequence[str], records: list[tuple[str, Record]]) -> str:
    """Returns what is wrong with shards in which no whole record was found, in words."""
    path, damage = paths[0], "it has no records"
    for path, record in records[:1]:
        damage = f"record {record.number:,}, byte {record.offset:,}: {record.damage}"
    return f"{path}: {damage}; no whole record was found, so that nothing tells how labels are numbered. Make the shards anew."


def _warn_of_other_splits(output: Output, split: str, records: list[tuple[str, Record]]) -> None:
    """Logs names that have the form of another split's images: those would be seen in training and in evaluation."""
    key = FIELDS[output.kind].file_name
    for path, record in records:
        name = b"" if record.damage else next(iter(parse_example(record.payload, path).get(key, ())), b"")
        other = synsets.split_of_name(os.path.basename(name)) if isinstance(name, bytes) else None
        if other not in (None, split):
            _log.warning(
                "%s: record %d of split %r has the name of an image of split %r, %a. Training and evaluation may share images: "
                "`ilsvrc-tfds verify` tells how many.",
                *(path, record.number, split, other, name.decode("ascii", "backslashreplace")[:80]),
            )
            return


def _more_records(output: Output, paths: Sequence[str]) -> Iterator[_Told]:
    """Yields the first record that tells its class among those of the first shard that has any; it may be none."""
    path = next(filter(os.path.getsize, paths), paths[0])
    records = itertools.islice(read_records(path), _MOST_LOOKED_AT)
    yield from itertools.islice(_told_by(output, ((path, record) for record in records)), 1)


def _told(output: Output, payload: bytes, where: str) -> Iterator[_Told]:
    keys, features = FIELDS[output.kind], parse_example(payload, where)
    name, label, wnid = (next(iter(features.get(key, ())), None) for key in (keys.file_name, keys.label, _SYNSET))
    if not isinstance(name, bytes) or not isinstance(label, int):
        found = first_few(map(ascii, sorted(features)))
        raise SourceError(f"{where} has the keys {found}; expected a value of {keys.file_name} and of {keys.label}.")
    by_name, by_synset = synsets.class_told(name), synsets.class_told(b"", wnid if isinstance(wnid, bytes) else b"")
    where = f"{where}, {name.decode('ascii', 'backslashreplace')!r:.80},"
    if by_name is not None and by_synset is not None and by_name != by_synset:
        raise LabelError(
            f"{where} has the synset {synsets.wnids()[by_synset]}; its name tells {synsets.wnids()[by_name]}."
        )
    index = by_synset if by_name is None else by_name
    if index is not None:
        yield _Told(where, label, index)
