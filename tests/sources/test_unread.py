"""Images that are there and are not read are named, with their number; those that belong elsewhere are refused."""

import logging
import os
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.sources import Index, find_layout, index_images

TENCH, GOLDFISH, _ = drawing.WNIDS
VAL_1, VAL_1_WNID = "ILSVRC2012_val_00000001.JPEG", "n01751748"


def indexed(source: Path) -> Index:
    return index_images(find_layout([source]))


def write(source: Path, *names: str) -> Path:
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(drawing.jpeg(20, 20))
    return source


@pytest.mark.parametrize(
    "names, expected",
    [
        (
            ["train/n01440764/images/1.JPEG", "train/n01440764/images/2.jpg"],
            "2 images in 1 folder are not read: train/n01440764/images (2)",
        ),
        (["train/n01440764/a/b/c/1.JPEG"], "1 image in 1 folder is not read: train/n01440764/a (1)"),
        (["val/x/y/1.JPEG", "val/x/z/2.JPEG"], "2 images in 1 folder are not read: val/x (2)"),
        ([f"val/{VAL_1_WNID}/deep/1.JPEG"], f"1 image in 1 folder is not read: val/{VAL_1_WNID}/deep (1)"),
        (["test/a/b/1.JPEG"], "1 image in 1 folder is not read: test/a (1)"),
        (["train/notes/deep/1.JPEG"], "1 image in 1 folder is not read: train/notes/deep (1)"),
        (["train/n01440764/1.JPEG/2.JPEG"], "1 image in 1 folder is not read: train/n01440764/1.JPEG (1)"),
        (
            [f"train/{wnid}/images/1.JPEG" for wnid in ilsvrc_tfds.synsets.wnids()[:6]],
            "6 images in 6 folders are not read: train/n01440764/images (1), train/n01443537/images (1), "
            "train/n01484850/images (1) and 3 more",
        ),
    ],
)
def test_images_in_deeper_folders_are_named_with_their_number(tmp_path, names, expected):
    source = drawing.folders(tmp_path, drawing.miniature(test=2), val_in_classes=True)
    before = {split: len(members) for split, members in indexed(source).splits.items()}
    index = indexed(write(source, *names))
    assert {split: len(members) for split, members in index.splits.items()} == before
    advice = "Images are expected directly in the folder of a split or of a class: move them there, or away"
    assert index.warnings == (f"{expected}. {advice}",)
    assert not any("skipped" in note for note in index.notes)


@pytest.mark.parametrize(
    "name",
    [
        "train/n01440764/@eaDir/1.JPEG/thumb.jpg",
        "val/.thumbnails/1.JPEG",
        "val/__MACOSX/a/1.JPEG",
        "val/a/@eaDir/1.jpg",
        "val/a/b.txt",
    ],
)
def test_thumbnails_are_no_images(tmp_path, name):
    index = indexed(write(drawing.folders(tmp_path, drawing.miniature()), name))
    assert index.warnings == ()
    assert index.notes == (
        f"skipped 1 entry that is not an image: {'/'.join(Path(name).parts[: 3 if 'n0' in name else 2])}",
    )


KINDS = "Files named *.JPEG, *.jpg and *.png are read: convert or rename them, or move them away"


def test_images_of_other_kinds_are_named_as_such(tmp_path):
    names = (f"train/{TENCH}/1.bmp", f"train/{TENCH}/2.GIF", "val/3.webp", "val/4.jfif")
    hidden = ("val/._5.bmp", "val/__MACOSX/6.bmp")
    index = indexed(write(drawing.folders(tmp_path, drawing.miniature()), *names, *hidden, "val/notes.txt"))
    named = f"train/{TENCH}/1.bmp, train/{TENCH}/2.GIF, val/3.webp and 1 more"
    assert index.warnings == (f"4 images of a kind that is not read: {named}. {KINDS}",)
    assert index.notes == ("skipped 3 entries that are not images: val/._5.bmp, val/__MACOSX, val/notes.txt",)


def test_images_of_other_kinds_in_archives_and_deeper_folders_are_named(tmp_path):
    picture = drawing.jpeg()
    inner = drawing.tar([(f"{TENCH}_1.JPEG", picture), (f"{TENCH}_2.tiff", b"x")])
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(drawing.tar([(f"{TENCH}.tar", inner)]))
    write(tmp_path, "val/deep/1.webp")
    (tmp_path / "val" / VAL_1).write_bytes(picture)
    index = indexed(tmp_path)
    assert index.warnings[0].startswith("1 image in 1 folder is not read: val/deep (1). ")
    assert index.warnings[1:] == (f"1 image of a kind that is not read: {TENCH}_2.tiff. {KINDS}",)
    assert index.notes == ()


def test_split_of_other_kinds_alone_is_an_error_that_names_the_kinds(tmp_path):
    write(tmp_path, "val/1.webp")
    message = r"val holds no images that are read, but val/1.webp. Expected files named \*.JPEG, \*.jpg and \*.png, for"
    with pytest.raises(SourceError, match=message):
        indexed(tmp_path)


def test_linked_folder_of_images_is_named(tmp_path):
    source = drawing.folders(tmp_path / "source", drawing.miniature())
    (source / "train" / TENCH / "more").symlink_to(write(tmp_path / "elsewhere", "1.JPEG"))
    (source / "train" / TENCH / "loop").symlink_to(".")
    assert "train/n01440764/more (1)" in indexed(source).warnings[0]


@pytest.mark.parametrize("end", [".tar.xz", ".zip", ".tar.part", ".TAR", " (1).tar.gz"])
def test_class_archive_of_another_kind_is_named(tmp_path, end):
    index = indexed(write(drawing.folders(tmp_path, drawing.miniature()), f"train/n01484850{end}"))
    assert index.warnings == (f"1 class archive is not read: train/n01484850{end}. Unpack it into folders <wnid>/",)


def test_class_archive_of_a_class_that_is_there_is_passed_over(tmp_path):
    index = indexed(
        write(drawing.folders(tmp_path, drawing.miniature()), f"train/{TENCH}.tar.xz", f"train/{TENCH}/{TENCH}.tar")
    )
    assert index.warnings == ()
    assert index.notes == (f"skipped 2 entries that are not images: train/{TENCH}/{TENCH}.tar, train/{TENCH}.tar.xz",)


def test_class_archives_in_val_are_named(tmp_path):
    source = drawing.folders(tmp_path, drawing.miniature())
    (source / f"val/{TENCH}.tar").write_bytes(drawing.tar([(VAL_1, b"x")]))
    assert f"val/{TENCH}.tar. Unpack it" in indexed(source).warnings[0]


def test_class_archives_of_another_kind_in_an_archive_are_named(tmp_path):
    inner = [(f"{TENCH}.tar", drawing.tar([("1.JPEG", b"x")])), (f"train/{GOLDFISH}.tar.gz", b"zipped")]
    (tmp_path / "train.tar").write_bytes(drawing.tar(inner))
    (tmp_path / "val.tar").write_bytes(drawing.tar([(VAL_1, b"x"), (f"{TENCH}.tar", b"tar")]))
    [warning] = indexed(tmp_path).warnings
    assert warning.startswith(f"2 class archives are not read: train/{GOLDFISH}.tar.gz, {TENCH}.tar.")


def test_commands_say_it_loudly_and_doctor_calls_it_a_problem(tmp_path, caplog, capsys):
    source = write(drawing.folders(tmp_path / "source", drawing.miniature()), f"train/{TENCH}/images/1.JPEG")
    expected = "1 image in 1 folder is not read: train/n01440764/images (1). Images are expected directly"
    for command, word in {"prepare": "--data-dir", "export": "--out", "metadata": "--out"}.items():
        caplog.clear()
        allowed = [] if command == "metadata" else ["--allow-incomplete"]
        assert main([command, str(source), word, str(tmp_path / command), *allowed, "--workers", "1"]) == 0
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert any(warning.startswith(f"{source}: {expected}") for warning in warnings)
    capsys.readouterr()
    assert main(["doctor", str(source), "--workers", "1"]) == 1
    assert f"PROBLEM {expected}" in capsys.readouterr().out


@pytest.mark.slow
def test_thousand_class_folders_without_others_are_not_walked(tmp_path, monkeypatch):
    write(tmp_path, *(f"train/{wnid}/1{wnid}.JPEG" for wnid in ilsvrc_tfds.synsets.wnids()))
    monkeypatch.setattr(os, "walk", lambda *arguments: pytest.fail(f"walked through {arguments}"))
    assert len(indexed(tmp_path).splits["train"]) == 1000


# Inside of archives.


def test_images_deeper_in_a_class_archive_are_read(tmp_path):
    inner = [(f"{TENCH}.tar", drawing.tar([("images/deep/1.JPEG", b"x"), (f"train/{TENCH}/images/2.JPEG", b"x")]))]
    (tmp_path / "train.tar").write_bytes(drawing.tar(inner))
    index = indexed(tmp_path)
    assert index.splits["train"].name.tolist() == [b"1.JPEG", b"2.JPEG"] and index.splits["train"].label.tolist() == [
        0,
        0,
    ]


def test_images_deeper_in_a_train_archive_are_refused(tmp_path):
    (tmp_path / "train.tar").write_bytes(drawing.tar([(f"train/{TENCH}/images/{TENCH}_1.JPEG", b"x")]))
    with pytest.raises(SourceError, match="train.tar .train/images.: 'images' is not one of the 1000 classes"):
        indexed(tmp_path)


@pytest.mark.parametrize("name", [f"val/{TENCH}/images/{VAL_1}", f"{TENCH}/a/b/{VAL_1}"])
def test_class_further_up_in_an_archive_of_val_is_a_witness(tmp_path, name):
    (tmp_path / "val.tar").write_bytes(drawing.tar([(name, b"x")]))
    with pytest.raises(LabelError, match=f"lies in class {TENCH} but its name says otherwise: {VAL_1} of {VAL_1_WNID}"):
        indexed(tmp_path)
    (tmp_path / "val.tar").write_bytes(drawing.tar([(name.replace(TENCH, VAL_1_WNID), b"x")]))
    assert indexed(tmp_path).splits["val"].label.tolist() == [65]


def test_class_further_up_in_a_class_archive_is_a_witness(tmp_path):
    (tmp_path / "train.tar").write_bytes(
        drawing.tar([(f"{TENCH}.tar", drawing.tar([(f"{GOLDFISH}/images/1.JPEG", b"x")]))])
    )
    with pytest.raises(
        LabelError, match=f"the archive of class {TENCH} holds .*, which is in the folder of class {GOLDFISH}"
    ):
        indexed(tmp_path)


# Images of another split.


@pytest.mark.parametrize(
    "place, name, other",
    [
        (f"train/{VAL_1_WNID}", VAL_1, "val"),
        ("train", VAL_1, "val"),
        (f"train/{TENCH}", "ILSVRC2012_test_00000001.JPEG", "test"),
        (f"val/{TENCH}", f"{TENCH}_10026.JPEG", "train"),
        ("val", f"{TENCH}_10026.JPEG", "train"),
        ("val", "ILSVRC2012_test_00000001.JPEG", "test"),
        ("test", VAL_1, "val"),
        ("test", f"{TENCH}_10026.JPEG", "train"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_images_of_another_split_are_refused_by_name_even_if_incomplete_is_allowed(
    tmp_path, prepare, place, name, other, packed
):
    split, _, folder = place.partition("/")
    source = drawing.folders(tmp_path / "mine", drawing.miniature(test=1), val_in_classes=True)
    if packed:
        (source / f"{split}.tar").write_bytes(drawing.tar([(f"{folder}/{name}".lstrip("/"), b"x")]))
    else:
        write(source, f"{place}/{name}")
    expected = (
        f"1 image of split '{split}' has the name of an image of split '{other}': {name}. They belong in {other}/"
    )
    with pytest.raises(SourceError, match=expected):
        prepare(source=source)
