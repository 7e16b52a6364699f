"""The charts of the page about an evaluation: calibration, and how many classes have which accuracy."""

import collections
from collections.abc import Sequence

from ilsvrc_tfds.errors import counted
from ilsvrc_tfds.pages.charts import Axes, svg, ticks
from ilsvrc_tfds.training.calibration import Bin

_SHARES = [(0.0, "0%"), (0.5, "50%"), (1.0, "100%")]
_STEPS = 10  # of the histogram of accuracies
_SHADES = 5


def reliability(bins: Sequence[Bin]) -> str:
    """Returns a chart of the accuracy by confidence. The fewer images a bar has, the paler it is.

    >>> reliability([Bin(0.5, 1.0, images=10, confidence=0.75, accuracy=0.7)])[:35]
    '<svg viewBox="0 0 340 300" role="im'
    """
    axes, most = Axes((0, 1), (0, 1), height=300), max(one.images for one in bins)
    bars = [
        axes.bar(
            *(one.low, one.high, one.accuracy),
            f"{one.low:.0%} to {one.high:.0%}: {counted(one.images, 'image')}, {one.confidence:.1%} sure, "
            f"{one.accuracy:.1%} correct",
            f"cell l{-(-_SHADES * one.images // most)}",
        )
        for one in bins
        if one.images
    ]
    line = f'<path class="ideal" d="M{axes.x(0)} {axes.y(0)}L{axes.x(1)} {axes.y(1)}"/>'
    parts = [*axes.drawn(_SHARES, _SHARES, "confidence"), *bars, line]
    return svg(axes.width, axes.height, "Accuracy by confidence", parts)


def histogram(accuracies: Sequence[float]) -> str:
    """Returns a chart of the number of classes by their accuracy.

    >>> histogram([0.2, 0.9, 1.0])[:35]
    '<svg viewBox="0 0 340 300" role="im'
    """
    counts = collections.Counter(min(int(accuracy * _STEPS), _STEPS - 1) for accuracy in accuracies)
    most = max(counts.values(), default=1)
    axes = Axes((0, 1), (0, most), height=300)
    bars = [
        axes.bar(
            step / _STEPS,
            (step + 1) / _STEPS,
            count,
            f"{step / _STEPS:.0%} to {(step + 1) / _STEPS:.0%}: {counted(count, 'class', 'classes')}",
            "cell l5",
        )
        for step, count in sorted(counts.items())
    ]
    numbers = [(value, f"{value:,.0f}") for value in ticks(0, most) if value == int(value)]
    return svg(axes.width, axes.height, "Number of classes by top-1", [*axes.drawn(_SHARES, numbers, "top-1"), *bars])
