"""The examples in the docstrings of this room, and every public name has one."""

import doctest
from pathlib import Path

import docexamples
import pytest

from ilsvrc_tfds import pipeline
from ilsvrc_tfds.pipeline import (
    batches,
    bench,
    delivery,
    epochs,
    examples,
    layers,
    missing,
    numbering,
    reading,
    schedule,
    service,
    split,
    subsets,
    unchanged,
)

MODULES = [
    batches,
    bench,
    delivery,
    epochs,
    examples,
    layers,
    missing,
    numbering,
    reading,
    schedule,
    service,
    split,
    subsets,
    unchanged,
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return docexamples.add_data(tmp_path_factory.mktemp("data"), exported=True)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_hold(module, data, monkeypatch):
    assert docexamples.run_examples(module, data, monkeypatch) > 0


@pytest.mark.parametrize("name", pipeline.__all__)
def test_public_name_has_an_example(name):
    assert doctest.DocTestFinder(recurse=False).find(getattr(pipeline, name), name)[0].examples
