"""Charts as inline SVG. Their colours are classes of the page's style sheet, so that they fit both of its themes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from ilsvrc_tfds.checks.report.values import Histogram, Split
from ilsvrc_tfds.errors import counted
from ilsvrc_tfds.pages.charts import svg
from ilsvrc_tfds.terminal.progress import in_bytes

# Sizes in units of the view box, which are pixels on a wide screen.
_WIDTH, _LEFT, _RIGHT = 340, 4, 4
_ROW, _LABEL, _AXIS = 56, 27, 24
# Up to this number of classes, each has its own bar.
_FEW_CLASSES = 100
_PIXEL_TICKS = [(2.0**k, f"{2**k:,}") for k in range(4, 14)]
_TICKS = {
    "aspect ratio": [(1 / 4, "1:4"), (1 / 2, "1:2"), (1.0, "1:1"), (2.0, "2:1"), (4.0, "4:1")],
    "bytes": [(1e3, "1 kB"), (1e4, "10 kB"), (1e5, "100 kB"), (1e6, "1 MB"), (1e7, "10 MB")],
}
_LEVELS, _MARGIN = 5, 4


def histograms(name: str, splits: Sequence[Split]) -> str:
    """Returns a chart of one measure: a row of bars for each split, above a common logarithmic axis.

    Args:
      name: Name of the measure.
      splits: Splits that have images.
    """
    found = [split.measures[name].histogram for split in splits]
    first, last = _range(found)
    edges = found[0].edges[first : last + 2]
    scale = _Scale(edges[0], edges[-1], _LEFT, _WIDTH - _RIGHT)
    parts = []
    for row, (split, histogram) in enumerate(zip(splits, found)):
        top = row * (_ROW + _LABEL)
        counts = histogram.counts[first : last + 1]
        parts.append(f'<text class="lab" x="{_LEFT}" y="{top + _LABEL - 7}">{escape(split.split)}</text>')
        most = f"{max(counts):,} in the largest bar"
        parts.append(f'<text class="tick end" x="{_WIDTH - _RIGHT}" y="{top + _LABEL - 7}">{most}</text>')
        parts += _bars(name, split.split, edges, counts, scale, top + _LABEL)
    height = len(splits) * (_ROW + _LABEL) + _AXIS
    parts += _axis(_TICKS.get(name, _PIXEL_TICKS), scale, height - _AXIS, height - 6)
    medians = (f"{s.split} median {in_units(name, s.measures[name].spread.median)}" for s in splits)
    return svg(_WIDTH, height, f"Histogram of {name}: {', '.join(medians)}", parts)


def classes(split: Split) -> str:
    """Returns a chart of the images of each class of a split: a bar for each, in the order of their size.

    It is stretched to the width of the page, and has no text.
    """
    width, height = 1000, 64
    counts = sorted(filter(None, split.per_class), reverse=True)
    step, most = width / len(counts), counts[0]
    gap = min(4, step / 4) if len(counts) <= _FEW_CLASSES else 0
    bars = ""
    for k, count in enumerate(counts):
        top, left = round(height * count / most, 1), round(k * step + gap / 2, 1)
        bars += f"M{left} {height}v{-top}h{round(step - gap, 2)}v{top}z"
    return (
        f'<svg class="stretch" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(classes_in_words(split))}"><path class="bar {split.split}" d="{bars}"/></svg>'
    )


def classes_in_words(split: Split) -> str:
    """Returns the number of classes of a split that has any, and of the images of each.

    For example `1,000 classes, 732 to 1,300 images each`.
    """
    counts = [count for count in split.per_class if count]
    low, most = min(counts), max(counts)
    spread = f"{most:,}" if low == most else f"{low:,} to {most:,}"
    return f"{counted(len(counts), 'class', 'classes')}, {spread} {'image' if most == 1 else 'images'} each"


def shapes(density: Mapping[str, Any]) -> str:
    """Returns a chart of width and height: a cell for each size, darker where there are more images."""
    edges, counts = _occupied(density["edges"], density["counts"])
    side, left, foot = 340, 40, 34
    x = _Scale(edges[0], edges[-1], left, side)
    y = _Scale(edges[0], edges[-1], side - foot, 0)
    most = max(map(max, counts))
    parts = [f'<line class="grid" x1="{left}" y1="{side - foot}" x2="{side}" y2="0"/>']
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            if count:
                level = math.ceil(_LEVELS * math.log1p(count) / math.log1p(most))
                x0, x1, y1, y0 = x(edges[column]), x(edges[column + 1]), y(edges[row]), y(edges[row + 1])
                size = f"{_pixels(edges[column])} × {_pixels(edges[row])} pixels and more"
                parts.append(
                    f'<rect class="cell l{level}" x="{x0}" y="{y0}" width="{round(x1 - x0, 1)}" '
                    f'height="{round(y1 - y0, 1)}"><title>{size}: {counted(count, "image")}</title></rect>'
                )
    ticks = [(value, text) for value, text in _PIXEL_TICKS if edges[0] < value <= edges[-1] * 0.97]
    parts += _axis(ticks, x, side - foot, side - foot + 15)
    for value, text in ticks:
        parts.append(f'<text class="tick end" x="{left - 5}" y="{y(value) + 3.5}">{text}</text>')
    parts.append(f'<text class="tick mid" x="{(left + side) / 2}" y="{side - 3}">width</text>')
    parts.append('<text class="tick" x="0" y="10">height</text>')
    return svg(side, side, "Number of images by width and height, in pixels", parts)


def _occupied(edges: Sequence[float], counts: Sequence[Sequence[int]]) -> tuple[Sequence[float], list[Sequence[int]]]:
    """Returns the part of a square of cells that has all images, with a margin."""
    used = [k for k in range(len(counts)) if any(counts[k]) or any(line[k] for line in counts)]
    low, high = max(0, min(used) - _MARGIN), min(len(counts), max(used) + 1 + _MARGIN)
    return edges[low : high + 1], [line[low:high] for line in counts[low:high]]


def in_units(name: str, value: float) -> str:
    """Returns a value of a measure with its unit.

    >>> in_units("width", 500), in_units("bytes", 110_000), in_units("aspect ratio", 1.3333)
    ('500', '110 kB', '1.33')
    """
    if name == "bytes":
        return in_bytes(value)
    return f"{value:.2f}" if name == "aspect ratio" else f"{value:,.0f}"


class _Scale:
    """Positions on a logarithmic axis."""

    def __init__(self, low: float, high: float, start: float, stop: float):
        self.low, self.high, self._start, self._stop = low, high, start, stop

    def __call__(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self._start + share * (self._stop - self._start), 1)


def _range(found: Sequence[Histogram]) -> tuple[int, int]:
    """Returns the first and the last bin to draw: those with images, and a margin."""
    filled = [k for k in range(len(found[0].counts)) if any(histogram.counts[k] for histogram in found)]
    first, last = max(0, filled[0] - _MARGIN), min(len(found[0].counts) - 1, filled[-1] + _MARGIN)
    return first, last


def _bars(
    name: str, split: str, edges: Sequence[float], counts: Sequence[int], scale: _Scale, top: float
) -> Iterator[str]:
    most = max(counts)
    for low, high, count in zip(edges, edges[1:], counts):
        if count:
            height = max(1.0, round(_ROW * count / most, 1))
            left, right = scale(low), scale(high)
            text = f"{in_units(name, low)} to {in_units(name, high)}: {counted(count, 'image')} of {split}"
            yield (
                f'<rect class="bar {split}" x="{left}" y="{round(top + _ROW - height, 1)}" '
                f'width="{round(max(0.8, right - left - 0.6), 1)}" height="{height}"><title>{text}</title></rect>'
            )
    yield f'<line class="grid" x1="{_LEFT}" y1="{top + _ROW}" x2="{_WIDTH - _RIGHT}" y2="{top + _ROW}"/>'


def _axis(ticks: Sequence[tuple[float, str]], scale: _Scale, line: float, text: float) -> Iterator[str]:
    inside = [tick for tick in ticks if scale.low <= tick[0] <= scale.high]
    room = len(inside) > 7
    for value, label in inside[:: 2 if room else 1]:
        x = scale(value)
        side = " end" if x > _WIDTH - 20 else "" if x < 20 else " mid"
        yield f'<line class="grid" x1="{x}" y1="{line}" x2="{x}" y2="{line + 4}"/>'
        yield f'<text class="tick{side}" x="{x}" y="{text}">{label}</text>'


def _pixels(value: float) -> str:
    return f"{value:,.0f}"
