"""The records of each split of a prepared or exported folder, counted."""

from collections.abc import Iterator, Sequence

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.findings import SplitChecked
from ilsvrc_tfds.checks.verify_shard import Findings, Rows
from ilsvrc_tfds.errors import counted
from ilsvrc_tfds.formats.folder import Output


def split_counts(output: Output, findings: Sequence[Findings]) -> tuple[SplitChecked, ...]:
    """Returns the numbers of records, shards and bytes of each split.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> [count.split for count in split_counts(find_output("/data/tfrecords"), [])]
    ['train', 'val']
    """
    counts = []
    for split in output.shards:
        own = [found for found in findings if found.job.split == split]
        records = [found.records for found in own if found.records is not None]
        labels = Rows.joined([found.rows for found in own]).label
        classes = len(np.unique(labels)) if (labels >= 0).any() else None
        made = (sum(records) if records else None, synsets.OFFICIAL_COUNTS[split], classes)
        counts.append(SplitChecked(split, *made, len(own), sum(found.bytes for found in own)))
    return tuple(counts)


def split_facts(output: Output, findings: Sequence[Findings]) -> Iterator[str]:
    """Yields a line for each split of ILSVRC2012, which says what was found of it.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> next(split_facts(find_output("/data/tfrecords"), []))
    'train: 0 bytes in 0 shards'
    """
    for split, official in synsets.OFFICIAL_COUNTS.items():
        own = [found for found in findings if found.job.split == split]
        if split not in output.shards:
            yield f"{split}: not there"
            continue
        counts = [found.records for found in own if found.records is not None]
        size = f"{sum(found.bytes for found in own):,} bytes in {counted(len(own), 'shard')}"
        if counts:
            records = f"{counted(sum(counts), 'record')}{_classes(own)}"
            each = f"{_spread(counts)} {'record' if min(counts) == max(counts) == 1 else 'records'} each"
            whole = "all of ILSVRC2012" if output.manifest is not None and output.manifest.subset else "official"
            size = f"{records}, {size} ({each}); {whole}: {official:,}"
        yield f"{split}: {size}"


def _classes(findings: list[Findings]) -> str:
    """Returns the number of classes of a split, in words; empty for `test`, where all labels are -1."""
    labels = Rows.joined([found.rows for found in findings]).label
    counts = np.unique(labels, return_counts=True)[1].tolist()
    classes = counted(len(counts), "class", "classes")
    return f" of {classes} ({_spread(counts)} each)" if (labels >= 0).any() else ""


def _spread(counts: list[int]) -> str:
    return f"{counts[0]:,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
