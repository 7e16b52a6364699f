"""All errors of a source together."""

import drawing
import pytest

from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import find_layout
from ilsvrc_tfds.sources.conflicts import conflicts


@pytest.fixture
def source(tmp_path):
    """Two folders with an image of another class, one of an unknown class, and a table that is not one."""
    drawing.folders(tmp_path, drawing.miniature())
    train = tmp_path / "train"
    (train / "n01440764/n01440764_10.JPEG").rename(train / "n01443537/n01440764_10.JPEG")
    (train / "n01443537/n01443537_10.JPEG").rename(train / "n01491361/n01443537_10.JPEG")
    (train / "n00004475").mkdir()
    (train / "n00004475/n00004475_1.JPEG").write_bytes(drawing.jpeg())
    (tmp_path / "LOC_val_solution.csv").write_text("no table\n")
    return tmp_path


def test_every_conflict_is_listed(source):
    found = conflicts(find_layout([source]))
    assert len(found) == 4
    assert "LOC_val_solution.csv" in found[0] and "'n00004475' is not one of the 1000 classes" in found[1]
    assert "n01440764_10.JPEG of n01440764" in found[2] and "n01443537_10.JPEG of n01443537" in found[3]


def test_workers_find_the_same(source):
    with LocalRunner(2) as runner:
        assert conflicts(find_layout([source]), runner.run) == conflicts(find_layout([source]))


def test_doctor_reports_all_of_them_as_problems(source):
    report = examine(source, source, workers=1)
    assert report.problems == tuple(conflicts(find_layout([source])))
    assert report.facts == (f"{source} cannot be used yet",)


def test_image_that_comes_twice_is_a_problem_of_the_whole_source(tmp_path):
    drawing.folders(tmp_path, drawing.miniature())
    name = sorted(path.name for path in (tmp_path / "val").iterdir())[0]
    (tmp_path / "val" / name.replace(".JPEG", ".jpg")).write_bytes(drawing.jpeg())
    assert not conflicts(find_layout([tmp_path]))
    [problem] = examine(tmp_path, tmp_path, workers=1).problems
    assert "1 image of split 'val' comes twice" in problem and name in problem
