"""The examples in the docstrings of this room."""

import docexamples
import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import training

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    source = drawing.official_archives(folder / "imagenet", drawing.miniature())
    ilsvrc_tfds.prepare(source, folder / "tfds", config="raw256", workers=1, allow_incomplete=True)
    drawing.few_of_imagenet_a(folder / "imagenet-a")
    return folder


@pytest.mark.parametrize("name", docexamples.modules_of(training))
def test_examples_hold(name, data, monkeypatch):
    assert docexamples.run_examples(name, data, monkeypatch) > 0
