"""The part of ILSVRC2012 that an export has, and how its classes are numbered: that of its source, or a part of it."""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from ilsvrc_tfds import synsets
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.sources.record_set import RecordSet
from ilsvrc_tfds.sources.subset import Subset, of_part

_log = logging.getLogger(__name__)


class ExportedPart(NamedTuple):
    """The part of ILSVRC2012 that is exported.

    Attributes:
      described: Description of the subset, for the manifest; empty for all of ILSVRC2012.
      wnids: Wnid of each label, without the offset, if the classes are numbered anew; otherwise None.
    """

    described: Mapping[str, object]
    wnids: tuple[str, ...] | None = None

    @property
    def new_labels(self) -> dict[int, int]:
        """The label of each class index, without the offset, if the classes are numbered anew; otherwise empty."""
        return {synsets.index_of(wnid): label for label, wnid in enumerate(self.wnids or ())}

    def take(self, subset: Subset) -> "ExportedPart":
        """Returns a subset of the part. It keeps the numbers of the part, unless it numbers its classes itself.

        >>> part = ExportedPart({}).take(Subset(classes=(3, 0), relabel=True)).take(Subset(classes=(0,)))
        >>> part.new_labels, part.described["of"]["relabelled"]
        ({3: 0, 0: 1}, True)
        """
        return ExportedPart(of_part(subset.described(), self.described), subset.wnids or self.wnids)


def part_of_set(found: RecordSet) -> ExportedPart:
    """Returns the part that one of our sets is.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> from ilsvrc_tfds.sources.record_sets import set_of
    >>> part_of_set(set_of(find_output("/data/tfds/ilsvrc2012/classification/1.0.0")))
    ExportedPart(described={}, wnids=None)
    """
    return ExportedPart(found.described, None if found.output is None else found.output.wnids)


def part_of_index(index: Index) -> ExportedPart:
    """Returns the part that a source is, if all its labelled splits are of the same one. Otherwise it counts as none.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> part_of_index(index_images(find_layout(["/data/imagenet"])))
    ExportedPart(described={}, wnids=None)
    """
    found = []
    for split in index.splits:
        if split != "test":
            part = index.parts.get(split)
            found.append(ExportedPart({}) if part is None else ExportedPart(part.described, part.wnids))
    if found and all(part == found[0] for part in found):
        return found[0]
    if any(part.wnids for part in found):
        _log.warning(
            "%s: the splits are of sets with different numbers for the same classes, so that labels are numbered over "
            "the official 1000 classes.",
            index.source,
        )
    return ExportedPart({})
