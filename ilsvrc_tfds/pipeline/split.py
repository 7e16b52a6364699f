"""Where the records of a split lie, and how they read: from a data set's name, its folder, or its builder."""

import contextlib
import dataclasses
import functools
import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Union

from ilsvrc_tfds.errors import OptionError, SourceError, first_few, unreadable
from ilsvrc_tfds.formats.folder import ANEW, Output, find_output, is_output
from ilsvrc_tfds.formats.kinds import FIELDS, Fields
from ilsvrc_tfds.formats.naming import own_split
from ilsvrc_tfds.formats.record_index import shard_spans
from ilsvrc_tfds.pipeline.numbering import label_offset_of
from ilsvrc_tfds.storage.files import require_local

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

# A name as `ilsvrc2012/raw256`, a folder, or a TFDS builder.
Data = Union[str, os.PathLike, "tfds.core.DatasetBuilder"]

DEFAULT_CONFIG = "classification"

_log = logging.getLogger(__name__)

_NAME = re.compile(r"ilsvrc2012(?:/(?P<config>[\w.-]+))?(?::(?P<version>\d+\.\d+\.\d+))?")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclasses.dataclass(frozen=True)
class Split:
    """The records of one split.

    Attributes:
      name: train, val or test.
      folder: of the shards.
      paths: of the shards, in order.
      lengths: records of each.
      kind: `tfds` for a prepared data set, `classic` for exported TFRecords.
      label_offset: a record's label is the class index plus this; -1 in the test split.
      stamps: Size and time of the last change of each shard, as `stamp_of` returns them.
    """

    name: str
    folder: Path
    paths: tuple[str, ...]
    lengths: tuple[int, ...]
    kind: str
    label_offset: int
    stamps: tuple[tuple[int, int], ...]

    @property
    def num_examples(self) -> int:
        """Records of all shards."""
        return sum(self.lengths)

    @property
    def encoded_paths(self) -> list[bytes]:
        """Paths of the shards as TensorFlow takes them: a name on disk is bytes, and need not be UTF-8."""
        return list(map(os.fsencode, self.paths))

    @property
    def fields(self) -> Fields:
        """Keys of a record's features."""
        return FIELDS[self.kind]


def find_split(
    data: Data, split: str, *, data_dir: str | os.PathLike | None = None, label_offset: int | None = None
) -> Split:
    """Returns a split of a prepared data set or of exported TFRecords.

    Args:
      data: name as `ilsvrc2012/raw256`; or the folder of the shards; or a TFDS builder. A string that has the form of a name is
        a name: `./ilsvrc2012/raw256` is a folder.
      split: train, val (or validation), test.
      data_dir: TFDS's data directory, for a name; where None the environment's TFDS_DATA_DIR, or ~/tensorflow_datasets.
      label_offset: of exported TFRecords, 1 where labels are 1..1000, 0 where they are 0..999. It follows from manifest.json, or
        from the first records where their file names or synsets tell the class; only where neither does it is needed.

    Raises:
      OptionError: there is no such data set or split; the label space is unknown, or not the one that was said.
      LabelError: the first records contradict manifest.json or each other.
      SourceError: the data set is half prepared, or cannot be read.
    """
    output = find_output(_folder(data, data_dir)).in_tfrecord()
    name = own_split(split)
    if name is None or name not in output.shards:
        raise OptionError(f"There is no split {split!r} in {output.folder}; it has {', '.join(output.shards)}.")
    paths = tuple(output.paths(name))
    _require_readable(paths)
    stamps = tuple(map(_stamp, paths))
    offset = label_offset_of(output, name, paths, label_offset)
    lengths = _lengths(output, name, paths)
    if not sum(lengths):
        raise SourceError(f"{output.folder}: split {name!r} has no records. {ANEW}")
    return Split(name, output.folder, paths, lengths, output.kind, offset, stamps)


def stamp_of(path: str) -> tuple[int, int]:
    """Returns the size of a file in bytes and the time of its last change in ns. Another file in its place has others.

    No inode: some network file systems give a file another one now and then. Raises OSError.
    """
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


@contextlib.contextmanager
def reading(path: str | os.PathLike) -> Iterator[None]:
    """Raises SourceError, which names `path`, for what the system says of it in the block."""
    try:
        yield
    except OSError as error:
        raise unreadable(path, error) from error


def _folder(data: Data, data_dir: str | os.PathLike | None) -> Path:
    if hasattr(data, "data_dir"):
        return _folder_of_builder(data)
    require_local(data)
    if not isinstance(data, str) or (match := _NAME.fullmatch(data)) is None:
        return _prepared(Path(data).expanduser())
    root = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser() / "ilsvrc2012"
    configs, config = _names(root), match["config"] or DEFAULT_CONFIG
    if config not in configs:
        found = f"there is {', '.join(configs)}" if configs else "there is nothing prepared"
        hint = _hint(data, Path("ilsvrc2012") / config)
        raise OptionError(
            f"{data!r} is not in {root.parent}: {found}. Name another, or its data_dir, or prepare it.{hint}"
        )
    return _prepared(root / config / (match["version"] or _latest(root / config)))


def _hint(name: str, folder: Path) -> str:
    """Returns what to say where a name is also a path, from the current folder: that may have been meant."""
    found = [path for path in (Path(name), folder / _latest(folder)) if is_output(path)]
    return f" ./{found[0]} is there: name it so, with the ./ before it." if found else ""


def _latest(folder: Path) -> str:
    """Returns the latest version of a config that is prepared."""
    versions = sorted(filter(_VERSION.fullmatch, _names(folder)), key=lambda text: tuple(map(int, text.split("."))))
    return (versions or ["1.0.0"])[-1]


def _folder_of_builder(builder: "tfds.core.DatasetBuilder") -> Path:
    """Returns the folder that a TFDS builder reads. Raises OptionError where it reads several."""
    splits = getattr(getattr(builder, "info", None), "splits", None) or {}
    parts = [part for info in splits.values() for part in getattr(info, "split_infos", ())]
    folders = sorted({os.fspath(part.filename_template.data_dir) for part in parts})
    if len(folders) > 1:
        raise OptionError(
            f"The builder reads {len(folders)} folders: {first_few(folders)}. Give one of them; or join their streams, as with "
            "tf.data.Dataset.sample_from_datasets."
        )
    return _prepared(Path(builder.data_dir))


def _names(folder: Path) -> list[str]:
    with reading(folder):
        folders = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(name for name in folders if not name.startswith("."))  # TFDS's own `.config`


def _prepared(folder: Path) -> Path:
    """Returns a folder; raises SourceError where it is not there, or its making was stopped half way."""
    with reading(folder):
        if not folder.is_dir():
            staged = folder.with_name(f".{folder.name}.staging").is_dir()
            state = (
                "is half made. Run the command that makes it again: it continues"
                if staged
                else "is no folder. Prepare it first"
            )
            raise SourceError(f"{folder} {state}.")
    return folder


def _require_readable(paths: Iterable[str]) -> None:
    """Raises SourceError for shards that may not be read: at once, and not after hours, when the first of them is opened."""
    effective = os.access in os.supports_effective_ids
    refused = [path for path in paths if not os.access(path, os.R_OK, effective_ids=effective)]
    if refused:
        raise SourceError(
            f"{len(refused):,} shards cannot be read (Permission denied): {first_few(refused)}. Check your permissions."
        )


def _lengths(output: Output, split: str, paths: tuple[str, ...]) -> tuple[int, ...]:
    """Returns the records of each shard, as they are written down; only where they are not the shards are looked through."""
    lengths = output.stated_lengths(split) or tuple(map(_length, paths))
    empty = [path for path, length in zip(paths, lengths) if not length]
    if empty:
        _log.warning("%d shards of split %r have no records: %s. Are they whole?", len(empty), split, first_few(empty))
    return lengths


def _stamp(path: str) -> tuple[int, int]:
    with reading(path):
        return stamp_of(path)


def _length(path: str) -> int:
    with reading(path):
        changed = os.stat(path).st_mtime_ns
    return _counted(path, changed)


@functools.lru_cache(4096)
def _counted(path: str, mtime_ns: int) -> int:
    return len(shard_spans(path))
