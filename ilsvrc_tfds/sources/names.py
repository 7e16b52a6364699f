"""Names of the archives and folders of a split, usual ones and others that people use; and folders to look for them.

| split | accepted too, in upper or lower case, with `-` or spaces for `_` |
|---|---|
| train | `Train`, `training`, `train_images`, `imagenet_train`, `ILSVRC2012_train` |
| val | `valid`, `validate`, `Validation`, `val_images`, `dev`, `imagenet-val` |
| test | `Test`, `testing`, `test_images` |

The same names with `.tar` are accepted for archives. Usual names always come first.
"""

import os
import re

SPLITS = ("train", "val", "test")

# Archives come before folders: a cut archive is noticed, but a folder may be half unpacked without a sign of it.
ARCHIVES = {
    # The usual unpacking instructions first move the archive into the folder of the split.
    "train": ("ILSVRC2012_img_train.tar", "train/ILSVRC2012_img_train.tar", "train.tar"),
    "val": ("ILSVRC2012_img_val.tar", "val/ILSVRC2012_img_val.tar", "val.tar"),
    "test": ("ILSVRC2012_img_test_v10102019.tar", "ILSVRC2012_img_test.tar", "test.tar"),
}
FOLDERS = {
    "train": ("train", "ILSVRC2012_img_train"),
    "val": ("val", "validation", "ILSVRC2012_img_val"),
    "test": ("test", "ILSVRC2012_img_test_v10102019", "ILSVRC2012_img_test"),
}

USUAL_NAMES = frozenset(name for names in (*ARCHIVES.values(), *FOLDERS.values()) for name in names)

# Folders of the images, below the one that the user names.
OWN_ROOTS = ("", "ilsvrc2012", "ILSVRC2012")
KAGGLE_ROOTS = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC")
ROOTS = tuple(os.path.join(own, kaggle) for kaggle in KAGGLE_ROOTS for own in OWN_ROOTS)
# Less usual folders: their contents rank with archives and folders of less usual names.
OTHER_ROOTS = ("images", "Images")

_WORDS = {"train": "train|training", "val": "val|valid|validate|validation|dev", "test": "test|testing"}
_OTHER_NAMES = {
    split: re.compile(
        r"(?:(?:ilsvrc(?:20)?12|ilsvrc|imagenet(?:_?1k)?)_)?(?:img_)?"
        rf"(?:{words})"
        r"(?:_?set|_(?:images?|imgs?|data|split)|_v\d{8})?"
    )
    for split, words in _WORDS.items()
}
_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>\d{1,8})\.tar")
# Suffixes of files that are being downloaded. aria2 has a file of its own beside that, which has its whole size.
UNFINISHED = re.compile(
    r"\.(?:part|partial|crdownload|opdownload|download|filepart|incomplete|tmp|!ut|!qb|(aria2))$", re.I
)
_WNID_ARCHIVE = re.compile(r"n\d{8}\.tar")
# Unknown names that suggest a split. `LOC_val_solution.csv` matches too: callers ask about archives and folders only.
_HINTS = {
    "train": re.compile(r"train"),
    "val": re.compile(r"(?<![a-z])(?:val(?!u)|dev(?![a-z]))"),
    "test": re.compile(r"(?<![a-z])test"),
}


def split_of_folder(name: str) -> str | None:
    """Returns the split that a folder holds according to its name, or None if the name is not known.

    >>> split_of_folder("imagenet-val"), split_of_folder("my_val_pictures")
    ('val', None)
    """
    folded = name.casefold().replace("-", "_").replace(" ", "_")
    return next((split for split, pattern in _OTHER_NAMES.items() if pattern.fullmatch(folded)), None)


def split_of_archive(name: str) -> str | None:
    """Returns the split that an archive holds according to its name, or None if the name is not known.

    >>> split_of_archive("Train.tar")
    'train'
    """
    return split_of_folder(name[:-4]) if name[-4:].casefold() == ".tar" else None


def numbered_archive(name: str) -> tuple[str, int] | None:
    """Returns the stem and the number of a numbered archive, as WebDatasets are made of, or None for another name.

    >>> numbered_archive("imagenet1k-train-0012.tar"), numbered_archive("n01440764.tar")
    (('imagenet1k-train', 12), None)
    """
    match = _NUMBERED.fullmatch(name)
    if match is None or name in USUAL_NAMES or split_of_archive(name) or _WNID_ARCHIVE.fullmatch(name):
        return None
    return match["stem"].rstrip("-_."), int(match["number"])


def split_hinted(name: str) -> str | None:
    """Returns the split that an unknown name suggests, or None if it suggests none.

    >>> split_hinted("my_val_pictures")
    'val'
    """
    return next((split for split, pattern in _HINTS.items() if pattern.search(name.casefold())), None)
