"""ImageNet-A, ImageNet-R and ImageNet-Sketch: a folder for each class, named by its wnid. Also one severity of C."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, OptionError, SourceError, counted, first_few, shown
from ilsvrc_tfds.pipeline.sets.found import EvaluationSet, Images, Part
from ilsvrc_tfds.pipeline.sets.published import PUBLISHED, SKETCH, A, R, kind_named
from ilsvrc_tfds.pipeline.sets.trees import File, Tree, is_image, require_images

# The names of the images of ImageNet-Sketch.
_OF_SKETCH = re.compile(r"sketch_\d+\.JPE?G", re.IGNORECASE)


def find(tree: Tree, path: Path) -> EvaluationSet | None:
    """Returns the set in a folder of class folders, or None if no folder is named by a wnid.

    Which set it is, its classes say: ImageNet-A and ImageNet-R have 200 each, ImageNet-Sketch has all 1000. Of an
    incomplete one, the names of the folder or of the images must say so too.

    Raises:
      SourceError: Folders or files do not belong there, or the images are those of ILSVRC2012 itself.
      OptionError: The set is not complete, and may be ImageNet-A as well as ImageNet-R.
    """
    folders, _ = tree.listing()
    if not any(map(synsets.is_wnid, folders)):
        return None
    images = images_of(tree)
    own = next((name for name in _names(images) if synsets.split_of_name(os.fsencode(name))), None)
    if own is not None:
        raise SourceError(
            f"{tree.where} holds images of ILSVRC2012 itself, such as {shown(own)}, and not an evaluation set. Prepare "
            "them, and name the prepared data set as DATA."
        )
    kind = _kind(tree, path, images)
    missing = missing_of(images, PUBLISHED[kind].images, PUBLISHED[kind].classes)
    part = Part("", len(images), lambda: images)
    return EvaluationSet(kind, PUBLISHED[kind].title, path, (part,), missing)


def images_of(tree: Tree) -> Images:
    """Returns the images in class folders. Raises SourceError if something there has no class, or is not an image."""
    folders, files = tree.listing()
    strange = [name for name in folders if not synsets.is_class(name)]
    if strange:
        raise SourceError(
            f"{tree.where}: {counted(len(strange), 'folder is', 'folders are')} not of the 1000 classes: "
            f"{first_few(map(shown, strange))}. Their images would have no label. Move them away, or name another set."
        )
    loose = [name for name in files if is_image(name)]
    if loose:
        raise SourceError(
            f"{tree.where} has images beside the class folders, whose class is not known: "
            f"{first_few(map(shown, loose))}. Move them into their class folders, or away."
        )
    return labelled({synsets.index_of(wnid): folder for wnid, folder in folders.items()})


def labelled(folders: Mapping[int, Tree]) -> Images:
    """Returns the images in folders with their labels. Raises SourceError for folders in them, and for other files.

    Args:
      folders: Folder of each class index.
    """
    files: list[File] = []
    labels: list[int] = []
    for index, folder in folders.items():
        below, found = folder.listing()
        if below:
            raise SourceError(
                f"{folder.where} has folders in the folder of a class: {first_few(map(shown, below))}. Expected only "
                "images. Move those images up, or the folders away."
            )
        require_images(folder, found)
        files += found.values()
        labels += [index] * len(found)
    return Images(tuple(files), np.array(labels, np.int64))


def require_labels_of_names(tree: Tree, images: Images) -> None:
    """Raises LabelError if the official file name of an image belongs to another class than its folder.

    The first image of each folder is compared, which takes a second for all of ImageNet-C.
    """
    _, firsts = np.unique(images.labels, return_index=True)
    for row in firsts.tolist():
        name = images.files[row].name
        told, label = synsets.label_of_name(os.fsencode(name)), int(images.labels[row])
        if told not in (None, label):
            wnids = synsets.wnids()
            raise LabelError(
                f"{tree.where}: {shown(name)} is in the folder of {wnids[label]}, but by its name it is of class "
                f"{wnids[told]}. Get the set again."
            )


def missing_of(images: Images, expected: int, classes: tuple[int, ...]) -> str:
    """Returns what a set lacks, in words, or an empty string if it has each class and the published number of images.

    Args:
      images: Images that were found.
      expected: Number of images of the complete set.
      classes: Class indices of the complete set.

    >>> missing_of(Images((), np.array([], np.int64)), 7500, (6, 11))
    'it has 0 images, expected 7,500; 2 of its 2 classes have none: n01498041, n01531178'
    """
    absent = sorted(set(classes) - set(images.labels.tolist()))
    told = [f"it has {counted(len(images), 'image')}, expected {expected:,}"] if len(images) != expected else []
    if absent:
        names = first_few(synsets.wnids()[index] for index in absent)
        have = "has" if len(absent) == 1 else "have"
        told += [f"{len(absent):,} of its {len(classes):,} classes {have} none: {names}"]
    return "; ".join(told)


def _names(images: Images) -> list[str]:
    return [file.name for file in images.files]


def _kind(tree: Tree, path: Path, images: Images) -> str:
    classes = set(images.labels.tolist())
    fitting = [kind for kind in (A, R) if classes <= set(PUBLISHED[kind].classes)]
    if len(fitting) == 2:
        fitting = [
            kind for kind in fitting if kind_named(Path(tree.where).name) == kind or kind_named(path.stem) == kind
        ]
        if len(fitting) != 1:
            raise OptionError(
                f"{tree.where} is not complete, and its {counted(len(classes), 'class is', 'classes are')} in "
                "ImageNet-A as well as in ImageNet-R. Name the folder imagenet-a or imagenet-r, or get the set again."
            )
    if not fitting and len(classes) < len(PUBLISHED[SKETCH].classes) and not _looks_like_sketch(tree, path, images):
        raise OptionError(
            f"{tree.where} has {counted(len(classes), 'class', 'classes')}, not all of which are in ImageNet-A or "
            "ImageNet-R, and not the 1000 of ImageNet-Sketch. If it is a part of ImageNet-Sketch, name the folder "
            "imagenet-sketch; a set of your own cannot be evaluated like this: prepare it, and name it as DATA."
        )
    return fitting[0] if fitting else SKETCH


def _looks_like_sketch(tree: Tree, path: Path, images: Images) -> bool:
    named = SKETCH in (kind_named(Path(tree.where).name), kind_named(path.stem))
    return named or all(map(_OF_SKETCH.fullmatch, _names(images)))
