"""A disk that fills up or can no longer be written: one line says so, and with room again the same command continues."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import FILE_LIMIT, HEED_PERMISSIONS, Run, own_line

pytestmark = pytest.mark.slow

# 64 MiB must be free for a run to begin.
_DISK = "size=100m"
_STEP = 4096


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", _DISK, "none", os.fspath(disk)]
    done = subprocess.run(command, capture_output=True, text=True) if os.geteuid() == 0 else None
    if done is None or done.returncode:
        pytest.skip(f"no file system can be mounted here: {'only root may' if done is None else done.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", os.fspath(disk)], check=True)


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leaves no byte free while the block runs."""
    with open(disk / "filler", "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, os.statvfs(disk).f_bavail * _STEP - 16 * _STEP)
        with contextlib.suppress(OSError):
            while file.write(bytes(_STEP)):
                file.seek(0, os.SEEK_END)
        yield
    (disk / "filler").unlink()


def require_one_line(run: Run, status: int, out: str, errors: str) -> None:
    """A run that could not go on says what to do, without a traceback."""
    if not run.destination.exists():
        assert status == 1 and " cannot be written: " in own_line(errors)


@pytest.mark.moments(count=5, quick=["export"])
def test_full_disk(kind, moment, run, small_disk, wait, continues):
    run = Run(kind, run.source, small_disk / "out")
    run.out.mkdir()
    process = run.start()
    wait(run, moment)
    with full(small_disk):
        require_one_line(run, *run.ended(process))
    continues(run, "disk full")


@pytest.mark.moments(count=5, quick=["export"])
def test_limit_of_a_files_size(run, moment, undisturbed, continues):
    process = run.start(FILE_LIMIT.format(int(moment * undisturbed(run.kind).largest)))
    require_one_line(run, *run.ended(process))
    assert not run.destination.exists()
    continues(run, "file larger than is allowed")


@pytest.mark.moments(count=5, quick=["unpack"])
def test_destination_made_read_only(run, moment, wait, continues):
    process = run.start(HEED_PERMISSIONS)
    wait(run, moment)
    modes = {}
    for place, _, _ in os.walk(run.out):
        with contextlib.suppress(FileNotFoundError):
            modes[Path(place)] = os.stat(place).st_mode
    for path in modes:
        with contextlib.suppress(FileNotFoundError):
            path.chmod(0o500)
    require_one_line(run, *run.ended(process))
    for path, mode in modes.items():
        with contextlib.suppress(FileNotFoundError):
            path.chmod(mode)
    continues(run, "destination made read-only")
