"""The examples in the docstrings of this room."""

import docexamples
import pytest

from ilsvrc_tfds.storage import destination, files, holders, locks, publishing, regular, space, staging


@pytest.mark.parametrize(
    "module",
    [destination, files, holders, locks, publishing, regular, space, staging],
    ids=lambda module: module.__name__,
)
def test_examples_hold(module, tmp_path, monkeypatch):
    (tmp_path / "tfds").mkdir()
    (tmp_path / "note").write_bytes(b"text")
    assert docexamples.run_examples(module, tmp_path, monkeypatch) > 0
