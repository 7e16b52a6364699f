"""The size of each split of a folder of shards, in words."""

from collections.abc import Iterable, Iterator

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.verify_shard import Findings, Rows
from ilsvrc_tfds.errors import counted
from ilsvrc_tfds.formats.folder import Output


def split_facts(output: Output, findings: Iterable[Findings]) -> Iterator[str]:
    """Yields a line for each split: its records, classes, bytes and shards, beside the official number of images.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> list(split_facts(find_output("/data/tfds/ilsvrc2012/classification/1.0.0"), []))[2]
    'test: not there'

    Args:
      output: Folder of the shards.
      findings: What was found in each shard.
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
