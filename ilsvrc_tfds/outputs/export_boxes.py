"""The bounding boxes of the images that are exported."""

import json
import logging
import os
from collections.abc import Mapping

import xxhash

from ilsvrc_tfds.errors import OptionError, SourceError, first_few
from ilsvrc_tfds.formats.kinds import CLASSIC, KINDS
from ilsvrc_tfds.formats.manifest import Manifest, boxes_in_words
from ilsvrc_tfds.images import Original, Resized, Untouched
from ilsvrc_tfds.shards.plan import SplitPlan
from ilsvrc_tfds.sources.boxes import Boxes, read_boxes, select

# Splits with official bounding boxes.
ANNOTATED = ("train", "val")

_log = logging.getLogger(__name__)


def boxes_of(
    plans: list[SplitPlan], paths: list[str | os.PathLike], op: Original | Resized | Untouched
) -> dict[bytes, Boxes]:
    """Returns the bounding boxes of the exported images. Raises SourceError if none of these images has any.

    >>> boxes_of([], [], Original())
    {}
    """
    if not paths:
        return {}
    found = read_boxes(paths)
    selected = {plan.members.split: select(found, plan.members.name.tolist()) for plan in plans}
    boxes = {key: image_boxes for of_split in selected.values() for key, image_boxes in of_split.items()}
    if not boxes:
        raise SourceError(f"{first_few(paths)}: none of the annotated images ({len(found):,}) is in the source.")
    for split, of_split in selected.items():
        if split in ANNOTATED and not any(image_boxes.corners for image_boxes in of_split.values()):
            # Warned of now, not after hours of work.
            _log.warning("No image of %s will have bounding boxes: %s has none of them.", split, first_few(paths))
    if isinstance(op, Untouched) and not all(image_boxes.has_size for image_boxes in boxes.values()):
        raise OptionError(
            "Kaggle's tables give boxes in pixels of the original images, whose sizes are not known here. Export from "
            "the source, or give the XML annotations."
        )
    return boxes


def log_boxes(made: Manifest) -> None:
    """Logs how many images of each split have bounding boxes, as a warning if none has."""
    for split, count in (made.boxes or {}).items():
        words = boxes_in_words(count, sum(shard.records for shard in made.shards[split]))
        _log.log(logging.INFO if count else logging.WARNING, "%s: %s", KINDS[CLASSIC].splits[split], words)


def digest_of(boxes: Mapping[bytes, Boxes]) -> str:
    """Returns a hexadecimal digest of all boxes.

    >>> len(digest_of({}))
    32
    """
    values = [(name.decode(), own.width, own.height, own.corners) for name, own in sorted(boxes.items())]
    return xxhash.xxh3_128_hexdigest(json.dumps(values).encode())
