"""Official names of images that are written in another way: they tell class and split as the official ones do."""

import drawing
import pytest

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import IlsvrcError
from ilsvrc_tfds.sources.index import index_images
from ilsvrc_tfds.sources.search import find_layout

SHARK, OWN = "n01491361", "n01443537"  # the second is that of validation image 236
VALIDATION = [
    "ILSVRC2012_val_236.JPEG",
    f"ILSVRC2012_val_236_{OWN}.JPEG",
    f"ILSVRC2012_val_00000236_{OWN}.JPEG",
    "ilsvrc2012_val_00000236.JPEG",
    f"ilsvrc2012_val_236_{OWN}.jpg",
    "ILSVRC2012_VAL_00000236.JPG",
]
TRAIN = [f"{OWN}_7.JPEG", f"{OWN}_7_{OWN}.JPEG", f"N{OWN[1:]}_7.JPEG"]


def labels(tmp_path, split: str, wnid: str, name: str) -> list[int]:
    """Returns the labels of the images of a split of which one, in a class folder, has that name."""
    for folder, file_name in {f"train/{SHARK}": f"{SHARK}_1.JPEG", f"{split}/{wnid}": name}.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / file_name).write_bytes(drawing.jpeg())
    return index_images(find_layout([tmp_path])).splits[split].label.tolist()


@pytest.mark.parametrize("name", VALIDATION)
def test_validation_name_tells_class_and_split(name, tmp_path):
    assert synsets.label_of_name(name.encode()) == synsets.index_of(OWN)
    assert synsets.split_of_name(name.encode()) == "val"
    assert labels(tmp_path / "right", "val", OWN, name) == [synsets.index_of(OWN)]
    with pytest.raises(IlsvrcError, match=f"lies in class {SHARK} but its name says otherwise: .* of {OWN}"):
        labels(tmp_path / "wrong", "val", SHARK, name)
    with pytest.raises(IlsvrcError, match="image of split 'train' has the name of an image of split 'val'"):
        labels(tmp_path / "train", "train", OWN, name)


@pytest.mark.parametrize("name", TRAIN)
def test_train_name_tells_class_and_split(name, tmp_path):
    assert synsets.label_of_name(name.encode()) == synsets.index_of(OWN)
    assert synsets.split_of_name(name.encode()) == "train"
    with pytest.raises(IlsvrcError, match=f"lies in class {SHARK} but its name says otherwise: .* of {OWN}"):
        labels(tmp_path / "wrong", "train", SHARK, name)
    with pytest.raises(IlsvrcError, match="image of split 'val' has the name of an image of split 'train'"):
        labels(tmp_path / "val", "val", OWN, name)


def test_test_name_in_small_letters_is_none_of_another_split(tmp_path):
    with pytest.raises(IlsvrcError, match="image of split 'val' has the name of an image of split 'test'"):
        labels(tmp_path, "val", OWN, "ilsvrc2012_test_7.jpg")


def test_appended_class_in_capitals_is_refused(tmp_path):
    with pytest.raises(IlsvrcError, match=f"has a class in capitals appended. Rename it: _{OWN}"):
        labels(tmp_path, "val", OWN, f"ILSVRC2012_val_00000236_{OWN.upper()}.JPEG")
