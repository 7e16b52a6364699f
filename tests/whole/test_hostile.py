"""Whatever bytes a reader is given, it reads or refuses them, with little memory and in little time. See fuzz.py."""

import time
import tracemalloc
from pathlib import Path

import hostile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilsvrc_tfds.errors import IlsvrcError

pytestmark = pytest.mark.slow

CASES = sorted(path for path in Path(__file__).parents[1].joinpath("corpus").glob("*/*"))
SEEDS = {name: target.seeds for name, target in hostile.TARGETS.items()}
# What readers stumble over: signs, powers of two, ends of texts, words of the formats.
BYTES = st.sampled_from(
    [b"\0", b"\xff", b"\n", b"..", b"../", b"/", b"-1", b"1e999", b"\x80\0\0\0", b"\xff" * 8, b"null", b"[", b"{", b"\"", b"<!", b"%"]
)  # fmt: skip


def read_or_refuse(name: str, data: bytes) -> None:
    try:
        hostile.TARGETS[name].read(data)
    except IlsvrcError as error:
        assert str(error).isprintable()  # nothing in a file's name can act upon a terminal


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_case_that_was_found_once_is_read_or_refused(path):
    start = time.process_time()
    read_or_refuse(path.parent.name, path.read_bytes())
    assert time.process_time() - start < 5


@pytest.mark.parametrize("name", SEEDS)
def test_what_the_changes_begin_with_can_be_read(name):
    hostile.TARGETS[name].read(SEEDS[name][0])


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_changed_bytes_are_read_or_refused_with_little_memory(name, data):
    seed = data.draw(st.sampled_from(SEEDS[name]))
    for _ in range(data.draw(st.integers(1, 4))):
        start, length = data.draw(st.integers(0, len(seed))), data.draw(st.integers(0, 3) | st.integers(0, len(seed)))
        seed = seed[:start] + data.draw(BYTES | st.binary(max_size=4)) + seed[start + length :]
    tracemalloc.start()
    try:
        read_or_refuse(name, seed)
        # A manifest is read into a buffer of 64 MiB, whatever its size.
        assert tracemalloc.get_traced_memory()[1] < 80e6
    finally:
        tracemalloc.stop()
