"""The class of a record by its label, and by its file name or synset, which may tell another."""

from collections.abc import Sequence

from ilsvrc_tfds import synsets
from ilsvrc_tfds.synsets import Synset


def class_of(label: int, offset: int | None, name: bytes, wnids: Sequence) -> Synset | None:
    """Returns the class of a record, by its name or the wnid in it where the label's numbering is not known."""
    if offset is None:
        told = synsets.class_told(name, next((wnid for wnid in wnids if isinstance(wnid, bytes)), b""))
        return None if told is None else synsets.synsets()[told]
    return synsets.synsets()[label - offset] if 0 <= label - offset < synsets.NUM_CLASSES else None


def class_in_words(label: int, synset: Synset | None, told: Synset | None) -> str:
    """Returns the class of a record, and the one that its name or synset tells if that is another."""
    if synset is None:
        own = "none, as in the test split" if label == -1 else "none of the 1000 classes"
    else:
        own = f"class {_in_words(synset)}"
    return own if told is None else f"{own}; BUT BY ITS NAME OR SYNSET {_in_words(told)}"


def contradiction(told: Sequence[Synset | None], offset: int | None) -> list[str]:
    """Returns a line if records tell another class (None if not) than their labels: `for_training` refuses such data."""
    wrong = sum(synset is not None for synset in told)
    if not wrong:
        return []
    return [
        f"PROBLEM {wrong:,} of these {len(told):,} records have a label that is not of the class that their file name or synset "
        f"tells, with label_offset {offset}: that is wrong, or the labels are. `ilsvrc-tfds verify` tells more."
    ]


def _in_words(synset: Synset) -> str:
    return f"{synset.index}, {synset.wnid}, {synset.words}"
