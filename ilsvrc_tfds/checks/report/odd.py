"""Images that are unusual: in their kind, in their size, or in what their name says of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ilsvrc_tfds.checks.report.looking import KINDS, MISNAMED, NO_CLASS, OTHER_CLASS
from ilsvrc_tfds.checks.report.tables import Tables
from ilsvrc_tfds.checks.report.values import Odd

_MOST_PICTURES = 200
_TINY, _HUGE, _LONG = 64, 12_000_000, 3


class _Way(NamedTuple):
    name: str
    meaning: str
    find: Callable[[Mapping[str, np.ndarray]], np.ndarray]


def _is(*kinds: str) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
    numbers = [KINDS.index(kind) for kind in kinds]
    return lambda columns: np.isin(columns["kind"], numbers)


def _has(sign: int) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
    return lambda columns: columns["signs"] & sign > 0


_WAYS = (
    _Way("Label contradicts name", "The file name or synset gives another class than the label.", _has(OTHER_CLASS)),
    _Way("No class", "The label is not that of one of the classes.", _has(NO_CLASS)),
    _Way(
        "CMYK JPEG",
        "Many decoders refuse these or give wrong colours. Prepared and exported sets have them as RGB JPEGs.",
        _is("CMYK JPEG"),
    ),
    _Way(
        "Format contradicts name",
        "A PNG whose name ends in .JPEG, or the reverse. Decoders that go by the name fail.",
        _has(MISNAMED),
    ),
    _Way(
        "PNG",
        "All official images but one are JPEGs. Prepared and exported sets have them as RGB JPEGs.",
        _is("RGB PNG", "grey or palette PNG", "grey PNG with alpha", "RGBA PNG"),
    ),
    _Way("Grey", "One channel. Readers that ask for three channels get three equal ones.", _is("grey JPEG")),
    _Way(
        "Tiny",
        f"A shorter side under {_TINY} pixels.",
        lambda columns: np.minimum(columns["width"], columns["height"]) < _TINY,
    ),
    _Way(
        "Huge",
        f"More than {_HUGE // 1_000_000} megapixels, which decode slowly.",
        lambda columns: columns["width"].astype(np.int64) * columns["height"] > _HUGE,
    ),
    _Way(
        "Long and thin",
        f"One side more than {_LONG} times the other. Crops show a small part.",
        lambda columns: (
            np.maximum(columns["width"], columns["height"]) > _LONG * np.minimum(columns["width"], columns["height"])
        ),
    ),
)


def find_odd(tables: Tables, splits: Sequence[str]) -> tuple[tuple[Odd, ...], list[list[int]]]:
    """Returns the unusual images, way by way, and the rows of the pictures of each way.

    Args:
      tables: Rows of all images.
      splits: Names of the splits, in order.
    """
    columns = {name: tables.column(name) for name in ("kind", "signs", "width", "height")}
    split, low = tables.split_numbers(splits), tables.column("digest")[:, 1]
    found, chosen = [], []
    for way in _WAYS:
        rows = np.flatnonzero(way.find(columns))
        if not len(rows):
            continue
        # The digests choose some of many, so that not all are of the first classes.
        some = sorted(rows[np.argsort(low[rows], kind="stable")][:_MOST_PICTURES].tolist())
        counts = np.bincount(split[rows], minlength=len(splits)).tolist()
        by_split = {name: count for name, count in zip(splits, counts) if count}
        found.append(Odd(way.name, way.meaning, by_split, tuple(map(tables.picture, some))))
        chosen.append(some)
    return tuple(found), chosen
