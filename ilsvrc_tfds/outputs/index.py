"""Writes an index file beside each shard of a folder."""

import os
from pathlib import Path

from tqdm import tqdm

from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.record_index import write_index
from ilsvrc_tfds.runners.local import LocalRunner
from ilsvrc_tfds.storage.files import destination_errors, sync_folder


def index_records(folder: str | os.PathLike, *, workers: int | None = None) -> list[Path]:
    """Writes an index beside each shard in a prepared or exported folder, and returns the paths of the indexes.

    NVIDIA DALI and the package `tfrecord` read them.

    >>> import ilsvrc_tfds
    >>> paths = ilsvrc_tfds.index_records("/data/tfds/ilsvrc2012/classification/1.0.0")
    >>> [path.name for path in paths]
    ['index-ilsvrc2012-train.tfrecord-00000-of-00001', 'index-ilsvrc2012-val.tfrecord-00000-of-00001']

    Args:
      folder: Folder with the shards.
      workers: Number of worker processes; None uses all cores.

    Raises:
      SourceError: A shard is missing or damaged, or the format is not TFRecord.
      DestinationError: An index cannot be written.
      OptionError: `workers` is less than 1, or `folder` is a URL.
      InterruptedRun: A worker process died.
    """
    output = find_output(folder).in_tfrecord()
    paths = [path for split in output.shards for path in output.paths(split)]
    with LocalRunner(workers) as runner, tqdm(total=len(paths), unit=" shards", disable=None) as bar:
        written = []
        for path in runner.run(write_index, paths):
            written.append(Path(path))
            bar.update()
    with destination_errors(folder):
        sync_folder(output.folder)
    return written
