"""Jobs on Dask workers: of a scheduler over TCP, and of a cluster of this machine's own."""

import os
import signal
import sys
import threading
from pathlib import Path

import engine_jobs
import numpy as np
import psutil
import pytest

from ilsvrc_tfds import errors
from ilsvrc_tfds.runners import DaskRunner
from ilsvrc_tfds.runners import dask as engine

pytestmark = pytest.mark.slow

pytest.importorskip("distributed")
from dask_cluster import dask_cluster, wait_for  # noqa: E402


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with dask_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


@pytest.fixture
def runner(cluster):
    cluster.wait_for_workers()
    with DaskRunner(cluster.address) as runner:
        yield runner


def test_results_come_in_the_order_of_the_jobs(runner):
    assert list(runner.run(engine_jobs.square, range(40))) == [n * n for n in range(40)]
    assert list(runner.run(engine_jobs.square, [])) == []


def test_jobs_run_in_both_workers(runner, cluster):
    assert set(runner.run(engine_jobs.process_id, range(20))) == {worker.pid for worker in cluster.workers}


def test_runner_starts_again_after_stop(runner):
    assert list(runner.run(engine_jobs.square, [3])) == [9]
    runner.stop()
    assert list(runner.run(engine_jobs.square, [4])) == [16]


def test_error_of_a_job_comes_through_at_its_turn(runner):
    results = []
    with pytest.raises(errors.ImageError, match=r"^/data/train.tar: train/n01440764/a.JPEG: the JPEG ends early\.$"):
        for result in runner.run(engine_jobs.fail_at_five, range(20)):
            results.append(result)
    assert results == [0, 1, 2, 3, 4]


def test_bug_in_a_job_keeps_its_type(runner):
    with pytest.raises(ZeroDivisionError):
        list(runner.run(engine_jobs.divide, [1, 0]))


def test_jobs_are_taken_as_they_are_needed(runner):
    taken = []
    for result in runner.run(engine_jobs.square, (taken.append(n) or n for n in range(60))):
        assert len(taken) <= result**0.5 + 4 * 2
    assert taken == list(range(60))


def test_jobs_that_are_done_take_no_memory(runner):
    held = []

    def jobs():
        for _ in range(300):
            yield np.random.default_rng(len(held)).bytes(500_000)
            held.append(psutil.Process().memory_info().rss)

    assert set(map(type, runner.run(engine_jobs.length, jobs()))) == {int}
    assert held[-1] - held[50] < 60e6


def test_job_of_a_killed_worker_is_done_by_another(tmp_path):
    with dask_cluster(tmp_path) as cluster, DaskRunner(cluster.address) as runner:
        killed = []

        def kill():
            at_work = tmp_path / "at-work"
            killed.append(int(wait_for(lambda: at_work.exists() and at_work.read_text())))
            os.kill(killed[0], signal.SIGKILL)
            next(worker for worker in cluster.workers if worker.pid == killed[0]).wait()
            (tmp_path / "go").touch()

        thread = threading.Thread(target=kill)
        thread.start()
        (survivor,) = runner.run(engine_jobs.say_and_wait, [str(tmp_path)])
        thread.join()
        assert {survivor, *killed} == {worker.pid for worker in cluster.workers} and survivor not in killed


def test_lost_scheduler_interrupts_the_run(tmp_path):
    with dask_cluster(tmp_path, workers=1) as cluster, DaskRunner(cluster.address) as runner:
        thread = threading.Thread(target=lambda: wait_for((tmp_path / "at-work").exists) and cluster.scheduler.kill())
        thread.start()
        with pytest.raises(
            errors.InterruptedRun, match=r"^The Dask cluster was lost: .*connection-lost\. Finished work is kept"
        ):
            list(runner.run(engine_jobs.say_and_wait, [str(tmp_path)]))
        thread.join()


def test_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(engine, "_SECONDS_TO_CONNECT", 0.2)
    with pytest.raises(errors.OptionError, match="No Dask scheduler answers at tcp://127.0.0.1:1: "):
        list(DaskRunner("tcp://127.0.0.1:1").run(engine_jobs.square, [1]))


@pytest.fixture
def importable_jobs(monkeypatch):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(engine_jobs.__file__).parent), os.environ.get("PYTHONPATH", "")])
    )


def test_own_workers_are_light_and_end_with_the_runner(importable_jobs):
    with DaskRunner(workers=2) as runner:
        found = set(
            wait_for(lambda: pids if len(pids := set(runner.run(engine_jobs.process_id, range(20)))) == 2 else None)
        )
        assert os.getpid() not in found
        assert set(runner.run(engine_jobs.worker_variable, range(4))) == {"1"}
    assert not psutil.wait_procs([psutil.Process(pid) for pid in found if psutil.pid_exists(pid)], timeout=3)[1]


def test_job_that_kills_its_workers_interrupts_the_run(importable_jobs):
    import dask

    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), DaskRunner(workers=1) as runner:
        with pytest.raises(errors.InterruptedRun, match="The Dask cluster was lost: Attempted to run task"):
            list(runner.run(engine_jobs.die, [1]))


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_out_of_range_are_an_option_error(workers):
    with pytest.raises(errors.OptionError, match=f"workers must be at least 1, got {workers}"):
        DaskRunner(workers=workers)


def test_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(errors.OptionError, match=r'The engine dask needs Dask .* python -m pip install "\.\[dask\]"'):
        DaskRunner()
