"""Describes a folder that is not a source: what is in it, and which common mistake that suggests."""

import fnmatch
import os
from collections.abc import Iterable
from pathlib import Path

from ilsvrc_tfds.errors import first_few, shown
from ilsvrc_tfds.sources.names import OWN_ROOTS, ROOTS
from ilsvrc_tfds.sources.other_sets import other_sets_among
from ilsvrc_tfds.sources.places import names_in
from ilsvrc_tfds.sources.sightings import Sighting, sightings

DOGS = "ILSVRC2012_img_train_t3.tar"
# Common mistakes: what is wrong, by a pattern of the names in a folder that is not a source.
_MISTAKES = {
    DOGS: f"{DOGS} is there: those are the 120 dog breeds of task 3, not this data set. Get ILSVRC2012_img_train.tar.",
    "n" + 8 * "[0-9]": "this looks like the folder of a single split: name the folder that holds train/ and val/.",
    "n" + 8 * "[0-9]" + ".tar": "this looks like the train split alone: name the folder that holds it, as train/.",
    "n" + 8 * "[0-9]" + "_*.JPEG": "this looks like a single class: name the folder that holds train/ and val/.",
    "ILSVRC2012_val_????????.*": "this looks like the validation images themselves: name the folder that holds val/.",
}


def describe_searched(folder: Path, aside: Iterable[Sighting]) -> str:
    """Returns a line about a searched folder: its path, its contents, mistakes that it suggests, other archives.

    >>> describe_searched(Path("/data/imagenet/nowhere"), [])
    '/data/imagenet/nowhere: does not exist'

    Args:
      folder: Folder, or a file that was named as the source.
      aside: Archives in it that are not read, with the reason.
    """
    if os.path.islink(folder) and not os.path.exists(folder):
        return f"{folder}: a link to {os.readlink(folder)}, which is not there"
    if not os.path.exists(folder):
        return f"{folder}: does not exist"
    if os.path.isfile(folder):
        what = first_few(sighting.what for sighting in aside) or "a file with an unknown name"
        return "; ".join([f"{folder}: {what}", *_mistakes([folder.name])])
    inner = [name for below in (*OWN_ROOTS, "data") for name in names_in(folder / below)]
    seen = first_few(sightings(folder, [root for root in ROOTS if os.path.isdir(folder / root)], ()))
    found = first_few(map(shown, names_in(folder)), 6) or "nothing"
    others = other_sets_among(dict.fromkeys([folder.name, *inner]))
    noticed = [*([f"seen {seen}"] if seen else []), *map(str, aside), *others, *_mistakes(inner)]
    return "; ".join([f"{folder}: found {found}", *noticed])


def _mistakes(names: list[str]) -> list[str]:
    return list(dict.fromkeys(text for pattern, text in _MISTAKES.items() if fnmatch.filter(names, pattern)))
