"""The 1000 classes of ILSVRC2012, their three numberings, and the labels of the validation images.

A class's index is the position of its wnid in sorted order, 0..999. TFDS, Keras, torchvision, timm and Hugging Face use
the same numbering. The development kit numbers the classes 1..1000 in another order, as `ILSVRC2012_ID`. Words and
gloss come from WordNet 3.0. They are not unique (two synsets are called `crane`), so wnids are the keys.
"""

import collections
import dataclasses
import functools
import importlib.resources
import re
from collections.abc import Iterable

import numpy as np

from ilsvrc_tfds.errors import OptionError, require_integers

NUM_CLASSES = 1000
NUM_VALIDATION = 50_000

# Number of images in each published split, and in each class of the validation split.
OFFICIAL_COUNTS = {"train": 1_281_167, "val": NUM_VALIDATION, "test": 100_000}
VALIDATION_PER_CLASS = 50
# Fewest images of a class in the train split. Most classes have 1300.
FEWEST_OF_TRAIN = 732

_WNID = re.compile(r"n\d{8}")
# Official file names in all spellings that exist: in either case, with any number of zeros and any extension.
_EXTENSION = rb"\.[A-Za-z]+"
_STEMS = {
    "train": rb"n\d{8}_\d{1,20}",
    "val": rb"ILSVRC2012_val_\d{1,20}",
    "test": rb"ILSVRC2012_test_\d{1,20}",
}
# In Hugging Face's copy: `ILSVRC2012_val_00000293_n01440764.JPEG`.
_CLASS = rb"_(n\d{8})"
_VALIDATION_NAME = re.compile(rb"ILSVRC2012_val_(\d{1,20})" + _EXTENSION, re.I)
_APPENDED = re.compile(
    rb"(%(train)b|%(val)b)" % {k.encode(): v for k, v in _STEMS.items()} + _CLASS + rb"(%b)" % _EXTENSION, re.I
)
_NAMES_OF_SPLITS = {split: re.compile(stem + rb"(?:%b)?" % _CLASS + _EXTENSION, re.I) for split, stem in _STEMS.items()}
# In records that other programs wrote: `/data/val/ILSVRC2012_val_00000293.JPEG`, `ILSVRC2012_val_00000293`.
_FOLDERS = re.compile(rb"^.*[/\\]", re.S)


@dataclasses.dataclass(frozen=True)
class Synset:
    """One class.

    Attributes:
      index: Position of `wnid` in sorted order, in [0, 1000).
      wnid: WordNet 3.0 identifier, `n` and 8 digits.
      ilsvrc2012_id: Number in the development kit, in [1, 1000].
      words: Synonyms, separated by a comma and a blank.
      gloss: Definition from WordNet.

    >>> synsets()[0].wnid, synsets()[0].ilsvrc2012_id, synsets()[0].words
    ('n01440764', 449, 'tench, Tinca tinca')
    """

    index: int
    wnid: str
    ilsvrc2012_id: int
    words: str
    gloss: str


@functools.cache
def synsets() -> tuple[Synset, ...]:
    """Returns the 1000 classes in the order of their index.

    >>> [synset.words for synset in synsets() if "crane" in synset.words]
    ['crane', 'crane']
    """
    lines = _data("synsets.tsv").decode("ascii").splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return tuple(
        Synset(index, wnid, int(number), words, gloss) for index, (wnid, number, words, gloss) in enumerate(rows)
    )


@functools.cache
def wnids() -> tuple[str, ...]:
    """Returns the 1000 wnids in sorted order, so that element k is the wnid of class index k.

    >>> wnids()[:2]
    ('n01440764', 'n01443537')
    """
    return tuple(synset.wnid for synset in synsets())


@functools.cache
def class_names() -> tuple[str, ...]:
    """Returns a unique name for each of the 1000 classes: element k is the name of class index k.

    A name is the class's words. If several classes have the same words, such as `crane`, the wnid is appended.

    >>> import ilsvrc_tfds
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
    """Returns whether a text has the form of a wnid, of the 1000 classes or of any other synset.

    >>> is_wnid("n00007846"), is_wnid("tench")
    (True, False)
    """
    return _WNID.fullmatch(text) is not None


def is_class(wnid: str) -> bool:
    """Returns whether a wnid is that of one of the 1000 classes.

    >>> is_class("n01440764"), is_class("n00007846")
    (True, False)
    """
    return wnid in _index_by_wnid()


def index_of(wnid: str) -> int:
    """Returns the class index of a wnid, in [0, 1000). Raises OptionError if it is not one of the 1000.

    >>> index_of("n01443537")
    1
    """
    try:
        return _index_by_wnid()[wnid]
    except KeyError:
        raise OptionError(
            f"{wnid!r} is not one of the 1000 classes of ILSVRC2012. Name a class by its wnid, such as n01440764."
        ) from None


def indices_of(classes: Iterable[str | int], relabel: bool = False) -> tuple[int, ...]:
    """Returns the class indices of wnids or class indices, in the same order.

    Args:
      classes: Wnids or class indices.
      relabel: Whether the order will number the classes, so that it must be the same in each process.

    Raises OptionError for other values, and for a set if `relabel`.

    >>> indices_of(["n01491361", 0])
    (3, 0)
    """
    if relabel and isinstance(classes, (set, frozenset)):  # a set of strings has another order in each process
        raise OptionError("relabel=True needs classes in a fixed order, as a list, got a set. Perhaps sorted(…)?")
    if isinstance(classes, (str, bytes)) or not isinstance(classes, Iterable):
        raise OptionError(f"classes must be a list of wnids or class indices, got {classes!r}.")
    return tuple(map(_index_in_list, classes))


def _index_in_list(value: str | int) -> int:
    if isinstance(value, str):
        return index_of(value)
    require_integers(**{"A class index": value})
    if not 0 <= value < NUM_CLASSES:
        raise OptionError(f"A class index must be in [0, {NUM_CLASSES}), got {value}.")
    return int(value)


def from_ilsvrc2012_id(number: int) -> Synset:
    """Returns the class with a number of the development kit, in [1, 1000]. Raises OptionError for other numbers.

    >>> from_ilsvrc2012_id(449).wnid
    'n01440764'
    """
    if not 1 <= number <= NUM_CLASSES:
        raise OptionError(f"An ILSVRC2012_ID is in [1, {NUM_CLASSES}], got {number}.")
    return _by_ilsvrc2012_id()[number]


@functools.cache
def validation_labels() -> np.ndarray:
    """Returns the labels of the validation images, as class indices: a read-only uint16 array of shape (50000,).

    Element k is the label of `ILSVRC2012_val_{k + 1:08d}.JPEG`. The source is the development kit's
    `ILSVRC2012_validation_ground_truth.txt`, with ILSVRC2012_IDs converted to indices.

    >>> int(validation_labels()[292])
    0
    """
    labels = np.frombuffer(_data("validation_labels.u2"), dtype="<u2").astype(np.uint16)
    labels.flags.writeable = False
    return labels


def validation_number(name: bytes) -> int | None:
    """Returns the number in the file name of a validation image, or None if the name has another form.

    >>> validation_number(b"ILSVRC2012_val_00000293.JPEG")
    293
    """
    match = _VALIDATION_NAME.fullmatch(name)
    return int(match[1]) if match else None


def without_class(name: bytes) -> tuple[bytes, str] | None:
    """Returns the official file name and the wnid of a name with the class appended, or None for other names.

    Hugging Face's copy has such names.

    >>> without_class(b"n01440764_10026_n01440764.JPEG")
    (b'n01440764_10026.JPEG', 'n01440764')
    """
    match = _APPENDED.fullmatch(name)
    return (match[1] + match[3], match[2].decode().lower()) if match else None


def split_of_name(name: bytes) -> str | None:
    """Returns the split whose official file names have this form, with any extension, or None if there is none.

    >>> split_of_name(b"n01440764_10026.JPEG"), split_of_name(b"photo.JPEG")
    ('train', None)
    """
    for split, pattern in _NAMES_OF_SPLITS.items():
        if match := pattern.fullmatch(name):
            return split if split != "train" or is_class(match[0][:9].decode().lower()) else None
    return None


def label_of_name(name: bytes) -> int | None:
    """Returns the class index that follows from an official file name of train or validation, or None for other names.

    Folders before the name are ignored, and the extension may be missing. A class that is appended to an official name
    is ignored, because the class follows from the name itself.

    >>> label_of_name(b"ILSVRC2012_val_00000293.JPEG"), label_of_name(b"train/n01443537/n01443537_2.JPEG")
    (0, 1)
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
    """Returns the class index of a record by its official file name, or else by its wnid; None if neither gives one.

    Args:
      name: File name in the record.
      wnid: Synset in the record.

    >>> class_told(b"photo.JPEG", b"n01440764")
    0
    """
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
