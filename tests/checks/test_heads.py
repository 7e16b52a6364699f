"""The sizes of all images, and whether they are the original ones."""

import drawing
import pytest

from ilsvrc_tfds.checks.heads import look_at_all
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import find_layout, index_images


def found(folder, sides):
    images = {f"n01440764_{number}.JPEG": drawing.jpeg(side, 2 * side) for number, side in enumerate(sides)}
    drawing.folders(folder, drawing.Images({"n01440764": images}, {}, {}))
    with LocalRunner(1) as runner:
        return look_at_all(index_images(find_layout([folder])), False, runner)


def test_spread_of_the_shorter_sides_is_a_fact(tmp_path):
    assert found(tmp_path, [16, 20, 20, 30]) == (
        ["train: 4 RGB JPEG", "train: shorter sides 16 to 30 pixels, median 20"],
        [],
    )


@pytest.mark.parametrize("others, is_resized", [([], True), ([40], True), ([40, 41], False)])
def test_images_of_one_shorter_side_are_not_the_original_ones(tmp_path, others, is_resized):
    _, problems = found(tmp_path, [32] * (21 - len(others)) + others)
    expected = f"train: {21 - len(others)} of 21 images have the shorter side 32: these are not the original images"
    assert [problem.startswith(expected) for problem in problems] == [True] * is_resized


def test_few_images_do_not_tell(tmp_path):
    assert found(tmp_path, [32] * 19)[1] == []
