"""Every layout that users have: each image is found, labelled by its name, and read as it was drawn."""

import dataclasses
import io
import os
import shutil
import tarfile
from pathlib import Path

import drawing
import numpy as np
import psutil
import pytest

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import Index, Members, Reader, find_layout, index_images

IMAGES = drawing.miniature(test=3)
TRAIN = "ILSVRC2012_img_train.tar"


def indexed(source: Path) -> Index:
    return index_images(find_layout([source]))


def labels_of(members: Members) -> dict[str, int]:
    return dict(zip((name.decode() for name in members.name.tolist()), members.label.tolist()))


def bytes_of(members: Members) -> dict[str, bytes]:
    with Reader() as reader:
        return {name.decode(): reader.read(members, row) for row, name in enumerate(members.name.tolist())}


def drawn(images: drawing.Images, split: str) -> dict[str, bytes]:
    if split == "train":
        return {name: data for classes in images.train.values() for name, data in classes.items()}
    return getattr(images, split)


def assert_whole(index: Index, images: drawing.Images = IMAGES, splits: tuple[str, ...] = ("train", "val")) -> None:
    assert tuple(index.splits) == splits
    for split, members in index.splits.items():
        assert len(members) == len(drawn(images, split))
        assert labels_of(members) == images.labels(split)
        assert bytes_of(members) == drawn(images, split)


def write_train_tar(folder: Path, entries, format: int = tarfile.GNU_FORMAT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ILSVRC2012_img_train.tar").write_bytes(drawing.tar(entries, format))
    return folder


def inner_tars(images: drawing.Images = IMAGES, prefix: str = "") -> list[tuple[str, bytes]]:
    return [(f"{prefix}{wnid}.tar", drawing.tar(classes.items())) for wnid, classes in images.train.items()]


def train_images(images: drawing.Images = IMAGES) -> list[tuple[str, bytes]]:
    return [(f"{wnid}/{name}", data) for wnid, classes in images.train.items() for name, data in classes.items()]


# Archives.


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


# Class archives and folders.


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


def assert_paths_open(index: Index, source: Path) -> None:
    """Joined with the source, the paths are those of the images."""
    for members in index.splits.values():
        read = bytes_of(members)
        for path in members.paths().tolist():
            assert Path(source, os.fsdecode(path)).read_bytes() == read[Path(os.fsdecode(path)).name]


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


# Where the source may lie.


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


# What is passed over, notes, jobs, the reader.


def test_other_files_are_passed_over_and_noted(tmp_path):
    inner = drawing.tar([("._n01440764_9.JPEG", b"mac"), *IMAGES.train["n01440764"].items(), ("README", b"text")])
    others = inner_tars()[1:]
    write_train_tar(tmp_path, [("./._n01440764.tar", b"mac"), ("n01440764.tar", inner), *others, ("LICENSE", b"text")])
    index = indexed(tmp_path)
    assert_whole(index, splits=("train",))
    names = "._n01440764_9.JPEG, README, ./._n01440764.tar and 1 more"
    assert index.notes == (f"skipped 4 entries that are not images: {names}",)


def test_other_files_in_folders_are_passed_over_and_noted(tmp_path):
    source = drawing.folders(tmp_path, IMAGES, val_in_classes=True)
    for name in ("train/README", "train/n01440764/._n01440764_9.JPEG", "val/Thumbs.db", "val/n01440764/wget.log"):
        (source / name).write_bytes(b"text")
    index = indexed(source)
    assert_whole(index, splits=("train", "val", "test"))
    assert [note.partition(":")[0] for note in index.notes] == ["skipped 4 entries that are not images"]


def test_notes_can_be_printed_whatever_the_names_are(tmp_path):
    source = drawing.folders(tmp_path, IMAGES)
    for name in (b"line\nend.txt", b"caf\xe9.txt", b"\x1b[2J.txt"):
        Path(os.fsdecode(os.fsencode(source / "val") + b"/" + name)).write_bytes(b"text")
    [note] = indexed(source).notes
    assert note.encode("utf-8").decode().isprintable()


def test_suffixes_of_images_are_those_in_use(tmp_path):
    suffixes = (".JPEG", ".jpg", ".JPG", ".jpeg", ".png", ".gif", ".JPEG.part", "")
    names = [f"n01440764_{k}{suffix}" for k, suffix in enumerate(suffixes)]
    drawing.folders(tmp_path, drawing.Images({"n01440764": dict.fromkeys(names, b"x")}, {}, {}))
    assert list(labels_of(indexed(tmp_path).splits["train"])) == names[:5]


@pytest.mark.slow
@pytest.mark.parametrize("draw", [drawing.official_archives, drawing.class_archives, drawing.folders, drawing.kaggle])
def test_index_is_the_same_from_two_workers(tmp_path, draw):
    layout = find_layout([draw(tmp_path, IMAGES)])
    with LocalRunner(2) as runner:
        parallel, serial = index_images(layout, runner.run), index_images(layout)
    assert (parallel.source, parallel.layout, parallel.notes) == (serial.source, serial.layout, serial.notes)
    assert parallel.splits.keys() == serial.splits.keys()
    for split, members in serial.splits.items():
        assert parallel.splits[split].containers == members.containers
        for column in ("name", "label", "container", "offset", "size"):
            np.testing.assert_array_equal(getattr(parallel.splits[split], column), getattr(members, column))


@pytest.mark.parametrize("draw", [drawing.official_archives, drawing.class_archives, drawing.folders])
def test_rows_taken_are_the_same_images(tmp_path, draw):
    members = indexed(draw(tmp_path, IMAGES)).splits["train"]
    rows = np.array([7, 0, 3])
    taken = members.take(rows)
    assert taken.paths().tolist() == members.paths()[rows].tolist()
    assert [taken.place(row) for row in range(3)] == [members.place(row) for row in rows]
    assert bytes_of(taken) == {name.decode(): bytes_of(members)[name.decode()] for name in taken.name.tolist()}


def test_members_have_the_documented_types(archives):
    members = indexed(archives).splits["train"]
    assert [members.name.dtype.kind, members.label.dtype, members.container.dtype] == ["S", np.int16, np.int32]
    assert [members.offset.dtype, members.size.dtype] == [np.int64, np.int64]


def open_files() -> int:
    return psutil.Process().num_fds()


def test_reader_opens_more_archives_than_it_keeps(tmp_path):
    wnids = synsets.wnids()[:200]
    images = drawing.Images({wnid: {f"{wnid}_1.JPEG": wnid.encode()} for wnid in wnids}, {}, {})
    members = indexed(drawing.class_archives(tmp_path, images)).splits["train"]
    before = open_files()
    with Reader() as reader:
        for row in [*range(200), *range(200)]:
            assert reader.read(members, row) == members.name[row].partition(b"_")[0]
        assert open_files() - before <= 128
    assert open_files() == before


# The source changes between the index and the reading.


@pytest.mark.parametrize("draw", [drawing.official_archives, drawing.class_archives])
def test_archive_that_has_changed_is_an_error(tmp_path, draw):
    members = indexed(draw(tmp_path, IMAGES)).splits["train"]
    path = members.containers[0].path
    with tarfile.open(path, "a") as archive:
        archive.addfile(tarfile.TarInfo("README"), io.BytesIO())
    with pytest.raises(SourceError, match="has changed since it was indexed. Run the command again"):
        bytes_of(members)


def test_file_of_another_size_is_an_error(tmp_path):
    members = indexed(drawing.folders(tmp_path, IMAGES)).splits["val"]
    Path(members.place(0)).write_bytes(b"short")
    with pytest.raises(SourceError, match=r"JPEG has 5 bytes, .* The source has changed: run the command again"):
        bytes_of(members)


@pytest.mark.parametrize("draw", [drawing.official_archives, drawing.folders])
def test_file_that_has_become_a_pipe_is_an_error_and_is_not_waited_for(tmp_path, draw):
    members = indexed(draw(tmp_path, IMAGES)).splits["val"]
    path = Path(members.containers[0].path)
    path = path if path.is_file() else Path(members.place(0))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SourceError, match=f"{path}.* (has 0 bytes|has changed since)"):
        bytes_of(members)


@pytest.mark.parametrize("draw", [drawing.official_archives, drawing.folders])
def test_source_that_is_gone_is_an_error(tmp_path, draw):
    members = indexed(draw(tmp_path / "source", IMAGES)).splits["train"]
    shutil.rmtree(tmp_path / "source")
    with pytest.raises(SourceError, match="cannot be read: No such file or directory"):
        bytes_of(members)


def test_index_of_a_layout_that_is_gone_is_an_error(archives):
    layout = find_layout([archives])
    shutil.rmtree(archives)
    with pytest.raises(SourceError, match="ILSVRC2012_img_train.tar cannot be read: No such file or directory"):
        index_images(layout)


@pytest.mark.parametrize("draw", [drawing.official_archives, drawing.class_archives, drawing.folders, drawing.kaggle])
def test_nothing_is_written_into_the_source(tmp_path, permissions_count, draw):
    source = draw(tmp_path, IMAGES)
    paths = [source, *source.rglob("*")]
    before = {path: path.lstat().st_mtime_ns for path in paths}
    for path in reversed(paths):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        for members in indexed(source).splits.values():
            bytes_of(members)
        assert {path: path.lstat().st_mtime_ns for path in [source, *source.rglob("*")]} == before
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)
