"""The examples in the docstrings of this room."""

from pathlib import Path

import docexamples
import drawing
import pytest

from ilsvrc_tfds import cli
from ilsvrc_tfds.cli import next_steps, options, parser, signals, streams


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with a miniature in `imagenet`."""
    folder = tmp_path_factory.mktemp("data")
    drawing.official_archives(folder / "imagenet", drawing.miniature())
    return folder


@pytest.mark.parametrize(
    "module", [cli, next_steps, options, parser, signals, streams], ids=lambda module: module.__name__
)
def test_examples_hold(module, data, monkeypatch):
    assert docexamples.run_examples(module, data, monkeypatch) > 0
