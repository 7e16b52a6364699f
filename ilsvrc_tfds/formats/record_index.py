"""Where each record lies in a shard, for readers that go to a record directly: NVIDIA DALI, the PyPI package `tfrecord`.

A line a record, `<offset> <size>`, in bytes, framing included. The index of `train-00000-of-01024` is
`index-train-00000-of-01024`, beside it: TPU and MLPerf code reads every file that is called `train-*`.
"""

import os
from pathlib import Path

from ilsvrc_tfds.formats.tfrecord import read_spans
from ilsvrc_tfds.storage.files import write_whole
from ilsvrc_tfds.storage.regular import open_regular

PREFIX = "index-"


def write_index(shard: str, *, sync: bool = True) -> str:
    """Writes the index of one shard beside it and returns its path."""
    folder, name = os.path.split(shard)
    path = os.path.join(folder, PREFIX + name)
    text = "".join(f"{offset} {size}\n" for offset, size in read_spans(shard))
    write_whole(path, text.encode(), sync=sync)
    return path


def shard_spans(path: str) -> list[tuple[int, int]]:
    """Returns (offset, size) of each record of a shard: from the index beside it if that fits, else from its headers.

    Raises SourceError where it cannot be read.
    """
    folder, name = os.path.split(path)
    try:
        with open_regular(Path(folder, PREFIX + name)) as file:
            lines = file.read().decode().splitlines()
        spans = [(int(offset), int(size)) for offset, size in map(str.split, lines)]
        # An index of an earlier export fits no more.
        fits = spans and sum(spans[-1]) == os.path.getsize(path)
    except (OSError, ValueError):
        return read_spans(path)
    return spans if fits else read_spans(path)
