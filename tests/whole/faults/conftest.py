"""Undisturbed runs, the moments at which others are disturbed, and the table of what came of it.

`python -m pytest tests/whole/faults --all-moments` disturbs every command at ten moments or more, and prints the table; without the
option a few are tried.
"""

import collections
import itertools
import random
import time
from pathlib import Path
from typing import NamedTuple

import drawing
import pytest
from commands import KINDS, Run

import ilsvrc_tfds


class Undisturbed(NamedTuple):
    """What comes of a command that nobody disturbs.

    Attributes:
      files: and folders, as `Run.files` has them.
      largest: bytes of the largest file.
      seconds: between its first and its last change of a file.
    """

    files: dict[str, str]
    largest: int
    seconds: float


def pytest_configure(config):
    config.addinivalue_line(
        "markers",
        "moments(quick, count=1): disturbs all commands at `count` moments; without --all-moments `quick` once",
    )


def pytest_generate_tests(metafunc):
    """Gives a test the kinds of commands, and moments from 0 to 1 of the work if it wants them, drawn by its name and the kind."""
    mark = metafunc.definition.get_closest_marker("moments")
    if mark is None:
        return
    full = metafunc.config.getoption("--all-moments")
    kinds = KINDS if full else mark.kwargs["quick"]
    count = mark.kwargs.get("count", 1) if full else 1
    if "moment" not in metafunc.fixturenames:
        return metafunc.parametrize("kind", kinds)
    cases = []
    for kind in kinds:
        rng = random.Random(f"{metafunc.function.__name__} {kind}")
        cases += [(kind, round(rng.random(), 3)) for _ in range(count)]
    metafunc.parametrize("kind, moment", cases)


def pytest_terminal_summary(terminalreporter):
    """Prints the table, from the reports of the tests: they have run in other processes."""
    if not terminalreporter.config.getoption("--all-moments"):
        return
    table = collections.defaultdict(list)
    reports = itertools.chain(*terminalreporter.stats.values())
    for report in (report for report in reports if getattr(report, "when", "") == "call"):
        for _, (fault, kind, *result) in report.user_properties:
            table[fault, kind].append(result)
    terminalreporter.section("faults")
    terminalreporter.write_line(
        "| fault | command | moments tried | stopped by it | equal to the undisturbed run | left-overs |"
    )
    terminalreporter.write_line("|---|---|---|---|---|---|")
    for (fault, kind), results in sorted(table.items()):
        stopped, equal, left = map(sum, zip(*results))
        terminalreporter.write_line(
            f"| {fault} | {kind} | {len(results)} | {stopped} | {equal} of {len(results)} | {left or 'none'} |"
        )


@pytest.fixture(scope="session")
def archives_of_180(tmp_path_factory) -> Path:
    """180 train and 6 val images as official archives, so that a run can be disturbed half way."""
    return drawing.official_archives(tmp_path_factory.mktemp("many"), drawing.miniature(train=60))


@pytest.fixture(scope="session")
def prepared_180(archives_of_180, tmp_path_factory) -> Path:
    """The same, prepared: what `unpack` reads."""
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 60, "val": 3}}
    return Path(ilsvrc_tfds.prepare(archives_of_180, tmp_path_factory.mktemp("prepared"), **options).data_dir)


@pytest.fixture(scope="session")
def undisturbed(archives_of_180, prepared_180, tmp_path_factory):
    """`undisturbed(kind)`, what comes of a command that nobody disturbs."""
    made = {}

    def run(kind: str) -> Undisturbed:
        if kind not in made:
            source = prepared_180 if kind == "unpack" else archives_of_180
            own = Run(kind, source, tmp_path_factory.mktemp(f"undisturbed-{kind}"))
            process, start = own.start(), time.monotonic()
            own.wait_for(process, lambda: not own.staging.exists())
            seconds = time.monotonic() - start
            assert own.ended(process)[0] == 0
            largest = max(path.stat().st_size for path in own.out.rglob("*") if path.is_file())
            made[kind] = Undisturbed(own.files(), largest, seconds)
        return made[kind]

    return run


@pytest.fixture
def run(kind, archives_of_180, prepared_180, tmp_path) -> Run:
    """A command that is going to be disturbed."""
    (tmp_path / "out").mkdir()
    return Run(kind, prepared_180 if kind == "unpack" else archives_of_180, tmp_path / "out")


@pytest.fixture
def wait(undisturbed):
    """`wait(run, moment)`, until that part of the work is done; a command that has just begun is expected."""
    return lambda run, moment: time.sleep(moment * undisturbed(run.kind).seconds)


@pytest.fixture
def tabulate(record_property):
    """`tabulate(fault, kind, stopped, equal, left)` adds a moment to the table."""
    return lambda fault, kind, *result: record_property("moment", (fault, kind, *result))


@pytest.fixture
def continues(undisturbed, tabulate):
    """`continues(run, fault)` runs the command again, and compares all files with those of an undisturbed run."""

    def check(run: Run, fault: str) -> None:
        is_there = run.destination.exists()
        stopped = not is_there or run.staging.exists()
        # "Already"; or, if the source was written again after the result, a refusal, because its images may differ.
        assert run.again() in ((0, 1) if is_there and "source" in fault else (0,))
        wanted, found = undisturbed(run.kind).files, run.files()
        left = sorted(found.keys() - wanted.keys())
        tabulate(fault, run.kind, stopped, wanted.items() <= found.items(), len(left))
        assert wanted.items() <= found.items() and not left

    return check
