"""The class of a record by its label, compared with the class that its file name or synset gives."""

from collections.abc import Sequence

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import counted
from ilsvrc_tfds.synsets import Synset


def class_of(
    label: int, offset: int | None, name: bytes, wnids: Sequence, numbering: Sequence[int] = ()
) -> Synset | None:
    """Returns the class of a record by its label, or None if the label is not that of one of the 1000 classes.

    If the offset of the labels is not known, the file name decides, or else the synset.

    >>> class_of(1, 1, b"photo.JPEG", []).words
    'tench, Tinca tinca'
    >>> class_of(1, None, b"photo.JPEG", [b"n01443537"]).words
    'goldfish, Carassius auratus'

    Args:
      label: Label in the record.
      offset: Number that was added to the class index to make the label; None if it is not known.
      name: File name in the record.
      wnids: Values of the record's synset key. The first that is of type bytes is used.
      numbering: Class index of each label, without the offset, if the classes are numbered anew; otherwise empty.
    """
    numbering = numbering or range(synsets.NUM_CLASSES)
    if offset is None:
        told = synsets.class_told(name, next((wnid for wnid in wnids if isinstance(wnid, bytes)), b""))
        return None if told is None else synsets.synsets()[told]
    return synsets.synsets()[numbering[label - offset]] if 0 <= label - offset < len(numbering) else None


def class_in_words(label: int, synset: Synset | None, told: Synset | None) -> str:
    """Returns the class of a record in words, and the class by its file name or synset if that differs.

    >>> tench, goldfish = synsets.synsets()[:2]
    >>> class_in_words(0, tench, None)
    'class 0, n01440764, tench, Tinca tinca'
    >>> class_in_words(0, tench, goldfish)
    'class 0, n01440764, tench, Tinca tinca; BUT BY ITS NAME OR SYNSET 1, n01443537, goldfish, Carassius auratus'
    >>> class_in_words(-1, None, None)
    'none, as in the test split'

    Args:
      label: Label in the record.
      synset: Class by the label; None if the label is not that of a class.
      told: Class by the file name or synset, if it differs from the label's class; otherwise None.
    """
    if synset is None:
        own = "none, as in the test split" if label == -1 else "none of the 1000 classes"
    else:
        own = f"class {_in_words(synset)}"
    return own if told is None else f"{own}; BUT BY ITS NAME OR SYNSET {_in_words(told)}"


def contradiction(told: Sequence[Synset | None], offset: int | None) -> list[str]:
    """Returns one line if labels contradict file names or synsets, otherwise no line. `for_training` refuses such data.

    >>> contradiction([None, None], 0)
    []
    >>> contradiction([None, synsets.synsets()[1]], 0)
    ['PROBLEM 1 of these 2 records: the label gives another class than the file name or synset, ...']

    Args:
      told: For each record, its class by the file name or synset if it differs from the label's class; otherwise None.
      offset: Number that was added to the class index to make the labels; None if it is not known.
    """
    wrong = sum(synset is not None for synset in told)
    if not wrong:
        return []
    return [
        f"PROBLEM {wrong:,} of {'this' if len(told) == 1 else 'these'} {counted(len(told), 'record')}: the label gives "
        f"another class than the file name or synset, with label_offset {offset}. The offset is wrong, or the labels "
        "are. Run `ilsvrc-tfds verify` for details."
    ]


def _in_words(synset: Synset) -> str:
    return f"{synset.index}, {synset.wnid}, {synset.words}"
