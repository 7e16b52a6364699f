"""The README's examples of Python, as they stand, on a miniature; and its links."""

import re
from pathlib import Path

import pytest

import ilsvrc_tfds

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_batches_train_a_model_as_the_readme_says(prepare):
    section = README.read_text().partition("## Batches for training")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    for real, small in {
        "/data/tfds/ilsvrc2012/raw256/1.0.0": str(prepare(config="raw256").data_dir),
        "batch_size=128": "batch_size=4",
        "epochs=90, steps_per_epoch=10_009": "epochs=2, steps_per_epoch=1, verbose=0",
        "ResNet50": "MobileNetV2",  # which computes in a tenth of the time
    }.items():
        assert real in code
        code = code.replace(real, small)
    names = {}
    exec(code, names)
    assert names["model"].history.epoch == [0, 1]
    assert names["model"].history.history["val_loss"][-1] == pytest.approx(6.9, abs=2)  # ln 1000: it has learnt nothing


def test_links_hold_where_only_the_text_is_shown():
    """A package index shows the README without the repository: files are named, not linked."""
    links = re.findall(r"\]\(([^)]*)\)", README.read_text())
    assert len(links) >= 3 and all(link.startswith("https://") for link in links)


def test_metadata_gives_the_images_of_a_class_and_no_padding(prepare, monkeypatch):
    section = README.read_text().partition("## The HDF5 metadata")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    monkeypatch.chdir(prepare().data_dir)
    names, images = {"ilsvrc_tfds": ilsvrc_tfds}, "train.image_filenames[rows[rows >= 0]]"
    assert images in code
    exec(code, names)
    assert [Path(name).name[:9] for name in eval(images, names)] == ["n01440764"] * 4
    exec(code.replace("per_class[0]", "per_class[2]"), names)  # of which the miniature has no image
    assert not len(eval(images, names))
