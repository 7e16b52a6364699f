"""Finds sets of TFRecord shards: prepared data sets, exports, classic TFRecords, TFDS's `imagenet2012`."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, first_few, unreadable
from ilsvrc_tfds.formats.folder import IN_TFRECORD, Output, file_names, find_output, require_finished
from ilsvrc_tfds.formats.info import INFO_NAME, MAX_INFO_BYTES
from ilsvrc_tfds.formats.kinds import CLASSIC, IMAGENET2012, KINDS, TFDS
from ilsvrc_tfds.formats.naming import ARRAY_RECORD, TFRECORD, own_split, parse_shard_name
from ilsvrc_tfds.images import CONFIGS, describe_op
from ilsvrc_tfds.sources.origin import provenance_of
from ilsvrc_tfds.sources.record_scan import GET_AGAIN
from ilsvrc_tfds.sources.record_set import IMAGENET_SHARD, TFDS_SHARD, RecordSet
from ilsvrc_tfds.storage.regular import open_regular


def find_set(folder: Path) -> RecordSet | None:
    """Returns the set of TFRecords that a folder holds, or None if it holds no shards.

    Raises SourceError if it holds shards of several sets, of a set that cannot be a source, or in another file format.
    """
    names = file_names(folder) if os.path.isdir(folder) else []
    if any(map(IMAGENET_SHARD.fullmatch, names)):
        require_finished(folder)
        if others := [name for name in names if (shard := parse_shard_name(name)) and shard.kind != IMAGENET2012]:
            raise SourceError(
                f"{folder} holds shards of several sets: of TFDS's {IMAGENET2012}, and {first_few(others)}. Keep "
                "one of them there."
            )
        return _imagenet2012(folder, names)
    if any(map(parse_shard_name, names)):
        return set_of(find_output(folder), ARRAY_RECORD)
    for match in filter(None, map(TFDS_SHARD.fullmatch, names)):
        if INFO_NAME in names:
            raise SourceError(
                f"{folder} is TFDS's data set {match['name']!r}, whose images are not those of ILSVRC2012, or have "
                f"lost their names. Of TFDS's data sets {IMAGENET2012} and ilsvrc2012 can be read."
            )
    return None


def set_of(output: Output, *others: str) -> RecordSet:
    """Returns a folder of our own, of TFDS's `imagenet2012`, or of classic TFRecords, as a set.

    Raises SourceError if the set is neither in TFRecord format nor in one of the others.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> set_of(find_output("/data/tfds/ilsvrc2012/classification/1.0.0")).made
    {'op': 'Original'}
    """
    output = output.in_tfrecord(*others)
    if output.kind == IMAGENET2012:
        return _imagenet2012(output.folder, file_names(output.folder))
    lengths = {split: stated for split in output.shards if (stated := output.stated_lengths(split))}
    if output.kind == CLASSIC and output.manifest is None:
        return RecordSet(output.folder, "classic TFRecords", CLASSIC, output.shards)
    words = KINDS[TFDS].words.removeprefix("a ") if output.kind == TFDS else "exported TFRecords"
    words += "" if output.file_format == TFRECORD else f" in {output.file_format}"
    offset, made = output.label_offset, recorded_op(output) or _op_of_config(output)
    file_format = output.file_format
    return RecordSet(output.folder, words, output.kind, output.shards, offset, made, output, lengths, file_format)


def _op_of_config(output: Output) -> Mapping[str, object]:
    """Returns the operation of the config that TFDS's info names; empty if it names none of ours."""
    config = output.info.get("configName") if output.info is not None else None
    return describe_op(CONFIGS[config]) if isinstance(config, str) and config in CONFIGS else {}


def recorded_op(output: Output) -> Mapping[str, object]:
    """Returns how the images of one of our sets were processed; empty if nothing records it.

    The manifest records it, or else TFDS's `metadata.json`.

    Raises SourceError if `metadata.json` cannot be read or parsed.
    """
    if output.config():
        return output.config()
    images = provenance_of(output.folder).get("images")
    return images if isinstance(images, dict) else {}


def _imagenet2012(folder: Path, names: list[str]) -> RecordSet:
    """Returns TFDS's `imagenet2012`, from its info or else from the names of its files."""
    info = _imagenet_info(folder)
    found: dict[str, set[int]] = {}
    shards = list(filter(None, map(IMAGENET_SHARD.fullmatch, names)))
    formats = {match["file_format"] for match in shards}
    file_format = TFRECORD if TFRECORD in formats else ARRAY_RECORD
    for match in shards:
        if match["file_format"] == file_format:
            found.setdefault(match["split"], set()).add(int(match["count"]))
    if file_format not in formats:
        raise SourceError(f"{folder} is in the format {first_few(sorted(formats))}; expected {TFRECORD}. {IN_TFRECORD}")
    if doubles := [split for split, counts in found.items() if len(counts) > 1]:
        raise SourceError(
            f"{folder} holds shards of several sets: those of split {first_few(doubles)} state different numbers of "
            "shards. Keep one set there."
        )
    counts = {name: counts.pop() for name, counts in found.items()}
    lengths = {name: length for name, length in (info.get("lengths") or {}).items() if own_split(name)}
    if lengths:
        counts = {name: len(length) for name, length in lengths.items()}
    names_of = {own_split(name): name for name in counts}
    version = f" {info['version']}" if "version" in info else ""
    return RecordSet(
        folder,
        f"TFDS {IMAGENET2012}{version}" + ("" if file_format == TFRECORD else f" in {file_format}"),
        TFDS,
        {
            split: tuple(
                f"{IMAGENET2012}-{name}.{file_format}-{k:05d}-of-{counts[name]:05d}" for k in range(counts[name])
            )
            for split in synsets.OFFICIAL_COUNTS
            if (name := names_of.get(split)) is not None
        },
        label_offset=0,
        lengths={split: lengths[name] for split, name in names_of.items() if split is not None and name in lengths},
        file_format=file_format,
    )


def _imagenet_info(folder: Path) -> dict:
    """Returns version and lengths of shards by TFDS's info, or an empty dictionary if there is none."""
    path = folder / INFO_NAME
    try:
        with open_regular(path) as file:
            info = json.loads(file.read(MAX_INFO_BYTES))
        if info["name"] != IMAGENET2012:
            raise SourceError(f"{path} describes {info['name']!r}; expected {IMAGENET2012}, as the shards beside it.")
        lengths = {str(split["name"]): tuple(int(n) for n in split["shardLengths"]) for split in info["splits"]}
        return {"version": re.sub(r"[^\w.]", "", str(info.get("version", "")))[:20], "lengths": lengths}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error) from error
    except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(f"{path} makes no sense ({error!r:.200}). {GET_AGAIN}") from error
