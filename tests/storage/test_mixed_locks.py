"""Claims of real processes if `flock` works for only some, or if they see each other's locks but not each other."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import refusing
from test_locks import HOLD, REFUSING, ended, kill, start

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.storage import locks, staging
from ilsvrc_tfds.storage.holders import Holder, machine

IN_A_CONTAINER = HOLD.replace("if machine:", "holders.machine = lambda: 'another table of processes'\nif machine:")
# Says that another kernel has locked its file, which is not seen here, as on Lustre with `-o localflock`.
LOCKED_ELSEWHERE = HOLD.replace(
    "if machine:", "words = locks.words_of_myself\nlocks.words_of_myself = lambda is_locked: words(True)\nif machine:"
)


@pytest.fixture
def destination(tmp_path) -> Path:
    return tmp_path / "data/1.0.0"


def start_with_locks(code: str, destination: Path, machine: str = "") -> subprocess.Popen:
    pipe, environment = subprocess.PIPE, {**os.environ, "ILSVRC_TFDS_WORKER": "1"}
    words = [sys.executable, "-c", code, destination, machine]
    return subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)


def held(process: subprocess.Popen) -> subprocess.Popen:
    while (line := process.stdout.readline()) != "held\n":
        if not line and process.wait() == refusing.UNAVAILABLE:
            pytest.skip("the kernel refuses to refuse system calls here")
        assert line, process.stderr.read()
    return process


@pytest.mark.parametrize("first, second", [(start, start_with_locks), (start_with_locks, start)])
def test_process_with_flock_and_one_without_see_each_other(destination, first, second):
    holder = held(first(HOLD, destination))
    assert f"Another run is making {destination} (process {holder.pid} on " in ended(second(HOLD, destination))
    assert ended(holder) == "published\n"
    destination.rmdir()
    assert ended(second(HOLD, destination)).endswith("held\npublished\n")
    assert os.listdir(destination.parent) == ["1.0.0"]


@pytest.mark.parametrize("code", [HOLD, IN_A_CONTAINER], ids=["here", "in a container"])
def test_killed_holder_whose_lock_can_be_taken_is_dead_at_once(destination, code):
    holder = held(start_with_locks(code, destination))
    assert "Another run is making" in ended(start_with_locks(HOLD, destination))
    kill(holder)
    assert ended(start_with_locks(HOLD, destination)) == "held\npublished\n"


def test_killed_holder_that_is_not_waited_for_is_dead_at_once(destination):
    holder = held(start_with_locks(HOLD, destination))
    holder.kill()  # it keeps its number until it is waited for
    while Path(f"/proc/{holder.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert ended(start_with_locks(HOLD, destination)) == "held\npublished\n"
    holder.communicate()


def test_killed_holder_of_another_machine_is_watched_at_once_if_its_lock_is_free(destination):
    kill(held(start_with_locks(HOLD, destination, "another")))
    out = ended(start_with_locks(HOLD, destination))
    assert "its lock is free: watching whether its process is alive" in out and out.endswith("held\npublished\n")


def test_living_holder_whose_lock_is_not_seen_is_refused(destination):
    holder = held(start(LOCKED_ELSEWHERE, destination, "another"))
    out = ended(start_with_locks(HOLD, destination))
    assert "its lock is free: watching whether" in out and "Another run is making" in out
    assert ended(holder) == "published\n"


def test_holder_that_another_one_has_replaced_does_not_publish(destination):
    with staging.claim(destination) as claimed:
        (destination.parent / ".1.0.0.staging/lock.holder").unlink()
        (destination.parent / ".1.0.0.staging/lock.holder").touch()
        with pytest.raises(DestinationError, match=f"Another run has taken {destination} over"), claimed.replacing():
            pass
    assert os.listdir(destination.parent / ".1.0.0.staging") == ["lock.holder"]


# Dies within the n-th call of a function, behind what it does.
DYING = """
import os, signal, sys
name, number = sys.argv[3], int(sys.argv[4])
function, count = getattr(os, name), 0
def dying(*arguments, **options):
    global count
    result = function(*arguments, **options)
    count += 1
    if count == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(os, name, dying)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name, number", [("write", 1), ("link", 1), ("unlink", 1), ("rename", 1), ("utime", 1)])
def test_process_that_dies_while_it_takes_over_leaves_nothing_in_the_way(destination, name, number):
    kill(held(start_with_locks(HOLD, destination, "another")))
    impatient = HOLD.replace("_BEATS = 0.05\n", "_BEATS, locks._SECONDS_TO_DEATH = 0.05, 0.0\n")
    words = [sys.executable, "-c", DYING + impatient, destination, "", name, str(number)]
    words = [*REFUSING[:-2], *words] if name == "utime" else words
    died = subprocess.run(words, input="\n", capture_output=True, text=True)
    if died.returncode == refusing.UNAVAILABLE:
        pytest.skip("the kernel refuses to refuse system calls here")
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert any(path.name.startswith("lock.holder") for path in (destination.parent / ".1.0.0.staging").iterdir())
    assert ended(start_with_locks(HOLD, destination)).endswith("held\npublished\n")
    assert os.listdir(destination.parent) == ["1.0.0"]


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO])
def test_server_that_has_gone_is_a_destination_error(destination, number, monkeypatch):
    def refuse(*stats):
        raise OSError(number, os.strerror(number))

    with staging.claim(destination) as claimed:
        monkeypatch.setattr(os.path, "samestat", refuse)
        with pytest.raises(DestinationError, match=f"1.0.0 cannot be written: {os.strerror(number)}"):
            with claimed.replacing():
                pass
    monkeypatch.undo()
    assert ended(start_with_locks(HOLD, destination)) == "held\npublished\n"


# A user whose /proc shows no process of others looks at one that lives and at one that has ended.
HIDDEN = """
import os, sys
from ilsvrc_tfds.storage.holders import Holder, machine
os.setgroups([]), os.setgid(65534), os.setuid(65534)
assert not os.path.exists(f"/proc/{sys.argv[1]}")
print(*(Holder("", machine(), int(process), "", "", 0.0).is_gone() for process in sys.argv[1:]))
"""


def test_process_of_another_user_lives_though_proc_does_not_show_it():
    over = subprocess.Popen([sys.executable, "-c", ""])
    over.wait()
    mount = 'mount -t proc -o hidepid=2 proc /proc && exec "$0" "$@"'
    line = ["unshare", "--mount", "sh", "-c", mount, sys.executable, "-c", HIDDEN, str(os.getpid()), str(over.pid)]
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root can hide processes")
    done = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "ILSVRC_TFDS_WORKER": "1"})
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip("processes cannot be hidden here")
    assert done.stdout == "False True\n", done.stderr


@pytest.mark.parametrize("process", [0, -1, 1 << 80])
def test_what_is_no_number_of_a_process_is_not_gone(process):
    assert not Holder("", machine(), process, "", "", 0.0).is_gone()


def test_time_of_the_file_is_renewed_with_flock_too(destination, monkeypatch):
    monkeypatch.setattr(locks, "_SECONDS_BETWEEN_BEATS", 0.01)
    with staging.claim(destination):
        path = destination.parent / ".1.0.0.staging/lock.holder"
        before, end = path.stat().st_mtime_ns, time.monotonic() + 30
        while path.stat().st_mtime_ns == before:
            assert time.monotonic() < end
            time.sleep(0.01)
