"""Checks a folder of shards as a whole: a prepared data set, or exported TFRecords."""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.findings import Report, SplitChecked
from ilsvrc_tfds.checks.verify_counts import split_counts, split_facts
from ilsvrc_tfds.checks.verify_info import info_problems, skipped_images
from ilsvrc_tfds.checks.verify_record import Rules
from ilsvrc_tfds.checks.verify_shard import Findings, Rows, ShardJob, check_shard
from ilsvrc_tfds.checks.verify_split import (
    SplitRows,
    box_lines,
    double_problems,
    label_offset,
    label_problems,
    metadata_problems,
    name_problems,
    numbered,
    order_problems,
)
from ilsvrc_tfds.errors import SourceError, counted, first_few, shown
from ilsvrc_tfds.formats import folder as outputs
from ilsvrc_tfds.formats import hdf5, manifest
from ilsvrc_tfds.formats.alias import followed
from ilsvrc_tfds.formats.data_sets import Data, folder_of
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.formats.in_buckets import from_buckets
from ilsvrc_tfds.formats.info import INFO_NAME, read_info
from ilsvrc_tfds.formats.kinds import CLASSIC, IMAGENET2012, KINDS, TFDS
from ilsvrc_tfds.formats.naming import ARRAY_RECORD, TFRECORD
from ilsvrc_tfds.images import CONFIGS, op_in_words
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources.subset import in_words
from ilsvrc_tfds.storage.files import PARTIAL_SUFFIX
from ilsvrc_tfds.terminal.progress import progress

_Value = TypeVar("_Value")


@from_buckets("data")
def verify(
    data: Data, *, data_dir: str | os.PathLike | None = None, decode: bool = False, workers: int | None = None
) -> Report:
    """Returns a report on a prepared or exported data set: what it contains, and everything that is wrong.

    Every byte is read once, and compared as follows:

    | checked | against |
    |---|---|
    | size and digest of each shard | `manifest.json` |
    | bytes of each record | its checksums |
    | keys and types of each record | the manifest, or those of its kind |
    | label, synset and words | the file name |
    | size and format of the image | the record, the manifest and the config |
    | file names | each other: none may occur twice in a split |
    | order of the records | the order of TFDS and this package |
    | numbers of records and bytes | `dataset_info.json` |
    | names and classes | `metadata.h5` |

    If one of these files is missing, the comparison is left out, and a fact says so.

    >>> import ilsvrc_tfds
    >>> report = ilsvrc_tfds.verify("/data/tfds/ilsvrc2012/classification/1.0.0", decode=True)
    >>> report.facts[1]
    'every image is decoded'
    >>> report.problems
    ()

    Args:
      data: Prepared data set or export, in any form that `for_training` takes; or another with the same file names.
      data_dir: TFDS's data directory, in which names are looked up.
      decode: Whether every image is decoded, and not only its head and end checked.
      workers: Number of worker processes; None uses all cores.

    Raises:
      SourceError: The folder has no shards; or it has those of several sets, and no manifest or info that names the
        right ones; or it is an alias of a data set that has changed.
      OptionError: `workers` is less than 1, or `data` is a URL or does not name one data set.
      InterruptedRun: A worker process died.
    """
    place = folder_of(data, data_dir)
    output, problems = _open(followed(place))
    facts = [f"{place} is an alias of {output.folder}"] if output.folder != place else []
    facts += _folder_facts(output, decode)
    problems += [*_key_problems(output), *_file_problems(output)]
    own = _check(output, decode, workers)
    for found in (own, *(_check_alternative(other, decode, workers) for other in output.alternatives())):
        facts, problems = [*facts, *found.facts], [*problems, *found.problems]
    left_out = sum(map(len, skipped_images(output).values()))
    notes = tuple(fact for fact in facts if fact not in own.about_splits)
    digests = output.manifest is not None
    return Report(tuple(facts), tuple(problems), left_out, notes=notes, checked=own.counts, digests=digests)


class _Checked(NamedTuple):
    """Facts and problems, and the splits that were checked."""

    facts: list[str]
    problems: list[str]
    counts: tuple[SplitChecked, ...] = ()
    about_splits: tuple[str, ...] = ()


def _check(output: Output, decode: bool, workers: int | None) -> _Checked:
    """Returns facts and problems of the shards and their records."""
    findings = _check_shards(output, _rules(output, decode), workers)
    problems = [line for found in findings for line in _shard_problems(output, found)]
    problems += info_problems(output, findings)
    about_splits, counts = tuple(split_facts(output, findings)), split_counts(output, findings)
    if output.file_format != TFRECORD:
        return _Checked([*about_splits], problems, counts, about_splits)
    more_facts, more_problems = _compare_records(output, findings)
    return _Checked([*about_splits, *more_facts], [*problems, *more_problems], counts, about_splits)


def _check_alternative(output: Output, decode: bool, workers: int | None) -> _Checked:
    """Returns facts and problems of the same records in another format. No file states digests of such shards."""
    names = [name for names in output.shards.values() for name in names]
    sizes = {name: os.path.getsize(output.folder / name) for name in names if (output.folder / name).is_file()}
    problems = [f"{name} is missing, but {INFO_NAME} lists it" for name in names if name not in sizes]
    problems += [f"{name} is empty" for name, size in sizes.items() if not size]
    size = f"{sum(sizes.values()):,} bytes in {counted(len(sizes), 'shard')}"
    fact = f"the same in the format {output.file_format}: {size}"
    if output.file_format != TFRECORD:
        return _Checked([f"{fact}, of which only names and sizes are checked"], problems)
    found = _check(output, decode, workers)
    return _Checked([fact, *found.facts], [*problems, *found.problems])


def _open(folder: Path) -> tuple[Output, list[str]]:
    """Returns the folder as described by its manifest and info, if they can be read, and what is wrong with them."""
    problems: list[str] = []
    described = _tried(manifest.read, folder, problems)
    info = _tried(read_info, folder, problems)
    return outputs.describe_output(folder, described, info), problems


def _tried(read: Callable[[Path], _Value], path: Path, problems: list[str]) -> _Value | None:
    """Returns the result of `read`, or None after adding its SourceError to the problems."""
    try:
        return read(path)
    except SourceError as error:
        problems.append(str(error))
        return None


def _key_problems(output: Output) -> Iterator[str]:
    if output.manifest is None:
        return
    for key, kind in KINDS[output.kind].keys.items():
        stated = output.manifest.keys.get(key, "missing")
        if stated != kind:
            yield f"{manifest.NAME}: the type of {key} is {stated}, expected {kind}"


def _rules(output: Output, decode: bool) -> Rules | None:
    """Returns the rules for the records, or None if they are not read."""
    if output.file_format != TFRECORD:
        return None
    config = CONFIGS.get(str(output.info.get("configName"))) if output.info is not None else None
    side, keys = getattr(config, "shorter_side", None), KINDS[output.kind].keys
    if output.manifest is not None:
        stated = output.manifest.config.get("shorter_side")
        side = stated if isinstance(stated, int) else None
        keys = {**output.manifest.keys, **keys}
    return Rules(output.kind, keys, output.manifest is not None or output.kind == TFDS, side, decode)


def _file_problems(output: Output) -> Iterator[str]:
    expected = [name for names in output.shards.values() for name in names]
    if output.kind != CLASSIC:
        expected.append(INFO_NAME)
        if output.manifest is not None and output.shards.keys() & set(hdf5.SPLITS):
            expected.append(hdf5.NAME)
    if output.manifest is None and output.file_format != TFRECORD:
        yield (
            f"nothing could be compared: records in {output.file_format} are not read, and there is no {manifest.NAME} "
            f"with digests. `ilsvrc-tfds doctor {shlex.quote(str(output.folder))} --decode` reads them"
        )
    yield from (f"{name} is missing" for name in expected if not (output.folder / name).is_file())
    yield from (f"{name} is a shard that does not belong to this set" for name in output.strange_shards())
    for name in outputs.file_names(output.folder):
        if name.endswith(PARTIAL_SUFFIX):
            yield f"{shown(name)} was left over by a run that was stopped"


def _check_shards(output: Output, rules: Rules | None, workers: int | None) -> list[Findings]:
    """Returns the findings of each existing shard, in the order of splits and shards."""
    paths = [(split, k, output.folder / name) for split, names in output.shards.items() for k, name in enumerate(names)]
    jobs = [ShardJob(split, k, str(path), rules) for split, k, path in paths if path.is_file()]
    total = sum(os.path.getsize(job.path) for job in jobs)
    findings = []
    with LocalRunner(workers) as runner, progress("verify", total, unit="B") as work:
        for found in runner.run(check_shard, jobs):
            findings.append(found)
            work.advance(found.bytes)
    return findings


def _shard_problems(output: Output, found: Findings) -> Iterator[str]:
    """Yields what is wrong with a shard: the problems that its check found, and disagreements with the manifest."""
    name = output.shards[found.job.split][found.job.index]
    yield from (f"{name}: {line}" for line in found.problems)
    if output.manifest is None and output.info is None and found.records == 0:
        yield f"{name}: it has no records"
    if output.manifest is None or not found.digest:
        return
    entry = output.manifest.shards[found.job.split][found.job.index]
    if found.records not in (None, entry.records):
        yield f"{name}: it has {counted(found.records, 'record')}, {manifest.NAME} says {entry.records:,}"
    if found.bytes != entry.bytes:
        yield f"{name}: it has {counted(found.bytes, 'byte')}, {manifest.NAME} says {entry.bytes:,}"
    elif found.digest != entry.xxh3_64:
        yield f"{name}: its xxh3_64 is {found.digest}, {manifest.NAME} says {entry.xxh3_64}"


def _compare_records(output: Output, findings: list[Findings]) -> tuple[list[str], list[str]]:
    """Returns facts and problems of the records of each split as a whole."""
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
        salt = KINDS[output.kind].salts.get(split.split)
        boxes = box_lines(split, _stated_boxes(output, split.split), is_whole)
        order = ([], []) if salt is None else order_problems(split, ours, salt)
        for more_facts, more_problems in (order, name_problems(split, ours or output.kind == IMAGENET2012), boxes):
            facts, problems = [*facts, *more_facts], [*problems, *more_problems]
        if split.split in tables:
            problems += metadata_problems(split, offset, tables[split.split])
    return facts, problems


def _stated_boxes(output: Output, split: str) -> int | None:
    """Returns the number of records with bounding boxes that the manifest states for a split, or None."""
    boxes = output.manifest.boxes if output.manifest is not None else None
    return None if boxes is None else boxes.get(split)


def _split_rows(output: Output, split: str, findings: list[Findings]) -> SplitRows:
    rows = Rows.joined([found.rows for found in findings if found.job.split == split])
    rows = rows._replace(told=numbered(rows.told, output.numbering))
    return SplitRows(split, output.shards[split], rows, output.wnids or synsets.wnids())


def _offset_lines(output: Output, stated: int | None, offset: int) -> tuple[list[str], list[str]]:
    says = f"labels are the {'class index' if output.wnids is None else 'position of the class in its list'} + {offset}"
    if stated is None:
        return [f"{says}, according to the file names and synsets: there is no manifest"], []
    if stated != offset:
        return [], [f"{says}, according to most file names; expected + {stated}"]
    return ([says] if output.kind == CLASSIC else []), []


def _read_metadata(output: Output, facts: list[str], problems: list[str]) -> Mapping[str, hdf5.SplitMetadata]:
    """Returns the metadata of each split that has any, and adds what is missing to the facts and problems."""
    if not (output.folder / hdf5.NAME).exists():
        if output.kind == TFDS:
            facts.append(f"names and classes are not compared with {hdf5.NAME}: it is missing")
        return {}
    tables = _tried(hdf5.read, output.folder / hdf5.NAME, problems) or {}
    if tables:
        for split in sorted(tables.keys() ^ (output.shards.keys() & set(hdf5.SPLITS))):
            has = "has a split that no shards have" if split in tables else "does not have the split"
            problems.append(f"{hdf5.NAME} {has}: {split}")
    return tables


def _folder_facts(output: Output, decode: bool) -> Iterator[str]:
    images = f" (images: {op_in_words(output.config())})" if output.config() else ""
    yield f"{output.folder}: {KINDS[output.kind].words}, {output.file_format}{images}"
    for split, skipped in skipped_images(output).items():
        images = counted(len(skipped), "damaged image was", "damaged images were")
        yield f"{split}: {images} skipped when it was made: {first_few(map(shown, skipped))}"
    if output.manifest is not None and output.manifest.subset:
        yield f"this is {in_words(output.manifest.subset)}"
    if output.manifest is None:
        yield f"sizes and digests are not compared: {manifest.NAME} is missing"
    if output.file_format != TFRECORD:
        cure = "; `doctor --decode` reads them" if output.file_format == ARRAY_RECORD else ""
        yield f"records are not read: the format is {output.file_format}, of which only whole files are compared{cure}"
    else:
        yield "every image is decoded" if decode else "only the head and the end of each image are checked"
