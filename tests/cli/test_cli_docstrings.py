"""The examples in the docstrings of this room."""

from pathlib import Path

import docexamples
import drawing
import pytest

from ilsvrc_tfds import cli


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with a miniature in `imagenet`."""
    folder = tmp_path_factory.mktemp("data")
    drawing.official_archives(folder / "imagenet", drawing.miniature())
    return folder


@pytest.mark.parametrize("name", docexamples.modules_of(cli))
def test_examples_hold(name, data, monkeypatch):
    assert docexamples.run_examples(name, data, monkeypatch) > 0
