"""The room that data sets of a source need, compared with the free space of the disks that they are written to."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from ilsvrc_tfds.checks.findings import ConfigNeeds
from ilsvrc_tfds.checks.speed import seconds_for
from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.images import CONFIGS, Original, Resized, describe_op
from ilsvrc_tfds.outputs.scratch import require_outside
from ilsvrc_tfds.shards.plan import planned_bytes
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.sources.spooling import room
from ilsvrc_tfds.storage.space import free_bytes, is_same_disk


@dataclasses.dataclass(frozen=True, eq=False)
class Room:
    """The room for the data sets of a source.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> of_source = Room(index_images(find_layout(["/data/imagenet"])), Path("/data/tfds"))
    >>> next(of_source.facts())
    'room needed for classification: about 0.0 MB'
    >>> list(of_source.problems())
    []

    Attributes:
      index: Index of the source.
      data_dir: Folder of the data sets. It need not exist.
      scratch: Folder for images that are written in between; None puts them beside the data sets.
    """

    index: Index
    data_dir: Path
    scratch: Path | None = None

    def facts(self) -> Iterator[str]:
        """Yields lines about the room that each config needs, and the room that is free."""
        spools = False
        for name, op in self._configs().items():
            yield f"room needed for {name}: about {in_units(self._needed(op))}"
            if between := room(self.index, op):
                spools = True
                yield (
                    f"room needed for {name} while it is made: about {in_units(between)} more, because "
                    f"{self.index.layout} has no random access; {self._spool_in_words()}"
                )
        yield f"room free at {self.data_dir}: {in_units(free_bytes(self.data_dir))}"
        if self.scratch is not None and spools:
            yield f"room free at {self.scratch}: {in_units(free_bytes(self.scratch))}"

    def notes(self) -> Iterator[str]:
        """Yields lines about the images that are written in between, if there are any."""
        if any(room(self.index, op) for op in self._configs().values()):
            yield f"{self.index.layout} has no random access; {self._spool_in_words()}"
            if self.scratch is not None:
                yield f"room free at {self.scratch}: {in_units(free_bytes(self.scratch))}"

    def needs(self, workers: int | None) -> Iterator[ConfigNeeds]:
        """Yields what each config needs, in bytes and seconds."""
        for name, op in self._configs().items():
            needed, between = self._needed(op), room(self.index, op)
            yield ConfigNeeds(name, needed, between, seconds_for(self.index, op, needed + between, workers))

    def problems(self) -> Iterator[str]:
        """Yields a line if no config has room, or if the folder for images in between cannot be used."""
        if self.scratch is not None:
            try:
                require_outside(
                    self.scratch, [self.data_dir / "ilsvrc2012" / name / "1.0.0" for name in self._configs()]
                )
            except DestinationError as error:
                yield str(error)
                return
        ops = sorted(self._configs().values(), key=lambda op: self._needed(op) + room(self.index, op))
        lacking = list(map(self._lacking, ops))
        if lacking and all(lacking):
            yield lacking[0]

    def _configs(self) -> dict[str, Original | Resized]:
        """Returns the configs that can be made of the images."""
        made = self.index.made.values()
        return {name: op for name, op in CONFIGS.items() if all(own == describe_op(op) for own in made)}

    def _needed(self, op: Original | Resized) -> int:
        splits = self.index.splits.values()
        return sum(planned_bytes(members.size, op.image_bytes) for members in splits)

    def _lacking(self, op: Original | Resized) -> str:
        """Returns a line if there is too little room for a config, or an empty string."""
        needed, between, scratch = self._needed(op), room(self.index, op), self.scratch or self.data_dir
        free, elsewhere = free_bytes(self.data_dir), not is_same_disk(scratch, self.data_dir)
        if between and elsewhere and (there := free_bytes(scratch)) < between:
            return (
                f"{scratch}: {in_units(there)} are free, {in_units(between)} needed for the images in between; make "
                "room, or choose another folder for them (--scratch)"
            )
        between = 0 if elsewhere else between
        if free >= needed + between:
            return ""
        what = f" ({in_units(between)} of it for the images in between, see --scratch)" if between else ""
        return (
            f"{self.data_dir}: {in_units(free)} are free, {in_units(needed + between)} needed{what}; make room, or "
            "choose another folder"
        )

    def _spool_in_words(self) -> str:
        return "--scratch puts that elsewhere" if self.scratch is None else f"that is put into {self.scratch}"


def in_units(num_bytes: int) -> str:
    """Returns a number of bytes in MB, or in GB from 1 GB on.

    >>> in_units(147_897_477_120)
    '147.9 GB'
    """
    return f"{num_bytes / 1e9:,.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:,.1f} MB"
