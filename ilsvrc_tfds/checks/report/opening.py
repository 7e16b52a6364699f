"""Finds what the report is about: the shards of a prepared or exported set, or the images of a source in any layout."""

import dataclasses
import functools
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from ilsvrc_tfds.checks.report.chunks import chunk_parts
from ilsvrc_tfds.checks.report.facts import facts_of_output, facts_of_source
from ilsvrc_tfds.checks.report.looking import Part
from ilsvrc_tfds.checks.report.shards import shard_parts
from ilsvrc_tfds.checks.report.values import Fact
from ilsvrc_tfds.errors import OptionError, SourceError, shown
from ilsvrc_tfds.formats.folder import Output, find_output
from ilsvrc_tfds.formats.kinds import CLASSIC, IMAGENET2012
from ilsvrc_tfds.formats.naming import TFRECORD
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import find_layout, index_images
from ilsvrc_tfds.sources.boxes import read_boxes
from ilsvrc_tfds.sources.subset import in_words


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """What is known of a data set before its images are looked at.

    Attributes:
      folder: Path of the folder, in printable characters.
      title: Name of the data set, in a few words.
      kind: `source`, `prepared` or `exported`.
      parts: Parts that jobs look at.
      facts: How the data was made.
      knows_boxes: Whether it is known which images have bounding boxes.
      output: The shards; None for a source.
      verify: The command that checks the data fully.
      subset: Description of the subset that the data is; empty if it is not a subset.
      warnings: What a source has and is not read.
    """

    folder: str
    title: str
    kind: str
    parts: Sequence[Part]
    facts: tuple[Fact, ...]
    knows_boxes: bool
    output: Output | None
    verify: str
    subset: str = ""
    warnings: tuple[str, ...] = ()


def open_data(folder: Path, bbox: Sequence[str | os.PathLike], runner: LocalRunner) -> Data:
    """Returns a prepared or exported set of TFRecords, or else the source in a folder.

    >>> with LocalRunner(1) as runner:
    ...     data = open_data(Path("/data/tfds/ilsvrc2012/classification/1.0.0"), (), runner)
    >>> data.title, data.kind, len(data.parts)
    ('ILSVRC2012 classification', 'prepared', 2)

    Args:
      folder: Folder of the data.
      bbox: Bounding boxes of a source.
      runner: Engine that indexes a source.

    Raises:
      SourceError: The folder holds no data set, or its places and labels cannot be read.
      LabelError: Two sources of a label contradict each other.
      OptionError: There are bounding boxes for a set of records.
    """
    described = _described(folder)
    output = _in_tfrecord(described)
    if output is not None:
        if bbox:
            raise OptionError(f"bbox is for a source, and {folder} is a set of records. Leave it out.")
        return Data(
            folder=shown(os.fspath(folder.absolute())),
            title=_title(output),
            kind="exported" if output.kind == CLASSIC else "prepared",
            parts=shard_parts(output),
            facts=facts_of_output(output),
            knows_boxes=output.kind == CLASSIC,
            output=output,
            subset=in_words(output.manifest.subset) if output.manifest and output.manifest.subset else "",
            verify=shlex.join(["ilsvrc-tfds", "verify", os.fspath(folder), "--decode"]),
        )
    layout = find_layout([folder])
    index = index_images(layout, functools.partial(runner.run_short, quick=layout.is_quick()))
    boxes = read_boxes(bbox) if bbox else None
    facts = (*facts_of_source(index), *(() if described is None else facts_of_output(described)))
    return Data(
        folder=shown(os.fspath(folder.absolute())),
        title=f"ILSVRC2012, {index.layout}",
        kind="source",
        parts=chunk_parts(index, boxes),
        facts=tuple(dict.fromkeys(facts)),
        knows_boxes=boxes is not None,
        output=None,
        subset="; ".join(dict.fromkeys(part.words for part in index.parts.values())),
        warnings=index.warnings,
        verify=shlex.join(["ilsvrc-tfds", "doctor", os.fspath(folder), "--decode"]),
    )


def _described(folder: Path) -> Output | None:
    """Returns the set of this package in a folder, or None if it is a source: of another program, or no set."""
    try:
        return find_output(folder)
    except SourceError:  # which the search for a source also raises, if the set is one of this package
        return None


def _in_tfrecord(output: Output | None) -> Output | None:
    """Returns the TFRecords of a set, which are read with their boxes and checksums; None if it has other formats."""
    found = [] if output is None else [output, *output.alternatives()]
    return next((own for own in found if own.file_format == TFRECORD), None)


def _title(output: Output) -> str:
    words = "imagenet2012" if output.kind == IMAGENET2012 else f"ILSVRC2012 {output.config_name()}".rstrip()
    return f"{words}, TFRecords" if output.kind == CLASSIC else words
