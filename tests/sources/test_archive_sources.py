"""Official archives as sources, in every form that they are made in."""

import os
import tarfile

import drawing
import pytest
from miniature_sources import (
    IMAGES,
    assert_whole,
    bytes_of,
    drawn,
    indexed,
    inner_tars,
    labels_of,
    train_images,
    write_train_tar,
)

from ilsvrc_tfds import synsets


@pytest.mark.parametrize("prefix", ["", "./", "train/", "val/", "some/where/else/", "/", "../../"])
def test_official_archives_are_read(tmp_path, prefix):
    index = indexed(drawing.official_archives(tmp_path, IMAGES, prefix))
    assert_whole(index, splits=("train", "val", "test"))
    assert index.layout == "archives"
    assert index.notes == ()


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_are_read_in_every_format(tmp_path, format):
    prefix = "a folder of ninety characters or so/" * 3  # 108: needs GNU's or pax's long names, or ustar's prefix
    inner = [(f"{prefix}{name}", data) for name, data in inner_tars()]
    assert_whole(indexed(write_train_tar(tmp_path, inner, format)), splits=("train",))


def test_remade_archives_with_folders_in_another_order_are_read(tmp_path):
    inner = [(f"./train/{wnid}.tar", _remade(classes, "./")) for wnid, classes in reversed(IMAGES.train.items())]
    write_train_tar(tmp_path, [("./", None), ("./train/", None), *inner])
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(_remade(IMAGES.val, "val/"))
    assert_whole(indexed(tmp_path))


def _remade(files: dict[str, bytes], prefix: str) -> bytes:
    backwards = [(prefix + name, data) for name, data in sorted(files.items(), reverse=True)]
    return drawing.tar([(prefix, None), *backwards])


def test_remade_validation_archive_labels_by_number(tmp_path):
    # TFDS 5.1 zips sorted members with the list of labels: an entry for the folder, or a missing file, shifts them all.
    numbers = range(3, 60)
    files = {f"ILSVRC2012_val_{k:08d}.JPEG": drawing.jpeg(20, 20, seed=k) for k in numbers}
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(_remade(files, "val/"))
    labels = labels_of(indexed(tmp_path).splits["val"])
    truth = synsets.validation_labels()
    assert labels == {f"ILSVRC2012_val_{k:08d}.JPEG": int(truth[k - 1]) for k in numbers}


@pytest.mark.parametrize("prefix", ["train/", "./train/", "", "ILSVRC/Data/CLS-LOC/train/", "/", "../"])
def test_train_archive_may_hold_class_folders_instead_of_archives(tmp_path, prefix):
    index = indexed(write_train_tar(tmp_path, [(prefix + name, data) for name, data in train_images()]))
    assert_whole(index, splits=("train",))
    expected = [f"train/{name}".encode() for name, _ in train_images()]
    assert sorted(index.splits["train"].paths().tolist()) == sorted(expected)


def test_train_archive_may_hold_images_without_folders(tmp_path):
    flat = [(f"train/{name}", data) for name, data in drawn(IMAGES, "train").items()]
    assert_whole(indexed(write_train_tar(tmp_path, [("train", None), *flat])), splits=("train",))


def test_train_archive_may_mix_archives_and_images(tmp_path):
    mixed = [*inner_tars()[:2], *(entry for entry in train_images() if entry[0].startswith(drawing.WNIDS[2]))]
    assert_whole(indexed(write_train_tar(tmp_path, mixed)), splits=("train",))


def test_validation_archive_may_hold_class_folders(tmp_path):
    labels = IMAGES.labels("val")
    members = [(f"val/{synsets.wnids()[labels[name]]}/{name}", data) for name, data in IMAGES.val.items()]
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(drawing.tar(members))
    index = indexed(tmp_path)
    assert_whole(index, splits=("val",))
    assert index.splits["val"].paths()[0].startswith(b"val/ILSVRC2012_val_")


def test_innermost_class_folder_of_a_validation_archive_is_the_class(tmp_path):
    labels, other = IMAGES.labels("val"), drawing.WNIDS[0]
    members = [(f"val/{other}/{synsets.wnids()[labels[name]]}/{name}", data) for name, data in IMAGES.val.items()]
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(drawing.tar(members))
    assert_whole(indexed(tmp_path), splits=("val",))


def test_archives_paths_are_those_of_the_unpacked_layout(archives, images):
    index = indexed(archives)
    expected = [f"train/{wnid}/{name}".encode() for wnid, classes in images.train.items() for name in classes]
    assert sorted(index.splits["train"].paths().tolist()) == sorted(expected)
    assert index.splits["val"].paths().tolist() == [f"val/{name}".encode() for name in images.val]


@pytest.mark.parametrize("name", ["ILSVRC2012_img_train.tar", "train/ILSVRC2012_img_train.tar", "train.tar"])
def test_train_archive_may_lie_in_its_folder_or_have_a_short_name(tmp_path, name):
    source = drawing.official_archives(tmp_path, IMAGES)
    (source / "train").mkdir()
    os.rename(source / "ILSVRC2012_img_train.tar", source / name)
    assert_whole(indexed(source), splits=("train", "val", "test"))


@pytest.mark.parametrize("name", ["ILSVRC2012_img_test.tar", "ILSVRC2012_img_test_v10102019.tar", "test.tar"])
@pytest.mark.parametrize("prefix", ["", "test/", "./"])
def test_test_archive_has_no_labels(tmp_path, name, prefix):
    (tmp_path / name).write_bytes(drawing.tar([(prefix + name, data) for name, data in IMAGES.test.items()]))
    members = indexed(tmp_path).splits["test"]
    assert labels_of(members) == dict.fromkeys(IMAGES.test, -1)
    assert bytes_of(members) == IMAGES.test
    assert members.paths().tolist() == [f"test/{name}".encode() for name in IMAGES.test]


@pytest.mark.parametrize("name, split", [("ILSVRC2012_img_train.tar", "train"), ("ILSVRC2012_img_val.tar", "val")])
def test_source_may_be_a_single_archive(archives, images, name, split):
    assert_whole(indexed(archives / name), images, splits=(split,))
