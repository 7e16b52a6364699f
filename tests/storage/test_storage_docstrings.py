"""The examples in the docstrings of this room."""

import docexamples
import pytest

from ilsvrc_tfds import storage


@pytest.mark.parametrize("name", docexamples.modules_of(storage))
def test_examples_hold(name, tmp_path, monkeypatch):
    (tmp_path / "tfds").mkdir()
    (tmp_path / "note").write_bytes(b"text")
    assert docexamples.run_examples(name, tmp_path, monkeypatch) > 0
