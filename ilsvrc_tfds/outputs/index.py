"""Writes an index beside each shard of a folder."""

import os
from pathlib import Path

from tqdm import tqdm

from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.record_index import write_index
from ilsvrc_tfds.runners.local import LocalRunner
from ilsvrc_tfds.storage.files import destination_errors, sync_folder


def index_records(folder: str | os.PathLike, *, workers: int | None = None) -> list[Path]:
    """Writes the index of each shard in a prepared or exported folder and returns their paths.

    Raises SourceError for shards that are missing, damaged, or no TFRecords; DestinationError.
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
