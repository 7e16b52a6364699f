"""Jobs in worker processes: order, errors, and that no worker outlives its driver."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from ilsvrc_tfds import errors
from ilsvrc_tfds.runners import LocalRunner

# The errors that jobs raise.
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.IlsvrcError)]


def square(n: int) -> int:
    time.sleep(0.02 if n % 3 == 0 else 0)  # so that later jobs end before earlier ones
    return n * n


def fail_at_five(n: int) -> int:
    if n == 5:
        raise errors.ImageError("/data/train.tar: train/n01440764/a.JPEG: the JPEG ends early.")
    return n


def divide(n: int) -> float:
    return 1 / n


def die(n: int) -> int:
    if n == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return n


def length_after_a_while(data: bytes) -> int:
    time.sleep(0.05)
    return len(data)


def process_id(_) -> int:
    time.sleep(0.05)
    return os.getpid()


def peak_memory(_) -> int:
    """Returns the largest resident size of this process, in bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def policy(_) -> int:
    return os.sched_getscheduler(0)


def loaded(_) -> set[str]:
    return {"tensorflow", "h5py"} & set(sys.modules)


def workers_alive() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "popen_loky" in " ".join(child.cmdline())]


def wait_until_gone(processes: list[psutil.Process], seconds: float = 10) -> bool:
    """Returns whether all processes end in time."""
    return not psutil.wait_procs(processes, timeout=seconds)[1]


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="needs Linux")
def test_processes_that_clean_up_do_not_delay_the_workers():
    helper = subprocess.Popen(["sleep", "60"])
    try:
        os.sched_setscheduler(helper.pid, os.SCHED_IDLE, os.sched_param(0))
    except OSError:
        pytest.skip("the scheduler may not be changed here")
    finally:
        helper.kill()
        helper.wait()
    with LocalRunner(2) as runner:
        assert set(runner.run(policy, range(4))) == {os.SCHED_OTHER}
        trackers = [child for child in psutil.Process().children() if "resource_tracker" in " ".join(child.cmdline())]
        assert len(trackers) == 2 and {os.sched_getscheduler(child.pid) for child in trackers} == {os.SCHED_IDLE}


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(workers):
    with LocalRunner(workers) as runner:
        assert list(runner.run(square, range(40))) == [n * n for n in range(40)]
        assert list(runner.run(square, [])) == []
        assert list(runner.run(square, iter([7]))) == [49]  # the same workers


@pytest.mark.parametrize("workers", [1, 2])
def test_error_of_a_job_comes_through_at_its_turn(workers):
    results = []
    with pytest.raises(errors.ImageError, match=r"^/data/train.tar: train/n01440764/a.JPEG: the JPEG ends early\.$"):
        with LocalRunner(workers) as runner:
            results.extend(result for result in runner.run(fail_at_five, range(20)))
    with LocalRunner(workers) as runner:
        for result in runner.run(fail_at_five, range(5)):
            results.append(result)
    assert results[-5:] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("workers", [1, 2])
def test_bug_in_a_job_keeps_its_type(workers):
    with pytest.raises(ZeroDivisionError), LocalRunner(workers) as runner:
        list(runner.run(divide, [1, 0]))


def test_runner_goes_on_after_the_error_of_a_job():
    with LocalRunner(2) as runner:
        with pytest.raises(ZeroDivisionError):
            list(runner.run(divide, [1, 0, 2]))
        assert list(runner.run(divide, [1, 2])) == [1, 0.5]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_survive_pickling(kind):
    copy = pickle.loads(pickle.dumps(kind("what, where; remedy")))
    assert type(copy) is kind and str(copy) == "what, where; remedy"


def test_worker_that_is_killed_interrupts_the_run():
    with pytest.raises(
        errors.InterruptedRun,
        match="A worker process died: it was killed, or memory ran out. Finished work is kept. Run the",
    ):
        with LocalRunner(2) as runner:
            list(runner.run(die, range(100)))
    assert wait_until_gone(workers_alive())


@pytest.mark.parametrize("workers, ahead", [(1, 1), (2, 8), (3, 12)])
def test_jobs_are_taken_as_they_are_needed(workers, ahead):
    taken = []
    with LocalRunner(workers) as runner:
        for result in runner.run(square, (taken.append(n) or n for n in range(60))):
            assert len(taken) <= result**0.5 + ahead
    assert taken == list(range(60))


@pytest.mark.parametrize("workers", [1, 2])
def test_consumer_may_stop_early(workers):
    taken = []
    with LocalRunner(workers) as runner:
        results = runner.run(square, (taken.append(n) or n for n in range(10_000)))
        assert [next(results), next(results)] == [0, 1]
        getattr(results, "close", int)()
        assert len(taken) < 20
        assert list(runner.run(square, [3])) == [9]
    assert wait_until_gone(workers_alive())


@pytest.mark.slow
def test_workers_are_other_processes_and_end_with_the_runner():
    with LocalRunner(2) as runner:
        found = set(runner.run(process_id, range(20)))
        assert len(found) == 2 and os.getpid() not in found
    assert wait_until_gone([psutil.Process(pid) for pid in found if psutil.pid_exists(pid)])
    with LocalRunner(1) as runner:
        assert set(runner.run(process_id, range(2))) == {os.getpid()}


def test_workers_are_light():
    import tensorflow  # noqa: F401  the caller has it, a worker must not

    with LocalRunner(2) as runner:
        assert list(runner.run(loaded, range(4))) == [set()] * 4
        assert max(runner.run(peak_memory, range(4))) < 120e6


def test_workers_default_to_the_cores_of_this_process():
    assert LocalRunner().workers == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_out_of_range_are_an_option_error(workers):
    with pytest.raises(errors.OptionError, match=f"workers must be at least 1, got {workers}"):
        LocalRunner(workers)


# A script as users write it: no `if __name__ == "__main__"`, and a function of its own.
SCRIPT = """
import time
from ilsvrc_tfds.runners import LocalRunner, local

def job(n):
    time.sleep({seconds})
    if n == {fails_at}:
        raise OSError("damaged")
    return n

print("script", flush=True)
with LocalRunner(2) as runner:
    for result in runner.run(job, range(6)):
        print(result, flush=True)
"""


@pytest.fixture
def script(tmp_path):
    """Starts the script, whose jobs take so many seconds, in a process group of its own."""

    def start(seconds: float, fails_at: int = -1) -> subprocess.Popen:
        path = tmp_path / "script.py"
        path.write_text(SCRIPT.format(seconds=seconds, fails_at=fails_at))
        command = [sys.executable, str(path)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    return start


@pytest.mark.slow
def test_script_needs_no_main_guard(script):
    out, err = script(0).communicate(timeout=30)
    assert out.split() == ["script", "0", "1", "2", "3", "4", "5"] and err == ""


@pytest.mark.slow
def test_error_of_a_job_ends_a_script_with_its_traceback_alone(script):
    out, err = script(0.05, fails_at=2).communicate(timeout=30)
    assert out.split() == ["script", "0", "1"] and err.endswith("OSError: damaged\n")
    assert err.count("Traceback (most recent call last)") == 2  # the worker's and the driver's
    assert (
        "Exception in executor manager thread" not in err
    )  # where a cancelled job meets loky's killing of the workers


# loky's thread that writes the jobs ends late, and is slow to unlink the semaphores that it is the last to hold.
LATE = """
import importlib, threading, time
from loky.backend import queues
from ilsvrc_tfds.runners import LocalRunner, local

semaphores = importlib.import_module("loky.backend.synchronize")
feed, unlink = queues.Queue._feed, semaphores.sem_unlink

def end_late(*arguments):
    feed(*arguments)
    time.sleep(0.1)

def unlink_slowly(name):
    unlink(name)
    time.sleep(1 if threading.current_thread().daemon else 0)

queues.Queue._feed, semaphores.sem_unlink = staticmethod(end_late), unlink_slowly
with LocalRunner(2) as runner:
    print(list(runner.run(len, ["a", "bc"])))
time.sleep(0.2)
"""


@pytest.mark.slow
def test_script_that_ends_at_once_leaves_no_semaphore_behind():
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("[1, 2]\n", "")


def test_no_thread_is_left_that_writes_jobs_that_nobody_reads():
    with LocalRunner(2) as runner:
        next(runner.run(length_after_a_while, (bytes(5_000_000) for _ in range(100))))
        assert "QueueFeederThread" in {thread.name for thread in threading.enumerate()}
    assert "QueueFeederThread" not in {thread.name for thread in threading.enumerate()}


def first_results(process: subprocess.Popen) -> list[psutil.Process]:
    """Returns a script's processes once its workers are at work."""
    assert [process.stdout.readline() for _ in range(2)] == ["script\n", "0\n"]
    found = psutil.Process(process.pid).children(recursive=True)
    assert len(found) >= 2
    return found


@pytest.mark.slow
def test_workers_end_when_the_driver_is_killed(script):
    process = script(0.5)
    found = first_results(process)
    process.kill()
    process.communicate()
    assert wait_until_gone(found)


@pytest.mark.parametrize(
    "signalled", [os.kill, os.killpg]
)  # `kill -INT`, and Ctrl-C in a terminal, which reaches the workers too
@pytest.mark.slow
def test_interrupt_leaves_no_worker_and_one_traceback(script, signalled):
    process = script(0.5)
    found = first_results(process)
    signalled(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert wait_until_gone(found)
    assert err.count("Traceback") == 1 and err.endswith("KeyboardInterrupt\n")


def pid(job: float) -> int:
    time.sleep(job)
    return os.getpid()


def test_short_jobs_need_no_worker():
    with LocalRunner() as runner:
        assert set(runner.run_short(pid, [0.0] * 20)) == {os.getpid()} and not runner.has_started()
        assert list(runner.run_short(pid, [])) == []


def named_pid(job: tuple[int, float]) -> tuple[int, int]:
    return job[0], pid(job[1])


@pytest.mark.parametrize("quick", [True, False])
def test_workers_start_beside_short_jobs_and_take_over_once_they_are_ready(quick):
    with LocalRunner() as runner:
        runner.workers = 2
        numbers, pids = zip(*runner.run_short(named_pid, [*enumerate([0.1] * 40)], quick))
        assert numbers == tuple(range(40))
        here = pids.count(os.getpid())
        assert 2 <= here < 32 and len({*pids} - {os.getpid()}) == 2
        assert (pids[0] == os.getpid()) is quick
        assert os.getpid() not in set(runner.run_short(pid, [0.0] * 4)), "they are there, and are used"


def test_many_short_jobs_do_not_wait_for_the_start_of_workers():
    with LocalRunner() as runner:
        runner.workers = 2
        numbers, pids = zip(*runner.run_short(named_pid, [(k, 0.0) for k in range(100)]))
        assert numbers == tuple(range(100)) and runner.has_started()
        assert pids.count(os.getpid()) > 92, "those that were handed to workers are done here too"
        assert os.getpid() not in set(runner.run(pid, [0.0] * 4)), "the workers go on with the next jobs"


def fails_at(job: int) -> int:
    time.sleep(0.02)
    if job in (1, 15):
        raise ValueError(f"job {job}")
    return job


@pytest.mark.parametrize("jobs", [20, 200])
def test_error_of_a_job_done_here_comes_in_order(jobs):
    with LocalRunner() as runner, pytest.raises(ValueError, match="job 1$"):
        runner.workers = 2
        list(runner.run_short(fails_at, range(jobs), quick=False))


def test_one_worker_takes_over_nothing():
    with LocalRunner() as runner:
        runner.workers = 1
        assert set(runner.run_short(pid, [0.1, 0.0, 0.0])) == {os.getpid()} and not runner.has_started()


def test_named_number_of_workers_is_taken_at_its_word():
    with LocalRunner(2) as runner:
        assert os.getpid() not in set(runner.run_short(pid, [0.0, 0.0]))


def test_workers_do_not_take_interrupts_while_they_start():
    code = """
import functools, signal
from ilsvrc_tfds.runners import LocalRunner
with LocalRunner(2) as runner:
    masks = list(runner.run(functools.partial(signal.pthread_sigmask, signal.SIG_BLOCK), [[], []]))
print(all({signal.SIGINT, signal.SIGTERM} <= mask for mask in masks), signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""
    # In a process of its own: the resource tracker of this one may have been started.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True set()\n"
