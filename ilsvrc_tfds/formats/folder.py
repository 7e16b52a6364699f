"""Finds the shards of each split in a folder made by `prepare`, `export`, or a tool that names its files alike."""

import dataclasses
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, counted, first_few, shown, unreadable
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.alias import followed
from ilsvrc_tfds.formats.info import INFO_NAME, named_labels, read_info
from ilsvrc_tfds.formats.kinds import CLASSIC, IMAGENET2012, KINDS, TFDS
from ilsvrc_tfds.formats.manifest import Manifest
from ilsvrc_tfds.formats.naming import ARRAY_RECORD, TFRECORD, parse_shard_name, shard_name
from ilsvrc_tfds.formats.nearby import advice
from ilsvrc_tfds.images import CONFIGS, describe_op
from ilsvrc_tfds.storage.bucket_path import place
from ilsvrc_tfds.storage.files import require_known_scheme
from ilsvrc_tfds.storage.regular import missing_files, names_in

# The remedy for other formats, whose records are compressed: no image in them can be read in place. TFDS's converter,
# `tfds convert_format`, ends without an error and converts nothing if the shards are not TFRecords.
IN_TFRECORD = "Prepare the source that it was made of as TFRecords; `tfds convert_format` can convert TFRecords only."

# The folder in which TFDS's builder works, beside the one with the name of the version.
_INTERRUPTED = re.compile(r"incomplete\.\w+_(\d+\.\d+\.\d+)")


@dataclasses.dataclass(frozen=True)
class Output:
    """A folder of shards.

    >>> output = find_output(folder)
    >>> output.kind, output.file_format, output.label_offset
    ('classic', 'tfrecord', None)
    >>> [os.path.basename(path) for path in output.paths("train")]
    ['train-00000-of-00001']

    Attributes:
      folder: Folder of the shards.
      kind: Kind of the shards: `tfds` for a prepared data set, `imagenet2012` for TFDS's own, `classic` for exported
        TFRecords.
      file_format: Format of the shards: `tfrecord`, or another format of TFDS.
      shards: File names of each split (train, val, test) in order, including those of missing files.
      manifest: Manifest of the folder; None if it does not have one.
      info: TFDS's `dataset_info.json`; None if the folder does not have one.
      images: Recorded operation on the images, if it is known although these shards have no manifest.
      wnids: Wnid of each label if the classes are numbered anew; None if labels are class indices.
    """

    folder: Path
    kind: str
    file_format: str
    shards: Mapping[str, tuple[str, ...]]
    manifest: Manifest | None
    info: Mapping | None
    images: Mapping[str, object] = dataclasses.field(default_factory=dict)
    wnids: tuple[str, ...] | None = None

    @property
    def numbering(self) -> tuple[int, ...]:
        """The class index of each label if the classes are numbered anew; otherwise empty."""
        return tuple(map(synsets.index_of, self.wnids or ()))

    @property
    def remedy(self) -> str:
        """What to do about shards that are damaged or missing."""
        return KINDS[self.kind].remedy

    def paths(self, split: str) -> list[str]:
        """Returns the paths of a split's shards. Raises SourceError if one is missing."""
        paths = [os.path.join(self.folder, name) for name in self.shards[split]]
        missing = missing_files(self.folder, paths)
        if missing:
            shards = counted(len(missing), f"shard of split {split!r} is", f"shards of split {split!r} are")
            raise SourceError(f"{shards} missing: {first_few(missing)}. {self.remedy}")
        return paths

    def alternatives(self) -> list["Output"]:
        """Returns the same records in the other formats that the folder has by TFDS's info.

        `tfds convert_format` writes such shards beside these and adds their format to the info.
        """
        if self.info is None or self.kind == CLASSIC:
            return []
        # TFDS does not name the first format among the others; these shards may be in one of those.
        formats = dict.fromkeys((self.info.get("fileFormat"), *self.info.get("alternativeFileFormats", ())))
        return [self._alternative(name) for name in formats if name and name != self.file_format]

    def _alternative(self, file_format: str) -> "Output":
        shards = {
            split: tuple(shard_name(self.kind, split, k, len(names), file_format) for k in range(len(names)))
            for split, names in self.shards.items()
        }
        return dataclasses.replace(self, file_format=file_format, shards=shards, manifest=None, images=self.config())

    def strange_shards(self) -> list[str]:
        """Returns the names of files that look like shards but are not shards of this set, in any of its formats."""
        own = {name for output in (self, *self.alternatives()) for names in output.shards.values() for name in names}
        return [name for name in file_names(self.folder) if name not in own and parse_shard_name(name) is not None]

    @property
    def label_offset(self) -> int | None:
        """Number that was added to the class index to make a record's label; None if it is not recorded."""
        if self.manifest is not None:
            return self.manifest.label_offset
        return KINDS[self.kind].label_offset

    def stated_lengths(self, split: str) -> tuple[int, ...] | None:
        """Returns the number of records in each shard of a split by the manifest or TFDS's info, or None if unknown."""
        if self.manifest is not None:
            return tuple(entry.records for entry in self.manifest.shards[split])
        stated = (
            {entry["name"]: entry["shardLengths"] for entry in self.info["splits"]} if self.info is not None else {}
        )
        return tuple(max(0, int(length)) for length in stated[split]) if split in stated else None

    def config(self) -> Mapping[str, object]:
        """Returns the recorded operation on the images, `{"op": "Resized", …}`; empty if it is not recorded."""
        return self.manifest.config if self.manifest is not None else self.images

    def config_name(self) -> str:
        """Returns the name of the config, such as `raw256`, by TFDS's info or by the images; empty if it has none.

        >>> find_output(folder).config_name()
        ''
        """
        stated = self.info.get("configName") if self.info is not None else None
        if isinstance(stated, str):
            return shown(stated)
        op = {key: value for key, value in self.config().items() if key != "name"}
        return next((name for name, own in CONFIGS.items() if describe_op(own) == op), "")

    def in_tfrecord(self, *others: str) -> "Output":
        """Returns these shards if they are TFRecords, or else the TFRecords beside them, or those in other formats.

        Raises SourceError if the folder has none of them.
        """
        for wanted in (TFRECORD, *others):
            for output in (self, *self.alternatives()):
                if output.file_format == wanted:
                    return output
        formats = first_few([self.file_format, *(other.file_format for other in self.alternatives())])
        raise SourceError(f"{self.folder} is in the format {formats}; expected {TFRECORD}. {self._as_tfrecord()}")

    def _as_tfrecord(self) -> str:
        """Returns what to do about another format: such a set of ours is a source itself."""
        if self.file_format != ARRAY_RECORD:
            return IN_TFRECORD
        config = self.config_name()
        words = ["ilsvrc-tfds", "prepare", str(self.folder), *(["--config", config] if config in CONFIGS else [])]
        return f"Prepare it as {TFRECORD}: `{shlex.join(words)} --data-dir OTHER`."


def find_output(folder: str | os.PathLike) -> Output:
    """Returns the shards in a folder by its manifest, or else by TFDS's info, or else by the names of the files.

    If the folder is an alias (see `formats.alias`), these are the shards of its data set, in the folder of that.

    >>> find_output(folder).shards
    {'train': ('train-00000-of-00001',)}

    Raises:
      OptionError: The folder is a URL of neither gs:// nor s3://.
      SourceError: The folder holds no shards, or shards of several sets, its manifest or info cannot be read, or it is
        an alias of a data set that has changed or does not exist.
    """
    folder = place(folder)
    require_known_scheme(folder)
    folder = followed(folder)
    return describe_output(folder, manifest.read(folder), read_info(folder))


def require_finished(folder: Path) -> None:
    """Raises SourceError if an interrupted run of TFDS has left a folder: shards and records are missing in it."""
    if match := _INTERRUPTED.fullmatch(folder.name):
        raise SourceError(
            f"{folder} is what an interrupted run of TFDS has left of {match[1]}. Make that with TFDS again, and "
            "remove this folder."
        )


def describe_output(folder: Path, described: Manifest | None, info: Mapping | None) -> Output:
    """Returns the shards in a folder whose manifest and info have been read already.

    >>> describe_output(Path(folder), None, None) == find_output(folder)
    True

    Args:
      folder: Folder of the shards.
      described: Manifest of the folder; None if it has none, or if it should not be used.
      info: TFDS's info; None if the folder has none, or if it should not be used.

    Raises:
      SourceError: The folder holds no shards, or shards of several sets.
    """
    require_finished(folder)
    if described is not None:
        names = {split: tuple(entry.name for entry in entries) for split, entries in described.shards.items()}
        wnids = described.wnids
        return Output(folder, described.kind, described.file_format, names, described, info, wnids=wnids)
    kind, file_format, counts = _counts(folder) if info is None else _counts_of_info(info)
    shards = {
        split: tuple(shard_name(kind, split, k, counts[split], file_format) for k in range(counts[split]))
        for split in synsets.OFFICIAL_COUNTS
        if split in counts
    }
    wnids = named_labels(folder) if info is not None and kind != IMAGENET2012 else None
    return Output(folder, kind, file_format, shards, None, info, wnids=wnids)


def is_output(folder: str | os.PathLike) -> bool:
    """Returns whether a folder holds a prepared data set or exported TFRecords: TFDS's info, or shards.

    >>> is_output(folder)
    True
    >>> is_output(os.path.join(folder, "missing"))
    False
    """
    if not os.path.isdir(folder):
        return False
    names = file_names(folder)
    return INFO_NAME in names or any(map(parse_shard_name, names))


def _counts_of_info(info: Mapping) -> tuple[str, str, dict[str, int]]:
    counts = {split["name"]: len(split["shardLengths"]) for split in info["splits"]}
    kind = IMAGENET2012 if info["name"] == IMAGENET2012 else TFDS
    return kind, info.get("fileFormat", TFRECORD), counts


def _counts(folder: Path) -> tuple[str, str, dict[str, int]]:
    """Returns the kind and format of the shards in a folder, and each split's full number of shards, by their names."""
    found: dict[tuple[str, str], dict[str, set[int]]] = {}
    for name in file_names(folder):
        if shard := parse_shard_name(name):
            found.setdefault((shard.kind, shard.file_format), {}).setdefault(shard.split, set()).add(shard.count)
    if not found:
        raise SourceError(
            f"{folder} holds no shards. Expected ilsvrc2012-train.tfrecord-00000-of-…, as in a prepared data set "
            f"(…/ilsvrc2012/raw256/1.0.0), or train-00000-of-…, as exported.{advice(folder)}"
        )
    ((kind, file_format), splits), *others = found.items()
    kinds = [f"{KINDS[kind].words} in {file_format}" for kind, file_format in found]
    doubles = [f"{split} in {first_few(sorted(counts))} shards" for split, counts in splits.items() if len(counts) > 1]
    if others or doubles:
        raise SourceError(
            f"{folder} holds the shards of several sets ({first_few([*kinds, *doubles])}). Keep one of them there."
        )
    return kind, file_format, {split: counts.pop() for split, counts in splits.items()}


def file_names(folder: str | os.PathLike) -> list[str]:
    """Returns the names of all files in a folder, or its URL, sorted. Raises SourceError if the folder cannot be read.

    >>> "train-00000-of-00001" in file_names(folder)
    True
    """
    try:
        return names_in(folder)
    except OSError as error:
        raise unreadable(folder, error, missing="Name the folder that holds the shards.") from error
