"""The examples in the docstrings of this room."""

from pathlib import Path

import docexamples
import drawing
import pytest

from ilsvrc_tfds import sources
from ilsvrc_tfds.sources import (
    boxes,
    completeness,
    demo,
    drawings,
    find,
    index,
    labels,
    layouts,
    members,
    names,
    nearby,
    official,
    places,
    prepared,
    reader,
    scan,
    search,
    sightings,
    tables,
    tar,
    unread,
)
from ilsvrc_tfds.sources.layouts import archives, folders

MODULES = [
    *(
        sources,
        boxes,
        completeness,
        demo,
        drawings,
        find,
        index,
        labels,
        layouts,
        members,
        names,
        nearby,
        official,
        places,
    ),
    *(prepared, reader, scan, search, sightings, tables, tar, unread, archives, folders),
]
TABLE = "ImageId,PredictionString\nn01440764_10026,n01440764 10 20 50 60\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with a miniature as archives, as folders and as a prepared data set, and one of Kaggle's tables."""
    folder = docexamples.add_data(tmp_path_factory.mktemp("data"))
    drawing.folders(folder / "folders", drawing.miniature(train=3, val=1))
    (folder / "LOC_train_solution.csv").write_text(TABLE)
    return folder


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_hold(module, data, monkeypatch):
    assert docexamples.run_examples(module, data, monkeypatch) > 0
