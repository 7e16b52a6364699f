"""What earlier and other runs have left: locks, shards of other versions, damage, times of another clock."""

import dataclasses
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from commands import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def stopped(run) -> Run:
    """A run of one worker that was killed when a third of its shards was finished."""
    return stop(dataclasses.replace(run, workers=1))


def stop(run: Run) -> Run:
    process = run.start()
    run.wait_for(process, lambda: len(receipts(run)) > 20)
    process.kill()
    run.ended(process)
    return run


def receipts(run: Run) -> list[Path]:
    return sorted(run.staging.glob("*/*.json"))


def shards(run: Run) -> list[Path]:
    """Returns the finished shards in staging, or the finished files of `unpack`."""
    files = sorted(path for path in run.staging.glob("*/files/*/*/*") if path.is_file())
    return files or [path.with_suffix("") for path in receipts(run)]


@pytest.mark.moments(quick=["unpack"])
def test_finished_shards_are_not_written_again(stopped, continues):
    finished = max(path.stat().st_mtime_ns for path in receipts(stopped))
    times = {path.name: path.stat().st_mtime_ns for path in shards(stopped) if path.stat().st_mtime_ns < finished}
    continues(stopped, "stopped after a third of the shards")
    found = {path.name: path.stat().st_mtime_ns for path in stopped.destination.rglob("*")}
    assert len(times) >= 15 and times.items() <= found.items()


@pytest.mark.moments(quick=["export", "unpack"])
def test_damaged_shards_are_written_again(stopped, continues):
    flipped, cut, empty, gone, *_ = shards(stopped)
    flipped.write_bytes(bytes([flipped.read_bytes()[0] ^ 1]) + flipped.read_bytes()[1:])
    os.truncate(cut, 10), empty.write_bytes(b""), gone.unlink()
    for path, text in zip(receipts(stopped)[5:], ("", "{}", "null", '{"split": 1}')):
        path.write_text(text)
    continues(stopped, "shards and receipts damaged in staging")


@pytest.mark.moments(quick=["raw256"])
def test_staging_of_an_older_version_is_removed(stopped, continues):
    receipts(stopped)[0].parent.rename(stopped.staging / "0123456789abcdef")
    (stopped.staging / "notes.txt").write_text("of an older version")
    (stopped.staging / "link").symlink_to(stopped.source)
    continues(stopped, "staging folder of an older version")
    assert stopped.file.exists()  # behind the link


@pytest.mark.moments(quick=["classification"])
def test_stale_lock_is_no_obstacle(run, continues):
    run.staging.mkdir(parents=True)
    (run.staging / "lock").write_text("process 1 on this machine")
    continues(run, "lock of a process that is gone")


@pytest.mark.moments(quick=["export"])
@pytest.mark.parametrize("years", [-50, 50])
def test_times_of_another_clock_do_not_matter(stopped, years, continues):
    then = time.time() + years * 365 * 86_400
    for path in stopped.staging.rglob("*"):
        os.utime(path, (then, then))
    continues(stopped, "clock set back or forward between two runs")


@pytest.mark.moments(count=4, quick=["export"])
def test_two_runs_at_once(run, moment, wait, continues):
    first = run.start()
    wait(run, moment / 4)
    second = run.start()
    for process in (second, first):
        status, _, errors = run.ended(process)
        assert (
            status == 0
            or status == 1
            and any(text in errors for text in ("Another run is", "by another run", "holds "))
        )
        assert "Traceback" not in errors
    assert run.destination.exists()
    continues(run, "two runs at once")


@pytest.mark.moments(quick=["export"])
def test_second_run_is_refused(run, continues, capsys):
    process = run.start()
    run.wait_for(process, lambda: receipts(run))
    process.send_signal(signal.SIGSTOP)
    try:
        assert run.again() == 1
        assert f"Another run is making {run.destination} (process {process.pid} on " in capsys.readouterr().err
    finally:
        process.send_signal(signal.SIGCONT)
    assert run.ended(process)[0] == 0
    continues(run, "two runs, the second refused")


@pytest.mark.moments(quick=["classification"])
def test_source_of_another_time_starts_anew(stopped, tmp_path, continues, caplog):
    copied = shutil.copytree(stopped.source, tmp_path / "source", copy_function=shutil.copy)
    own = dataclasses.replace(stopped, source=copied)
    continues(own, "source copied anew between two runs")
    assert "has changed" in caplog.text and "starting anew" in caplog.text


@pytest.mark.moments(quick=["raw256"])
def test_changed_option_starts_anew(run, continues, caplog):
    if run.kind == "unpack":
        pytest.skip("unpack has no options that change files")
    stop(dataclasses.replace(run, workers=1, shards=50))
    continues(run, "other options between two runs")
    assert "has changed" in caplog.text and "starting anew" in caplog.text
