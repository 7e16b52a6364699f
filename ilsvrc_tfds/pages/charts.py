"""Charts as inline SVG. Their colours are classes of the pages' style sheet, so that they fit both of its themes."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape

# Sizes in units of the view box, which are pixels on a wide screen.
_LEFT, _TOP, _FOOT, _RIGHT = 42, 8, 34, 6
_CHARACTER = 6.8  # width of a digit of a mark
_MAX_POINTS = 60  # of a line, up to which each one has a mark
_TICKS = 5


def svg(width: float, height: float, words: str, parts: Iterable[str]) -> str:
    """Returns a drawing, with words for those who do not see it.

    >>> svg(10, 10, "A circle", ['<circle r="5"/>'])
    '<svg viewBox="0 0 10 10" role="img" aria-label="A circle"><title>A circle</title><circle r="5"/></svg>'
    """
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(words)}">'
        f"<title>{escape(words)}</title>{''.join(parts)}</svg>"
    )


@dataclasses.dataclass(frozen=True)
class Axes:
    """The area of a chart, between a vertical and a horizontal axis.

    Attributes:
      across: Smallest and largest value of the horizontal axis.
      up: Smallest and largest value of the vertical axis.
      width: Width of the whole drawing.
      height: Height of the whole drawing.
      left: Room for the marks of the vertical axis; see `room_for`.

    >>> axes = Axes((0, 10), (0, 1), 248, 142)
    >>> axes.x(0), axes.x(10), axes.y(0), axes.y(1)
    (42.0, 242.0, 108.0, 8.0)
    """

    across: tuple[float, float]
    up: tuple[float, float]
    width: float = 340
    height: float = 240
    left: float = _LEFT

    def x(self, value: float) -> float:
        """Returns where a value is on the horizontal axis."""
        low, high = self.across
        return round(self.left + (self.width - self.left - _RIGHT) * (value - low) / (high - low), 2)

    def y(self, value: float) -> float:
        """Returns where a value is on the vertical axis."""
        low, high = self.up
        return round(self.height - _FOOT - (self.height - _TOP - _FOOT) * (value - low) / (high - low), 2)

    def drawn(self, across: Iterable[tuple[float, str]], up: Iterable[tuple[float, str]], title: str) -> Iterator[str]:
        """Yields the axes: the marks of both, as pairs of a value and its text, and the title of the horizontal one."""
        bottom, right = self.height - _FOOT, self.width - _RIGHT
        for value, text in up:
            y = self.y(value)
            yield f'<line class="grid" x1="{self.left}" y1="{y}" x2="{right}" y2="{y}"/>'
            yield f'<text class="tick end" x="{self.left - 5}" y="{y + 3.5:.1f}">{escape(text)}</text>'
        yield f'<line class="axis" x1="{self.left}" y1="{bottom}" x2="{right}" y2="{bottom}"/>'
        for value, text in across:
            side = "end" if self.x(value) > right - 12 else "mid"
            yield f'<text class="tick {side}" x="{self.x(value)}" y="{bottom + 14}">{escape(text)}</text>'
        yield f'<text class="tick mid" x="{(self.left + right) / 2}" y="{self.height - 4}">{escape(title)}</text>'

    def bar(self, left: float, right: float, value: float, words: str, kind: str) -> str:
        """Returns a bar from the bottom to a value, with a tooltip."""
        x, top, low = self.x(left) + 0.5, self.y(value), self.y(self.up[0])
        return (
            f'<rect class="{kind}" x="{x:.2f}" y="{top}" width="{self.x(right) - x - 0.5:.2f}" '
            f'height="{low - top:.2f}"><title>{escape(words)}</title></rect>'
        )

    def line(self, points: Sequence[tuple[float, float]], words: Sequence[str], kind: str) -> Iterator[str]:
        """Yields a line through points, with gaps where values are not finite, and marks with words if they are few."""
        path, begins = "", True
        for x, y in points:
            if not math.isfinite(y):
                begins = True
                continue
            path += f"{'M' if begins else 'L'}{self.x(x)} {self.y(y)}"
            begins = False
        yield f'<path class="line {kind}" d="{path}"/>'
        radius = max(1.0, min(2.6, (self.x(self.across[0] + 1) - self.x(self.across[0])) / 3))
        if len(points) <= _MAX_POINTS:
            for (x, y), text in zip(points, words):
                if math.isfinite(y):
                    mark = f'<circle class="dot {kind}" cx="{self.x(x)}" cy="{self.y(y)}" r="{radius:.1f}">'
                    yield f"{mark}<title>{escape(text)}</title></circle>"


def room_for(up: Iterable[tuple[float, str]]) -> float:
    """Returns the room that the marks of a vertical axis need on its left.

    >>> room_for([(0, "0"), (1, "1")]), room_for([(0, "0"), (0.0015, "0.0015")]) > 42
    (42, True)
    """
    return max(_LEFT, 8 + _CHARACTER * max((len(text) for _, text in up), default=0))


def ticks(low: float, high: float, most: int = _TICKS) -> list[float]:
    """Returns round numbers between two values, evenly spaced: 1, 2 or 5 times a power of ten apart.

    >>> ticks(0, 7.2), ticks(0, 1), ticks(0, 90)
    ([0.0, 2.0, 4.0, 6.0], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 20.0, 40.0, 60.0, 80.0])
    """
    if not high > low:
        return [low]
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= most)
    return [round(k * step, 12) for k in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]
