"""The values of some records of a prepared or exported folder, in JSON's types."""

import os
from typing import Any

from ilsvrc_tfds.checks.samples import Sample, read_samples
from ilsvrc_tfds.checks.show import split_of
from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.tfrecord import read_spans
from ilsvrc_tfds.images import look


def record_values(folder: str | os.PathLike, split: str | None, num: int) -> dict[str, Any]:
    """Returns the values of the records that `show` describes, and of their folder.

    >>> found = record_values("/data/tfrecords", "val", 1)
    >>> found["records"][0]["file_name"], found["records"][0]["wnid"], found["records"][0]["width"]
    ('ILSVRC2012_val_00002969.JPEG', 'n01491361', 60)

    Args:
      folder: Folder with the shards.
      split: Split to read; None for the first.
      num: Number of records.

    Raises SourceError and OptionError, as `show` does.
    """
    output = find_output(folder).in_tfrecord()
    split = split_of(output, split)
    lengths = output.stated_lengths(split) or [len(read_spans(path)) for path in output.paths(split)]
    samples = read_samples(output, split, lengths, num)
    return {
        "folder": os.fspath(output.folder),
        "split": split,
        "label_offset": output.label_offset,
        "examples": sum(lengths),
        "records": [_values(sample) for sample in samples],
    }


def _values(sample: Sample) -> dict[str, Any]:
    return {
        "record": sample.number,
        "file_name": sample.file_name,
        "label": sample.label,
        "wnid": None if sample.synset is None else sample.synset.wnid,
        "words": None if sample.synset is None else sample.synset.words,
        "contradicted_by": None if sample.told is None else sample.told.wnid,
        "bytes": len(sample.image),
        **_head(sample.image),
        "boxes": None if sample.boxes is None else [list(map(float, box)) for box in sample.boxes],
        "place": sample.place,
    }


def _head(image: bytes) -> dict[str, Any]:
    try:
        head = look(image)
    except ImageError as error:
        return {"format": None, "width": None, "height": None, "error": str(error)}
    return {"format": head.format, "width": head.width, "height": head.height, "error": None}
