"""Images as files in folders of their classes, so that those who number the folders get the official class indices.

torchvision's ImageFolder and Keras number the folders of a split in sorted order, empty ones included. timm numbers those that
have images, unless `--class-map` names a file with a folder's name in each line. So there is a folder for each of the 1000
classes in each labelled split, whatever images there are, and such a file beside them.
"""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import first_few
from ilsvrc_tfds.sources import Container, Members
from ilsvrc_tfds.storage.files import destination_errors

CLASSES_NAME = "classes.txt"

_log = logging.getLogger(__name__)


def as_files(members: Members, suffix: str) -> Members:
    """Returns the same images as files in the folders that they will have: `train256/<wnid>`, `test256`."""
    split, labels = f"{members.split}{suffix}", np.unique(members.label)
    folders = [split if label < 0 else f"{split}/{synsets.wnids()[label]}" for label in labels.tolist()]
    containers = tuple(Container(folder, folder, "") for folder in folders)
    container = np.searchsorted(labels, members.label).astype(np.int32)
    return dataclasses.replace(members, containers=containers, container=container)


def split_folder(files: Members) -> str:
    """Returns the folder of a split: `train256`."""
    return files.containers[0].folder.partition("/")[0]


def add_classes(tree: Path, files: Sequence[Members]) -> None:
    """Makes a folder for each of the 1000 classes in each labelled split, and the list of the classes.

    Args:
      tree: Folder around the splits.
      files: Images of each split, as `as_files` returns them.

    Raises:
      DestinationError: something cannot be written.
    """
    labelled = [members for members in files if members.split != "test"]
    with destination_errors(tree):
        for members in labelled:
            for wnid in synsets.wnids():
                (tree / split_folder(members) / wnid).mkdir(exist_ok=True)
        if labelled:
            (tree / CLASSES_NAME).write_text("".join(f"{wnid}\n" for wnid in synsets.wnids()))


def warn_of_empty_classes(tree: Path, files: Sequence[Members]) -> None:
    """Logs a warning for each labelled split in which a class has no images: not every reader numbers empty folders."""
    for members in files:
        missing = np.setdiff1d(np.arange(synsets.NUM_CLASSES), members.label) if members.split != "test" else ()
        if len(missing):
            _log.warning(
                "%s: %d of the %d classes have no images, and empty folders: %s. For the official class indices give "
                "torchvision's ImageFolder allow_empty=True, and timm --class-map %s.",
                *(tree / split_folder(members), len(missing), synsets.NUM_CLASSES),
                *(first_few(synsets.wnids()[label] for label in missing), tree / CLASSES_NAME),
            )
