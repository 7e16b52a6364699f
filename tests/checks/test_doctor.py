import hashlib
import os
import re

import drawing
import forms
import numpy as np
import pytest

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks import doctor, heads
from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.checks.room import in_units
from ilsvrc_tfds.checks.speed import seconds_for
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.images import Resized
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import find_layout, index_images
from ilsvrc_tfds.sources.official import Archive, official_archives


@pytest.fixture
def report(tmp_path):
    """Examines a source; returns its facts and its problems as one text each."""

    def examined(source, **options):
        found = examine(source, tmp_path / "data", workers=1, **options)
        return "\n".join(found.facts), "\n".join(found.problems)

    return examined


def test_official_archives_are_known_by_size_and_sums():
    train = official_archives()["ILSVRC2012_img_train.tar"]
    assert train.bytes == 147_897_477_120
    assert (len(train.md5), len(train.sha256)) == (32, 64)


def test_counts_are_compared_with_the_official_ones(report, archives):
    facts, problems = report(archives)
    assert "train: 12 images of 3 classes" in facts and "official: 1,281,167" in facts
    assert "train: missing classes n01484850 (great white shark), n01494475 (hammerhead)" in facts
    assert "test: not there" in facts
    assert "val: 6 of 50,000 images, 997 classes missing" in problems


@pytest.mark.slow
def test_whole_split_is_no_problem(report, tmp_path):
    labels = synsets.validation_labels()
    numbers = np.arange(1, len(labels) + 1)
    members = [(f"ILSVRC2012_val_{number:08d}.JPEG", b"x") for number in numbers]
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(drawing.tar(members))
    facts, problems = report(tmp_path)
    assert "val: 50,000 images of 1,000 classes" in facts
    assert "images" not in problems and "ILSVRC2012_img_val.tar has" in problems  # only the archive's size is odd


def test_wanted_splits_alone_are_counted(report, archives):
    facts, problems = report(archives, splits=["val"])
    assert "val: 6 images of 3 classes" in facts and "train" not in facts + problems
    facts, problems = report(archives, splits=["val", "test"])
    assert "test: not there, and not needed" in facts
    assert "test: not there; found: ILSVRC2012_img_train.tar" in problems
    assert "or prepare the others with --allow-incomplete" in problems


@pytest.mark.parametrize(
    "num_bytes, expected",
    [
        (0, "0.0 MB"),
        (999_999_999, "1,000.0 MB"),
        (10**9, "1.0 GB"),
        (147_897_477_120, "147.9 GB"),
        (5 * 10**12, "5,000.0 GB"),
    ],
)
def test_bytes_are_in_megabytes_below_a_gigabyte(num_bytes, expected):
    assert in_units(num_bytes) == expected


def test_images_are_checked_in_chunks(report, archives, monkeypatch):
    whole = report(archives, deep=True)
    monkeypatch.setattr(heads, "_CHUNK", 5)
    assert report(archives, deep=True) == whole


def test_odd_names_are_counted(report, tmp_path, images):
    folder = drawing.folders(tmp_path / "source", images)
    os.rename(folder / "train/n01491361/n01491361_9.JPEG", folder / "train/n01491361/shark.jpg")
    assert "train: 1 name is not of the official form: shark.jpg" in report(folder)[0]


def test_room_is_estimated_for_both_configs(report, archives):
    facts, _ = report(archives)
    assert "room needed for classification: about 0.0 MB" in facts
    assert "room needed for raw256: about 0.8 MB" in facts
    assert "room free at " in facts


@pytest.mark.parametrize("place", ["missing/data", "file/data"])
def test_room_is_told_for_a_folder_that_is_not_there_yet(tmp_path, archives, place):
    (tmp_path / "file").touch()
    facts = examine(archives, tmp_path / place, workers=1).facts
    assert any(re.match(rf"room free at {tmp_path}/{place}: [\d.,]+ [GM]B$", fact) for fact in facts)


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


def test_decode_names_images_that_are_damaged_inside(report, tmp_path, images):
    first, *others = images.val.items()
    whole = drawing.jpeg(80, 60, progressive=True)
    damaged = {first[0]: whole[:-60] + b"\xff\x44" + whole[-58:], **dict(others)}
    source = drawing.official_archives(tmp_path / "source", drawing.Images(images.train, damaged, {}))
    assert first[0] not in report(source, deep=True)[1]
    for options in ({"decode": True}, {"deep": True, "decode": True}):
        assert f"{first[0]}: the JPEG is damaged (Unsupported marker type 0x44)" in report(source, **options)[1]


def test_deep_finds_no_fault_with_an_official_sum(report, archives, monkeypatch):
    val = archives / "ILSVRC2012_img_val.tar"
    official = Archive(val.name, val.stat().st_size, "", hashlib.sha256(val.read_bytes()).hexdigest(), "")
    monkeypatch.setattr("ilsvrc_tfds.checks.doctor.official_archives", lambda: {val.name: official})
    facts, problems = report(archives, deep=True)
    assert f"{val}: sha256 is the official one" in facts
    assert val.name not in problems


def test_deep_goes_on_where_an_archive_vanishes(tmp_path, archives, monkeypatch):
    val = archives / "ILSVRC2012_img_val.tar"

    class Unplugging(LocalRunner):
        def run(self, function, jobs):
            yield from super().run(function, jobs)
            val.unlink(missing_ok=True)  # as soon as the source is indexed

    monkeypatch.setattr(doctor, "LocalRunner", Unplugging)
    found = examine(archives, tmp_path, deep=True, workers=1)
    assert [line for line in found.problems if line.startswith(f"{val} cannot be read: No such file")] == [
        line for line in found.problems if val.name in line
    ]
    assert "train: 9 RGB JPEG, 1 CMYK JPEG, 1 PNG, 1 grey JPEG" in found.facts


@pytest.mark.usefixtures("permissions_count")
def test_deep_names_an_archive_that_may_not_be_read(archives):
    layout = find_layout([archives])
    (archives / "ILSVRC2012_img_val.tar").chmod(0)
    _, problems = doctor._sums(layout, LocalRunner(1))
    assert re.search(r"ILSVRC2012_img_val\.tar cannot be read: Permission denied\. Check", problems[-1])


def test_deep_names_an_archive_on_a_failing_disk(tmp_path):
    os.symlink("/proc/self/mem", tmp_path / "ILSVRC2012_img_val.tar")  # its first byte gives EIO
    _, problems = doctor._sums(find_layout([tmp_path]), LocalRunner(1))
    assert re.search(
        r"ILSVRC2012_img_val\.tar cannot be read: Input/output error\. The disk or the network behind it has failed",
        problems[0],
    )


@pytest.mark.slow
def test_deep_with_two_workers_finds_the_same(tmp_path, archives):
    reports = []
    for workers in (1, 2):
        found = examine(archives, tmp_path, deep=True, workers=workers)
        # Other programs write to the disk meanwhile.
        reports.append(([fact for fact in found.facts if not fact.startswith("room free")], found.problems))
    assert reports[0] == reports[1]


def test_dogs_of_task_3_in_place_of_train_are_a_problem(report, archives):
    os.rename(archives / "ILSVRC2012_img_train.tar", archives / "ILSVRC2012_img_train_t3.tar")
    assert "train: only the dog breeds of task 3 (ILSVRC2012_img_train_t3.tar) are there; get" in report(archives)[1]


def test_dogs_of_task_3_beside_the_true_archive_are_no_problem(report, archives):
    (archives / "ILSVRC2012_img_train_t3.tar").write_bytes(b"")
    assert "task 3" not in report(archives)[1]


@pytest.mark.parametrize("last, is_problem", [("n02113978", True), ("n02116738", True), ("n02123045", False)])
def test_dogs_of_task_3_are_recognised_when_renamed(report, tmp_path, last, is_problem):
    # Mexican hairless; African hunting dog, which is in task 3 though far off; tabby cat.
    dogs = drawing.miniature(train=1, wnids=("n02085620", "n02110958", last))
    source = drawing.official_archives(tmp_path / "dogs", dogs)
    assert ("only the dog breeds of task 3" in report(source)[1]) == is_problem


def test_nothing_found_lists_the_places(report, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SourceError, match=f"{tmp_path}: found notes.txt"):
        report(tmp_path)


def test_source_that_cannot_be_indexed_gets_all_of_its_problems(report, tmp_path):
    picture = drawing.jpeg(40, 30)
    for folder, name in (("n01443537", "n01440764_1.JPEG"), ("n99999999", "n99999999_1.JPEG")):
        (tmp_path / "train" / folder).mkdir(parents=True)
        (tmp_path / "train" / folder / name).write_bytes(picture)
    _, problems = report(tmp_path)
    label, foreign, missing = problems.splitlines()
    assert "n01443537" in label and "n01440764_1.JPEG of n01440764" in label
    assert "'n99999999' is not one of the 1000 classes" in foreign
    assert missing == "val: not there; found: train"


def test_values_of_a_report_are_those_of_its_lines(archives, tmp_path):
    found = examine(archives, tmp_path / "data", workers=1)
    train, val, test = found.splits
    assert (train.images, train.classes, len(train.missing_classes), train.state) == (12, 3, 997, "incomplete")
    assert (val.images, val.official) == (6, 50_000) and (test.images, test.state) == (None, "not needed")
    assert f"train: 12 images of 3 classes, {in_units(train.bytes)}; official: 1,281,167" in found.facts
    assert [need.config for need in found.configs] == ["classification", "raw256"]
    assert all(need.seconds > 0 and need.between_bytes == 0 for need in found.configs)


@pytest.mark.parametrize("form", ["archives", "parquet"])
def test_more_workers_take_less_time(form, archives, tmp_path):
    source = (
        archives if form == "archives" else forms.hugging_face(tmp_path / "parquet", drawing.miniature(), how="pyarrow")
    )
    index = index_images(find_layout([source]))
    times = [seconds_for(index, Resized(256), 0, workers) for workers in (1, 1000)]
    assert 18 * 1e-4 < times[0] < 60 and times[1] < times[0]


def test_time_of_images_that_cannot_be_read_is_not_known(archives):
    index = index_images(find_layout([archives]))
    for path in archives.iterdir():
        path.write_bytes(b"")
    assert seconds_for(index, Resized(256), 0) is None
