"""Finds images that have the same name: names identify images, in every result."""

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, counted
from ilsvrc_tfds.sources.collecting import offenders, report
from ilsvrc_tfds.sources.layouts import array_records, records, webdatasets
from ilsvrc_tfds.sources.members import Members


def refuse_doubles(members: Members) -> None:
    """Reports a SourceError if two images have the same name, or two validation images the same number.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> refuse_doubles(index_images(find_layout(["/data/imagenet"])).splits["val"])

    Args:
      members: All images of a split.
    """
    keys = members.name
    if members.split == "val":  # `.JPEG` and `.jpg` may have the same number
        numbered = ((name, synsets.validation_number(name)) for name in members.name.tolist())
        keys = np.array([name if number is None else b"%d" % number for name, number in numbered])
    order = np.argsort(keys, kind="stable")
    doubles = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    pairs = np.stack([order[doubles], order[doubles + 1]], axis=1)
    # With the same name in two classes they are two images. Renaming is asked for first: removing one would lose it.
    of_two = members.label[pairs[:, 0]] != members.label[pairs[:, 1]]
    if of_two.any():
        same = "the same name as an image of another class"
        found = _pairs(members, pairs[of_two], f"has {same}", f"have {same}")
        error = SourceError(
            f"{found} A file name identifies an image: rename your own, and remove the copy of an official one."
        )
        report(error, f"images with {same}", int(of_two.sum()))
    if not of_two.all():
        in_shards = {container.layout for container in members.containers} <= {
            records.KIND,
            array_records.KIND,
            webdatasets.KIND,
        }
        cure = "Get these shards again." if in_shards else "Remove one of each."
        found = _pairs(members, pairs[~of_two], "comes twice", "come twice")
        report(SourceError(f"{found} {cure}"), "images that come twice", int((~of_two).sum()))


def _pairs(members: Members, pairs: np.ndarray, one: str, many: str) -> str:
    found = offenders(f"{members.place(first)} and {members.place(second)}" for first, second in pairs)
    split = f"of split {members.split!r}"
    return f"{counted(len(pairs), f'image {split} {one}', f'images {split} {many}')}: {found}."
