"""The examples in the docstrings of this room."""

from pathlib import Path

import docexamples
import pytest

from ilsvrc_tfds.outputs import (
    builder,
    comparison,
    data_set,
    dataset_info,
    description,
    export,
    export_boxes,
    index,
    prepare,
    replaceable,
    subset_config,
    unpack,
)

MODULES = [
    builder,
    comparison,
    data_set,
    dataset_info,
    description,
    export,
    export_boxes,
    index,
    prepare,
    replaceable,
    subset_config,
    unpack,
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return docexamples.add_data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_hold(module, data, monkeypatch):
    assert docexamples.run_examples(module, data, monkeypatch) > 0
