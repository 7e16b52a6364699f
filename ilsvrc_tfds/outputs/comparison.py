"""Compares a source with the images that a prepared data set was made of.

A data set records the number of images in each split of its source, and a digest of their names, labels and sizes.
Version 1.0 recorded neither, so for its data sets the number of examples and the names and labels in `metadata.h5` are
compared instead.
"""

import dataclasses
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, first_few, shown
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.formats.naming import disk_order
from ilsvrc_tfds.sources import Index, Members

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
    if recorded is not None:
        differing = [s for s, members in index.splits.items() if recorded.get(s, {}).get("digest") != members.digest()]
        tables = _tables(made) if differing and made.max_examples is None else {}
        return {split: _described(index.splits[split], made, tables) or _OTHERS for split in differing}
    tables = _tables(made)
    planned = (m.take(disk_order(m.split, m.name)[: made.max_examples]) for m in index.splits.values())
    found = {members.split: _described(members, made, tables) for members in planned}
    return {split: text for split, text in found.items() if text}


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
    parts = [] if len(members) == then else [f"{len(members):,} images now, {f'{then:,}' if then else 'none'} then"]
    if members.split in tables:
        parts += _named_differences(members, tables[members.split], made.skipped.get(members.split, ()))
    return ", ".join(parts)


def _named_differences(members: Members, table: hdf5.SplitMetadata, skipped: Collection[str]) -> Iterator[str]:
    then = dict(
        zip((os.path.basename(path) for path in table.image_filenames.tolist()), table.object_ids[:, 1].tolist())
    )
    now = dict(zip((name.decode() for name in members.name.tolist()), members.label.tolist()))
    for what, names in (
        ("new", now.keys() - then.keys() - set(skipped)),
        ("gone", then.keys() - now.keys()),
        ("of another class", {name for name in now.keys() & then.keys() if now[name] != then[name]}),
    ):
        if names:
            yield f"{what}: {first_few(map(shown, sorted(names)))}"
