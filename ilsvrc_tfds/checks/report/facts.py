"""How a data set was made, in lines: from its manifest, TFDS's files, or the index of a source."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ilsvrc_tfds.checks.report.values import Fact
from ilsvrc_tfds.errors import SourceError, counted, first_few, shown
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.json_values import is_names, is_skipped
from ilsvrc_tfds.formats.kinds import CLASSIC, KINDS
from ilsvrc_tfds.images import op_in_words
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.sources.completeness import missing_splits
from ilsvrc_tfds.sources.origin import provenance_of
from ilsvrc_tfds.sources.subset import in_words

_MOST_NAMES = 20


def facts_of_output(output: Output) -> tuple[Fact, ...]:
    """Returns how a prepared or exported set was made, as its own files record it.

    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> for fact in facts_of_output(find_output("/data/tfds/ilsvrc2012/classification/1.0.0"))[:3]:
    ...     print(f"{fact.name}: {fact.value}")
    Form: a prepared data set, 2 shards, tfrecord
    Images: as in the source, but for CMYK JPEGs and PNGs, which are RGB JPEGs here
    Made from: archives
    """
    return tuple(_readable(_output_facts(output, _provenance(output.folder))))


def facts_of_source(index: Index) -> tuple[Fact, ...]:
    """Returns what a source is, and what is known of the history of its images.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> facts_of_source(index_images(find_layout(["/data/imagenet"])))[0]
    Fact(name='Layout', value='archives')
    """
    return tuple(_readable(_source_facts(index)))


def _readable(facts: Iterator[tuple[str, str]]) -> Iterator[Fact]:
    return (Fact(name, shown(value)) for name, value in facts if value)


def _output_facts(output: Output, made: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    shards = counted(sum(map(len, output.shards.values())), "shard")
    yield "Form", f"{KINDS[output.kind].words}, {shards}, {output.file_format}"
    config = output.config()
    yield "Images", _op({key: value for key, value in config.items() if key != "name"})
    yield "Made from", _text(made.get("source_layout"))
    yield "Written by", _versions(made)
    info = output.info or {}
    yield "TFDS name", "/".join(str(info[key]) for key in ("name", "configName", "version") if info.get(key))
    if output.kind == CLASSIC:
        yield "Labels", "not recorded" if output.label_offset is None else f"class index + {output.label_offset}"
    if output.wnids is not None:
        yield "Classes", f"{len(output.wnids):,}, numbered anew: {first_few(output.wnids)}"
    subset = output.manifest.subset if output.manifest is not None else made.get("subset", {})
    if isinstance(subset, Mapping) and subset:
        yield "Subset", in_words(subset)
    yield "Complete", _completeness(made)
    limit = made.get("max_examples_per_split")
    yield "Limited to", f"{limit:,} images of each split" if isinstance(limit, int) else ""
    yield from _image_facts(output, made)
    names = (manifest.NAME, "metadata.json", INFO_NAME)
    yield "Recorded in", ", ".join(name for name in names if os.path.isfile(output.folder / name)) or "no file"


def _op(op: Mapping[str, object]) -> str:
    if op.get("op") == "Original":
        return "as in the source, but for CMYK JPEGs and PNGs, which are RGB JPEGs here"
    return op_in_words(op) if "op" in op else "not recorded"


def _image_facts(output: Output, made: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    described = output.manifest
    skipped = described.skipped if described is not None else made.get("skipped_images")
    if is_skipped(skipped) and isinstance(skipped, Mapping):
        for split, own in skipped.items():
            names = first_few((f"{name} ({reason})" for name, reason in own.items()), _MOST_NAMES)
            yield f"Left out of {split}", f"{counted(len(own), 'damaged image')}: {names}" if own else ""
    repaired = described.repaired_images if described is not None else {}
    yield from _names_facts("Repaired before", repaired or made.get("repaired_images"))
    yield from _names_facts("Converted to RGB JPEG", made.get("converted_images"))
    changed = made.get("changed_images")
    if isinstance(changed, Mapping):
        counts = [f"{split} {count:,}" for split, count in changed.items() if isinstance(count, int)]
        yield "Re-encoded images", ", ".join(counts)


def _names_facts(name: str, found: object) -> Iterator[tuple[str, str]]:
    if is_names(found) and isinstance(found, Mapping):
        for split, names in found.items():
            text = f"{counted(len(names), 'image')}: {first_few(names, _MOST_NAMES)}"
            yield f"{name}, {split}", text if names else ""


def _source_facts(index: Index) -> Iterator[tuple[str, str]]:
    yield "Layout", index.layout
    containers = [c for members in index.splits.values() for c in members.containers]
    files = sorted({container.path for container in containers})
    yield "Read from", f"{counted(len(files), 'file or folder', 'files and folders')}: {first_few(map(shown, files))}"
    for split, made in index.made.items():
        yield f"Images of {split}", f"made with {op_in_words(made)}"
    for split, part in index.parts.items():
        yield f"Subset, {split}", f"{part.words}{f'; missing: {part.missing}' if part.missing else ''}"
    for split, text in missing_splits(index).items():
        yield f"Missing, {split}", text
    for split, skipped in index.skipped.items():
        if skipped:
            yield f"Left out of {split}", f"{counted(len(skipped), 'damaged image')}: {first_few(skipped, _MOST_NAMES)}"
    yield from _names_facts("Repaired before", index.repaired)
    yield from (("Note", note) for note in index.notes)


def _provenance(folder: Path) -> Mapping[str, object]:
    try:
        return provenance_of(folder)
    except SourceError:  # a check says so
        return {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _versions(made: Mapping[str, object]) -> str:
    codecs = made.get("codecs")
    versions = [f"ilsvrc-tfds {made['ilsvrc_tfds']}"] if "ilsvrc_tfds" in made else []
    versions += [f"{name} {version}" for name, version in codecs.items()] if isinstance(codecs, Mapping) else []
    return ", ".join(versions)


def _completeness(made: Mapping[str, object]) -> str:
    missing = made.get("missing")
    if isinstance(missing, Mapping) and missing:
        return "no: " + "; ".join(f"{split}: {text}" for split, text in missing.items())
    if made.get("complete") is True:
        return "yes"
    return "no" if made.get("complete") is False else ""
