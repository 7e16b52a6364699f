"""Where a source may lie."""

from pathlib import Path

import drawing
import pytest
from miniature_sources import IMAGES, assert_paths_open, assert_whole, bytes_of, indexed, labels_of

from ilsvrc_tfds.sources import find_layout


@pytest.mark.parametrize("draw", [drawing.official_archives, drawing.class_archives, drawing.folders])
@pytest.mark.parametrize("name", ["ilsvrc2012", "ILSVRC2012"])
def test_source_may_be_a_folder_below(tmp_path, draw, name):
    draw(tmp_path / name, IMAGES)
    index = indexed(tmp_path)
    assert index.source == str(tmp_path)
    assert labels_of(index.splits["train"]) == IMAGES.labels("train")
    assert bytes_of(index.splits["val"]) == IMAGES.val


def test_source_below_has_paths_relative_to_the_one_named(tmp_path):
    drawing.folders(tmp_path / "ilsvrc2012", IMAGES)
    index = indexed(tmp_path)
    assert index.splits["val"].paths()[0].startswith(b"ilsvrc2012/val/")
    assert_paths_open(index, tmp_path)


@pytest.mark.parametrize("draw", [drawing.official_archives, drawing.class_archives, drawing.folders, drawing.kaggle])
@pytest.mark.parametrize("link", ["source", "source/ilsvrc2012"])
def test_source_may_be_a_link(tmp_path, draw, link):
    draw(tmp_path / "elsewhere", IMAGES)
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / "elsewhere")
    index = indexed(tmp_path / "source")
    assert labels_of(index.splits["train"]) == IMAGES.labels("train")
    assert bytes_of(index.splits["val"]) == IMAGES.val


def test_archives_folders_and_images_may_be_links(tmp_path):
    there = drawing.folders(tmp_path / "there", IMAGES)
    drawing.official_archives(there, drawing.Images({}, {}, IMAGES.test))
    source = tmp_path / "source"
    (source / "train").mkdir(parents=True)
    for wnid in drawing.WNIDS[:2]:
        (source / "train" / wnid).symlink_to(there / "train" / wnid)
    (source / "train" / drawing.WNIDS[2]).mkdir()
    for name in IMAGES.train[drawing.WNIDS[2]]:
        (source / "train" / drawing.WNIDS[2] / name).symlink_to(there / "train" / drawing.WNIDS[2] / name)
    (source / "val").symlink_to("../there/val")
    (source / "test.tar").symlink_to(there / "ILSVRC2012_img_test_v10102019.tar")
    assert_whole(indexed(source), splits=("train", "val", "test"))


def test_link_to_the_folder_itself_is_no_second_place(tmp_path):
    source = drawing.folders(tmp_path, IMAGES)
    (source / "ilsvrc2012").symlink_to(".")
    (source / "validation").symlink_to("val")
    index = indexed(source)
    assert_whole(index, splits=("train", "val", "test"))
    assert index.notes == ()


def test_folder_above_a_link_is_the_one_that_the_system_says(tmp_path, monkeypatch):
    drawing.folders(tmp_path / "real/source", IMAGES)
    (tmp_path / "real/source/deep").mkdir()
    (tmp_path / "link").symlink_to("real/source/deep")
    monkeypatch.chdir(tmp_path)
    assert_whole(indexed(Path("link/..")), splits=("train", "val", "test"))


def test_source_may_be_relative_and_the_reader_elsewhere(tmp_path, monkeypatch):
    drawing.folders(tmp_path / "source", IMAGES)
    monkeypatch.chdir(tmp_path)
    index = indexed(Path("source"))
    monkeypatch.chdir("/")
    assert_whole(index, splits=("train", "val", "test"))


def test_first_place_that_holds_a_split_is_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    there = drawing.official_archives(tmp_path / "there", IMAGES)
    later = drawing.folders(tmp_path / "later", IMAGES)
    layout = find_layout([tmp_path / "missing", tmp_path / "empty", there, later])
    assert layout.source == str(there)
