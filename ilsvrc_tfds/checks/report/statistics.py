"""Numbers about each split: classes, sizes, aspect ratios, bytes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.report.looking import KINDS
from ilsvrc_tfds.checks.report.tables import Tables
from ilsvrc_tfds.checks.report.values import Histogram, Measure, Split, Spread

_BINS_PER_DOUBLING, _ASPECT_BINS_PER_DOUBLING = 10, 16
# Bins beyond these hold everything that is smaller or larger: of the official images, less than one in a thousand.
_LIMITS = {
    "width": (16, 8192),
    "height": (16, 8192),
    "shorter side": (16, 8192),
    "aspect ratio": (1 / 4, 4),
    "bytes": (256, 16 << 20),
}
_DENSITY_BINS_PER_DOUBLING, _DENSITY_LIMITS = 8, (32, 4096)

MEASURES: Mapping[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "width": lambda width, height, size: width,
    "height": lambda width, height, size: height,
    "shorter side": lambda width, height, size: np.minimum(width, height),
    "aspect ratio": lambda width, height, size: width / height,
    "bytes": lambda width, height, size: size,
}


def split_numbers(tables: Tables, split: str, damaged: int, knows_boxes: bool) -> Split:
    """Returns the numbers of one split.

    Args:
      tables: Rows of all images.
      split: `train`, `val` or `test`.
      damaged: Number of its images that cannot be read.
      knows_boxes: Whether the rows say which images have bounding boxes.
    """
    label, kind, boxes = (tables.column(name, split) for name in ("label", "kind", "boxes"))
    columns = [tables.column(name, split) for name in ("width", "height", "bytes")]
    per_class = np.bincount(label[label >= 0], minlength=synsets.NUM_CLASSES)
    kinds = np.bincount(kind, minlength=len(KINDS)).tolist()
    return Split(
        split=split,
        images=len(label),
        official=synsets.OFFICIAL_COUNTS[split],
        damaged=damaged,
        num_bytes=int(columns[2].sum()),
        classes=int((per_class > 0).sum()),
        boxed=int((boxes > 0).sum()) if knows_boxes else None,
        boxes=int(boxes.sum()) if knows_boxes else None,
        kinds={name: count for name, count in zip(KINDS, kinds) if count},
        measures={name: _measure(name, compute(*columns)) for name, compute in MEASURES.items()} if len(label) else {},
        per_class=() if split == "test" else tuple(per_class.tolist()),
    )


def density(tables: Tables) -> Mapping[str, Any]:
    """Returns the number of images in each cell of width and height, with edges in pixels on a logarithmic scale."""
    edges = _edges(*_DENSITY_LIMITS, _DENSITY_BINS_PER_DOUBLING)
    cells = len(edges) - 1
    x, y = (_bins(tables.column(name), edges) for name in ("width", "height"))
    counts = np.bincount(y * cells + x, minlength=cells * cells).reshape(cells, cells)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _measure(name: str, values: np.ndarray) -> Measure:
    quantiles = np.quantile(values, [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1], method="nearest").astype(float)
    smallest, q1, q25, median, q75, q99, largest = (_digits(value) for value in quantiles.tolist())
    edges = _edges(*_LIMITS[name], _ASPECT_BINS_PER_DOUBLING if name == "aspect ratio" else _BINS_PER_DOUBLING)
    counts = np.bincount(_bins(values, edges), minlength=len(edges) - 1)
    spread = Spread(smallest, q1, q25, median, _digits(float(values.mean())), q75, q99, largest)
    return Measure(spread, Histogram(tuple(edges.tolist()), tuple(counts.tolist())))


def _digits(value: float) -> float:
    return float(f"{value:.6g}")


def _edges(smallest: float, largest: float, per_doubling: int) -> np.ndarray:
    bins = round(np.log2(largest / smallest) * per_doubling)
    return np.round(smallest * 2 ** (np.arange(bins + 1) / per_doubling), 6)


def _bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.clip(np.searchsorted(edges, values, "right") - 1, 0, len(edges) - 2)
