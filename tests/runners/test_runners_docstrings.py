"""The examples in the docstrings of this room."""

import docexamples
import pytest

from ilsvrc_tfds import runners

NEEDS = {"ilsvrc_tfds.runners.beam": "apache_beam", "ilsvrc_tfds.runners.dask": "distributed"}


@pytest.mark.parametrize("name", docexamples.modules_of(runners))
def test_examples_hold(name, tmp_path, monkeypatch):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    assert docexamples.run_examples(name, tmp_path, monkeypatch) > 0


def test_each_engine_is_a_runner_under_its_name():
    for name, engine in runners.RUNNERS.items():
        assert engine.__name__ == f"{name.capitalize()}Runner"
        assert all(callable(getattr(engine, method)) for method in ("run", "stop", "__enter__", "__exit__"))
