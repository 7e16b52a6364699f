"""The examples in the docstrings of this room."""

import docexamples
import pytest

from ilsvrc_tfds import runners
from ilsvrc_tfds.runners import beam, dask, local, open_files, runner

MODULES = [runners, beam, dask, local, open_files, runner]
NEEDS = {beam: "apache_beam", dask: "distributed"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_hold(module, tmp_path, monkeypatch):
    if module in NEEDS:
        pytest.importorskip(NEEDS[module])
    assert docexamples.run_examples(module, tmp_path, monkeypatch) > 0


def test_each_engine_is_a_runner_under_its_name():
    for name, engine in runners.RUNNERS.items():
        assert engine.__name__ == f"{name.capitalize()}Runner"
        assert all(callable(getattr(engine, method)) for method in ("run", "stop", "__enter__", "__exit__"))
