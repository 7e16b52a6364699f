"""The splits of a source, counted and compared with the official ones."""

from collections.abc import Collection, Iterable, Iterator

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.findings import SplitFound
from ilsvrc_tfds.checks.room import in_units
from ilsvrc_tfds.errors import counted, first_few
from ilsvrc_tfds.sources import Index, Members

_FEW = 5


def split_counts(index: Index, splits: Collection[str] | None) -> Iterator[SplitFound]:
    """Yields each wanted split beside the official one.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> train, val, test = split_counts(index_images(find_layout(["/data/imagenet"])), None)
    >>> train.images, train.official, train.classes, len(train.missing_classes), train.state
    (12, 1281167, 3, 997, 'incomplete')
    >>> test.images, test.state
    (None, 'not needed')

    Args:
      index: Index of the source.
      splits: Splits that are wanted; None for train and val, and test if it is there.
    """
    for split, official in synsets.OFFICIAL_COUNTS.items():
        if splits is not None and split not in splits:
            continue
        if split in index.splits:
            yield _found(index, split, index.splits[split], official)
        else:
            yield SplitFound(split, None, official, state="not needed" if split == "test" else "missing")


def _found(index: Index, split: str, members: Members, official: int) -> SplitFound:
    labels = set(np.unique(members.label).tolist())
    if split in index.parts:
        state = "subset"
    else:
        state = "complete" if len(members) == official else "incomplete" if len(members) < official else "too many"
    is_labelled = split != "test"
    missing = sorted(set(range(synsets.NUM_CLASSES)) - labels) if is_labelled and state != "subset" else ()
    return SplitFound(
        split,
        len(members),
        official,
        len(labels) if is_labelled else None,
        tuple(synsets.wnids()[label] for label in missing),
        int(members.size.sum()),
        state,
    )


def in_words(split: SplitFound, index: Index) -> Iterator[str]:
    """Yields a line about a split, and one about the classes that it lacks.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> index = index_images(find_layout(["/data/imagenet"]))
    >>> next(in_words(next(split_counts(index, ["val"])), index))
    'val: 6 images of 3 classes, 0.0 MB; official: 50,000'
    """
    if split.images is None:
        yield f"{split.split}: not there" + (", and not needed" if split.state == "not needed" else "")
        return
    classes = f" of {counted(split.classes, 'class', 'classes')}" if split.classes is not None else ""
    images = counted(split.images, "image")
    yield f"{split.split}: {images}{classes}, {in_units(split.bytes)}; official: {split.official:,}"
    if split.missing_classes:
        yield f"{split.split}: missing classes {classes_in_words(split.missing_classes)}"


def classes_in_words(wnids: Iterable[str]) -> str:
    """Returns the first of some classes, with their words.

    >>> classes_in_words(synsets.wnids()[1:])
    'n01443537 (goldfish), n01484850 (great white shark), ... and 994 more'
    """
    return first_few((f"{wnid} ({_word(wnid)})" for wnid in wnids), _FEW)


def _word(wnid: str) -> str:
    return synsets.synsets()[synsets.wnids().index(wnid)].words.partition(",")[0]
