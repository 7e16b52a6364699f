"""The examples in the docstrings of this room."""

from pathlib import Path

import docexamples
import pytest

from ilsvrc_tfds import outputs


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return docexamples.add_data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("name", docexamples.modules_of(outputs))
def test_examples_hold(name, data, monkeypatch):
    assert docexamples.run_examples(name, data, monkeypatch) > 0
