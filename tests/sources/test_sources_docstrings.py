"""The examples in the docstrings of this room."""

import gzip
from pathlib import Path

import docexamples
import drawing
import forms
import pytest

from ilsvrc_tfds import sources

TABLE = "ImageId,PredictionString\nn01440764_10026,n01440764 10 20 50 60\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with a miniature as archives, as folders and as a prepared data set, and one of Kaggle's tables."""
    folder = docexamples.add_data(tmp_path_factory.mktemp("data"))
    drawing.folders(folder / "folders", drawing.miniature(train=3, val=1))
    forms.webdataset(folder / "webdataset", drawing.miniature(train=3, val=1))
    (forms.hugging_face(folder, drawing.miniature(), how="pyarrow") / "data").rename(folder / "parquet")
    forms.saved_to_disk(folder / "saved", drawing.miniature())
    tree = forms.kaggle_tree(folder / "kaggle", drawing.miniature())
    forms.zipped(tree, folder / "kaggle.zip", "stored")
    (folder / "cls-loc.tar").write_bytes(drawing.tar(_files(tree / "ILSVRC/Data/CLS-LOC")))
    (folder / "cls-loc.tar.gz").write_bytes(gzip.compress((folder / "cls-loc.tar").read_bytes()))
    (folder / "val.tar.gz").write_bytes(gzip.compress((folder / "imagenet/ILSVRC2012_img_val.tar").read_bytes()))
    (folder / "LOC_train_solution.csv").write_text(TABLE)
    return folder


def _files(tree: Path) -> list[tuple[str, bytes]]:
    return [(str(path.relative_to(tree)), path.read_bytes()) for path in sorted(tree.rglob("*.JPEG"))]


@pytest.mark.parametrize("name", docexamples.modules_of(sources))
def test_examples_hold(name, data, monkeypatch):
    assert docexamples.run_examples(name, data, monkeypatch) > 0
