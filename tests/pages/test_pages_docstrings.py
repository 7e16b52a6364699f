"""The examples in the docstrings of this room."""

import docexamples
import pytest

from ilsvrc_tfds import pages


@pytest.mark.parametrize("name", docexamples.modules_of(pages))
def test_examples_hold(name, tmp_path, monkeypatch):
    assert docexamples.run_examples(name, tmp_path, monkeypatch) > 0
