"""Where charts put their points and marks."""

import math
import re

import pytest

from ilsvrc_tfds.pages.charts import Axes, svg, ticks


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 90, [0, 20, 40, 60, 80]),
        (0, 3, [0, 1, 2, 3]),
        (0, 7.2, [0, 2, 4, 6]),
        (0, 3e-4, [0, 1e-4, 2e-4, 3e-4]),
        (0, 1_281_167, [0, 500_000, 1_000_000]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_number_of_ticks_is_bounded():
    for power in range(-8, 9):
        for factor in (1, 1.01, 1.9, 2.5, 4.99, 7, 9.99):
            found = ticks(0, factor * 10**power)
            assert 2 <= len(found) <= 6 and found[-1] <= factor * 10**power * 1.000001


def test_line_has_gaps_where_a_value_is_not_finite():
    axes = Axes((0, 4), (0, 1))
    values = [0.1, 0.2, math.nan, 0.4, math.inf]
    path, *marks = axes.line(list(enumerate(values)), [f"{value}" for value in values], "train")
    assert re.findall("[ML]", path) == ["M", "L", "M"] and "nan" not in path and "inf" not in path
    assert [re.search("<title>(.*?)</title>", mark)[1] for mark in marks] == ["0.1", "0.2", "0.4"]


def test_long_line_has_no_marks():
    axes = Axes((0, 90), (0, 1))
    assert len(list(axes.line([(k, 0.5) for k in range(90)], [""] * 90, "train"))) == 1


def test_bars_reach_from_the_bottom_to_their_value():
    axes = Axes((0, 10), (0, 4), 248, 142)
    bar = axes.bar(0, 5, 1, "<1>", "cell")
    numbers = {name: float(value) for name, value in re.findall(r'(x|y|width|height)="([\d.]+)"', bar)}
    assert numbers == {"x": 42.5, "y": 83.0, "width": 99.0, "height": 25.0} and "&lt;1&gt;" in bar


def test_drawing_has_words():
    assert svg(1, 1, 'a "b"', []) == (
        '<svg viewBox="0 0 1 1" role="img" aria-label="a &quot;b&quot;"><title>a &quot;b&quot;</title></svg>'
    )
