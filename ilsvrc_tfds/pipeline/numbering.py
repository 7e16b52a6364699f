"""What a split's labels are more than the class index: told by its first records, whose file names or synsets tell their class."""

import itertools
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, OptionError, SourceError, first_few
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.formats.kinds import FIELDS
from ilsvrc_tfds.formats.tfrecord import read_records

# Records that are looked at in a split, the first ones of up to so many shards: those of two exports may be in one folder.
_LOOKED_AT = 8
# Where these tell nothing, so many of the first shard with records: at 110 KB each, 0.1 s.
_MOST_LOOKED_AT = 2000
_SYNSET = "image/class/synset"


class _Told(NamedTuple):
    """A record that tells its class.

    Attributes:
      where: it lies, and its file name.
      label: as the record has it.
      index: the class index that the record tells.
    """

    where: str
    label: int
    index: int

    @property
    def offset(self) -> int:
        """What the label is more than the class index."""
        return self.label - self.index

    def __str__(self) -> str:
        wnid = synsets.wnids()[self.index]
        return f"{self.where} has the label {self.label}, and its class {wnid} has the index {self.index}"


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
    if wanted not in (None, 0, 1):
        raise OptionError(f"label_offset must be 0 or 1, got {wanted!r}.")
    stated = output.label_offset
    if None not in (stated, wanted) and stated != wanted:
        raise OptionError(
            f"label_offset={wanted}, but {output.folder} has label_offset={stated}. Leave the option out."
        )
    if split == "test":  # its labels are -1, whatever those of the others
        return stated or wanted or 0
    told = _told_by_all(_first_records(output, paths)) or _told_by_all(_more_records(output, paths))
    if told is None:
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
    first = next(records, None)
    for told in itertools.chain(filter(None, [first]), records):
        if told.offset not in (0, 1):
            raise LabelError(f"{told}: expected the label {told.index} or {told.index + 1}. Make the data anew.")
        if told.offset != first.offset:
            raise LabelError(f"{told}; but {first}. These are numbered differently: make the data anew.")
    return first


def _first_records(output: Output, paths: Sequence[str]) -> Iterator[_Told]:
    """Yields the first whole records that tell their class. Raises LabelError for one whose name and synset tell two."""
    chosen = sorted({len(paths) * k // _LOOKED_AT for k in range(_LOOKED_AT)})
    for path in (paths[k] for k in chosen):
        for record in itertools.islice(read_records(path), -(-_LOOKED_AT // len(chosen))):
            if not record.damage:  # what becomes of damaged ones is said where they are read
                yield from _told(output, record.payload, f"{path}: record {record.number:,}")


def _more_records(output: Output, paths: Sequence[str]) -> Iterator[_Told]:
    """Yields the first record that tells its class among those of the first shard that has any; it may be none."""
    path = next(filter(os.path.getsize, paths), paths[0])
    records = itertools.islice(read_records(path), _MOST_LOOKED_AT)
    told = (
        _told(output, record.payload, f"{path}: record {record.number:,}") for record in records if not record.damage
    )
    yield from itertools.islice(itertools.chain.from_iterable(told), 1)


def _told(output: Output, payload: bytes, where: str) -> Iterator[_Told]:
    keys, features = FIELDS[output.kind], parse_example(payload, where)
    name, label, wnid = (next(iter(features.get(key, ())), None) for key in (keys.file_name, keys.label, _SYNSET))
    if not isinstance(name, bytes) or not isinstance(label, int):
        found = first_few(map(ascii, sorted(features)))
        raise SourceError(f"{where} has the keys {found}; expected a value of {keys.file_name} and of {keys.label}.")
    by_name, by_synset = synsets.class_told(name), synsets.class_told(b"", wnid if isinstance(wnid, bytes) else b"")
    where = f"{where}, {name.decode('ascii', 'backslashreplace')!r:.80},"
    if None not in (by_name, by_synset) and by_name != by_synset:
        raise LabelError(
            f"{where} has the synset {synsets.wnids()[by_synset]}; its name tells {synsets.wnids()[by_name]}."
        )
    index = by_synset if by_name is None else by_name
    if index is not None:
        yield _Told(where, label, index)
