"""Evaluation sets as they lie on the user's disk. Which set a path is, its layout says.

A set of another layout is a module here with a function `find`, and a line in `LAYOUTS`; facts of the set are a line of
`PUBLISHED` in `published.py`.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from ilsvrc_tfds.errors import IncompleteError, OptionError, SourceError, first_few, shown
from ilsvrc_tfds.pipeline.sets import class_folders, corruptions, numbered_folders, prepared, real
from ilsvrc_tfds.pipeline.sets.found import EvaluationSet, Part
from ilsvrc_tfds.pipeline.sets.published import PUBLISHED, kind_named
from ilsvrc_tfds.pipeline.sets.trees import DiskTree, Tree, open_tree
from ilsvrc_tfds.pipeline.split import Data
from ilsvrc_tfds.storage.files import require_local

__all__ = ["EvaluationSet", "Part", "find_set", "kind_named"]

_log = logging.getLogger(__name__)


def _prepared(tree: Tree, path: Path) -> EvaluationSet | None:
    return prepared.find(Path(tree.path)) if isinstance(tree, DiskTree) else None


# Functions of (folder, path that the user named) that return the set in the folder, or None.
LAYOUTS: tuple[Callable[[Tree, Path], EvaluationSet | None], ...] = (
    _prepared,
    class_folders.find,
    numbered_folders.find,
    corruptions.find,
)
# Archives unpack into a folder of their own, and some into two.
_LEVELS = 3
# A folder with more folders than this is not one that only holds a set.
_MOST_FOLDERS = 100


def find_set(
    path: str | os.PathLike,
    *,
    data: Data | None = None,
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    allow_incomplete: bool = False,
) -> EvaluationSet:
    """Returns the evaluation set at a path: ReaL, ImageNet-V2, -A, -R, -Sketch or -C.

    Args:
      path: `real.json`, the folder of a set or one above it, a plain tar of a set, the folder of a set that TensorFlow
        Datasets has prepared, or its name, such as `imagenet_v2/topimages`. A string in the form of a name is always a
        name.
      data: Data set with the validation images, which only `real.json` needs, in any form that `for_evaluation` takes.
      data_dir: TFDS's data directory, in which names are looked up.
      label_offset: Label of the first class in exported TFRecords that do not state it, as in `for_evaluation`.
      allow_incomplete: Whether a set may lack images, classes or severities. A warning then says which. Images that
        `data` was made without may be missing in any case.

    Raises:
      IncompleteError: The set is not complete, and this is not allowed.
      OptionError: A name is not known, or several sets are in the folder.
      SourceError: The set does not exist, or has a folder or file that does not belong there.
      LabelError: Names of images contradict their folders.

    >>> from ilsvrc_tfds.pipeline import find_set
    >>> find_set("/data/imagenet-a", allow_incomplete=True).kind
    'a'
    >>> find_set("/data/imagenet-a")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.IncompleteError: ImageNet-A in ... is not complete: it has 6 images, expected 7,500; ...
    """
    require_local(path)
    folder = prepared.folder_of_name(path, data_dir)
    labels = real.file_in(folder)
    if labels is not None:
        found = real.find(labels, data, data_dir, label_offset)
    else:
        found = _in_tree(open_tree(folder), folder)
    if found.missing and not (allow_incomplete or found.allowed):
        raise IncompleteError(
            f"{found.title} in {shown(str(path))} is not complete: {found.missing}. Get the rest from "
            f"{PUBLISHED[found.kind].source}, or allow this (--allow-incomplete, allow_incomplete=True)."
        )
    if found.missing:
        _log.warning("%s in %s is not complete: %s.", found.title, shown(str(path)), found.missing)
    return found


def _in_tree(tree: Tree, path: Path) -> EvaluationSet:
    """Returns the set in a folder or in the only one below it that has one. Raises SourceError, OptionError."""
    level = [tree]
    for _ in range(_LEVELS):
        found = [one for one in (_at(folder, path) for folder in level) if one is not None]
        if len(found) > 1:
            titles = first_few(f"{one.title} ({place})" for one, place in zip(found, _places(level, path)))
            raise OptionError(f"{shown(str(path))} holds several sets: {titles}. Name the folder of one of them.")
        if found:
            return found[0]
        below = [folder for parent in level for folder in parent.listing()[0].values()]
        if len(below) > _MOST_FOLDERS:
            break
        level = below
    raise SourceError(
        f"{shown(str(path))} holds no evaluation set. Expected class folders (ImageNet-A, -R, -Sketch), folders 0 to "
        "999 (ImageNet-V2), <corruption>/<1 to 5>/<wnid> (ImageNet-C), or a set that TensorFlow Datasets has prepared."
    )


def _at(tree: Tree, path: Path) -> EvaluationSet | None:
    return next((found for layout in LAYOUTS if (found := layout(tree, path)) is not None), None)


def _places(level: list[Tree], path: Path) -> list[str]:
    return [tree.where for tree in level if _at(tree, path) is not None]
