"""Fixtures that several test modules share."""

import gc
import itertools
import os
import signal
import tempfile
from collections.abc import Iterator

import drawing
import pytest
import stores
from unprivileged import give_up_root

import ilsvrc_tfds

pytest.register_assert_rewrite("browsing")
import browsing  # noqa: E402

_NUMBERS = itertools.count()


def pytest_configure(config):
    """Gives the session, and all processes that it starts, a temporary folder of their own, which is removed at the end.

    TensorFlow's compiled Python leaves files in it if a process is killed. pytest keeps the folders of tests where it always does.
    """
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    config.temporary = tempfile.TemporaryDirectory(prefix="ilsvrc-tfds-tests-", ignore_cleanup_errors=True)
    os.environ["TMPDIR"] = tempfile.tempdir = config.temporary.name


def pytest_unconfigure(config):
    config.temporary.cleanup()


def pytest_collection_finish(session):
    """Keeps the garbage collector from what the test modules have imported: TensorFlow alone has a million objects."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config) -> int:
    """Returns the number of processes that share the tests: one for each core, at most 4, for each loads TensorFlow."""
    return min(len(os.sched_getaffinity(0)), 4)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(config, report):
    """Replaces what is not Unicode, as in a path that a test has logged: pytest-xdist ends with an error on it."""
    return _in_unicode((yield))


def _in_unicode(value):
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {_in_unicode(key): _in_unicode(item) for key, item in value.items()}
        case list() | tuple():
            return type(value)(map(_in_unicode, value))
    return value


def pytest_addoption(parser):
    parser.addoption(
        "--all-moments", action="store_true", help="disturb runs at many moments, not at a few: tests/whole/faults"
    )


@pytest.fixture(scope="session", autouse=True)
def heed_interrupts():
    """Makes Ctrl-C count in the processes that tests start: a shell's background job ignores it and hands that on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def images() -> drawing.Images:
    """A miniature data set of three classes with the odd images of the real one."""
    return drawing.miniature()


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """A headless Chromium. Tests that ask for it are skipped without one."""
    with browsing.chromium() as found:
        yield found


@pytest.fixture(scope="session", params=["gs", "s3"])
def store(request) -> Iterator[stores.Server]:
    """A server of each kind of store, with an empty bucket, which this process and those that it starts use."""
    with stores.serving(request.param) as server:
        own = {name: os.environ.get(name) for name in server.environment}
        os.environ.update(server.environment)
        yield server
        for name, value in own.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture
def url(store) -> str:
    """The URL of a folder in a bucket that nobody has used."""
    return store.url(f"folder {next(_NUMBERS)}/tfds")


@pytest.fixture
def archives(tmp_path, images):
    """The miniature as official archives."""
    return drawing.official_archives(tmp_path / "source", images)


@pytest.fixture
def prepare(archives, tmp_path):
    """Prepares the miniature in this process, incomplete as it is."""

    def prepare_miniature(source=archives, data_dir=tmp_path / "data", **options):
        return ilsvrc_tfds.prepare(source, data_dir, **{"workers": 1, "allow_incomplete": True, **options})

    return prepare_miniature


@pytest.fixture
def permissions_count() -> Iterator[None]:
    """Root, too, may only do in this thread what the permissions of files say; it stays their owner."""
    take_back = give_up_root()
    if take_back is None:
        pytest.skip("root may do anything, and cannot give that up here")
    yield
    take_back()
