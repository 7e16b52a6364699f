"""A run that is ended, by whomever, is continued by the same command to the same files, and leaves nothing behind."""

import dataclasses
import os
import random
import re
import signal

import pytest
from commands import own_line, workers_of

pytestmark = pytest.mark.slow


@pytest.mark.moments(count=10, quick=["raw256"])
def test_killed_driver(run, moment, wait, continues):
    process = run.start()
    wait(run, moment)
    process.kill()
    assert run.ended(process)[0] in (-signal.SIGKILL, 0)
    continues(run, "SIGKILL of the driver")


@pytest.mark.moments(count=10, quick=["export"])
def test_killed_worker(run, moment, wait, continues):
    process = run.start()
    run.wait_for(process, lambda: workers_of(process))
    wait(run, moment)
    workers = workers_of(process)[:2]
    for worker in random.Random(moment).sample(workers, k=1) if workers else ():
        worker.kill()
    status, _, errors = run.ended(process)
    assert (
        status == 0
        or status == 1
        and "A worker process died: it was killed, or memory ran out. Finished work" in (own_line(errors))
    )
    continues(run, "SIGKILL of a worker")


@pytest.fixture(scope="session")
def num_steps(archives_of_180, prepared_180, tmp_path_factory):
    """`num_steps(run)`, how often a run changes the file system."""
    counted = {}

    def count(run) -> int:
        key = run.kind, run.overwrite
        if key not in counted:
            own = dataclasses.replace(run, out=tmp_path_factory.mktemp("steps"))
            if own.overwrite:
                make_older_data(own)
            counted[key] = int(re.search(r"steps (\d+)", own.until_step(0).stdout)[1])
        return counted[key]

    return count


def make_older_data(run) -> None:
    assert dataclasses.replace(run, overwrite=False, shards=50).again() == 0


def kill_at_a_step(run, moment: float, last: int) -> None:
    """Half of the steps are among the last two hundred: links, metadata, renames, removals."""
    step = round(2 * moment * last) if moment < 0.5 else last - round(400 * (1 - moment))
    assert run.until_step(max(1, step)).returncode == -signal.SIGKILL


@pytest.mark.moments(count=12, quick=["export"])
def test_killed_before_any_change_of_a_file(run, moment, num_steps, continues):
    alone = dataclasses.replace(run, workers=1)
    kill_at_a_step(alone, moment, num_steps(alone))
    continues(alone, "SIGKILL before the n-th change of a file")


@pytest.mark.moments(count=4, quick=["unpack"])
def test_killed_while_it_replaces_older_data(run, moment, num_steps, continues):
    replacing = dataclasses.replace(run, workers=1, overwrite=True)
    make_older_data(replacing)
    kill_at_a_step(replacing, 0.5 + moment / 2, num_steps(replacing))
    continues(replacing, "SIGKILL while older data is replaced")


@pytest.mark.moments(count=5, quick=["export"])
@pytest.mark.parametrize("signalled", [os.kill, os.killpg], ids=["driver", "group"])
def test_terminated(run, moment, signalled, wait, continues):
    process = run.start()
    wait(run, moment)
    signalled(process.pid, signal.SIGTERM)  # as Kubernetes sends it, and as Slurm does
    require_ended_by(signal.SIGTERM, run, *run.ended(process))
    continues(run, f"SIGTERM to {'all its processes' if signalled is os.killpg else 'the driver'}")


@pytest.mark.moments(count=5, quick=["unpack"])
def test_interrupted(run, moment, wait, continues):
    process = run.start()
    wait(run, moment)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C on a terminal
    require_ended_by(signal.SIGINT, run, *run.ended(process))
    continues(run, "Ctrl-C")


def require_ended_by(number: int, run, status: int, out: str, errors: str) -> None:
    """A run that was not yet through says one line, without a traceback."""
    ends = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}
    if not run.destination.exists():
        assert status == 128 + number
        assert own_line(errors).startswith(f"ilsvrc-tfds: {ends[number]}. Finished work is kept: run the same command")
