"""Which images the contact sheets show: as many of each class as fit into a page, chosen by their digests."""

from collections.abc import Sequence

import numpy as np
import xxhash

from ilsvrc_tfds.checks.report.tables import Tables
from ilsvrc_tfds.errors import counted

# With 3.3 KB each, which is the mean of original images, these are 20 MB, and 27 MB in the page.
MOST_SAMPLES = 6000
# Share of each split, if none has fewer images than that.
_SHARES = {"train": 4, "val": 2, "test": 1}


def choose(tables: Tables, splits: Sequence[str], most: int = MOST_SAMPLES, seed: int = 0) -> np.ndarray:
    """Returns the rows of the images to show, the most important first; int64 of shape (up to `most`,).

    The digests of the images decide: the same images are chosen whatever the layout of the data, and another seed
    chooses others. Every class has one image before any has two.

    Args:
      tables: Rows of all images.
      splits: Names of the splits, in order.
      most: Number of images, at most.
      seed: Number that changes the choice.
    """
    split, label = tables.split_numbers(splits), tables.column("label")
    mask = xxhash.xxh3_64_intdigest(seed.to_bytes(16, "little", signed=True))
    priority = tables.column("digest")[:, 1] ^ np.uint64(mask)
    rank = _ranks(split.astype(np.int64) * 2000 + label, priority)
    order = np.lexsort((priority, rank))
    quotas = _quotas(np.bincount(split, minlength=len(splits)).tolist(), splits, most)
    chosen = [order[split[order] == k][:quota] for k, quota in enumerate(quotas)]
    rows = np.concatenate([np.zeros(0, np.int64), *chosen])
    return rows[np.lexsort((priority[rows], rank[rows]))]


def in_words(shown: Sequence[int], totals: Sequence[int], splits: Sequence[str], seed: int) -> str:
    """Returns a sentence on the number of images that are shown.

    >>> in_words([12, 6], [12, 6], ["train", "val"], 0)
    'The page has all 18 images.'
    >>> in_words([4000, 2000], [1281167, 50000], ["train", "val"], 0)
    '4,000 of 1,281,167 images of train and 2,000 of 50,000 images of val are shown: ...'
    """
    if sum(shown) == sum(totals):
        return f"The page has {'all ' if sum(totals) > 1 else ''}{counted(sum(totals), 'image')}."
    each = [f"{own:,} of {counted(total, 'image')} of {split}" for own, total, split in zip(shown, totals, splits)]
    text = " and ".join(filter(None, (", ".join(each[:-1]), each[-1])))
    return f"{text} are shown: the same number of each class where there are as many, chosen at random (seed {seed})."


def _ranks(group: np.ndarray, priority: np.ndarray) -> np.ndarray:
    """Returns the position of each row in its group, in the order of the priorities."""
    order = np.lexsort((priority, group))
    starts = np.flatnonzero(np.diff(group[order], prepend=-10_000))
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))
    return rank


def _quotas(images: Sequence[int], splits: Sequence[str], most: int) -> list[int]:
    """Returns the number of images of each split. What a small split does not use is left to the others."""
    quotas = [0] * len(splits)
    for _ in splits:
        open_splits = [k for k, count in enumerate(images) if quotas[k] < count]
        left, shares = most - sum(quotas), sum(_SHARES[splits[k]] for k in open_splits)
        for k in open_splits:
            quotas[k] = min(images[k], quotas[k] + left * _SHARES[splits[k]] // shares)
    for k, count in enumerate(images):  # what the divisions left
        quotas[k] += min(count - quotas[k], most - sum(quotas))
    return quotas
