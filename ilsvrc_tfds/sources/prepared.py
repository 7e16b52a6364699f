"""Prepared data sets as sources of images: their records are indexed in place, like the members of an archive."""

import os
from collections.abc import Callable, Collection, Mapping

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, first_few, shown
from ilsvrc_tfds.formats.folder import Output, file_names, find_output
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.kinds import CLASSIC, TFDS
from ilsvrc_tfds.formats.naming import ARRAY_RECORD, TFRECORD, parse_shard_name
from ilsvrc_tfds.sources import Index, Members, join_members
from ilsvrc_tfds.sources.members import Whole
from ilsvrc_tfds.sources.origin import left_out_of, provenance_of, recorded_of, repaired_of
from ilsvrc_tfds.sources.record_set import TFDS_SHARD
from ilsvrc_tfds.sources.record_sets import set_of
from ilsvrc_tfds.sources.repaired import repaired_names
from ilsvrc_tfds.sources.scan import scan


def is_prepared(folder: str | os.PathLike) -> bool:
    """Returns whether a folder holds one of our prepared data sets, by its files.

    >>> is_prepared("/data/tfds/ilsvrc2012/classification/1.0.0"), is_prepared("/data/imagenet")
    (True, False)
    """
    names = file_names(folder) if os.path.isdir(folder) else []
    if any(map(parse_shard_name, names)):
        return any(name.kind == TFDS for name in map(parse_shard_name, names) if name is not None)
    return INFO_NAME in names and not any(map(TFDS_SHARD.fullmatch, names))


def has_records_in_place(folder: str | os.PathLike) -> bool:
    """Returns whether the images of a prepared data set are read in place; those of array_record are spooled.

    >>> has_records_in_place("/data/tfds/ilsvrc2012/classification/1.0.0")
    True

    Raises SourceError if the folder holds no shards.
    """
    output = find_output(folder)
    formats = {own.file_format for own in (output, *output.alternatives())}
    return TFRECORD in formats or ARRAY_RECORD not in formats


def index_prepared(output: Output, run: Callable = map, splits: Collection[str] | None = None) -> Index:
    """Returns the place and label of every image of a prepared data set.

    The checksums of all records are compared. The number of records, the size and the digest of each shard are compared
    too, if the manifest or TFDS's info state them, because the checksums of a shard that was exchanged, or cut between
    two records, are right.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> index = index_prepared(find_output("/data/tfds/ilsvrc2012/classification/1.0.0"))
    >>> {split: len(members) for split, members in index.splits.items()}
    {'train': 12, 'val': 6}

    Args:
      output: Folder of the data set.
      run: Function such as `map` that runs the scans: `run(function, jobs)` yields `function(job)` in the order of the
        jobs.
      splits: Splits to read, if they are there. If None, all.

    Raises:
      SourceError: The folder is not a prepared data set in TFRecord format, or is incomplete, damaged or mixed up, or
        has shards of a split that are not part of the data set.
      LabelError: The label of a record contradicts its file name.
    """
    output = output.in_tfrecord()
    if output.kind == CLASSIC:
        raise SourceError(
            f"{output.folder} holds exported TFRecords; expected a prepared data set or a source of images."
        )
    found = set_of(output)
    by_split: dict[str, list[Members]] = {split: [] for split in output.shards if splits is None or split in splits}
    for split in synsets.OFFICIAL_COUNTS if splits is None else splits:
        if output.shards.get(split) != ():  # that is told below
            found.refuse_strangers(split, way_on="")
    jobs = [job for split in by_split for job in found.scans(split)]
    for job, scanned in zip(jobs, run(scan, jobs)):
        by_split[job.split] += scanned.members
    splits = {split: _joined(output, split, tables) for split, tables in by_split.items()}
    for split in splits:
        found.check_bytes(split)
    skipped = output.manifest.skipped if output.manifest is not None else {}
    is_original = found.made.get("op", "Original") == "Original"
    repaired = {
        split: repaired_names(members, repaired_of(output, split), is_original) for split, members in splits.items()
    }
    repaired = {split: names for split, names in repaired.items() if names}
    whole = _whole(output, splits)
    recorded = {split: count for split in splits if (count := recorded_of(output, split)) is not None}
    return Index(
        os.fspath(output.folder),
        found.words,
        splits,
        repaired=repaired,
        skipped=skipped,
        whole=whole,
        recorded=recorded,
        left_out=left_out_of(output),
    )


def _whole(output: Output, splits: Mapping[str, Members]) -> dict[str, Whole]:
    """Returns what each split has if it is whole: all that it has now, if it is known to be all of its subset.

    The result is empty if the set is no subset, or is not complete by its own record.
    """
    if output.manifest is None or not output.manifest.subset or not provenance_of(output.folder).get("complete"):
        return {}
    return {split: Whole(len(members), len(np.unique(members.label))) for split, members in splits.items()}


def _joined(output: Output, split: str, tables: list[Members]) -> Members:
    """Returns the images of a split. Raises SourceError if there are none, or one is in two shards."""
    if not sum(map(len, tables)):
        names = first_few(output.shards[split]) or "no shards"
        raise SourceError(f"{output.folder}: there are no images of split {split!r}: {names}. {output.remedy}")
    members = join_members(tables)
    order = np.lexsort((members.size, members.label, members.name))
    same = [column[order][1:] == column[order][:-1] for column in (members.name, members.label, members.size)]
    for k in np.flatnonzero(np.logical_and.reduce(same)):
        first, second = sorted(members.containers[members.container[row]].path for row in order[k : k + 2])
        if first != second:
            name = shown(os.fsdecode(members.name[order[k]]))
            raise SourceError(
                f"{second}: {name} is in {first} as well, as if that was copied over this. {output.remedy}"
            )
    return members
