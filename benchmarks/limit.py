"""The speed limit of the processor for `pipeline.py`: libjpeg-turbo and a bilinear resize in threads, in C (`limit.c`)."""

import os
import shutil
import subprocess
from pathlib import Path

from processes import report
from rivals import BATCH_SIZE, CORES, Records

_SOURCE = Path(__file__).with_suffix(".c")


def build_limit(work: Path) -> Path | None:
    """Returns the compiled program, or None after a line that says why it cannot be compiled here."""
    program = work / "limit"
    if not (compiler := next(filter(shutil.which, ("cc", "gcc", "clang")), None)):
        report(benchmark="peers", side="C limit", left_out="there is no C compiler")
        return None
    command = [compiler, "-O3", "-march=native", str(_SOURCE), "-o", str(program), "-ljpeg", "-lm", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = "limit.c does not compile; it needs the headers of libjpeg-turbo (Debian: libjpeg62-turbo-dev)"
        report(benchmark="peers", side="C limit", left_out=reason, compiler=done.stderr[:500])
        return None
    return program


def limit_version(program: Path) -> str:
    """Returns the version of libjpeg-turbo that the program was compiled with."""
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


def measure_limit(program: Path, folder: Path, records: Records, out: Path) -> float:
    """Returns the seconds of the images on the clock; the last batch is written to `out`, so that none can be left out.

    Args:
      program: Program of `build_limit`.
      folder: Folder of `write_positions`.
      records: Shards that the positions are of.
      out: Folder.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    counts = (CORES, records.warm_up * BATCH_SIZE, records.timed * BATCH_SIZE)
    command = [program, folder / "positions", *map(str, counts), out / "batch"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
