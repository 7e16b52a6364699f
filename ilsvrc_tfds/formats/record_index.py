"""Where each record lies in a shard, for readers that go to a record directly: NVIDIA DALI, the PyPI package `tfrecord`.

A line a record, `<offset> <size>`, in bytes, framing included. The index of `train-00000-of-01024` is
`index-train-00000-of-01024`, beside it: TPU and MLPerf code reads every file that is called `train-*`.
"""

import os
from pathlib import Path

from tqdm import tqdm

from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.tfrecord import read_spans
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.storage.files import destination_errors, sync_folder, write_whole

PREFIX = "index-"


def index_records(folder: str | os.PathLike, *, workers: int | None = None) -> list[Path]:
    """Writes the index of each shard in a prepared or exported folder and returns their paths.

    Raises SourceError for shards that are missing, damaged, or no TFRecords; DestinationError.
    """
    output = find_output(folder)
    output.require_tfrecord()
    paths = [path for split in output.shards for path in output.paths(split)]
    with LocalRunner(workers) as runner, tqdm(total=len(paths), unit=" shards", disable=None) as bar:
        written = []
        for path in runner.run(write_index, paths):
            written.append(Path(path))
            bar.update()
    with destination_errors(folder):
        sync_folder(output.folder)
    return written


def write_index(shard: str, *, sync: bool = True) -> str:
    """Writes the index of one shard beside it and returns its path."""
    folder, name = os.path.split(shard)
    path = os.path.join(folder, PREFIX + name)
    text = "".join(f"{offset} {size}\n" for offset, size in read_spans(shard))
    write_whole(path, text.encode(), sync=sync)
    return path
