"""The scores of a model on evaluation sets: as values, as a table, and as JSON. Loads neither TensorFlow nor Keras."""

import dataclasses
import os
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ilsvrc_tfds.errors import SourceError, counted
from ilsvrc_tfds.training.epoch_table import in_percent

TITLES = ("set", "images", "top-1", "top-5")
# What an empty cell is.
_EMPTY = "–"


class UnfinishedScores(SourceError):
    """The images of an evaluation set cannot be read.

    Attributes:
      rows: Scores on the sets before it.

    >>> UnfinishedScores("a: 0.jpg is damaged.", ()).rows
    ()
    """

    def __init__(self, message: str, rows: "tuple[SetScores, ...]") -> None:
        super().__init__(message)
        self.rows = rows


@dataclasses.dataclass(frozen=True)
class PartScores:
    """The scores of a model on images that are measured together.

    Attributes:
      name: Corruption and severity, as in `fog/3`; empty if the set has only one part.
      images: Number of images, each evaluated once. Those of ReaL without a right class are not among them.
      correct: Number of images whose class, or one of whose classes, has the highest logit.
      correct5: Number of images whose class is among the five highest logits. None for ReaL, which has no such score.

    >>> PartScores("", images=4, correct=3, correct5=4).top1
    0.75
    """

    name: str
    images: int
    correct: int
    correct5: int | None

    @property
    def top1(self) -> float:
        """Share of the images that are correct, in [0, 1]."""
        return self.correct / self.images

    @property
    def top5(self) -> float | None:
        """Share of the images whose class is among the five highest logits, or None if that is not defined."""
        return None if self.correct5 is None else self.correct5 / self.images


@dataclasses.dataclass(frozen=True)
class SetScores:
    """The scores of a model on an evaluation set.

    Attributes:
      name: Name of the row in the table.
      title: Name of the set in papers.
      path: Folder, file or name of the set.
      classes: Number of classes whose logits compete.
      parts: Scores of each part.
      reference: Mean error of AlexNet in each corruption of ImageNet-C that belongs to the mean; empty for other sets.
      left_out: Number of images of ReaL without a right class, which do not count.
      missing: What the set lacks, in words; empty if it is complete.

    >>> scores = SetScores("a", "ImageNet-A", "/data/imagenet-a", 200, (PartScores("", 4, 3, 4),))
    >>> scores.images, scores.top1, scores.top5, scores.mce
    (4, 0.75, 1.0, None)
    """

    name: str
    title: str
    path: str
    classes: int
    parts: tuple[PartScores, ...]
    reference: tuple[tuple[str, float], ...] = ()
    left_out: int = 0
    missing: str = ""

    @property
    def images(self) -> int:
        """Number of images in all parts, each evaluated once."""
        return sum(part.images for part in self.parts)

    @property
    def top1(self) -> float:
        """Share of correct images. Of ImageNet-C, the mean over corruptions of the mean over severities."""
        return self._mean([part.top1 for part in self.parts])

    @property
    def top5(self) -> float | None:
        """Share of images whose class is among the five highest logits, or None; means as for `top1`."""
        values = [part.top5 for part in self.parts if part.top5 is not None]
        return self._mean(values) if len(values) == len(self.parts) else None

    @property
    def corruptions(self) -> dict[str, tuple[PartScores, ...]]:
        """The parts of each corruption of ImageNet-C, by severity; empty for other sets."""
        names = dict.fromkeys(part.name.rpartition("/")[0] for part in self.parts if part.name)
        return {name: tuple(part for part in self.parts if part.name.startswith(f"{name}/")) for name in names}

    @property
    def mean_error(self) -> float | None:
        """1 - `top1` for ImageNet-C, which is its mean error without a reference; None for other sets."""
        return 1 - self.top1 if self.reference else None

    @property
    def mce(self) -> float | None:
        """The mCE of ImageNet-C, 1 for AlexNet; None for other sets, and if a part of the 15 corruptions is missing.

        It is the mean over the corruptions of the mean error over severities, divided by that of AlexNet
        (Hendrycks and Dietterich 2019, arXiv:1903.12261).
        """
        found = self.corruptions
        if not self.reference or any(len(found.get(name, ())) != 5 for name, _ in self.reference):
            return None
        errors = (1 - statistics.fmean(part.top1 for part in found[name]) for name, _ in self.reference)
        return statistics.fmean(error / own for error, (_, own) in zip(errors, self.reference))

    def _mean(self, values: Sequence[float]) -> float:
        """Returns the mean over corruptions of the mean over severities, or the only value."""
        if not self.reference:
            return statistics.fmean(values)
        by_part = dict(zip((part.name for part in self.parts), values))
        found, own = self.corruptions, [name for name, _ in self.reference]
        names = [name for name in own if name in found] or list(found)
        return statistics.fmean(statistics.fmean(by_part[part.name] for part in found[name]) for name in names)

    def as_json(self) -> dict[str, Any]:
        """Returns the scores as values of JSON's types, with exact numbers."""
        value: dict[str, Any] = {"set": self.name, "title": self.title, "path": self.path, "classes": self.classes}
        value |= {"images": self.images, "top1": self.top1, "top5": self.top5}
        if self.left_out:
            value["left_out"] = self.left_out
        if self.missing:
            value["missing"] = self.missing
        if self.reference:
            value |= {"mean_error": self.mean_error, "mCE": self.mce}
            value["corruptions"] = {
                name: {part.name.rpartition("/")[2]: _numbers(part) for part in parts}
                for name, parts in self.corruptions.items()
            }
        return value


def table(rows: Iterable[SetScores]) -> str:
    """Returns the scores as a table for a terminal, with a row for each set and each corruption.

    >>> print(table([SetScores("a", "ImageNet-A", "/data/imagenet-a", 200, (PartScores("", 7500, 12, 300),))]))
    set   images   top-1   top-5
    ────────────────────────────
    a      7,500   0.16%   4.00%
    """
    rows = list(rows)
    text = aligned([TITLES, *(line for row in rows for line in _lines(row))])
    return "\n".join([text, *(note for row in rows for note in _notes(row))])


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """Returns cells as a table for a terminal. The first row has the titles, the first column is not of numbers.

    >>> print(aligned([("set", "images"), ("val", "50,000")]))
    set   images
    ────────────
    val   50,000
    """
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    texts = ["   ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in cells]
    texts.insert(1, "─" * len(texts[0]))
    return "\n".join(texts)


def with_name(rows: Iterable[SetScores], model: str | os.PathLike) -> dict[str, Any]:
    """Returns the table as a value of JSON's types.

    >>> with_name([], "resnet50")
    {'model': 'resnet50', 'sets': []}
    """
    return {"model": os.fspath(model), "sets": [row.as_json() for row in rows]}


def _lines(row: SetScores) -> Iterator[tuple[str, ...]]:
    yield (row.name, *_cells(row.images, row.top1, row.top5))
    for name, parts in row.corruptions.items():
        values = [part.top5 for part in parts if part.top5 is not None]
        top1, top5 = statistics.fmean(part.top1 for part in parts), statistics.fmean(values)
        mark = "" if name in dict(row.reference) else " *"
        yield (f"  {name}{mark}", *_cells(sum(part.images for part in parts), top1, top5))


def _cells(images: int, top1: float, top5: float | None) -> tuple[str, str, str]:
    return f"{images:,}", in_percent(top1), _EMPTY if top5 is None else in_percent(top5)


def _notes(row: SetScores) -> Iterator[str]:
    if row.missing:
        yield f"{row.name}: the set is not complete"
    if row.left_out:
        images = counted(row.left_out, "image without a right class does", "images without a right class do")
        yield f"{row.name}: {images} not count"
    if row.mean_error is None:
        return
    found = row.corruptions
    used = sum(name in found for name, _ in row.reference)
    mce = f"mCE {row.mce:.2%} of AlexNet's errors" if row.mce is not None else "no mCE, because parts are missing"
    over = counted(used or len(found), "corruption")
    yield f"{row.name}: mean error {row.mean_error:.2%} over {over}, not normalized; {mce}"
    if any(name not in dict(row.reference) for name in found):
        yield f"{row.name}: corruptions marked * are not part of these means"


def _numbers(part: PartScores) -> dict[str, Any]:
    return {"images": part.images, "top1": part.top1, "top5": part.top5}
