"""Index files of shards, for readers with random access to records: NVIDIA DALI, the PyPI package `tfrecord`.

An index has one line for each record, `<offset> <size>`, in bytes and including the framing. The index of
`train-00000-of-01024` is `index-train-00000-of-01024` in the same folder. The name begins with `index-` because TPU and
MLPerf code reads every file that matches `train-*`.
"""

import os
from pathlib import Path

from ilsvrc_tfds.formats.tfrecord import read_spans
from ilsvrc_tfds.storage.files import write_whole
from ilsvrc_tfds.storage.regular import open_regular

PREFIX = "index-"


def write_index(shard: str, *, sync: bool = True) -> str:
    """Writes the index of a shard into the same folder and returns its path.

    Args:
      shard: Path of the shard, a TFRecord file.
      sync: Whether the bytes are on disk when this returns.

    Raises SourceError if the shard cannot be read or is damaged, DestinationError if the index cannot be written.

    >>> print(Path(write_index(shard)).read_text(), end="")
    0 21
    21 22
    """
    folder, name = os.path.split(shard)
    path = os.path.join(folder, PREFIX + name)
    text = "".join(f"{offset} {size}\n" for offset, size in read_spans(shard))
    write_whole(path, text.encode(), sync=sync)
    return path


def shard_spans(path: str) -> list[tuple[int, int]]:
    """Returns (offset, size) of each record of a shard: from its index if that fits, or else from the records' headers.

    Raises SourceError if the shard cannot be read, or if a header that has to be read is damaged.

    >>> shard_spans(shard)
    [(0, 21), (21, 22)]
    """
    folder, name = os.path.split(path)
    try:
        with open_regular(Path(folder, PREFIX + name)) as file:
            lines = file.read().decode().splitlines()
        spans = [(int(offset), int(size)) for offset, size in map(str.split, lines)]
        # An index that is left from an earlier export does not fit.
        fits = spans and sum(spans[-1]) == os.path.getsize(path)
    except (OSError, ValueError):
        return read_spans(path)
    return spans if fits else read_spans(path)
