"""The examples in the docstrings of this room."""

from pathlib import Path

import docexamples
import drawing
import forms
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
    record_scan,
    record_sets,
    scan,
    search,
    sightings,
    tables,
    tar,
    trees,
    unread,
    zip,
)
from ilsvrc_tfds.sources.layouts import archives, folders, records, tree_archives, webdatasets, zips

MODULES = [
    *(sources, boxes, completeness, demo, drawings, find, index, labels, layouts, members, names, nearby, official),
    *(places, prepared, reader, scan, search, sightings, tables, tar, unread, archives, folders),
    *(record_scan, record_sets, records, webdatasets, trees, zip, zips, tree_archives),
]
TABLE = "ImageId,PredictionString\nn01440764_10026,n01440764 10 20 50 60\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with a miniature as archives, as folders and as a prepared data set, and one of Kaggle's tables."""
    folder = docexamples.add_data(tmp_path_factory.mktemp("data"))
    drawing.folders(folder / "folders", drawing.miniature(train=3, val=1))
    forms.webdataset(folder / "webdataset", drawing.miniature(train=3, val=1))
    tree = forms.kaggle_tree(folder / "kaggle", drawing.miniature())
    forms.zipped(tree, folder / "kaggle.zip", "stored")
    (folder / "cls-loc.tar").write_bytes(drawing.tar(_files(tree / "ILSVRC/Data/CLS-LOC")))
    (folder / "LOC_train_solution.csv").write_text(TABLE)
    return folder


def _files(tree: Path) -> list[tuple[str, bytes]]:
    return [(str(path.relative_to(tree)), path.read_bytes()) for path in sorted(tree.rglob("*.JPEG"))]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_hold(module, data, monkeypatch):
    assert docexamples.run_examples(module, data, monkeypatch) > 0
