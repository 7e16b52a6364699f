"""Images that are not read in the folder of a split or class: in folders below it, and in archives of another kind."""

import os
import re

from ilsvrc_tfds.sources.members import is_image, is_other_image

_CLASS_ARCHIVE = re.compile(rb"n\d{8}(?: \(\d+\))?\.(?i:tar|tgz|zip|7z|rar)(?:\..*)?")
# Folders of thumbnails that file servers and macOS put beside images.
THUMBNAILS = ("@eaDir", "__MACOSX")


def images_below(folder: str) -> int:
    """Returns the number of images of any kind at any depth below a folder; 0 for a file or a folder of thumbnails.

    >>> images_below("/data/folders")
    12
    """
    count = 0
    for _, folders, names in os.walk(folder) if _may_hold_images(os.path.basename(folder)) else ():
        folders[:] = filter(_may_hold_images, folders)
        count += sum(is_image(name) or is_other_image(name) for name in map(os.fsencode, names))
    return count


def is_class_archive(name: bytes) -> bool:
    """Returns whether a file is, by its name, an archive of any kind with the images of a class.

    >>> is_class_archive(b"n01440764.tar.gz"), is_class_archive(b"images.zip")
    (True, False)
    """
    return _CLASS_ARCHIVE.fullmatch(name) is not None


def _may_hold_images(folder: str) -> bool:
    return not folder.startswith(".") and folder not in THUMBNAILS
