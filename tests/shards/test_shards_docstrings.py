"""The examples in the docstrings of this room."""

from pathlib import Path

import docexamples
import pytest

from ilsvrc_tfds.shards import encoders, image_files, image_folders, plan, run, writer

MODULES = [encoders, image_files, image_folders, plan, run, writer]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return docexamples.add_data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_hold(module, data, monkeypatch):
    assert docexamples.run_examples(module, data, monkeypatch) > 0
