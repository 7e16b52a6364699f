"""Whether a source still has the images that a prepared data set was made of.

A data set records the number of images of each split of its source, and a digest of their names, labels and sizes. One that was
made by version 1.0 records neither: its number of examples and the names and labels in its `metadata.h5` are compared.
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

# What is different if the digest is, and nothing else that is known.
_OTHERS = "other images, by name, label or size"

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Made:
    """What a prepared data set is and was made of.

    Attributes:
      folder: The folder that it is in.
      examples: The number of examples of each split.
      max_examples: The option that it was made with.
      source_images: `{"train": {"images": 1281167, "digest": "…"}, …}` of its source; None if it is not recorded.
      skipped: The names of the images of each split that the source had and the data set does not have, for they are damaged.
    """

    folder: Path
    examples: Mapping[str, int]
    max_examples: int | None
    source_images: Mapping[str, Mapping] | None
    skipped: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)

    def images(self, split: str) -> int:
        """Returns the number of images of a split that the source had, as far as it is known; 0 if it was not taken."""
        if self.source_images is None:
            return self.examples.get(split, 0)
        return self.source_images.get(split, {}).get("images", 0)


def recorded_images(provenance: Mapping) -> Mapping[str, Mapping] | None:
    """Returns what a data set's provenance records of its source's images; None if it is not there or makes no sense."""
    recorded = provenance.get("source_images")
    if not isinstance(recorded, Mapping):
        return None
    entries = [
        entry for entry in recorded.values() if isinstance(entry, Mapping) and isinstance(entry.get("images"), int)
    ]
    return recorded if len(entries) == len(recorded) else None


def differences(index: Index, made: Made) -> dict[str, str]:
    """Returns, for each split of a source that is not what a data set was made of, what is different, in words.

    A split that the data set has and the source does not have is no difference: sources are deleted to save space.
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
    """Returns what is different in the number, the names and the labels of the images of a split; nothing if nothing is."""
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
