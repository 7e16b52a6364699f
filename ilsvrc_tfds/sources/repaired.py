"""Finds the images of a source that are CMYK JPEGs or PNGs in the archives, and have been converted in the source."""

from collections.abc import Collection

import numpy as np

from ilsvrc_tfds.images import look
from ilsvrc_tfds.images.ops import needs_fix
from ilsvrc_tfds.sources.members import Members
from ilsvrc_tfds.sources.official import CMYK_OR_PNG
from ilsvrc_tfds.sources.reader import read_images


def repaired_names(members: Members, told: Collection[str], looks: bool) -> tuple[str, ...]:
    """Returns the file names of the images that are not as the archives have them, sorted.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> val = index_images(find_layout(["/data/imagenet"])).splits["val"]
    >>> repaired_names(val, ["ILSVRC2012_val_00002969.JPEG"], looks=True)
    ('ILSVRC2012_val_00002969.JPEG',)

    Args:
      members: Images of a split.
      told: Names that the source records.
      looks: Whether the images with the official names of CMYK JPEGs and PNGs are read too: they are converted if they
        are RGB or grey JPEGs.
    """
    recorded = np.array([name.encode() for name in told], np.bytes_)
    names = set(members.name[np.isin(members.name, recorded)].tolist())
    if looks:
        odd = np.array([f"{stem}.JPEG".encode() for stem in CMYK_OR_PNG], np.bytes_)
        rows = members.take(np.flatnonzero(np.isin(members.name, odd)))
        heads = read_images(rows, lambda file_name, data, label: (file_name, look(data)), skipped={})
        names |= {name for _, (name, head) in heads if not needs_fix(head)}
    return tuple(sorted(map(bytes.decode, names)))
