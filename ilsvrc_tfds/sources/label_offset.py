"""Finds out by which number the labels of TFRecords begin: 0, or 1 if 0 is the background."""

import itertools
import os

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, shown
from ilsvrc_tfds.formats.tfrecord import read_records
from ilsvrc_tfds.sources.record_fields import fields_of
from ilsvrc_tfds.sources.record_scan import GET_AGAIN


def first_offset(paths: list[str], kind: str) -> int:
    """Returns the label offset of a split, 0 or 1: the difference of the first label and what its file name states.

    Raises LabelError if the difference is another number, and SourceError if no record has an official file name.

    >>> from ilsvrc_tfds.formats.kinds import TFDS
    >>> first_offset(["/data/tfds/ilsvrc2012/classification/1.0.0/ilsvrc2012-val.tfrecord-00000-of-00001"], TFDS)
    0

    Args:
      paths: Paths of the shards, in order.
      kind: Kind of their records.
    """
    for path in paths:
        for record in itertools.islice(read_records(path), 1):
            if record.damage:
                break  # the scan says more about it
            where = f"{path}: record 0"
            fields = fields_of(record.payload, where, kind, highest=synsets.NUM_CLASSES, remedy=GET_AGAIN)
            told, by_synset = synsets.class_told(fields.name, fields.synset), synsets.class_told(b"", fields.synset)
            if fields.synset and told != by_synset:
                raise LabelError(
                    f"{where}, {shown(os.fsdecode(fields.name[:80]))}, has the label {fields.label} and the synset "
                    f"{shown(os.fsdecode(fields.synset[:40]))!r}, which is not that of its name. {GET_AGAIN}"
                )
            if told is None:
                raise SourceError(
                    f"{path}: neither the file name {shown(os.fsdecode(fields.name[:80]))!r} of the first record nor a "
                    "synset states its class, so the numbering of the labels is not known. Take a source with official "
                    "names, such as n01440764_10026.JPEG."
                )
            if fields.label - told not in (0, 1):
                raise LabelError(
                    f"{path}: the first record, {shown(os.fsdecode(fields.name[:80]))}, has the label {fields.label}; "
                    f"expected {told} or {told + 1}. {GET_AGAIN}"
                )
            return fields.label - told
    return 0
