"""What is passed over in a source, the jobs that index it, the reader, and sources that change."""

import io
import os
import shutil
import tarfile
from pathlib import Path

import drawing
import numpy as np
import psutil
import pytest
from miniature_sources import IMAGES, assert_whole, bytes_of, indexed, inner_tars, labels_of, write_train_tar

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import Reader, find_layout, index_images


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
