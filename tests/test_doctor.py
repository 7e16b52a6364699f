import os

import drawing
import numpy as np
import pytest

from ilsvrc_tfds import synsets
from ilsvrc_tfds.doctor import examine, official_archives
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.runners import LocalRunner


@pytest.fixture
def report(tmp_path):
    """Examines a source; returns its facts and its problems as one text each."""

    def examined(source, **options):
        with LocalRunner(1) as runner:
            found = examine(source, tmp_path / "data", runner, **options)
        return "\n".join(found.facts), "\n".join(found.problems)

    return examined


def test_official_archives_are_known_by_size_and_sums():
    train = official_archives()["ILSVRC2012_img_train.tar"]
    assert train.bytes == 147_897_477_120
    assert (len(train.md5), len(train.sha256)) == (32, 64)


def test_counts_are_compared_with_the_official_ones(report, archives):
    facts, problems = report(archives)
    assert "train: 12 images of 3 classes" in facts and "official: 1,281,167" in facts
    assert "train: missing classes n01484850, n01494475" in facts
    assert "test: not there" in facts
    assert "val: 6 of 50,000 images, 997 classes missing" in problems


def test_whole_split_is_no_problem(report, tmp_path):
    labels = synsets.validation_labels()
    numbers = np.arange(1, len(labels) + 1)
    members = [(f"ILSVRC2012_val_{number:08d}.JPEG", b"x") for number in numbers]
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(drawing.tar(members))
    facts, problems = report(tmp_path)
    assert "val: 50,000 images of 1,000 classes" in facts
    assert "images" not in problems and "ILSVRC2012_img_val.tar has" in problems  # only the archive's size is odd


def test_odd_names_are_counted(report, tmp_path, images):
    folder = drawing.folders(tmp_path / "source", images)
    os.rename(folder / "train/n01491361/n01491361_9.JPEG", folder / "train/n01491361/shark.jpg")
    assert "train: 1 names are not of the official form: shark.jpg" in report(folder)[0]


def test_room_is_estimated_for_both_configs(report, archives):
    facts, _ = report(archives)
    assert "room needed for classification: about 0.0 GB" in facts
    assert "room needed for raw256: about 0.0 GB" in facts
    assert "room free at " in facts


def test_deep_compares_sums(report, archives):
    _, problems = report(archives, deep=True)
    assert "ILSVRC2012_img_train.tar: sha256 is " in problems


def test_deep_counts_kinds_of_images(report, archives):
    facts, _ = report(archives, deep=True)
    assert "train: 9 RGB JPEG, 1 CMYK JPEG, 1 PNG, 1 grey JPEG" in facts


def test_deep_names_every_damaged_image(report, tmp_path, images):
    first, second, *others = images.val.items()
    damaged = {first[0]: first[1][:-2], second[0]: b"text", **dict(others)}
    source = drawing.official_archives(tmp_path / "source", drawing.Images(images.train, damaged, {}))
    _, problems = report(source, deep=True)
    assert f"{first[0]}: the JPEG ends early" in problems and f"{second[0]}: neither JPEG nor PNG" in problems


def test_deep_with_two_workers_finds_the_same(tmp_path, archives):
    reports = []
    for workers in (1, 2):
        with LocalRunner(workers) as runner:
            reports.append(examine(archives, tmp_path, runner, deep=True))
    assert reports[0] == reports[1]


def test_dogs_of_task_3_are_recognised_by_name(report, archives):
    (archives / "ILSVRC2012_img_train_t3.tar").write_bytes(b"")
    assert "the dog breeds of task 3" in report(archives)[1]


def test_dogs_of_task_3_are_recognised_when_renamed(report, tmp_path):
    dogs = drawing.miniature(train=1, wnids=("n02085620", "n02110958", "n02113978"))
    source = drawing.official_archives(tmp_path / "dogs", dogs)
    assert "the dog breeds of task 3" in report(source)[1]


def test_nothing_found_lists_the_places(report, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SourceError, match=f"{tmp_path}: found notes.txt"):
        report(tmp_path)
