"""Writes an index file for each shard of a folder, beside the shards or into another folder."""

import functools
import logging
import os
import re
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError, first_few, shown
from ilsvrc_tfds.formats.data_sets import Data, folder_of
from ilsvrc_tfds.formats.folder import Output, find_output
from ilsvrc_tfds.formats.in_buckets import from_buckets
from ilsvrc_tfds.formats.record_index import index_path, is_index, write_index
from ilsvrc_tfds.runners.local import LocalRunner
from ilsvrc_tfds.storage.destination import real_path
from ilsvrc_tfds.storage.files import PARTIAL_SUFFIX, destination_errors, require_local, sync_folder, sync_name
from ilsvrc_tfds.terminal.progress import progress

_log = logging.getLogger(__name__)


@from_buckets("data")
def index_records(
    data: Data,
    *,
    data_dir: str | os.PathLike | None = None,
    out: str | os.PathLike | None = None,
    workers: int | None = None,
) -> list[Path]:
    """Writes an index for each shard of a prepared or exported data set, and returns the paths of the indexes.

    NVIDIA DALI and the package `tfrecord` read them. Indexes that are there already, and right, are kept.

    >>> import ilsvrc_tfds
    >>> paths = ilsvrc_tfds.index_records("/data/tfds/ilsvrc2012/classification/1.0.0")
    >>> [path.name for path in paths]
    ['index-ilsvrc2012-train.tfrecord-00000-of-00001', 'index-ilsvrc2012-val.tfrecord-00000-of-00001']

    Args:
      data: Prepared data set or export, in any form that `for_training` takes.
      data_dir: TFDS's data directory, in which names are looked up.
      out: Folder for the indexes, which have the names of their shards there. It must be another folder, and hold
        nothing but indexes of these shards. None writes them beside the shards, as `index-<name of the shard>`.
      workers: Number of worker processes; None uses all cores.

    Raises:
      SourceError: A shard is missing or damaged, or the format is not TFRecord.
      DestinationError: An index cannot be written, or `out` is the folder of the shards, or holds other files.
      OptionError: `workers` is less than 1, or a path is a URL.
      InterruptedRun: A worker process died.
    """
    output = find_output(folder_of(data, data_dir)).in_tfrecord()
    paths = [path for split in output.shards for path in output.paths(split)]
    place = None if out is None else _folder_for_indexes(out, output)
    out = None if place is None else os.fspath(place)
    before = [_stamp(index_path(path, out)) for path in paths]
    write = functools.partial(write_index, out=out)
    with LocalRunner(workers) as runner, progress("index", len(paths), unit="shards") as work:
        written = []
        for path in runner.run(write, paths):
            written.append(Path(path))
            work.advance()
    if before == [_stamp(os.fspath(path)) for path in written]:
        _log.info("%s: all indexes are there already.", place or output.folder)
        return written
    with destination_errors(place or output.folder):
        sync_folder(output.folder) if place is None else sync_name(written[0] if written else place)
    return written


def _stamp(path: str) -> tuple[int, int] | None:
    """Returns what tells a file from the one that takes its name, or None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _folder_for_indexes(out: str | os.PathLike, output: Output) -> Path:
    """Returns the folder for indexes, which is made if it does not exist, without what a killed run left in it."""
    require_local(out)
    place = real_path(out)
    with destination_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        if place.samefile(output.folder):
            raise DestinationError(
                f"{place} is the folder of the shards, and indexes under the names of the shards would replace them. "
                "Name another folder, or leave out --out (out=) for indexes beside the shards."
            )
        shards = "|".join(re.escape(name) for names in output.shards.values() for name in names)
        own = re.compile(rf"(?P<shard>{shards})(?P<partial>\.[0-9a-f]+{re.escape(PARTIAL_SUFFIX)})?")
        matches = {name: own.fullmatch(name) for name in sorted(os.listdir(place))}
        strange = [
            name for name, match in matches.items() if match is None or not _is_own(place / name, match, output.folder)
        ]
        if strange:
            raise DestinationError(
                f"{place} holds files that are not indexes of these shards: {first_few(map(shown, strange))}. Name an "
                "empty folder, or one that does not exist; or remove them, if they are of shards that were replaced."
            )
        for name in (name for name, match in matches.items() if match and match["partial"]):
            (place / name).unlink()
    return place


def _is_own(path: Path, match: re.Match, folder: Path) -> bool:
    """Returns whether a file with the name of a shard is its index, or the part of one that a killed run has left."""
    return path.is_file() and (match["partial"] is not None or is_index(path, folder / match["shard"]))
