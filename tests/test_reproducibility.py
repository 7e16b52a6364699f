"""The bytes of a prepared data set do not depend on workers, on interruptions, or on the layout of the source."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import DestinationError

SHARDS = {"train": 60, "val": 3}


@pytest.fixture(scope="module")
def many() -> drawing.Images:
    """180 train images, so that a run can be stopped half way."""
    return drawing.miniature(train=60)


@pytest.fixture(scope="module")
def source(many, tmp_path_factory):
    return drawing.official_archives(tmp_path_factory.mktemp("many"), many)


@pytest.fixture(scope="module", params=["classification", "raw256"])
def undisturbed(request, source, tmp_path_factory):
    """A config and the sums of its files, made by one worker without interruption."""
    return request.param, _sums(_prepare(source, tmp_path_factory.mktemp("one"), request.param, workers=1))


def test_two_workers_make_the_same_bytes(undisturbed, source, tmp_path):
    config, sums = undisturbed
    assert _sums(_prepare(source, tmp_path, config, workers=2)) == sums


def test_folders_make_the_same_bytes_as_archives(undisturbed, many, tmp_path):
    config, sums = undisturbed
    folder = _prepare(drawing.folders(tmp_path / "source", many), tmp_path / "data", config, workers=2)
    found = _sums(folder)
    # The one file that says from which layout the images came.
    assert json.loads((folder / "metadata.json").read_text())["source_layout"] == "folders"
    assert {**found, "metadata.json": sums["metadata.json"]} == sums


def test_killed_run_is_continued_to_the_same_bytes(undisturbed, source, tmp_path):
    config, sums = undisturbed
    finished = _kill_half_way(source, tmp_path, config, signal.SIGKILL)
    kept = {path: path.stat().st_mtime_ns for path in finished}
    assert 0 < len(kept) < sum(SHARDS.values())
    assert not (tmp_path / "ilsvrc2012" / config / "1.0.0").exists()
    folder = _prepare(source, tmp_path, config, workers=2)
    assert _sums(folder) == sums
    assert all((folder / path.name).stat().st_mtime_ns == time for path, time in kept.items())  # not written again
    assert sorted(path.name for path in folder.parent.iterdir()) == ["1.0.0"]  # staging is gone


def test_interrupted_run_says_how_to_continue(source, tmp_path):
    process = _start(source, tmp_path, "raw256")
    _wait_for_shards(tmp_path, "raw256")
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C on a terminal: the driver and its workers
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.splitlines()[-1].startswith("ilsvrc-tfds: Interrupted. What is finished is kept")
    assert "Traceback" not in stderr


def test_changed_option_starts_anew_and_says_so(source, tmp_path, caplog):
    _kill_half_way(source, tmp_path, "raw256", signal.SIGKILL)
    with caplog.at_level("WARNING"):
        _prepare(source, tmp_path, "raw256", workers=2, num_shards={"train": 7})
    assert "starting anew" in caplog.text


def test_changed_source_starts_anew(many, tmp_path, caplog):
    source = drawing.official_archives(tmp_path / "source", many)
    _kill_half_way(source, tmp_path, "raw256", signal.SIGKILL)
    os.utime(source / "ILSVRC2012_img_train.tar", (1, 1))
    with caplog.at_level("WARNING"):
        _prepare(source, tmp_path, "raw256", workers=2)
    assert "starting anew" in caplog.text


def test_second_run_on_one_destination_is_refused(source, tmp_path):
    process = _start(source, tmp_path, "raw256")
    _wait_for_shards(tmp_path, "raw256")
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(DestinationError, match=f"process {process.pid} on "):
            _prepare(source, tmp_path, "raw256", workers=1)
    finally:
        process.kill()
        process.communicate()


def _prepare(source: Path, data_dir: Path, config: str, **options) -> Path:
    options = {"num_shards": SHARDS, **options}
    return Path(ilsvrc_tfds.prepare(source, data_dir, config=config, allow_incomplete=True, **options).data_dir)


def _sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def _start(source: Path, data_dir: Path, config: str) -> subprocess.Popen:
    shards = ",".join(f"{split}={count}" for split, count in SHARDS.items())
    words = f"-m ilsvrc_tfds.cli prepare {source} --data-dir {data_dir} --config {config} --num-shards {shards}"
    command = [sys.executable, *words.split(), "--workers", "2", "--allow-incomplete"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def _wait_for_shards(data_dir: Path, config: str) -> None:
    for _ in range(60_000):
        if any(data_dir.glob(f"ilsvrc2012/{config}/.1.0.0.staging/*/*.json")):
            return
        time.sleep(0.001)
    raise TimeoutError("no shard was finished within a minute")


def _kill_half_way(source: Path, data_dir: Path, config: str, number: int) -> list[Path]:
    """Kills the driver as soon as a shard is finished; returns the finished shards."""
    process = _start(source, data_dir, config)
    _wait_for_shards(data_dir, config)
    process.send_signal(number)
    process.communicate(timeout=60)
    time.sleep(1)  # its workers notice within a fraction of a second
    return [path.with_suffix("") for path in data_dir.glob(f"ilsvrc2012/{config}/.1.0.0.staging/*/*.json")]
