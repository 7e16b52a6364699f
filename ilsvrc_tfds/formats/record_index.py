"""Index files of shards, for readers with random access to records: NVIDIA DALI, the PyPI package `tfrecord`.

An index has one line for each record, `<offset> <size>`, in bytes and including the framing. The index of
`train-00000-of-01024` is `index-train-00000-of-01024` in the same folder. The name begins with `index-` because TPU and
MLPerf code reads every file that matches `train-*`. In another folder an index has the name of its shard, as readers
expect that are given a folder of indexes (`IDX/train-*`).
"""

import os
import re
from pathlib import Path

import numpy as np

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats.framing import FRAME_BYTES, MOST_BYTES
from ilsvrc_tfds.formats.tfrecord import read_spans
from ilsvrc_tfds.storage.files import sync_file, write_whole
from ilsvrc_tfds.storage.regular import open_regular, size_of
from ilsvrc_tfds.storage.stand_ins import fetched
from ilsvrc_tfds.storage.uploads import upload_beside

PREFIX = "index-"
# The index of 1,281,167 records in one shard has 26 MB.
_MOST_INDEX_BYTES = 64 << 20


def write_index(shard: str, *, out: str | None = None, sync: bool = True) -> str:
    """Writes the index of a shard and returns its path. A file with the same content is kept as it is.

    Args:
      shard: Path of the shard, a TFRecord file.
      out: Other folder for the index, which has the name of the shard there; None is the folder of the shard.
      sync: Whether the bytes are on disk when this returns.

    Raises SourceError if the shard cannot be read or is damaged, DestinationError if the index cannot be written.

    >>> print(Path(write_index(shard)).read_text(), end="")
    0 21
    21 22
    """
    path = index_path(shard, out)
    text = "".join(f"{offset} {size}\n" for offset, size in read_spans(shard)).encode()
    if not _has_content(path, text):
        write_whole(path, text, sync=sync)
        upload_beside(Path(path))
    elif sync:  # it may be that of a run that did not sync its files
        sync_file(path)
    return path


def index_path(shard: str, out: str | None = None) -> str:
    """Returns the path of the index of a shard.

    >>> index_path("/data/train-00000-of-01024"), index_path("/data/train-00000-of-01024", "/idx")
    ('/data/index-train-00000-of-01024', '/idx/train-00000-of-01024')

    Args:
      shard: Path of the shard.
      out: Other folder for the index; None is the folder of the shard.
    """
    folder, name = os.path.split(shard)
    return os.path.join(folder, PREFIX + name) if out is None else os.path.join(out, name)


def _has_content(path: str, text: bytes) -> bool:
    try:
        if os.path.getsize(path) != len(text):
            return False
        with fetched(path) as local, open_regular(local) as file:
            return file.read(len(text) + 1) == text
    except (OSError, SourceError):
        return False


def shard_spans(path: str, records: int | None = None) -> list[tuple[int, int]]:
    """Returns (offset, size) of each record of a shard: from its index if that fits, or else from the records' headers.

    An index fits if its records lie one behind the other, from the first byte of the shard to the last.

    Args:
      path: Path of the shard.
      records: Number of records that an index must have to fit; None if it is not known.

    Raises SourceError if the shard cannot be read, or if a header that has to be read is damaged.

    >>> shard_spans(shard)
    [(0, 21), (21, 22)]
    """
    folder, name = os.path.split(path)
    try:
        with open_regular(Path(folder, PREFIX + name)) as file:
            lines = file.read().decode().splitlines()
        spans = [(int(offset), int(size)) for offset, size in map(str.split, lines)]
        fits = records in (None, len(spans)) and _cover(spans, size_of(path))
    except (OSError, ValueError, OverflowError):
        return read_spans(path)
    return spans if fits else read_spans(path)


def is_index(path: str | os.PathLike, shard: str | os.PathLike) -> bool:
    """Returns whether a file is an index of a shard, by its content and the shard's size.

    Raises SourceError for a pipe, and OSError.

    >>> is_index(write_index(shard), shard), is_index(shard, shard)
    (True, False)
    """
    if os.path.getsize(path) > _MOST_INDEX_BYTES:
        return False
    with open_regular(path) as file:
        text = file.read(_MOST_INDEX_BYTES)
    if re.fullmatch(rb"(\d+ \d+\n)*", text) is None:
        return False
    return sum(map(int, text.splitlines()[-1].split() if text else ())) == os.path.getsize(shard)


def _cover(spans: list[tuple[int, int]], file_size: int) -> bool:
    """Returns whether the spans fill a file. They do not if a line was lost or doubled, or the file is another."""
    offsets, sizes = np.array(spans, np.int64).reshape(-1, 2).T
    ends = offsets + sizes
    is_row = len(ends) and offsets[0] == 0 and np.array_equal(offsets[1:], ends[:-1]) and ends[-1] == file_size
    return bool(is_row and (sizes >= FRAME_BYTES).all() and (sizes <= FRAME_BYTES + MOST_BYTES).all())
