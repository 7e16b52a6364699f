"""ImageNet-C: a folder for each corruption, in it one for each severity, in it the class folders."""

import functools
import logging
from collections.abc import Iterator
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, counted, first_few, shown
from ilsvrc_tfds.images import look
from ilsvrc_tfds.pipeline.sets.class_folders import images_of, missing_of, require_labels_of_names
from ilsvrc_tfds.pipeline.sets.found import SIDE_OF_C, EvaluationSet, Images, Part
from ilsvrc_tfds.pipeline.sets.published import ALEXNET_ERRORS, EXTRA_CORRUPTIONS, PUBLISHED, SEVERITIES, C
from ilsvrc_tfds.pipeline.sets.streams import read_image
from ilsvrc_tfds.pipeline.sets.trees import Tree, is_image

_SEVERITIES = frozenset(map(str, SEVERITIES))

_log = logging.getLogger(__name__)


def find(tree: Tree, path: Path) -> EvaluationSet | None:
    """Returns ImageNet-C in a folder, or None if the folder has another layout.

    The corruptions may also be in the groups of the five archives: `blur`, `digital`, `extra`, `noise`, `weather`.

    Raises:
      SourceError: Folders or files do not belong there, a corruption occurs twice, or the images do not have 224 x 224
        pixels.
      LabelError: The file name of an image belongs to another class than its folder.
    """
    found = list(_corruptions(tree))
    if not found:
        return None
    names = [name for name, _ in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SourceError(f"{tree.where} has the corruption {first_few(sorted(twice))} twice. Keep one of them.")
    parts, faults = [], []
    for name, folder in sorted(found, key=lambda pair: place_of(pair[0])):
        for severity, below in folder.listing()[0].items():
            images = images_of(below)
            _check_first(below, images)
            parts.append(Part(f"{name}/{severity}", len(images), functools.partial(images_of, below)))
            if missing := missing_of(images, PUBLISHED[C].images, PUBLISHED[C].classes):
                faults.append(f"{name}/{severity}: {missing}")
    return of_parts(path, parts, faults)


def of_parts(path: Path, parts: list[Part], faults: list[str]) -> EvaluationSet:
    """Returns ImageNet-C with these parts. It lacks what `faults` say, and the corruptions that no part has.

    Args:
      path: Folder of the set.
      parts: Parts that were found.
      faults: What single parts lack, in words.
    """
    names = {part.name for part in parts}
    wanted = [f"{name}/{severity}" for name in ALEXNET_ERRORS for severity in SEVERITIES]
    others = sorted({part.name.rpartition("/")[0] for part in parts} - {*ALEXNET_ERRORS, *EXTRA_CORRUPTIONS})
    wanted += [f"{name}/{severity}" for name in EXTRA_CORRUPTIONS for severity in SEVERITIES if _has(names, name)]
    absent = [name for name in wanted if name not in names]
    told = [f"it has no images of {first_few(absent)}"] if absent else []
    told += faults[:1]
    if len(faults) > 1:
        told.append(f"{counted(len(faults) - 1, 'other part also lacks', 'other parts also lack')} images")
    if others:
        _log.warning("%s: %s is not a corruption of ImageNet-C: it is not part of the mean.", path, first_few(others))
    return EvaluationSet(C, PUBLISHED[C].title, path, tuple(parts), "; ".join(told))


def place_of(name: str) -> tuple[int, str]:
    """Returns a key that sorts corruptions as the paper does, and others behind them by name.

    >>> sorted(["fog", "my_blur", "gaussian_noise"], key=place_of)
    ['gaussian_noise', 'fog', 'my_blur']
    """
    order = [*ALEXNET_ERRORS, *EXTRA_CORRUPTIONS]
    return (order.index(name) if name in order else len(order)), name


def _has(names: set[str], corruption: str) -> bool:
    return any(name.startswith(f"{corruption}/") for name in names)


def _corruptions(tree: Tree) -> Iterator[tuple[str, Tree]]:
    """Yields the folders of corruptions, which may be in groups. Yields none unless all folders are of these kinds."""
    folders, files = tree.listing()
    if not folders or any(map(is_image, files)):
        return
    found: list[tuple[str, Tree]] = []
    for name, folder in folders.items():
        below, _ = folder.listing()
        if _is_corruption(folder):
            found.append((name, folder))
        elif below and all(map(_is_corruption, below.values())):
            found += below.items()
        else:
            if found:
                raise SourceError(
                    f"{tree.where} has corruptions of ImageNet-C, but {shown(name)} is not one: expected a folder for "
                    "each severity, 1 to 5. Move it away."
                )
            return
    yield from found


def _is_corruption(tree: Tree) -> bool:
    """Returns whether a folder has folders of severities alone, which hold folders."""
    folders, files = tree.listing()
    return (
        bool(folders)
        and folders.keys() <= _SEVERITIES
        and not any(map(is_image, files))
        and not any(map(is_image, next(iter(folders.values())).listing()[1]))
    )


def _check_first(tree: Tree, images: Images) -> None:
    require_labels_of_names(tree, images)
    for file in images.files[:1]:
        head = look(read_image(file))
        if (head.height, head.width) != (SIDE_OF_C, SIDE_OF_C):
            raise SourceError(
                f"{file.where} has {head.width} x {head.height} pixels; images of ImageNet-C have {SIDE_OF_C} x "
                f"{SIDE_OF_C}. Tiny ImageNet-C and the variant of 299 pixels are other sets."
            )
