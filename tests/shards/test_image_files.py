"""The files of one shard: written once, and again if they are not those of the source."""

import dataclasses
import os
from pathlib import Path

import drawing
import numpy as np
import pytest

from ilsvrc_tfds.errors import DestinationError, ImageError, SourceError
from ilsvrc_tfds.shards.image_files import FilesTask, write_files
from ilsvrc_tfds.shards.image_folders import as_files
from ilsvrc_tfds.sources import find_layout, index_images


def task_of(source: Path, tmp_path: Path) -> FilesTask:
    train = index_images(find_layout([source])).splits["train"]
    return FilesTask(train, as_files(train, "").paths(), str(tmp_path / "tree"), str(tmp_path / "written"))


@pytest.fixture
def task(archives, tmp_path) -> FilesTask:
    return task_of(archives, tmp_path)


def times(task: FilesTask) -> list[int]:
    return [os.stat(target).st_mtime_ns for target in task.targets()]


def test_files_are_the_images_of_the_source(task, images):
    assert write_files(task) == 12 and os.path.getsize(task.receipt) == 0
    for wnid, named in images.train.items():
        for name, data in named.items():
            assert Path(task.tree, "train", wnid, name).read_bytes() == data
    assert sum(len(names) for _, _, names in os.walk(task.tree)) == 12


def test_finished_files_are_not_written_again(task):
    write_files(task)
    before = times(task)
    assert write_files(task) == 12 and times(task) == before


def remove_receipt(task: FilesTask) -> None:
    os.unlink(task.receipt)


def remove_a_file(task: FilesTask) -> None:
    os.unlink(task.targets()[-1])


def fill_with_zeros(task: FilesTask) -> None:
    """As a power failure does."""
    last = Path(task.targets()[-1])
    last.write_bytes(bytes(last.stat().st_size))


@pytest.mark.parametrize("harm", [remove_receipt, remove_a_file, fill_with_zeros])
def test_files_that_are_not_finished_are_written_again(harm, task):
    write_files(task)
    right, before = [Path(target).read_bytes() for target in task.targets()], times(task)
    harm(task)
    assert write_files(task) == 12 and os.path.exists(task.receipt)
    assert [Path(target).read_bytes() for target in task.targets()] == right
    assert all(old != new for old, new in zip(before, times(task)))


def test_image_without_bytes_is_named(tmp_path):
    images = drawing.miniature()
    wnid = drawing.WNIDS[0]
    images.train[wnid][f"{wnid}_7.JPEG"] = b""
    task = task_of(drawing.folders(tmp_path / "source", images), tmp_path)
    with pytest.raises(
        ImageError, match=rf"source/train/{wnid}/{wnid}_7.JPEG: it is an empty file \(0 bytes\). Get it again\.$"
    ):
        write_files(task)
    assert not os.path.exists(task.receipt)


def test_archive_that_has_changed_is_an_error(task, archives):
    archive = archives / "ILSVRC2012_img_train.tar"
    os.utime(archive, (1, 1))
    with pytest.raises(SourceError, match=f"{archive} has changed since it was indexed. Run the command again."):
        write_files(task)
    assert not os.path.exists(task.receipt)


def test_file_that_cannot_be_written_is_named(task):
    Path(task.tree).mkdir()
    taken = Path(task.targets()[0])
    taken.mkdir(parents=True)
    with pytest.raises(
        DestinationError, match=f"{taken} cannot be written: Is a directory.*run the same command again"
    ):
        write_files(task)
    assert not os.path.exists(task.receipt)


def test_room_is_that_of_whole_blocks(task):
    members = dataclasses.replace(task.members, size=np.array([0, 1, 4096, 4097], np.int64))
    assert dataclasses.replace(task, members=members).room == 4096 * (0 + 1 + 1 + 2)
