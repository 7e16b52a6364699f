"""Page faults are counted in processes of their own, because the setting is one of a whole process."""

import subprocess
import sys

import pytest

from ilsvrc_tfds.pipeline import memory

_FREE_AND_ALLOCATE = """
import resource, runpy, sys, threading
import numpy as np

keep_freed_memory = runpy.run_path(sys.argv[2])["keep_freed_memory"]

num_batches, num_threads = map(int, sys.argv[3:])

def batches():
    for _ in range(50):
        for batch in [np.empty(19 << 20, np.uint8) for _ in range(num_batches)]:
            batch[::4096] = 1
        del batch

kept = sys.argv[1] == "keep" and keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
threads = [threading.Thread(target=batches) for _ in range(num_threads)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if not threads:
    batches()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str, batches: int = 3, threads: int = 2, **variables: str) -> tuple[str, int]:
    # By its path, because the package `pipeline` loads TensorFlow.
    words = [sys.executable, "-c", _FREE_AND_ALLOCATE, how, memory.__file__, str(batches), str(threads)]
    done = subprocess.run(words, env=variables, capture_output=True, text=True, check=True)
    kept, faults = done.stdout.split()
    return kept, int(faults)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the setting is one of glibc")
@pytest.mark.parametrize("batches", [3, 6])  # that fit into the heap of a thread, and that do not
def test_freed_batches_need_no_new_pages(batches):
    kept, faults = _faults("keep", batches)
    assert kept == "True" and faults < _faults("leave", batches)[1] / 5


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the setting is one of glibc")
def test_batch_of_the_main_thread_needs_no_more_pages_than_without_the_setting():
    assert _faults("keep", 1, 0)[1] < 2 * _faults("leave", 1, 0)[1]


@pytest.mark.slow
def test_setting_of_the_user_is_left_alone():
    assert _faults("keep", MALLOC_TOP_PAD_="131072")[0] == "False"
