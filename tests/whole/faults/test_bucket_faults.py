"""Runs to a bucket that are killed at several moments, and stores that fail for a while or for good."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import drawing
import proxy
import pytest
import stores

from ilsvrc_tfds.storage import bucket

SHARDS = "train=3,val=2"
NUMBERS = iter(range(1000))
WORDS = {
    "prepare": ["--data-dir", "{}", "--config", "raw256", "--num-shards", SHARDS],
    "export": ["--out", "{}", "--num-shards", SHARDS],
}
# The command that is disturbed at each kind of store; with --all-moments both are.
USUAL = {"gs": "prepare", "s3": "export"}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return drawing.official_archives(tmp_path_factory.mktemp("source"), drawing.miniature())


@pytest.fixture
def above(store) -> str:
    """The URL of a folder that nobody has used."""
    return store.url(f"faults-{next(NUMBERS)}")


@pytest.fixture
def between(store):
    with proxy.passing_on(store) as own:
        yield own


def started(command: str, source: Path, out: str, address: str, *more: str, **environment: str) -> subprocess.Popen:
    scheme = out.partition(":")[0]
    words = [word.format(out) for word in WORDS[command]]
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "ilsvrc_tfds", command, source, "--allow-incomplete", "--workers", "1"),
            *words,
            *more,
        ],
        env={**os.environ, stores.ENDPOINTS.get(scheme, "NONE"): address, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def finished(process: subprocess.Popen, status: int = 0, seconds: float = 100) -> str:
    """Returns what a process has written to standard error, after its end."""
    _, text = process.communicate(timeout=seconds)
    assert process.returncode == status, text
    return text


@pytest.fixture(scope="module")
def local(source, tmp_path_factory) -> dict[str, dict[str, str]]:
    """The digests of the files that each command makes on a local disk."""
    found = {}
    for command in WORDS:
        out = tmp_path_factory.mktemp("local") / "out"
        finished(started(command, source, str(out), ""))
        found[command] = stores.digests(out)
    return found


def commands(request, store) -> list[str]:
    return list(WORDS) if request.config.getoption("--all-moments") else [USUAL[store.scheme]]


@pytest.mark.slow
def test_killed_run_is_continued(source, above, between, store, local, request):
    for command in commands(request, store):
        between.writes = 0
        finished(started(command, source, f"{above}/{command}", between.address))
        writes = between.writes
        assert stores.digests(f"{above}/{command}") == local[command]
        # The lock; shards; the copies at the end; the last object that is removed.
        for moment in sorted({2, writes // 4, writes // 2, 3 * writes // 4, writes - 1}):
            out = f"{above}/{command}-{moment}/out"
            process = started(command, source, out, between.address)

            def kill(number, process=process, moment=moment):
                if number == moment:
                    os.killpg(process.pid, signal.SIGKILL)

            between.before_write, between.writes = kill, 0
            finished(process, -signal.SIGKILL)
            between.before_write = lambda number: None
            staged = bucket.listed(f"{above}/{command}-{moment}")
            receipts = [name for name in staged if name.endswith("of-00003.json")]
            # Then the next run finishes the copies, and what it is asked for is there already.
            ends = ("/publish.json", "out/manifest.json", "1.0.0/manifest.json")
            is_published = any(name.endswith(ends) for name in staged)
            overwrite = ["--overwrite"] if command == "export" and is_published else []
            text = finished(started(command, source, out, between.address, *overwrite))
            assert "Continuing" in text or not receipts or is_published, (moment, text)
            assert stores.digests(out) == local[command], moment
            names = bucket.listed(f"{above}/{command}-{moment}")
            assert len(names) == len(local[command]), (moment, list(names))  # nothing is left over


@pytest.mark.slow
def test_second_run_at_the_same_time_is_refused(source, above, between, store, local):
    begun, go_on = threading.Event(), threading.Event()

    def wait(number):
        if number == 6:
            begun.set()
            go_on.wait(60)

    between.before_write = wait
    first = started("export", source, f"{above}/out", between.address)
    assert begun.wait(60)
    text = finished(started("export", source, f"{above}/out", store.address, TMPDIR="/var/tmp"), status=1)
    assert f"Another run is making {above}/out (process {first.pid} on " in text
    text = finished(started("export", source, f"{above}/out", store.address), status=1)  # in the same scratch folder
    assert f"Another run is making {above}/out (process {first.pid} on " in text
    go_on.set()
    finished(first)
    assert stores.digests(f"{above}/out") == local["export"]


@pytest.mark.slow
@pytest.mark.parametrize("status", [503, 429])
def test_store_that_fails_for_a_while_is_waited_for(status, source, above, between, local):
    def fail(number):
        if number == 5:
            between.status = status
            threading.Timer(4, lambda: setattr(between, "status", 0)).start()

    between.before_write = fail
    finished(started("export", source, f"{above}/out", between.address))
    assert between.refused > 1
    assert stores.digests(f"{above}/out") == local["export"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["gone", "busy"])
def test_store_that_fails_for_good_ends_the_run(how, source, above, between, store, local):
    def fail(number):
        if number == 12:
            threading.Thread(target=between.stop).start() if how == "gone" else setattr(between, "status", 429)

    between.before_write = fail
    begin = time.monotonic()
    text = finished(
        started("export", source, f"{above}/out", between.address, ILSVRC2012_BUCKET_PATIENCE="3"), status=1
    )
    assert time.monotonic() - begin < 60
    lines = [line for line in text.splitlines() if line.startswith("ilsvrc-tfds: ")]
    expected = "has not answered for" if how == "gone" else "has limited the rate of requests for"
    assert len(lines) == 1 and expected in lines[0] and "run the same command again to continue" in lines[0], text
    assert "Traceback" not in text
    between.before_write = lambda number: None
    text = finished(started("export", source, f"{above}/out", store.address))
    assert "Continuing" in text
    assert stores.digests(f"{above}/out") == local["export"]
    assert len(bucket.listed(above)) == len(local["export"])
