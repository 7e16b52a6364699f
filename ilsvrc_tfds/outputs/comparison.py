"""Compares a prepared data set with its own shards, and a source with the images that the data set was made of.

A data set records the number of images in each split of its source, and a digest of their names, labels and sizes; if
it is limited by `max_examples`, a digest of the images that were taken.
Version 1.0 recorded neither, so for its data sets the number of examples and the names and labels in `metadata.h5` are
compared instead.
"""

import collections
import dataclasses
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import DestinationError, SourceError, counted, first_few, shown, unreadable
from ilsvrc_tfds.formats import hdf5, manifest
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.kinds import TFDS
from ilsvrc_tfds.formats.naming import disk_order
from ilsvrc_tfds.images import Original, Resized, Untouched
from ilsvrc_tfds.outputs.provenance import DIGEST, DIGEST_OF_TAKEN
from ilsvrc_tfds.sources import Index, Members
from ilsvrc_tfds.sources.reader import read_images
from ilsvrc_tfds.sources.spooling import streams

# The description of a difference if only the digests differ.
_OTHERS = "other images, by name, label or size"

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Made:
    """A prepared data set, and what it records about its source.

    Attributes:
      folder: Folder of the data set.
      examples: Number of examples of each split.
      max_examples: Option `max_examples` that it was made with.
      source_images: Recorded images of the source: `{"train": {"images": 1281167, "digest": "…"}, …}`. None if they are
        not recorded.
      skipped: Names of the damaged images of each split that the source had and the data set does not have.
    """

    folder: Path
    examples: Mapping[str, int]
    max_examples: int | None
    source_images: Mapping[str, Mapping] | None
    skipped: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)

    def images(self, split: str) -> int:
        """Returns the number of images that the source had in a split, as far as it is known; 0 if it was not used."""
        if self.source_images is None:
            return self.examples.get(split, 0)
        return self.source_images.get(split, {}).get("images", 0)


def recorded_images(provenance: Mapping) -> Mapping[str, Mapping] | None:
    """Returns the images of the source that a data set's provenance records, or None if they are missing or invalid.

    >>> recorded_images({"source_images": {"val": {"images": 50000, "digest": "…"}}})
    {'val': {'images': 50000, 'digest': '…'}}
    """
    recorded = provenance.get("source_images")
    if not isinstance(recorded, Mapping):
        return None
    entries = [
        entry for entry in recorded.values() if isinstance(entry, Mapping) and isinstance(entry.get("images"), int)
    ]
    return recorded if len(entries) == len(recorded) else None


def differences(index: Index, made: Made) -> dict[str, str]:
    """Returns a description, in words, for each split of a source that differs from what a data set was made of.

    A split that the data set has and the source does not have is not a difference: users delete sources to save space.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> index = index_images(find_layout(["/data/imagenet"]))
    >>> folder = Path("/data/tfds/ilsvrc2012/classification/1.0.0")
    >>> differences(index, Made(folder, {"train": 12, "val": 5}, max_examples=None, source_images=None))
    {'val': '6 images now, 5 then'}
    """
    recorded = made.source_images
    if recorded is None:
        return _named(index.splits.values(), made)
    unsized = streams(index)  # their sizes are not known: names and labels are compared
    sized = {split: members for split, members in index.splits.items() if split not in unsized}
    differing = [split for split, members in sized.items() if not _is_same(members, recorded.get(split, {}), made)]
    tables = _tables(made) if differing and made.max_examples is None else {}
    found = {split: _described(index.splits[split], made, tables) or _OTHERS for split in differing}
    if made.max_examples is not None:  # the table has the images that were taken, and the record counts all
        return found | {s: text for s in unsized if (text := _described(index.splits[s], made, {}))}
    return found | (_named((index.splits[split] for split in unsized), made) if unsized else {})


def _is_same(members: Members, recorded: Mapping, made: Made) -> bool:
    """Returns whether a split has the images that are recorded: all of them, or those that `max_examples` took."""
    if DIGEST_OF_TAKEN not in recorded:
        return recorded.get(DIGEST) == members.digest()
    taken = members.take(disk_order(members.split, members.name)[: made.max_examples])
    return recorded["images"] == len(members) and recorded[DIGEST_OF_TAKEN] == taken.digest()


def _named(splits: Iterable[Members], made: Made) -> dict[str, str]:
    """Returns the same by the number of images, and by the names and labels of those that were taken."""
    tables = _tables(made)
    planned = (members.take(disk_order(members.split, members.name)[: made.max_examples]) for members in splits)
    found = {members.split: _described(members, made, tables) for members in planned}
    return {split: text for split, text in found.items() if text}


def require_whole(folder: Path) -> None:
    """Raises DestinationError if shards of a data set are missing or empty, or differ in size from the manifest.

    This only looks up the size of each file, and whether `metadata.h5` exists; `verify` reads the files.

    >>> require_whole(Path("/data/tfds/ilsvrc2012/classification/1.0.0"))

    Raises:
      SourceError: The manifest or TFDS's info cannot be parsed, the folder holds no shards, or a file cannot be read.
      DestinationError: The data set is not whole.
    """
    output = find_output(folder)
    described = output.manifest.shards.values() if output.manifest is not None else ()
    stated = {entry.name: entry.bytes for entries in described for entry in entries}
    faults = [fault for names in output.shards.values() for fault in map(_fault(folder, stated), names) if fault]
    has_metadata = output.manifest is not None and output.kind == TFDS and output.shards.keys() & set(hdf5.SPLITS)
    if has_metadata and not (output.folder / hdf5.NAME).is_file():
        faults.append(f"{hdf5.NAME} is missing")
    if faults:
        raise DestinationError(
            f"{folder} exists already, but is not whole: {first_few(faults)}. Run `ilsvrc-tfds verify` for details. "
            "Make it again with --overwrite (overwrite=True)."
        )


def _fault(folder: Path, stated: Mapping[str, int]) -> Callable[[str], str]:
    """Returns a function that takes a shard's name and describes the fault of its file, or returns an empty string.

    Args:
      folder: Folder of the shards.
      stated: Sizes of shards in bytes, by name, as the manifest records them.
    """

    def fault(name: str) -> str:
        try:
            size = os.stat(folder / name).st_size
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            raise unreadable(folder / name, error) from error
        if size != stated.get(name, size):
            return f"{name} has {counted(size, 'byte')}, {manifest.NAME} says {stated[name]:,}"
        return "" if size else f"{name} is empty"

    return fault


def repaired_images(
    index: Index, skipped: Mapping[str, Collection[str]], op: Original | Resized | Untouched
) -> list[str]:
    """Returns the names of the images that were skipped as damaged and can be used now. Only these images are read.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> index = index_images(find_layout(["/data/imagenet"]))
    >>> repaired_images(index, {"val": ["ILSVRC2012_val_00002969.JPEG"]}, Original())
    ['ILSVRC2012_val_00002969.JPEG']

    Args:
      index: Images that the source has now.
      skipped: Names of the images of each split that were skipped.
      op: Operation that an image must pass to be usable.
    """
    repaired = []
    for split, names in skipped.items():
        members = index.splits.get(split)
        if members is None or not names:
            continue
        rows = np.flatnonzero(np.isin(members.name, [name.encode() for name in names]))
        damaged: dict[str, str] = {}
        sound = read_images(members.take(rows), lambda name, data, label: op(data), damaged)
        collections.deque(sound, maxlen=0)
        repaired += [name for name in map(bytes.decode, members.name[rows].tolist()) if name not in damaged]
    return repaired


def _tables(made: Made) -> Mapping[str, hdf5.SplitMetadata]:
    path = made.folder / hdf5.NAME
    try:
        return hdf5.read(path) if path.exists() else {}
    except SourceError as error:
        _log.warning("Names and labels are not compared: %s", error)
        return {}


def _described(members: Members, made: Made, tables: Mapping[str, hdf5.SplitMetadata]) -> str:
    """Returns the differences of a split in the number, names and labels of its images, in words; empty without any."""
    then = made.images(members.split)
    parts = []
    if len(members) != then:
        parts.append(f"{counted(len(members), 'image')} now, {f'{then:,}' if then else 'none'} then")
    if members.split in tables:
        parts += _named_differences(members, tables[members.split], made.skipped.get(members.split, ()))
    return ", ".join(parts)


def _named_differences(members: Members, table: hdf5.SplitMetadata, skipped: Collection[str]) -> Iterator[str]:
    wnids = table.classes[table.object_ids[:, 1]].tolist()  # whose rows are not class indices in every set
    then = dict(zip((os.path.basename(path) for path in table.image_filenames.tolist()), wnids))
    wnids = np.array(synsets.wnids())[members.label].tolist()
    now = dict(zip((name.decode() for name in members.name.tolist()), wnids))
    for what, names in (
        ("new", now.keys() - then.keys() - set(skipped)),
        ("gone", then.keys() - now.keys()),
        ("of another class", {name for name in now.keys() & then.keys() if now[name] != then[name]}),
    ):
        if names:
            yield f"{what}: {first_few(map(shown, sorted(names)))}"
