"""Class folders that are not named by a wnid: numbers and words."""

import os
import re

import drawing
import forms
import pytest

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.sources import find_layout, index_images

# n01440764 is class 0 with ILSVRC2012_ID 449; n01443537 class 1, 450; n01491361 class 3, 442.
NUMBERINGS = {
    "index": ("0", "1", "3"),
    "index, four digits": ("0000", "0001", "0003"),
    "index from 1": ("1", "2", "4"),
    "ILSVRC2012_ID": tuple(str(synsets.synsets()[synsets.index_of(wnid)].ilsvrc2012_id) for wnid in drawing.WNIDS),
    "words": ("tench", "Goldfish", "tiger_shark"),
    "wnid and word": ("n01440764_tench", "n01443537-goldfish", "tiger shark (n01491361)"),
    "no meaning": ("a", "class-b", "987654321"),
}


def drawn(folder, names, images=None):
    drawing.folders(folder, images or drawing.miniature(train=3, val=2))
    for wnid, name in zip(drawing.WNIDS, names):
        os.rename(folder / "train" / wnid, folder / "train" / name)
    return folder


def rename_all(folder):
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{number:04d}.JPEG")


@pytest.mark.parametrize("names", NUMBERINGS.values(), ids=NUMBERINGS)
def test_names_of_the_images_tell_the_class(tmp_path, names):
    index = index_images(find_layout([drawn(tmp_path, names)]))
    train = index.splits["train"]
    assert dict(zip(train.name.tolist(), train.label.tolist())) == {
        name.encode(): label for name, label in drawing.miniature(train=3).labels("train").items()
    }
    assert set(train.paths()) == {b"train/" + name[:9] + b"/" + name for name in train.name.tolist()}
    [note] = [note for note in index.notes if "not named by" in note]
    assert note.startswith("train: 3 class folders are not named by wnids") and all(name in note for name in names[:3])


def test_folders_of_numbers_give_the_bytes_of_the_archives(tmp_path):
    images = drawing.miniature(train=3, val=2)
    archives = drawing.official_archives(tmp_path / "archives", images)
    numbers = drawn(tmp_path / "numbers", NUMBERINGS["ILSVRC2012_ID"], images)
    assert forms.results(numbers, tmp_path / "a") == forms.results(archives, tmp_path / "b")


def test_folders_of_val_may_have_words(tmp_path):
    drawing.folders(tmp_path, drawing.miniature(train=1, val=2), val_in_classes=True)
    expected = index_images(find_layout([tmp_path])).splits["val"]
    for wnid in os.listdir(tmp_path / "val"):
        words = synsets.synsets()[synsets.index_of(wnid)].words.partition(",")[0]
        os.rename(tmp_path / "val" / wnid, tmp_path / "val" / words)
    val = index_images(find_layout([tmp_path])).splits["val"]
    assert dict(zip(val.name, val.label)) == dict(zip(expected.name, expected.label))


@pytest.mark.parametrize(
    "name, message",
    [
        (
            "2",
            r"the images are of n01440764 \(tench\) by their names \(class index 0, ILSVRC2012_ID 449\), but '2' is the "
            r"class index of n01484850 \(great white shark\), class index, counted from 1, of n01443537",
        ),
        ("goldfish", r"but 'goldfish' is the name of n01443537 \(goldfish\). Rename the folder to n01440764"),
        ("n01443537_goldfish", r"but 'n01443537_goldfish' is the wnid of n01443537"),
    ],
)
def test_folder_of_another_class_is_an_error(tmp_path, name, message):
    source = drawn(tmp_path, [name])
    with pytest.raises(LabelError, match=message):
        index_images(find_layout([source]))


@pytest.mark.parametrize(
    "name, look",
    [
        ("1", "It looks like a number: the class index of n01443537 (goldfish) or the class index counted from 1 of"),
        ("449", "the ILSVRC2012_ID of n01440764 (tench). Nothing tells which one."),
        ("great white shark", "It looks like the name of n01484850 (great white shark): rename it if that is right."),
        ("crane", "It looks like the name of n02012849 (crane) or n03126707 (crane)"),
        ("fish", "do not state a class. A class's folder"),
    ],
)
def test_numbering_is_named_where_nothing_tells_the_class(tmp_path, name, look):
    source = drawn(tmp_path, [name])
    rename_all(source / "train" / name)
    with pytest.raises(
        SourceError, match="is not one of the 1000 classes of ILSVRC2012, and the names of 3 images"
    ) as error:
        index_images(find_layout([source]))
    assert look in str(error.value)


def test_folder_of_several_classes_is_an_error(tmp_path):
    source = drawn(tmp_path, ["mixed"])
    for path in (source / "train/n01443537").iterdir():
        path.rename(source / "train/mixed" / path.name)
    with pytest.raises(SourceError, match=re.escape("its images are of 2 classes: n01440764, n01443537.")):
        index_images(find_layout([source]))


def test_number_may_have_any_zeros_in_front(tmp_path):
    index = index_images(find_layout([drawn(tmp_path, ("0000000000", "0000000001", "0000000003"))]))
    assert len(index.splits["train"]) == 9


def test_wnid_of_no_class_in_the_name_of_a_folder_is_an_error(tmp_path):
    source = drawn(tmp_path, ["n02121620_cat"])
    with pytest.raises(LabelError, match="but 'n02121620_cat' names n02121620, which is not one of the 1000 classes"):
        index_images(find_layout([source]))
