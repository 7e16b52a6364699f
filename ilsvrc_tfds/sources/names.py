"""What the archives and folders of a split are called: the usual names, and what else people call them.

| split | taken as well, in any case, with `-` or blanks for `_` |
|---|---|
| train | `Train`, `training`, `train_images`, `imagenet_train`, `ILSVRC2012_train` |
| val | `valid`, `validate`, `Validation`, `val_images`, `dev`, `imagenet-val` |
| test | `Test`, `testing`, `test_images` |

and the same with `.tar` for archives. The usual names come first, whatever else is there.
"""

import re

SPLITS = ("train", "val", "test")

# Archives before folders: an archive is whole or is seen to be cut short, a folder may be half unpacked.
ARCHIVES = {
    # The usual recipe for unpacking moves the archive into the folder first.
    "train": ("ILSVRC2012_img_train.tar", "train/ILSVRC2012_img_train.tar", "train.tar"),
    "val": ("ILSVRC2012_img_val.tar", "val/ILSVRC2012_img_val.tar", "val.tar"),
    "test": ("ILSVRC2012_img_test_v10102019.tar", "ILSVRC2012_img_test.tar", "test.tar"),
}
FOLDERS = {
    "train": ("train", "ILSVRC2012_img_train"),
    "val": ("val", "validation", "ILSVRC2012_img_val"),
    "test": ("test", "ILSVRC2012_img_test_v10102019", "ILSVRC2012_img_test"),
}

_WORDS = {"train": "train|training", "val": "val|valid|validate|validation|dev", "test": "test|testing"}
_OTHER_NAMES = {
    split: re.compile(
        r"(?:(?:ilsvrc(?:20)?12|ilsvrc|imagenet(?:_?1k)?)_)?(?:img_)?"
        rf"(?:{words})"
        r"(?:_?set|_(?:images?|imgs?|data|split)|_v\d{8})?"
    )
    for split, words in _WORDS.items()
}
# Names that remind of a split without being known. `LOC_val_solution.csv` does, too; a caller looks for archives and images.
_HINTS = {
    "train": re.compile(r"train"),
    "val": re.compile(r"(?<![a-z])(?:val(?!u)|dev(?![a-z]))"),
    "test": re.compile(r"(?<![a-z])test"),
}


def split_of_folder(name: str) -> str | None:
    """Returns the split that a folder is known to hold by its name, None for any other name."""
    folded = name.casefold().replace("-", "_").replace(" ", "_")
    return next((split for split, pattern in _OTHER_NAMES.items() if pattern.fullmatch(folded)), None)


def split_of_archive(name: str) -> str | None:
    """Returns the split that an archive is known to hold by its name, None for any other name."""
    return split_of_folder(name[:-4]) if name[-4:].casefold() == ".tar" else None


def split_hinted(name: str) -> str | None:
    """Returns the split that a name reminds of, None if it reminds of none."""
    return next((split for split, pattern in _HINTS.items() if pattern.search(name.casefold())), None)
