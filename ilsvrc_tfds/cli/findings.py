"""What `doctor` and `verify` found: as lines for people, and as values for programs."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from ilsvrc_tfds.checks.counts import classes_in_words
from ilsvrc_tfds.checks.findings import Report
from ilsvrc_tfds.errors import counted
from ilsvrc_tfds.terminal.tables import bad, good, mark, table, wrapped
from ilsvrc_tfds.terminal.units import about, in_bytes

_STATE_STYLES = {"complete": "green", "not needed": "dim", "subset": ""}


def source_lines(report: Report, data_dir: object) -> Iterator[str]:
    """Yields the report of `doctor`: the splits, the configs, the problems, and the verdict at the end.

    >>> for line in source_lines(Report(("cannot be used yet",), ("val: not there",)), "/data/tfds"):
    ...     print(line)
    PROBLEM val: not there
    <BLANKLINE>
    NOT READY: 1 problem

    Args:
      report: Report on a source.
      data_dir: Folder that the data would be prepared in.
    """
    yield from map(wrapped, report.notes)
    if report.splits:
        header = ["split", "found", "official", "classes", "size", "state"]
        rows: list[list[str | Text]] = [
            [
                split.split,
                "-" if split.images is None else f"{split.images:,}",
                f"{split.official:,}",
                "-" if split.classes is None else f"{split.classes:,}",
                "-" if split.images is None else in_bytes(split.bytes),
                Text(split.state, _STATE_STYLES.get(split.state, "yellow")),
            ]
            for split in report.splits
        ]
        yield ""
        yield table(header, rows, right=[1, 2, 3, 4], spare=[4, 3])
    if report.configs:
        with_spool = any(need.between_bytes for need in report.configs)
        needs = [
            [
                need.config,
                f"about {in_bytes(need.bytes)}",
                *([f"about {in_bytes(need.between_bytes)} more"] if with_spool else []),
                "not known" if need.seconds is None else about(need.seconds),
            ]
            for need in report.configs
        ]
        yield ""
        yield table(["config", "room", *(["while it is made"] if with_spool else []), "time here"], needs)
        yield f"{in_bytes(report.free_bytes or 0)} free at {data_dir}"
    missing = [split for split in report.splits if split.missing_classes]
    if missing:
        yield ""
        for split in missing:
            classes = counted(len(split.missing_classes), "class", "classes")
            yield wrapped(f"{split.split} lacks {classes}: {classes_in_words(split.missing_classes)}")
    yield from [""] if report.splits else []
    yield from problem_lines(report)
    if report.problems:
        yield ""
        yield bad(f"NOT READY: {counted(len(report.problems), 'problem')}")
    else:
        yield good("READY")


def folder_lines(report: Report) -> Iterator[str]:
    """Yields the report of `verify`: the facts, the problems, and the verdict at the end.

    >>> for line in folder_lines(Report((), (), left_out=1, notes=("every image is decoded",))):
    ...     print(line)
    every image is decoded
    OK: 0 shards, digests not compared; 1 damaged image was left out when it was made
    """
    yield from map(wrapped, report.notes)
    if report.checked:
        header = ["split", "records", "official", "classes", "shards", "size"]
        rows = [
            [
                split.split,
                "-" if split.records is None else f"{split.records:,}",
                f"{split.official:,}",
                "-" if split.classes is None else f"{split.classes:,}",
                f"{split.shards:,}",
                in_bytes(split.bytes),
            ]
            for split in report.checked
        ]
        yield from ("", table(header, rows, right=range(1, 6), spare=[2, 3]), "")
    yield from problem_lines(report)
    if report.problems:
        yield ""
        yield bad(f"NOT OK: {counted(len(report.problems), 'problem')}")
        return
    records = [split.records for split in report.checked if split.records is not None]
    what = f"{counted(sum(records), 'record')} in " if records else ""
    shards = counted(sum(split.shards for split in report.checked), "shard")
    left_out = counted(report.left_out, "damaged image was", "damaged images were")
    rest = f"; {left_out} left out when it was made" if report.left_out else ""
    yield good(f"OK: {what}{shards}, digests {'compared' if report.digests else 'not compared'}{rest}")


def problem_lines(report: Report) -> Iterator[str]:
    """Yields a line for each problem.

    >>> list(problem_lines(Report((), ("val: not there",))))
    ['PROBLEM val: not there']
    """
    for problem in report.problems:
        yield mark("PROBLEM", "bold red") + wrapped(f"PROBLEM {problem}").removeprefix("PROBLEM")


def source_values(report: Report) -> dict[str, Any]:
    """Returns the report of `doctor` in JSON's types.

    >>> source_values(Report((), ("val: not there",)))["problems"]
    ['val: not there']
    """
    return {
        "splits": [dataclasses.asdict(split) for split in report.splits],
        "configs": [dataclasses.asdict(need) for need in report.configs],
        "free_bytes": report.free_bytes,
        "notes": list(report.notes),
        "problems": list(report.problems),
    }


def folder_values(report: Report) -> dict[str, Any]:
    """Returns the report of `verify` in JSON's types.

    >>> folder_values(Report((), (), left_out=2))["left_out"]
    2
    """
    return {
        "splits": [dataclasses.asdict(split) for split in report.checked],
        "digests_compared": report.digests,
        "left_out": report.left_out,
        "facts": list(report.facts),
        "problems": list(report.problems),
    }
