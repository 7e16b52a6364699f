"""Other data sets, leftovers of programs, and unfinished downloads: refused with the cure, or passed over with a note."""

import os

import drawing
import pytest

from ilsvrc_tfds.errors import NotFoundError, SourceError
from ilsvrc_tfds.sources import find_layout, index_images

TRAIN = "ILSVRC2012_img_train.tar"


def add(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(drawing.jpeg())


@pytest.mark.parametrize(
    "files, message",
    [
        (["wnids.txt", "words.txt", "val/val_annotations.txt"], "is Tiny ImageNet: 200 classes of 500 images"),
        (["noisy_imagenette.csv"], r"is a set of ten classes \(Imagenette, Imagewoof\)"),
        (["noisy_imagewoof.csv"], r"is a set of ten classes \(Imagenette, Imagewoof\)"),
    ],
)
def test_other_set_is_told_by_its_files(tmp_path, files, message):
    drawing.folders(tmp_path, drawing.miniature())
    add(tmp_path, *files)
    with pytest.raises(SourceError, match=f"{message}.*another data set than ILSVRC2012"):
        find_layout([tmp_path])


@pytest.mark.parametrize(
    "name, message",
    [
        ("imagenette2-320", "is a set of ten classes"),
        ("imagewoof2", "is a set of ten classes"),
        ("tiny-imagenet-200", "is Tiny ImageNet"),
        ("winter21_whole", "is ImageNet-21k"),
        ("train_blurred", "is the copy with blurred faces"),
    ],
)
def test_other_set_is_told_by_the_name_of_its_folder(tmp_path, name, message):
    drawing.folders(tmp_path / name, drawing.miniature())
    with pytest.raises(SourceError, match=message):
        find_layout([tmp_path / name])
    with pytest.raises(NotFoundError, match=f"{name} {message}") as error:
        find_layout([tmp_path])
    assert "ILSVRC2012 is in" not in str(error.value)


def test_folders_of_21k_classes_are_refused_at_once(tmp_path):
    drawing.folders(tmp_path, drawing.miniature())
    for number in range(25):
        add(tmp_path, f"train/n{4475 + number:08d}/n{4475 + number:08d}_1.JPEG")
    message = "has folders or archives of 25 classes that are not among the 1000 of ILSVRC2012, such as n00004475"
    with pytest.raises(SourceError, match=f"{message}.*ImageNet-21k"):
        index_images(find_layout([tmp_path]))


@pytest.mark.parametrize("mark", [".aria2", ".part", ".crdownload"])
def test_archive_beside_the_mark_of_a_download_is_not_finished(tmp_path, mark):
    drawing.official_archives(tmp_path, drawing.miniature())
    (tmp_path / f"{TRAIN}{mark}").write_bytes(b"x")
    with pytest.raises(SourceError, match=f"{TRAIN} is not finished: {TRAIN}{mark} beside it"):
        find_layout([tmp_path])
    assert find_layout([tmp_path], ["val"]).only(["val"]).places  # nothing needs the other archive


def test_leftovers_of_file_servers_and_systems_are_passed_over(tmp_path):
    images = drawing.miniature()
    drawing.folders(tmp_path, images)
    add(tmp_path, "train/@eaDir/n01440764_1.JPEG", "train/n01440764/@eaDir/n01440764_1.JPEG", "val/@eaDir/x.JPEG")
    add(tmp_path, "__MACOSX/train/n01440764/n01440764_1.JPEG", "train/Thumbs.db", "val/desktop.ini", "train/.DS_Store")
    index = index_images(find_layout([tmp_path]))
    assert {split: len(members) for split, members in index.splits.items()} == {"train": 12, "val": 6}
    assert not index.warnings and "__MACOSX" not in str(index.notes)
    assert "skipped 6 entries that are not images" in str(index.notes)


@pytest.mark.parametrize(
    "name, what",
    [
        ("ILSVRC2012_img_train (1).tar", f"a second download, or a copy: rename it to {TRAIN} if that is not there"),
        ("ILSVRC2012_img_train copy.tar", f"a second download, or a copy: rename it to {TRAIN} if that is not there"),
        (f"{TRAIN}.zst", "a compressed archive, which cannot be read in place: unpack it first, with zstd -d"),
        ("train.rar", "a compressed archive, which cannot be read in place: unpack it first, with unrar x"),
    ],
)
def test_archive_of_another_name_or_kind_comes_with_its_cure(tmp_path, name, what):
    drawing.official_archives(tmp_path, drawing.miniature())
    os.rename(tmp_path / TRAIN, tmp_path / name)
    assert find_layout([tmp_path]).missing()["train"] == f"seen: {name} ({what})"


def test_folder_with_the_name_of_an_archive_comes_with_its_cure(tmp_path):
    drawing.folders(tmp_path, drawing.miniature())
    os.rename(tmp_path / "train", tmp_path / TRAIN)
    what = "class folders, in a folder with the name of an archive: rename it to train/"
    assert find_layout([tmp_path]).missing()["train"] == f"seen: {TRAIN}/ ({what})"


@pytest.mark.parametrize(
    "name", ["imagenette_vs_imagenet", "imagenet_not_blurred", "my_imagenette", "tiny-imagenet-study"]
)
def test_folder_of_a_similar_name_is_a_source(tmp_path, name):
    drawing.folders(tmp_path / name, drawing.miniature())
    assert len(find_layout([tmp_path / name]).places) == 2


@pytest.mark.parametrize("mark", [".aria2", ".part"])
def test_compressed_archive_of_several_is_not_finished(tmp_path, mark):
    (tmp_path / "data").mkdir()
    for name in ["train_images_0.tar.gz", f"train_images_0.tar.gz{mark}", "val_images.tar.gz"]:
        (tmp_path / "data" / name).write_bytes(b"")
    with pytest.raises(
        SourceError, match=f"train_images_0.tar.gz is not finished: train_images_0.tar.gz{mark} beside it"
    ):
        find_layout([tmp_path])
