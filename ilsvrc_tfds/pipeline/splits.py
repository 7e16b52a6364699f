"""Where the records of a split lie, and how they read: from a data set's name, its folder, or its builder."""

import dataclasses
import functools
import os
import re
from pathlib import Path

from ilsvrc_tfds.errors import OptionError, SourceError
from ilsvrc_tfds.framing import read_spans
from ilsvrc_tfds.outputs import FIELDS, Fields, Output, find_output, own_split
from ilsvrc_tfds.places import require_local
from ilsvrc_tfds.record_index import PREFIX

DEFAULT_CONFIG = "classification"

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
    """

    name: str
    folder: Path
    paths: tuple[str, ...]
    lengths: tuple[int, ...]
    kind: str
    label_offset: int

    @property
    def num_examples(self) -> int:
        """Records of all shards."""
        return sum(self.lengths)

    @property
    def fields(self) -> Fields:
        """Keys of a record's features."""
        return FIELDS[self.kind]


def find_split(data, split: str, *, data_dir: str | os.PathLike | None = None, label_offset: int | None = None) -> Split:
    """Returns a split of a prepared data set or of exported TFRecords.

    Args:
      data: name as `ilsvrc2012/raw256`; or the folder of the shards; or a TFDS builder.
      split: train, val (or validation), test.
      data_dir: TFDS's data directory, for a name; where None the environment's TFDS_DATA_DIR, or ~/tensorflow_datasets.
      label_offset: of exported TFRecords that have no manifest: 1 where labels are 1..1000, 0 where they are 0..999.

    Raises:
      OptionError: there is no such data set or split, or the label space is unknown.
      SourceError: the data set is half prepared, or cannot be read.
    """
    output = find_output(_folder(data, data_dir))
    output.require_tfrecord()
    name = own_split(split)
    if name not in output.shards:
        raise OptionError(f"There is no split {split!r} in {output.folder}; it has {', '.join(output.shards)}.")
    offset = _label_offset(output, label_offset)
    paths = tuple(output.paths(name))
    lengths = _lengths(output, name, paths)
    if not sum(lengths):
        raise SourceError(f"{output.folder}: split {name!r} has no records. Prepare it again.")
    return Split(name, output.folder, paths, lengths, output.kind, offset)


def shard_spans(path: str) -> list[tuple[int, int]]:
    """Returns (offset, size) of each record of a shard: from the index beside it if that fits, else from its headers."""
    folder, name = os.path.split(path)
    try:
        lines = Path(folder, PREFIX + name).read_text().splitlines()
        spans = [(int(offset), int(size)) for offset, size in map(str.split, lines)]
    except (OSError, ValueError):
        return read_spans(path)
    # An index of an earlier export fits no more.
    return spans if spans and sum(spans[-1]) == os.path.getsize(path) else read_spans(path)


def _folder(data, data_dir: str | os.PathLike | None) -> Path:
    if hasattr(data, "data_dir"):  # a builder
        return _prepared(Path(data.data_dir))
    require_local(data)
    match = _NAME.fullmatch(data) if isinstance(data, str) else None
    if match is None or data_dir is None and os.path.isdir(data):
        return _prepared(Path(data).expanduser())
    root = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser() / "ilsvrc2012"
    configs = _names(root)
    config = match["config"] or DEFAULT_CONFIG
    if config not in configs:
        found = f"there is {', '.join(configs)}" if configs else "there is nothing prepared"
        raise OptionError(f"{data!r} is not in {root.parent}: {found}. Name another, or its data_dir, or prepare it.")
    versions = sorted(filter(_VERSION.fullmatch, _names(root / config)), key=lambda text: tuple(map(int, text.split("."))))
    return _prepared(root / config / (match["version"] or (versions or ["1.0.0"])[-1]))


def _names(folder: Path) -> list[str]:
    folders = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(name for name in folders if not name.startswith("."))  # TFDS's own `.config`


def _prepared(folder: Path) -> Path:
    """Returns a folder; raises SourceError where it is not there, or its making was stopped half way."""
    if not folder.is_dir():
        staged = folder.with_name(f".{folder.name}.staging").is_dir()
        state = "is half made. Run the command that makes it again: it continues" if staged else "is no folder. Prepare it first"
        raise SourceError(f"{folder} {state}.")
    return folder


def _label_offset(output: Output, wanted: int | None) -> int:
    if wanted not in (None, 0, 1):
        raise OptionError(f"label_offset must be 0 or 1, got {wanted!r}.")
    known = output.label_offset
    if known is None and wanted is None:
        raise OptionError(
            f"{output.folder} has no manifest.json, so the numbering of its labels is unknown. Say label_offset=1 where they are "
            "1..1000 (0 is the background), label_offset=0 where they are 0..999."
        )
    if None not in (known, wanted) and known != wanted:
        raise OptionError(f"label_offset={wanted}, but {output.folder} has label_offset={known}. Leave the option out.")
    return wanted if known is None else known


def _lengths(output: Output, split: str, paths: tuple[str, ...]) -> tuple[int, ...]:
    """Returns the records of each shard, as they are written down; only where they are not the shards are looked through."""
    return output.stated_lengths(split) or tuple(_counted(path, os.stat(path).st_mtime_ns) for path in paths)


@functools.lru_cache(4096)
def _counted(path: str, mtime_ns: int) -> int:
    return len(shard_spans(path))
