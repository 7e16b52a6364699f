"""What holds images in the folder of a split or a class and is not read: folders below it, class archives of another kind."""

import os
import re

from ilsvrc_tfds.sources.members import is_image, is_other_image

_CLASS_ARCHIVE = re.compile(rb"n\d{8}(?: \(\d+\))?\.(?i:tar|tgz|zip|7z|rar)(?:\..*)?")
# What file servers and macOS put beside images, with copies of them inside.
_THUMBNAILS = ("@eaDir", "__MACOSX")


def images_below(folder: str) -> int:
    """Returns the number of images, of whatever kind, anywhere below a folder; 0 for a file, and for thumbnails, which are copies of images."""
    count = 0
    for _, folders, names in os.walk(folder) if _may_hold_images(os.path.basename(folder)) else ():
        folders[:] = filter(_may_hold_images, folders)
        count += sum(is_image(name) or is_other_image(name) for name in map(os.fsencode, names))
    return count


def is_class_archive(name: bytes) -> bool:
    """Returns whether a file has a class's name and may be an archive of any kind: `n01440764.tar.gz`, `n01440764.zip`."""
    return _CLASS_ARCHIVE.fullmatch(name) is not None


def _may_hold_images(folder: str) -> bool:
    return not folder.startswith(".") and folder not in _THUMBNAILS
