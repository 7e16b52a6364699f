"""Whether what lies in a folder of shards is whole and right: a prepared data set, or exported TFRecords."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.verify_info import info_problems
from ilsvrc_tfds.checks.verify_record import KEYS, Rules
from ilsvrc_tfds.checks.verify_shard import Findings, Rows, ShardJob, check_shard
from ilsvrc_tfds.checks.verify_split import (
    SplitRows,
    box_lines,
    double_problems,
    label_offset,
    label_problems,
    metadata_problems,
    name_problems,
    order_problems,
)
from ilsvrc_tfds.errors import SourceError, first_few, shown
from ilsvrc_tfds.formats import folder as outputs
from ilsvrc_tfds.formats import hdf5, manifest
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.formats.kinds import TFDS
from ilsvrc_tfds.images import CONFIGS
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.shards.writer import TFRECORD
from ilsvrc_tfds.storage.files import PARTIAL_SUFFIX, require_local


@dataclasses.dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
      facts: lines for the user: what is there, and what could not be compared.
      problems: all that is wrong, a line each; empty where everything is whole and right.
    """

    facts: tuple[str, ...]
    problems: tuple[str, ...]


def verify(folder: str | os.PathLike, *, decode: bool = False, workers: int | None = None) -> Report:
    """Returns what lies in a prepared or exported folder and all that is wrong with it.

    Every byte is read once. Compared are: sizes and digests with the manifest; the checksums of every record; its keys and
    types; label, synset and words with the file name; size and kind of the image with what the record, manifest or config
    says; names, which may come once in a split; the order of the records; numbers of records and bytes with
    `dataset_info.json`; names and classes with `metadata.h5`. What is not there is not compared, and the facts say so.

    Args:
      folder: `…/ilsvrc2012/<config>/1.0.0`, or what `export` wrote; of other makers, too, if the files are named alike.
      decode: whether every image is decoded; where not, only its head and end are looked at.
      workers: processes; all cores where None.

    Raises:
      SourceError: no shards are there, or those of several sets and nothing that tells which count.
      OptionError, InterruptedRun.
    """
    require_local(folder)
    output, problems = _open(Path(folder).expanduser())
    facts = [*_folder_facts(output, decode)]
    problems += [*_key_problems(output), *_file_problems(output)]
    checked = [_check(output, decode, workers)]
    checked += [_check_alternative(other, decode, workers) for other in output.alternatives()]
    for more_facts, more_problems in checked:
        facts, problems = [*facts, *more_facts], [*problems, *more_problems]
    return Report(tuple(facts), tuple(problems))


def _check(output: Output, decode: bool, workers: int | None) -> tuple[list[str], list[str]]:
    """Returns facts and problems of the shards and their records."""
    findings = _check_shards(output, _rules(output, decode), workers)
    problems = [line for found in findings for line in _shard_problems(output, found)]
    problems += info_problems(output, findings)
    facts = [*_split_facts(output, findings)]
    if output.file_format != TFRECORD:
        return facts, problems
    more_facts, more_problems = _compare_records(output, findings)
    return [*facts, *more_facts], [*problems, *more_problems]


def _check_alternative(output: Output, decode: bool, workers: int | None) -> tuple[list[str], list[str]]:
    """Returns facts and problems of the same records in another format; nothing has digests of such shards."""
    names = [name for names in output.shards.values() for name in names]
    sizes = {name: os.path.getsize(output.folder / name) for name in names if (output.folder / name).is_file()}
    problems = [
        f"{name} is missing, and {outputs.INFO_NAME} says that it is there" for name in names if name not in sizes
    ]
    problems += [f"{name} is empty" for name, size in sizes.items() if not size]
    fact = f"the same in the format {output.file_format}: {sum(sizes.values()):,} bytes in {len(sizes):,} shards"
    if output.file_format != TFRECORD:
        return [f"{fact}, of which only names and sizes are looked at"], problems
    more_facts, more_problems = _check(output, decode, workers)
    return [fact, *more_facts], [*problems, *more_problems]


def _open(folder: Path) -> tuple[Output, list[str]]:
    """Returns what lies in the folder, by as much of manifest and info as can be read, and what is wrong with them."""
    problems = []
    described = _tried(manifest.read, folder, problems)
    info = _tried(outputs.read_info, folder, problems)
    return outputs.describe_output(folder, described, info), problems


def _tried(read: Callable, path: Path, problems: list[str]):
    """Returns what `read` does, None where that cannot be used; the problems tell then."""
    try:
        return read(path)
    except SourceError as error:
        problems.append(str(error))
        return None


def _key_problems(output: Output) -> Iterator[str]:
    for key, kind in KEYS[output.kind].items() if output.manifest is not None else ():
        stated = output.manifest.keys.get(key, "missing")
        if stated != kind:
            yield f"{manifest.NAME}: the type of {key} is {stated}, expected {kind}"


def _rules(output: Output, decode: bool) -> Rules | None:
    """Returns what the records have to be; None where they are not read."""
    if output.file_format != TFRECORD:
        return None
    config = CONFIGS.get(str(output.info.get("configName"))) if output.info is not None else None
    side, keys = getattr(config, "shorter_side", None), KEYS[output.kind]
    if output.manifest is not None:
        stated = output.manifest.config.get("shorter_side")
        side = stated if isinstance(stated, int) else None
        keys = {**output.manifest.keys, **keys}
    return Rules(output.kind, keys, output.manifest is not None or output.kind == TFDS, side, decode)


def _file_problems(output: Output) -> Iterator[str]:
    expected = [name for names in output.shards.values() for name in names]
    if output.kind == TFDS:
        expected.append(outputs.INFO_NAME)
        if output.manifest is not None and output.shards.keys() & set(hdf5.SPLITS):
            expected.append(hdf5.NAME)
    yield from (f"{name} is missing" for name in expected if not (output.folder / name).is_file())
    yield from (f"{name} is a shard that does not belong to this set" for name in output.strange_shards())
    for name in outputs.file_names(output.folder):
        if name.endswith(PARTIAL_SUFFIX):
            yield f"{shown(name)} was left over by a run that was stopped"


def _check_shards(output: Output, rules: Rules | None, workers: int | None) -> list[Findings]:
    """Returns what each shard that is there holds, in the order of splits and shards; shows progress on a terminal."""
    paths = [(split, k, output.folder / name) for split, names in output.shards.items() for k, name in enumerate(names)]
    jobs = [ShardJob(split, k, str(path), rules) for split, k, path in paths if path.is_file()]
    total = sum(os.path.getsize(job.path) for job in jobs)
    findings = []
    with LocalRunner(workers) as runner, tqdm(total=total, unit="B", unit_scale=True, disable=None) as bar:
        for found in runner.run(check_shard, jobs):
            findings.append(found)
            bar.update(found.bytes)
    return findings


def _shard_problems(output: Output, found: Findings) -> Iterator[str]:
    """Yields what is wrong with a shard: what its check found, and where the manifest says otherwise."""
    name = output.shards[found.job.split][found.job.index]
    yield from (f"{name}: {line}" for line in found.problems)
    if output.manifest is None and output.info is None and found.records == 0:
        yield f"{name}: it has no records"
    if output.manifest is None or not found.digest:
        return
    entry = output.manifest.shards[found.job.split][found.job.index]
    if found.records not in (None, entry.records):
        yield f"{name}: it has {found.records:,} records, {manifest.NAME} says {entry.records:,}"
    if found.bytes != entry.bytes:
        yield f"{name}: it has {found.bytes:,} bytes, {manifest.NAME} says {entry.bytes:,}"
    elif found.digest != entry.xxh3_64:
        yield f"{name}: its xxh3_64 is {found.digest}, {manifest.NAME} says {entry.xxh3_64}"


def _compare_records(output: Output, findings: list[Findings]) -> tuple[list[str], list[str]]:
    """Returns facts and problems of the records of each split together."""
    splits = [_split_rows(output, split, findings) for split in output.shards]
    stated = output.label_offset
    offset = label_offset(splits, stated)
    facts, problems = _offset_lines(output, stated, offset)
    tables = _read_metadata(output, facts, problems)
    ours = output.manifest is not None or output.kind == TFDS
    for split in splits:
        problems += label_problems(split, offset)
        problems += double_problems(split)
        is_whole = len(split) == sum(output.stated_lengths(split.split) or ())
        boxes = box_lines(split, _stated_boxes(output, split.split), is_whole)
        for more_facts, more_problems in (order_problems(split, ours), name_problems(split, ours), boxes):
            facts, problems = [*facts, *more_facts], [*problems, *more_problems]
        if split.split in tables:
            problems += metadata_problems(split, offset, tables[split.split])
    return facts, problems


def _stated_boxes(output: Output, split: str) -> int | None:
    """Returns how many records of a split have bounding boxes by the manifest, None where it does not say so."""
    return (
        output.manifest.boxes.get(split) if output.manifest is not None and output.manifest.boxes is not None else None
    )


def _split_rows(output: Output, split: str, findings: list[Findings]) -> SplitRows:
    parts = [found.rows for found in findings if found.job.split == split]
    return SplitRows(split, output.shards[split], Rows.joined(parts))


def _offset_lines(output: Output, stated: int | None, offset: int) -> tuple[list[str], list[str]]:
    says = f"labels are the class index + {offset}"
    if stated is None:
        return [f"{says}, which no manifest says: the file names and synsets tell it"], []
    if stated != offset:
        return [], [f"{says}, expected + {stated}: most file names tell so"]
    return ([says] if output.kind != TFDS else []), []


def _read_metadata(output: Output, facts: list[str], problems: list[str]) -> Mapping[str, hdf5.SplitMetadata]:
    """Returns the metadata of the splits that they can be compared with; adds to facts and problems what they have not."""
    if not (output.folder / hdf5.NAME).exists():
        if output.kind == TFDS:
            facts.append(f"without {hdf5.NAME} names and classes are not compared with it")
        return {}
    tables = _tried(hdf5.read, output.folder / hdf5.NAME, problems) or {}
    if tables:
        for split in sorted(tables.keys() ^ (output.shards.keys() & set(hdf5.SPLITS))):
            has = "has a split that no shards have" if split in tables else "does not have the split"
            problems.append(f"{hdf5.NAME} {has}: {split}")
    return tables


def _folder_facts(output: Output, decode: bool) -> Iterator[str]:
    kind = "a prepared data set" if output.kind == TFDS else "classic TFRecords"
    config = ", ".join(f"{key} {value}" for key, value in output.config().items())
    yield f"{output.folder}: {kind}, {output.file_format}" + (f" ({config})" if config else "")
    for split, skipped in output.manifest.skipped.items() if output.manifest is not None else ():
        yield f"{split}: {len(skipped):,} damaged images were skipped when it was made: {first_few(map(shown, skipped))}"
    if output.manifest is None:
        yield f"without {manifest.NAME} sizes and digests are not compared"
    if output.file_format != TFRECORD:
        yield f"records are not read, for the format is {output.file_format}: only whole files are compared"
    else:
        yield (
            "every image is decoded" if decode else "of each image the head and the end are looked at, and not the rest"
        )


def _split_facts(output: Output, findings: Iterable[Findings]) -> Iterator[str]:
    for split, official in synsets.OFFICIAL_COUNTS.items():
        own = [found for found in findings if found.job.split == split]
        if split not in output.shards:
            yield f"{split}: not there"
            continue
        counts = [found.records for found in own if found.records is not None]
        size = f"{sum(found.bytes for found in own):,} bytes in {len(own):,} shards"
        if counts:
            size = f"{sum(counts):,} records{_classes(own)}, {size} ({_spread(counts)} records each); official: {official:,}"
        yield f"{split}: {size}"


def _classes(findings: list[Findings]) -> str:
    """Returns how many classes there are in a split, in words; nothing for `test`, which has labels of -1 alone."""
    labels = Rows.joined([found.rows for found in findings]).label
    counts = np.unique(labels, return_counts=True)[1].tolist()
    return f" of {len(counts):,} classes ({_spread(counts)} each)" if (labels >= 0).any() else ""


def _spread(counts: list[int]) -> str:
    return f"{counts[0]:,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
