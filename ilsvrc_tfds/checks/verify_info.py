"""TFDS's description of a data set: `dataset_info.json` compared with the shards, and the images that were skipped."""

from collections.abc import Collection, Iterator, Mapping

from ilsvrc_tfds.checks.verify_shard import Findings
from ilsvrc_tfds.errors import SourceError, counted
from ilsvrc_tfds.formats import json_values, manifest
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.formats.info import INFO_NAME, LABELS_NAME, is_official, named_labels
from ilsvrc_tfds.formats.kinds import CLASSIC, IMAGENET2012
from ilsvrc_tfds.sources.origin import provenance_of


def info_problems(output: Output, findings: list[Findings]) -> Iterator[str]:
    """Yields a line for each disagreement between TFDS's info and the shards."""
    if output.info is None or output.kind == CLASSIC:
        return
    yield from _name_problems(output)
    stated = {split["name"]: split for split in output.info["splits"]}
    for split in sorted(stated.keys() ^ output.shards.keys()):
        here, there = (manifest.NAME, INFO_NAME) if split in output.shards else (INFO_NAME, manifest.NAME)
        yield f"{here} has the split {split}, {there} does not"
    for split in output.shards:
        if split in stated:
            yield from _split_info_problems(output, split, stated[split], [f for f in findings if f.job.split == split])


def _name_problems(output: Output) -> Iterator[str]:
    """Yields a line if TFDS's names of the labels are those of another subset than the manifest's."""
    try:
        named = named_labels(output.folder)
    except SourceError as error:
        yield str(error)
        return
    if output.kind == IMAGENET2012 and not is_official(output.folder):
        yield f"{LABELS_NAME}: it is not the list of the 1000 classes in their order"
    if output.manifest is not None and named != output.wnids:
        other = "the names of labels are not the classes" if output.wnids else "it names other classes than the 1000"
        yield f"{LABELS_NAME}: {other} in the order of {manifest.NAME}"


def _split_info_problems(output: Output, split: str, stated: Mapping, findings: list[Findings]) -> Iterator[str]:
    lengths, names = [int(length) for length in stated["shardLengths"]], output.shards[split]
    if len(lengths) != len(names):
        yield f"{INFO_NAME}: {split} has {counted(len(lengths), 'shard')}, {manifest.NAME} says {len(names):,}"
        return
    for found in findings:
        if found.records not in (None, lengths[found.job.index]):
            name, length = names[found.job.index], lengths[found.job.index]
            yield f"{name}: it has {counted(found.records, 'record')}, {INFO_NAME} says {length:,}"
    sizes = [found.payload_bytes for found in findings if found.payload_bytes is not None]
    is_own = output.kind != IMAGENET2012  # older versions of TFDS counted other bytes
    if is_own and len(sizes) == len(names) and "numBytes" in stated and sum(sizes) != int(stated["numBytes"]):
        yield f"{INFO_NAME}: {split} has {int(stated['numBytes']):,} bytes of data; there are {sum(sizes):,}"


def skipped_images(output: Output) -> Mapping[str, Collection[str]]:
    """Returns the names of the images of each split that were skipped as damaged when a folder was made.

    The manifest states them, or else TFDS's metadata. The result is empty if neither can be read.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> skipped_images(find_output("/data/tfds/ilsvrc2012/classification/1.0.0"))
    {}
    """
    if output.manifest is not None:
        return output.manifest.skipped
    if output.info is None:
        return {}
    try:
        stated = provenance_of(output.folder).get("skipped_images")
    except SourceError:
        return {}
    return stated if json_values.is_skipped(stated) else {}
