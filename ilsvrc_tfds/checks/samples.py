"""Records chosen evenly from a split, and parsed."""

import bisect
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ilsvrc_tfds.checks.told import class_of
from ilsvrc_tfds.errors import SourceError, counted, first_few, shown
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.formats.kinds import CLASSIC, KINDS
from ilsvrc_tfds.formats.tfrecord import read_record, read_spans
from ilsvrc_tfds.storage.stand_ins import fetched
from ilsvrc_tfds.synsets import Synset

# xmin, ymin, xmax, ymax.
Box = tuple[float, float, float, float]


class Sample(NamedTuple):
    """One parsed record.

    Attributes:
      number: Position of the record in its split, from 0.
      place: Shard, record and byte, for messages.
      file_name: File name of the image, safe to print on a terminal.
      label: Label as stored in the record.
      synset: Class of the image, or None if the record has no valid class.
      told: Class according to the file name or synset of the record, if it differs from `synset`, or else None.
      image: Bytes of the image file.
      boxes: Bounding boxes, with coordinates from 0 to 1 unless the record is wrong; None if this kind of record cannot
        have boxes.
    """

    number: int
    place: str
    file_name: str
    label: int
    synset: Synset | None
    told: Synset | None
    image: bytes
    boxes: list[Box] | None


def read_samples(output: Output, split: str, lengths: Sequence[int], num: int) -> Iterator[Sample]:
    """Yields the records in the middles of `num` equal parts of a split. No other record is read.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> output = find_output("/data/tfrecords")
    >>> [sample.file_name for sample in read_samples(output, "val", output.stated_lengths("val"), num=2)]
    ['ILSVRC2012_val_00000262.JPEG', 'ILSVRC2012_val_00002138.JPEG']

    Args:
      output: Folder of the shards.
      split: `train`, `val` or `test`.
      lengths: Number of records of each shard.
      num: Number of records; all are taken if the split has fewer.

    Raises:
      SourceError: The split has no records, a shard has another number of records than `lengths`, or a chosen record is
        damaged or of another kind.
    """
    total, starts = sum(lengths), list(itertools.accumulate(lengths, initial=0))
    if total < 1:
        raise SourceError(f"{output.folder}: split {split!r} has no records.")
    num = min(num, total)
    numbers = [(2 * k + 1) * total // (2 * num) for k in range(num)]
    for shard, group in itertools.groupby(numbers, lambda number: bisect.bisect_right(starts, number) - 1):
        name = output.shards[split][shard]
        path = os.path.join(output.folder, name)
        with fetched(path):
            spans = read_spans(path)
            if len(spans) != lengths[shard]:
                stated = f"expected {lengths[shard]:,}. Run `ilsvrc-tfds verify` for details."
                raise SourceError(f"{path} has {counted(len(spans), 'record')}, {stated}")
            for number in group:
                row = number - starts[shard]
                offset, size = spans[row]
                where = f"record {row:,}, byte {offset:,}"
                features = parse_example(read_record(path, offset, size), f"{path}: {where}")
                sample = _sample(output, number, f"{name}: {where}", features)
                yield sample._replace(told=None) if split == "test" else sample  # the labels of test are -1


def _sample(output: Output, number: int, place: str, features: Mapping[str, Sequence]) -> Sample:
    keys = KINDS[output.kind].fields
    name, image, label = (next(iter(features.get(key, ())), None) for key in keys)
    if not isinstance(name, bytes) or not isinstance(image, bytes) or not isinstance(label, int):
        found = first_few(map(ascii, sorted(features)))
        raise SourceError(
            f"{output.folder}: {place} has the keys {found}; expected one value for each of {', '.join(keys)}."
        )
    wnids = features.get("image/class/synset", ())
    told = class_of(label, None, name, wnids)
    synset = class_of(label, output.label_offset, name, wnids, output.numbering)
    return Sample(
        number=number,
        place=place,
        file_name=shown(os.fsdecode(name)),
        label=label,
        synset=synset,
        told=None if told == synset else told,
        image=image,
        boxes=_boxes(features) if output.kind == CLASSIC else None,
    )


def _boxes(features: Mapping[str, Sequence]) -> list[Box]:
    sides = [features.get(f"image/object/bbox/{side}", ()) for side in ("xmin", "ymin", "xmax", "ymax")]
    return [box for box in zip(*sides) if all(isinstance(value, float) for value in box)]
