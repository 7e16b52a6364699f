"""The examples in the docstrings of this room, and every public name has one."""

import doctest
from pathlib import Path

import docexamples
import pytest

from ilsvrc_tfds import pipeline


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return docexamples.add_data(tmp_path_factory.mktemp("data"), exported=True)


@pytest.mark.parametrize("name", docexamples.modules_of(pipeline))
def test_examples_hold(name, data, monkeypatch):
    assert docexamples.run_examples(name, data, monkeypatch) > 0


@pytest.mark.parametrize("name", pipeline.__all__)
def test_public_name_has_an_example(name):
    assert doctest.DocTestFinder(recurse=False).find(getattr(pipeline, name), name)[0].examples
