"""Tars of the CLS-LOC tree as sources, made with the command tar."""

import subprocess
from pathlib import Path

import drawing
import forms
import pytest

from ilsvrc_tfds.errors import LabelError, NotFoundError, SourceError
from ilsvrc_tfds.sources import find_layout, index_images

NAME = "ILSVRC2017_CLS-LOC.tar"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one miniature as archives, as Kaggle's tree, and as tar of that."""
    folder, images = tmp_path_factory.mktemp("made"), drawing.miniature(test=2)
    drawing.official_archives(folder / "archives", images)
    forms.kaggle_tree(folder / "tree", images)
    subprocess.run(["tar", "-cf", str(folder / NAME), "ILSVRC"], cwd=folder / "tree", check=True)
    return folder


def index(source: Path):
    return index_images(find_layout([source]))


def test_tar_gives_what_the_archives_give(made, tmp_path):
    (tmp_path / NAME).symlink_to(made / NAME)
    assert index(tmp_path).layout == "archive of all splits"
    expected = forms.results(made / "archives", tmp_path / "expected")
    assert forms.results(tmp_path / NAME, tmp_path / "out") == expected


@pytest.mark.parametrize(
    "name", [NAME, "imagenet_object_localization_patched2019.tar", "imagenet.tar", "my-ILSVRC.TAR"]
)
@pytest.mark.parametrize(
    "packed", [["./ILSVRC", "./LOC_val_solution.csv"], ["-C", "ILSVRC/Data/CLS-LOC", "train", "val"]]
)
def test_names_and_trees_that_are_known(name, packed, made, tmp_path):
    subprocess.run(["tar", "-cf", str(tmp_path / name), *packed], cwd=made / "tree", check=True)
    found = index(tmp_path)
    assert {split: len(members) for split, members in found.splits.items()} | {"test": 2} == {
        "train": 12,
        "val": 6,
        "test": 2,
    }
    assert len(found.notes) == (packed[0] != "-C")


def test_archives_of_other_things_are_passed_over(tmp_path):
    drawing.folders(tmp_path, drawing.Images({}, drawing.miniature().val, {}))
    (tmp_path / "imagenet-models.tar").write_bytes(drawing.tar([("model/weights.bin", b"1")]))
    (tmp_path / "ILSVRC2012_bbox_train.tar").write_bytes(drawing.tar([("train/n01440764/1.xml", b"1")]))
    (tmp_path / "imagenet.tar").write_bytes(b"no tar")
    assert index(tmp_path).layout == "folders"
    with pytest.raises(NotFoundError, match="imagenet-models.tar: a file with an unknown name"):
        index(tmp_path / "imagenet-models.tar")


def test_truncated_tar_is_refused(made, tmp_path):
    (tmp_path / NAME).write_bytes((made / NAME).read_bytes()[:-20_000])
    with pytest.raises(SourceError, match=f"{tmp_path / NAME} is cut short"):
        index(tmp_path)


def test_labels_must_agree(tmp_path):
    members = [("ILSVRC/Data/CLS-LOC/train/n01443537/n01440764_9.JPEG", drawing.jpeg())]
    (tmp_path / NAME).write_bytes(drawing.tar(members))
    with pytest.raises(
        LabelError, match="lies in class n01443537 but its name says otherwise: n01440764_9.JPEG of n01440764"
    ):
        index(tmp_path)
