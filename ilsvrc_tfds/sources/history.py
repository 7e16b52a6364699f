"""What was done to the images of a source before: what a set of TFRecords records of it, and what can be seen."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from ilsvrc_tfds.errors import SourceError, counted, first_few
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.kinds import CLASSIC
from ilsvrc_tfds.images import look
from ilsvrc_tfds.sources.layouts import records
from ilsvrc_tfds.sources.members import Members, Part
from ilsvrc_tfds.sources.origin import changed_of, left_out_of, missing_of, recorded_of, repaired_of, skipped_of
from ilsvrc_tfds.sources.places import Place
from ilsvrc_tfds.sources.reader import read_images
from ilsvrc_tfds.sources.record_set import RecordSet
from ilsvrc_tfds.sources.repaired import repaired_names
from ilsvrc_tfds.sources.sides import common_side

# So many images are looked at.
_MOST_SIDES = 100


@dataclasses.dataclass(frozen=True, eq=False)
class History:
    """What was done to the images of a split. The fields are those of `Index`, for one split.

    Attributes:
      made: Recorded operation on the images; empty if they are original, as far as it is known.
      repaired: Names of images that are not as the archives have them.
      skipped: Images that are missing because they were damaged: the reason by file name.
      part: What is recorded of the split if its set is a subset; otherwise None.
      recorded: Number of images that a set of ours records of the split; otherwise None.
      left_out: Splits that the set was made without.
      notes: Lines for the user.
    """

    made: Mapping[str, object] = dataclasses.field(default_factory=dict)
    repaired: tuple[str, ...] = ()
    skipped: Mapping[str, str] = dataclasses.field(default_factory=dict)
    part: Part | None = None
    recorded: int | None = None
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def history_of(place: Place, members: Members) -> History:
    """Returns what was done to the images of a split. Few of them are read.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> layout = find_layout(["/data/tfds/ilsvrc2012/classification/1.0.0"])
    >>> members = index_images(layout).splits["val"]
    >>> history_of(layout.places[1], members).made
    {}

    Raises:
      SourceError: A set does not record how its images were made, and they look like resized ones.
    """
    if place.kind != records.KIND:
        repaired = repaired_names(members, (), place.may_be_repaired)
        return History(repaired=repaired, notes=tuple(_repaired_note(place.split, repaired)))
    own, split = records.set_of_place(place), place.split
    _refuse_resized(own, split, members)
    told = repaired_of(own.output, split) if own.output is not None else ()
    repaired = repaired_names(members, told, place.may_be_repaired)
    skipped = skipped_of(own.output, split) if own.output is not None else {}
    return History(
        made=own.made if own.made.get("op") != "Original" else {},
        repaired=repaired,
        skipped=skipped,
        part=_part(own, split),
        recorded=recorded_of(own.output, split),
        left_out=left_out_of(own.output),
        notes=(
            *_repaired_note(split, repaired),
            *_changed_note(own, split, len(repaired)),
            *_skipped_note(split, skipped),
        ),
    )


def _part(own: RecordSet, split: str) -> Part | None:
    if not own.part or own.output is None:
        return None
    return Part(own.part, missing_of(own.folder, split), own.described, own.output.wnids)


def _refuse_resized(own: RecordSet, split: str, members: Members) -> None:
    """Raises SourceError if a set does not record how its images were made and nearly all are of one shorter side."""
    if own.kind != CLASSIC or own.made:
        return
    rows = np.unique(np.linspace(0, len(members) - 1, _MOST_SIDES).astype(int))
    heads = read_images(members.take(rows), lambda file_name, data, label: look(data), skipped={})
    sides = Counter(min(head.height, head.width) for _, head in heads)
    if common := common_side(sides):
        side, count = common
        raise SourceError(
            f"{own.folder}: nothing records whether its images are resized ({manifest.NAME} is missing), and {count:,} "
            f"of {sides.total():,} images of {split} have the shorter side {side:,}, as resized ones have. Get these "
            "files again with their manifest, or take another source."
        )


def _repaired_note(split: str, names: tuple[str, ...]) -> Iterator[str]:
    if names:
        one = "image is a CMYK JPEG or PNG in the archives and an RGB JPEG here, which is used as it is"
        many = "images are CMYK JPEGs or PNGs in the archives and RGB JPEGs here, which are used as they are"
        yield f"{split}: {counted(len(names), one, many)}: {first_few(names)}"


def _changed_note(own: RecordSet, split: str, known: int) -> Iterator[str]:
    """Yields a note if a set of ours had more images changed than there are known names."""
    if own.output is not None and own.made.get("op") == "Original":
        if (count := changed_of(own.folder, split) - known) > 0:
            images = counted(count, "image has", "images have")
            yield (
                f"{split}: {images} other bytes than in the archives, because CMYK JPEGs and PNGs were converted when "
                "the set was made; it does not record which"
            )


def _skipped_note(split: str, skipped: Mapping[str, str]) -> Iterator[str]:
    if skipped:
        yield f"{split}: {counted(len(skipped), 'image')} skipped when the set was made: {first_few(skipped)}"
