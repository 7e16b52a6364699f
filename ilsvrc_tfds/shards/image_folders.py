"""Arranges images as files in one folder for each class, so that readers number the classes as the data set does.

torchvision's ImageFolder and Keras number the folders of a split in sorted order, empty folders included. timm numbers
only the folders with images, unless `--class-map` names a file that lists the folders, one in each line. Each labelled
split therefore gets a folder for each of the 1000 classes, with or without images, and such a list is written beside
the splits.
"""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import first_few
from ilsvrc_tfds.sources import Container, Members
from ilsvrc_tfds.sources.layouts.folders import KIND
from ilsvrc_tfds.storage.files import destination_errors

CLASSES_NAME = "classes.txt"

_log = logging.getLogger(__name__)


def as_files(members: Members, suffix: str) -> Members:
    """Returns the same images with the folders that their files will have: `train256/<wnid>`, `test256`.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> train = index_images(find_layout(["/data/imagenet"])).splits["train"]
    >>> as_files(train, suffix="256").paths().tolist()[0]
    b'train256/n01440764/n01440764_9.JPEG'

    Args:
      members: Images of one split.
      suffix: Text appended to the name of the split, or "".
    """
    split, labels = f"{members.split}{suffix}", np.unique(members.label)
    folders = [split if label < 0 else f"{split}/{synsets.wnids()[label]}" for label in labels.tolist()]
    containers = tuple(Container(folder, folder, "", KIND) for folder in folders)
    container = np.searchsorted(labels, members.label).astype(np.int32)
    return dataclasses.replace(members, containers=containers, container=container)


def split_folder(files: Members) -> str:
    """Returns the folder of a split, `train256`, from images that `as_files` returned."""
    return files.containers[0].folder.partition("/")[0]


def add_classes(tree: Path, files: Sequence[Members]) -> None:
    """Creates a folder for each of the 1000 classes in each labelled split, and writes the list of the classes.

    Args:
      tree: Folder that contains the folders of the splits.
      files: Images of each split, as `as_files` returns them.

    Raises:
      DestinationError: A folder or the list cannot be written.
    """
    labelled = [members for members in files if members.split != "test"]
    with destination_errors(tree):
        for members in labelled:
            for wnid in synsets.wnids():
                (tree / split_folder(members) / wnid).mkdir(exist_ok=True)
        if labelled:
            (tree / CLASSES_NAME).write_text("".join(f"{wnid}\n" for wnid in synsets.wnids()))


def warn_of_empty_classes(tree: Path, files: Sequence[Members]) -> None:
    """Logs a warning for each labelled split with a class without images, because some readers ignore empty folders."""
    for members in files:
        missing = np.setdiff1d(np.arange(synsets.NUM_CLASSES), members.label) if members.split != "test" else ()
        if len(missing):
            _log.warning(
                "%s: the folders of %d of the %d classes are empty, because there are no images of them: %s. For the "
                "official class indices give torchvision's ImageFolder allow_empty=True, and timm --class-map %s.",
                *(tree / split_folder(members), len(missing), synsets.NUM_CLASSES),
                *(first_few(synsets.wnids()[label] for label in missing), tree / CLASSES_NAME),
            )
