"""The 1000 classes of ILSVRC2012, their three numberings, and the labels of the validation images.

A class's index is the position of its wnid in sorted order, 0..999: the numbering of TFDS, Keras, torchvision, timm and
Hugging Face. `ILSVRC2012_ID`, 1..1000 in another order, is the development kit's. Words and gloss are WordNet 3.0's; they
are not unique (two synsets are called `crane`), so wnids are the keys.
"""

import collections
import dataclasses
import functools
import importlib.resources
import re

import numpy as np

from ilsvrc_tfds.errors import OptionError

NUM_CLASSES = 1000
NUM_VALIDATION = 50_000

# Images of each split as published, and of each class of the validation split.
OFFICIAL_COUNTS = {"train": 1_281_167, "val": NUM_VALIDATION, "test": 100_000}
VALIDATION_PER_CLASS = 50

_WNID = re.compile(r"n\d{8}")
# Official file names in all that was seen of them: in capitals or not, with other numbers of zeros and any extension.
_EXTENSION = rb"\.[A-Za-z]+"
_STEMS = {
    "train": rb"n\d{8}_\d{1,20}",
    "val": rb"ILSVRC2012_val_\d{1,20}",
    "test": rb"ILSVRC2012_test_\d{1,20}",
}
# As Hugging Face's copy has them: `ILSVRC2012_val_00000293_n01440764.JPEG`.
_CLASS = rb"_(n\d{8})"
_VALIDATION_NAME = re.compile(rb"ILSVRC2012_val_(\d{1,20})" + _EXTENSION, re.I)
_APPENDED = re.compile(
    rb"(%(train)b|%(val)b)" % {k.encode(): v for k, v in _STEMS.items()} + _CLASS + rb"(%b)" % _EXTENSION, re.I
)
_NAMES_OF_SPLITS = {split: re.compile(stem + rb"(?:%b)?" % _CLASS + _EXTENSION, re.I) for split, stem in _STEMS.items()}
# Of records of other makers: `/data/val/ILSVRC2012_val_00000293.JPEG`, `ILSVRC2012_val_00000293`.
_FOLDERS = re.compile(rb"^.*[/\\]", re.S)


@dataclasses.dataclass(frozen=True)
class Synset:
    """One class.

    Attributes:
      index: position of `wnid` in sorted order, in [0, 1000).
      wnid: WordNet 3.0 identifier, `n` and 8 digits.
      ilsvrc2012_id: the development kit's number, in [1, 1000].
      words: synonyms, separated by a comma and a blank.
      gloss: WordNet's definition.
    """

    index: int
    wnid: str
    ilsvrc2012_id: int
    words: str
    gloss: str


@functools.cache
def synsets() -> tuple[Synset, ...]:
    """Returns the 1000 classes in the order of their index."""
    lines = _data("synsets.tsv").decode("ascii").splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return tuple(
        Synset(index, wnid, int(number), words, gloss) for index, (wnid, number, words, gloss) in enumerate(rows)
    )


@functools.cache
def wnids() -> tuple[str, ...]:
    """Returns the 1000 wnids in sorted order: element k belongs to class index k."""
    return tuple(synset.wnid for synset in synsets())


@functools.cache
def class_names() -> tuple[str, ...]:
    """Returns the words of the 1000 classes in the order of their index, each once: element k belongs to class index k.

    Two classes are called `crane`: words that several classes have are followed by the wnid.

    >>> ilsvrc_tfds.class_names()[:2]
    ('tench, Tinca tinca', 'goldfish, Carassius auratus')
    >>> ilsvrc_tfds.class_names()[134]
    'crane (n02012849)'
    """
    counts = collections.Counter(synset.words for synset in synsets())
    return tuple(
        synset.words if counts[synset.words] == 1 else f"{synset.words} ({synset.wnid})" for synset in synsets()
    )


def is_wnid(text: str) -> bool:
    """Returns whether `text` has the form of a wnid; it need not be one of the 1000."""
    return _WNID.fullmatch(text) is not None


def is_class(wnid: str) -> bool:
    """Returns whether `wnid` is one of the 1000."""
    return wnid in _index_by_wnid()


def index_of(wnid: str) -> int:
    """Returns the class index, in [0, 1000), of a wnid. Raises OptionError for a wnid that is not one of the 1000."""
    try:
        return _index_by_wnid()[wnid]
    except KeyError:
        raise OptionError(
            f"{wnid!r} is none of the 1000 classes of ILSVRC2012; a class is named by its wnid, as n01440764."
        ) from None


def from_ilsvrc2012_id(number: int) -> Synset:
    """Returns the class with that number of the development kit, in [1, 1000]."""
    if not 1 <= number <= NUM_CLASSES:
        raise OptionError(f"An ILSVRC2012_ID is in [1, {NUM_CLASSES}], got {number}.")
    return _by_ilsvrc2012_id()[number]


@functools.cache
def validation_labels() -> np.ndarray:
    """Returns the validation labels: uint16 of shape (50000,), in [0, 1000).

    Element k is the class index of `ILSVRC2012_val_{k + 1:08d}.JPEG`. Source: the development kit's
    `ILSVRC2012_validation_ground_truth.txt`, from ILSVRC2012_IDs to indices.
    """
    labels = np.frombuffer(_data("validation_labels.u2"), dtype="<u2").astype(np.uint16)
    labels.flags.writeable = False
    return labels


def validation_number(name: bytes) -> int | None:
    """Returns the number in a validation image's file name, or None where the name is not of that form."""
    match = _VALIDATION_NAME.fullmatch(name)
    return int(match[1]) if match else None


def without_class(name: bytes) -> tuple[bytes, str] | None:
    """Returns the official file name, and the wnid, of a name that has the class appended; None for any other name.

    Hugging Face's copy has such names: `n01440764_10026_n01440764.JPEG` is `n01440764_10026.JPEG`.
    """
    match = _APPENDED.fullmatch(name)
    return (match[1] + match[3], match[2].decode().lower()) if match else None


def split_of_name(name: bytes) -> str | None:
    """Returns the split whose official form a file name has, whatever its extension is; None for any other name."""
    for split, pattern in _NAMES_OF_SPLITS.items():
        if match := pattern.fullmatch(name):
            return split if split != "train" or is_class(match[0][:9].decode().lower()) else None
    return None


def label_of_name(name: bytes) -> int | None:
    """Returns the class index that an official file name tells, of train or validation; None for any other name.

    Folders before it are passed over, and it may have no extension.

    A class that is appended to an official name does not count: the name itself tells it.
    """
    if b"/" in name or b"\\" in name:
        name = _FOLDERS.sub(b"", name)
    name = name if b"." in name else name + b".JPEG"
    if b"_n" in name.lower() and (appended := without_class(name)):
        name, _ = appended
    number = validation_number(name)
    if number is not None:
        return int(validation_labels()[number - 1]) if 1 <= number <= NUM_VALIDATION else None
    wnid, separator, _ = name.decode("ascii", errors="replace").partition("_")
    return _index_by_wnid().get(wnid.lower()) if separator else None


def class_told(name: bytes, wnid: bytes = b"") -> int | None:
    """Returns the class index that a record tells: by its official file name, else by its synset; None if neither does."""
    told = label_of_name(name)
    return _index_by_wnid().get(wnid.decode("ascii", errors="replace")) if told is None else told


@functools.cache
def _index_by_wnid() -> dict[str, int]:
    return {wnid: index for index, wnid in enumerate(wnids())}


@functools.cache
def _by_ilsvrc2012_id() -> dict[int, Synset]:
    return {synset.ilsvrc2012_id: synset for synset in synsets()}


def _data(name: str) -> bytes:
    return importlib.resources.files("ilsvrc_tfds.data").joinpath(name).read_bytes()
