"""Images whose bytes are those of another image, within a split and across splits."""

import itertools
from collections.abc import Sequence

import numpy as np

from ilsvrc_tfds.checks.report.tables import Tables
from ilsvrc_tfds.checks.report.values import Duplicates, Group

_MOST_GROUPS, _MOST_PICTURES = 200, 8


def find_duplicates(tables: Tables, splits: Sequence[str]) -> tuple[Duplicates, list[list[int]]]:
    """Returns the groups of equal images, and the rows of the pictures of each group that is listed.

    Equal images are those of the same 128-bit digest. The numbers of all groups are exact; 200 groups are listed, with
    up to 8 pictures of each.

    Args:
      tables: Rows of all images.
      splits: Names of the splits, in order.
    """
    digest, split, label = tables.column("digest"), tables.split_numbers(splits), tables.column("label")
    order = np.lexsort((np.arange(len(tables)), digest[:, 1], digest[:, 0]))
    same = (digest[order][1:] == digest[order][:-1]).all(1)
    starts = np.flatnonzero(np.concatenate([[True], ~same])) if len(order) else np.zeros(0, np.int64)
    sizes = np.diff(np.concatenate([starts, [len(order)]])) if len(order) else np.zeros(0, np.int64)
    starts, sizes = starts[sizes > 1], sizes[sizes > 1]
    if not len(starts):
        return Duplicates(0, 0, {}, {}, 0, ()), []
    first = np.repeat(starts, sizes)  # the group of each image that has an equal one
    rows = order[first + np.arange(len(first)) - np.repeat(np.cumsum(sizes) - sizes, sizes)]
    begins = np.cumsum(sizes) - sizes
    has = np.stack([np.add.reduceat((split[rows] == k).astype(np.int64), begins) for k in range(len(splits))], 1)
    # Images of test have no class, which contradicts no other.
    named = np.where(label[rows] < 0, np.int16(np.iinfo(np.int16).max), label[rows])
    lowest, highest = np.minimum.reduceat(named, begins), np.maximum.reduceat(label[rows], begins)
    mislabelled, is_across = highest > lowest, (has > 0).sum(1) > 1
    within = {name: int(np.maximum(has[:, k] - 1, 0).sum()) for k, name in enumerate(splits)}
    listed = np.lexsort((rows[begins], -sizes, ~mislabelled, ~is_across))[:_MOST_GROUPS].tolist()
    chosen = [_some(rows[begins[g] : begins[g] + sizes[g]], split) for g in listed]
    groups = tuple(
        Group(
            images=int(sizes[g]),
            splits=tuple(name for k, name in enumerate(splits) if has[g, k]),
            classes=len(np.unique((own := label[rows[begins[g] : begins[g] + sizes[g]]])[own >= 0])),
            pictures=tuple(map(tables.picture, own_rows)),
        )
        for g, own_rows in zip(listed, chosen)
    )
    found = Duplicates(
        groups=len(starts),
        images=int(sizes.sum()),
        within={name: count for name, count in within.items() if count},
        across=_across(has, splits),
        mislabelled=int(mislabelled.sum()),
        listed=groups,
    )
    return found, chosen


def _some(rows: np.ndarray, split: np.ndarray) -> list[int]:
    """Returns up to 8 rows of a group, of each split at least one."""
    _, firsts = np.unique(split[rows], return_index=True)
    others = np.setdiff1d(np.arange(min(len(rows), _MOST_PICTURES)), firsts)
    return sorted(rows[np.concatenate([firsts, others])[:_MOST_PICTURES]].tolist())


def _across(has: np.ndarray, splits: Sequence[str]) -> dict[str, int]:
    """Returns the number of groups that lie in each combination of several splits."""
    found = {}
    for count in range(2, len(splits) + 1):
        for chosen in itertools.combinations(range(len(splits)), count):
            expected = np.isin(np.arange(len(splits)), chosen)
            if groups := int(((has > 0) == expected).all(1).sum()):
                found[" + ".join(splits[k] for k in chosen)] = groups
    return found
