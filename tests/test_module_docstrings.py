"""The examples in the docstrings of the modules that are not in a room."""

import docexamples
import pytest

from ilsvrc_tfds import errors, interrupts, synsets


@pytest.mark.parametrize("module", [errors, interrupts, synsets], ids=lambda module: module.__name__)
def test_examples_hold(module, tmp_path, monkeypatch):
    assert docexamples.run_examples(module.__name__, tmp_path, monkeypatch) > 0
