"""Sides of a comparison that take turns: each in a process of its own, with its input in the page cache."""

import argparse
import compileall
import functools
import itertools
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from archives import pictures_in
from processes import BusyClock, in_fresh_process, report

import ilsvrc_tfds
from ilsvrc_tfds.errors import IlsvrcError


def run_benchmarks(
    description: str, benchmarks: Mapping[str, Callable], *, room: float, versions: Callable | None = None
) -> None:
    """Runs the benchmarks that the command line names, one after the other.

    Args:
      description: of the program.
      benchmarks: by name; `benchmark(pictures, work, num_bytes, repeats)`.
      room: bytes that they need on disk for each byte of archives.
      versions: what `--against CHECKOUT` runs instead; `versions(pictures, work, num_bytes, repeats, checkout)`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="folder of ImageNet, or of pictures named <wnid>_*")
    parser.add_argument(
        "--pictures",
        type=int,
        default=1000,
        help="number of train images to take from ImageNet, evenly (default: %(default)s)",
    )
    parser.add_argument("--gigabytes", type=float, default=4, help="of archives (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (default: %(default)s)")
    parser.add_argument("--only", choices=benchmarks, help="one of the benchmarks (default: all)")
    parser.add_argument(
        "--work", type=Path, help="folder for archives and outputs, emptied again (default: the system's)"
    )
    if versions:
        parser.add_argument(
            "--against", type=Path, metavar="CHECKOUT", help="of another version: compares the two, nothing else"
        )
    arguments = parser.parse_args()
    if checkout := vars(arguments).get("against"):
        benchmarks, arguments.only = (
            {"versions": functools.partial(versions, checkout=checkout.resolve(strict=True))},
            None,
        )
    # As at an installation by pip. A checkout may have no bytecode, and each worker would compile all modules anew.
    compileall.compile_dir(Path(ilsvrc_tfds.__file__).parent, quiet=1)
    if arguments.work is not None:
        arguments.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ilsvrc-tfds-benchmark-", dir=arguments.work) as work:
        free = shutil.disk_usage(work).free
        if free < arguments.gigabytes * 1e9 * room:
            parser.error(
                f"{work} has {free / 1e9:.1f} GB free; {arguments.gigabytes * room:.1f} GB are needed (--work, --gigabytes)"
            )
        try:
            pictures = pictures_in(arguments.images, Path(work) / "pictures", arguments.pictures)
        except IlsvrcError as error:
            parser.error(
                f"{arguments.images} holds no pictures named <wnid>_*, as n01440764_tench.JPEG, nor ImageNet: {error}"
            )
        for name in [arguments.only] if arguments.only else benchmarks:
            benchmarks[name](pictures, Path(work), arguments.gigabytes * 1e9, arguments.repeats)


def warm(source: Path, out: Path) -> None:
    """Brings the files of a folder into the page cache by a copy, for which a virtual machine has its memory from the host."""
    copy_files(source, out)


def cold(source: Path, out: Path) -> None:
    """Takes the files of a folder out of the page cache (Linux)."""
    os.sync()  # What is not written yet stays there.
    for path in source.iterdir():
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def compare(
    benchmark: str, sides: Mapping[str, Callable], source: Path, repeats: int, amount: dict, before: Callable = warm
) -> dict[str, list[float]]:
    """Returns the seconds of each side in each round; the sides take turns, and each round begins with the next of them.

    Args:
      benchmark: its name, for the report.
      sides: `side(out)` writes into an empty folder, removed afterwards, and returns its seconds.
      source: a folder of files that the sides read.
      repeats: rounds.
      amount: what is worked on, for the report: a number for each unit.
      before: `before(source, out)`, carried out before each run; `out` is an empty folder, removed afterwards.
    """
    seconds, out = {name: [] for name in sides}, source.with_name("out")
    for number, place in itertools.product(range(repeats), range(len(sides))):
        name = list(sides)[(number + place) % len(sides)]
        out.mkdir()
        before(source, out)
        shutil.rmtree(out)
        os.sync()  # What was written before is not to be paid for by this run.
        out.mkdir()
        clock = BusyClock()
        seconds[name].append(in_fresh_process(sides[name], out))
        others = clock.cores_of_others()
        shutil.rmtree(out)
        speeds = {f"{unit}_per_second": count / seconds[name][-1] for unit, count in amount.items()}
        report(
            benchmark=benchmark, run=number + 1, side=name, seconds=seconds[name][-1], **speeds, cores_of_others=others
        )
    return seconds


def report_ratio(benchmark: str, seconds: dict[str, list[float]], other: str, *, goal: float) -> None:
    """Reports how many times as fast as another side the first one was."""
    ours = next(iter(seconds))
    ratios = [theirs / mine for theirs, mine in zip(seconds[other], seconds[ours])]
    median = statistics.median(ratios)
    report(
        benchmark=benchmark,
        speed_to=other,
        median=median,
        rounds=[round(r, 3) for r in ratios],
        goal=goal,
        met=median >= goal,
    )


def copy_files(source: Path, out: Path) -> float:
    """Returns the seconds of `cp`. On a file system that shares blocks (Btrfs, XFS) it copies nothing: choose another."""
    return timed(subprocess.run, ["cp", *sorted(source.iterdir()), out], check=True)


def timed(function: Callable, *arguments, **options) -> float:
    """Returns the seconds that a call takes."""
    start = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - start
