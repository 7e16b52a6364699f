"""Class archives and folders as sources, and which of several is taken."""

import dataclasses
import os
import shutil

import drawing
import pytest
from miniature_sources import IMAGES, TRAIN, assert_paths_open, assert_whole, indexed, train_images


@pytest.mark.parametrize("train", ["train", "ILSVRC2012_img_train"])
def test_class_archives_are_read(tmp_path, train):
    index = indexed(drawing.class_archives(tmp_path, IMAGES, train))
    assert_whole(index)
    assert index.layout == "class archives"
    expected = [f"train/{name}".encode() for name, _ in train_images()]
    assert sorted(index.splits["train"].paths().tolist()) == sorted(expected)


@pytest.mark.parametrize("val_in_classes", [False, True])
@pytest.mark.parametrize("val", ["val", "validation", "ILSVRC2012_img_val"])
@pytest.mark.parametrize("train", ["train", "ILSVRC2012_img_train"])
def test_folders_are_read(tmp_path, train, val, val_in_classes):
    index = indexed(drawing.folders(tmp_path, IMAGES, train, val, val_in_classes))
    assert_whole(index, splits=("train", "val", "test"))
    assert index.layout == "folders"
    assert_paths_open(index, tmp_path)


@pytest.mark.parametrize("below", ["", "ILSVRC", "ILSVRC/Data", "ILSVRC/Data/CLS-LOC"])
def test_kaggle_is_read_from_each_of_its_folders(tmp_path, below):
    source = drawing.kaggle(tmp_path, IMAGES) / below
    index = indexed(source)
    assert_whole(index, splits=("train", "val", "test"))
    assert index.layout == "Kaggle CLS-LOC folders"
    assert_paths_open(index, source)
    if below in ("", "ILSVRC/Data/CLS-LOC"):
        agreed = [note for note in index.notes if "agrees with the official labels" in note]
        assert [note.split()[0] for note in agreed] == ["LOC_val_solution.csv", "LOC_synset_mapping.txt"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_one_split_is_enough(tmp_path, split):
    source = drawing.folders(tmp_path, IMAGES)
    for other in {"train", "val", "test"} - {split}:
        shutil.rmtree(source / other)
    assert_whole(indexed(source), splits=(split,))


def test_empty_folder_of_a_split_is_none(tmp_path):
    source = drawing.official_archives(tmp_path, IMAGES)
    for name in ("train", "val", "test"):
        (source / name).mkdir()
    index = indexed(source)
    assert_whole(index, splits=("train", "val", "test"))
    assert index.notes == ()


@pytest.mark.parametrize("name", ["val", "validation"])
def test_folder_in_a_folder_of_the_same_sense_is_entered(tmp_path, name):
    index = indexed(drawing.folders(tmp_path, IMAGES, train="train/ILSVRC2012_img_train", val=f"val/{name}"))
    assert_whole(index, splits=("train", "val", "test"))
    assert_paths_open(index, tmp_path)


def test_folder_in_a_folder_with_images_is_not_read_and_that_is_said(tmp_path):
    source = drawing.folders(tmp_path, IMAGES)
    (source / "val/val").mkdir()
    (source / "val/val/ILSVRC2012_val_00000001.JPEG").write_bytes(drawing.jpeg())
    (source / "train/train").mkdir()
    (source / "train/train/notes.txt").write_text("old")
    index = indexed(source)
    assert_whole(index, splits=("train", "val", "test"))
    assert index.notes == ("skipped 1 entry that is not an image: train/train/notes.txt",)
    [warning] = index.warnings
    assert warning.startswith(
        "1 image in 1 folder is not read: val/val (1). Images are expected directly in the folder of a split"
    )


def test_archives_and_folders_may_be_mixed(tmp_path):
    source = drawing.official_archives(tmp_path, IMAGES)
    os.unlink(source / "ILSVRC2012_img_val.tar")
    drawing.folders(source, drawing.Images({}, IMAGES.val, {}), val="validation")
    index = indexed(source)
    assert_whole(index, splits=("train", "val", "test"))
    assert index.layout == "archives and folders"


def test_archive_comes_before_folder_and_that_is_noted(tmp_path):
    source = drawing.official_archives(tmp_path, IMAGES)
    drawing.folders(source, drawing.miniature(train=1, val=1))
    index = indexed(source)
    assert_whole(index, splits=("train", "val", "test"))
    assert index.notes == (
        f"{source}/train is not used: split train is read from another place",
        f"{source}/val is not used: split val is read from another place",
    )


@pytest.mark.parametrize("below", ["ilsvrc2012", "ILSVRC/Data/CLS-LOC", "ILSVRC2012/ILSVRC/Data/CLS-LOC"])
@pytest.mark.parametrize("archive_below", [True, False])
def test_archive_comes_before_folder_in_whatever_place(tmp_path, below, archive_below):
    archives, folders = (tmp_path / below, tmp_path) if archive_below else (tmp_path, tmp_path / below)
    drawing.official_archives(archives, drawing.Images(IMAGES.train, {}, {}))
    drawing.folders(folders, dataclasses.replace(drawing.miniature(train=1), val=IMAGES.val))
    index = indexed(tmp_path)
    assert_whole(index)
    assert [container.path for container in index.splits["train"].containers] == [f"{archives}/{TRAIN}"] * 3
    assert index.notes == (f"{folders}/train is not used: split train is read from another place",)


def test_first_of_two_archives_is_taken(tmp_path):
    drawing.official_archives(tmp_path, IMAGES)
    drawing.official_archives(tmp_path / "ilsvrc2012", drawing.miniature(train=1, val=1, test=1))
    index = indexed(tmp_path)
    assert_whole(index, splits=("train", "val", "test"))
    assert [note.partition(" is not used")[0] for note in index.notes][0] == f"{tmp_path}/ilsvrc2012/{TRAIN}"


def test_class_archive_comes_before_its_folder_and_that_is_noted(tmp_path):
    # As where unpacking was stopped half way: the folder may lack images.
    source = drawing.class_archives(tmp_path, IMAGES)
    drawing.folders(source, drawing.Images({"n01443537": {"n01443537_9.JPEG": b"half"}}, {}, {}))
    index = indexed(source)
    assert_whole(index)
    assert index.notes == (f"1 folder is not used, because its archive is beside it: {source}/train/n01443537",)


def test_class_archives_and_class_folders_may_be_mixed(tmp_path):
    first, *others = drawing.WNIDS
    drawing.class_archives(tmp_path, drawing.Images({first: IMAGES.train[first]}, IMAGES.val, {}))
    drawing.folders(tmp_path, drawing.Images({wnid: IMAGES.train[wnid] for wnid in others}, {}, {}))
    assert_whole(indexed(tmp_path))
