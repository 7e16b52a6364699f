"""Where each record lies in a shard, for readers that go to a record directly: NVIDIA DALI, the PyPI package `tfrecord`.

A line a record, `<offset> <size>`, in bytes, framing included. The index of `train-00000-of-01024` is
`index-train-00000-of-01024`, beside it: TPU and MLPerf code reads every file that is called `train-*`.
"""

import os
from pathlib import Path

import numpy as np

from ilsvrc_tfds.formats.tfrecord import FRAME_BYTES, LARGEST_RECORD, read_spans
from ilsvrc_tfds.storage.files import write_whole

PREFIX = "index-"


def write_index(shard: str, *, sync: bool = True) -> str:
    """Writes the index of one shard beside it and returns its path."""
    folder, name = os.path.split(shard)
    path = os.path.join(folder, PREFIX + name)
    text = "".join(f"{offset} {size}\n" for offset, size in read_spans(shard))
    write_whole(path, text.encode(), sync=sync)
    return path


def shard_spans(path: str, records: int | None = None) -> list[tuple[int, int]]:
    """Returns (offset, size) of each record of a shard: from the index beside it if that fits, else from its headers.

    An index fits if its records lie one behind the other, from the first byte of the shard to the last.

    Args:
      path: Path of the shard.
      records: Number of records that an index must have to fit; None if it is not known.

    Raises SourceError if the shard cannot be read.
    """
    folder, name = os.path.split(path)
    try:
        lines = Path(folder, PREFIX + name).read_text().splitlines()
        spans = [(int(offset), int(size)) for offset, size in map(str.split, lines)]
        fits = records in (None, len(spans)) and _cover(spans, os.path.getsize(path))
    except (OSError, ValueError, OverflowError):
        return read_spans(path)
    return spans if fits else read_spans(path)


def _cover(spans: list[tuple[int, int]], file_size: int) -> bool:
    """Returns whether spans are those of records that fill a file; not if a line was lost or doubled, or the file is another."""
    offsets, sizes = np.array(spans, np.int64).reshape(-1, 2).T
    ends = offsets + sizes
    is_row = len(ends) and offsets[0] == 0 and np.array_equal(offsets[1:], ends[:-1]) and ends[-1] == file_size
    return bool(is_row and (sizes >= FRAME_BYTES).all() and (sizes <= LARGEST_RECORD).all())
