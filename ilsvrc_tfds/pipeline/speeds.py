"""What the measured times of a pipeline's stages say: which one limits it, and whether they say that at all."""

import dataclasses
import itertools
import statistics
from collections.abc import Sequence
from typing import Any

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import counted
from ilsvrc_tfds.terminal.tables import table

# On an idle machine the slowest round takes up to 1.2 times as long as the fastest one.
_BUSY = 1.5
# Share of the rounds in which the limiting stage must be the same.
_SAME = 0.7
_BAR = 20


@dataclasses.dataclass(frozen=True)
class Stage:
    """The pipeline up to a stage.

    Attributes:
      name: Name of the stage: read, parse, the class of an op, or batch.
      ms: Wall-clock time of an image up to this stage, in ms: the median of the rounds.
      marginal_ms: Difference from the stage before, in ms.
      fastest_ms: Time up to this stage in the fastest round.
      slowest_ms: Time up to this stage in the slowest round.

    >>> Stage("read", ms=0.04, marginal_ms=0.04, fastest_ms=0.039, slowest_ms=0.05).images_per_second
    25000.0
    """

    name: str
    ms: float
    marginal_ms: float
    fastest_ms: float
    slowest_ms: float

    @property
    def images_per_second(self) -> float:
        """Number of images that leave this stage in a second."""
        return 1000 / self.ms


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of a measurement. As text it is a table whose last line names the slowest stage.

    Attributes:
      folder: Folder of the shards.
      split: Name of the split.
      ops: Ops for examples and batches.
      batch_size: Number of images in a batch.
      images: Number of images that each stage made in each round. They are the same images.
      rounds: Number of rounds over which the medians are taken.
      cores: Number of cores of this machine.
      load: Load average of the machine over the last minute, at the end. This measurement makes about `cores` of it.
      agreeing: Share of the rounds in which the limiting stage added most.
      stages: Stages in the order in which an image passes them.
      resized: Whether the images are resized already.
    """

    folder: str
    split: str
    ops: tuple[preprocess.Op, ...]
    batch_size: int
    images: int
    rounds: int
    cores: int
    load: float
    agreeing: float
    stages: tuple[Stage, ...]
    resized: bool = False

    @property
    def bound(self) -> Stage:
        """The stage that adds most to the time of an image."""
        return max(self.stages, key=lambda stage: stage.marginal_ms)

    @property
    def spread(self) -> float:
        """The ratio of the slowest round of the whole pipeline to its fastest one."""
        return self.stages[-1].slowest_ms / self.stages[-1].fastest_ms

    @property
    def sure(self) -> bool:
        """Whether the rounds agree on the limiting stage."""
        return self.agreeing >= _SAME

    @property
    def steady(self) -> bool:
        """Whether the rounds agree about the speed of the whole pipeline."""
        return self.spread <= _BUSY

    def as_json(self) -> dict[str, Any]:
        """Returns the report as values that `json` can write."""
        stages = [{**dataclasses.asdict(stage), "images_per_second": stage.images_per_second} for stage in self.stages]
        figures = {"ops": [repr(op) for op in self.ops], "stages": stages, "bound": self.bound.name}
        facts = {name: value for name, value in vars(self).items() if name != "resized"}
        return {**facts, **figures, "spread": self.spread, "sure": self.sure, "steady": self.steady}

    def __str__(self) -> str:
        return f"{self.table}\n{self.verdict}"

    @property
    def table(self) -> str:
        """The figures of the stages, with columns as the width of the terminal allows."""
        last = self.stages[-1].ms
        rows = [
            (
                f"{'+ ' if number else ''}{stage.name}",
                f"{stage.images_per_second:,.0f}",
                _range(stage),
                f"{stage.ms:.3f}",
                f"{stage.marginal_ms:.3f}",
                bar(stage.marginal_ms / last),
            )
            for number, stage in enumerate(self.stages)
        ]
        facts = f"{counted(self.images, 'image')} in batches of {self.batch_size}, {counted(self.rounds, 'round')}"
        header = ("up to", "images/s", "range", "ms/image", "of it here", "share")
        return "\n".join(
            (
                f"{self.folder}, {self.split}",
                f"{facts}, {counted(self.cores, 'core')}, records in the page cache",
                table(header, rows, right=(1, 2, 3, 4), spare=(5, 2, 3)),
            )
        )

    @property
    def verdict(self) -> str:
        """Sentences that name the limiting stage and what helps, or say that it cannot be measured now."""
        bound, last = self.bound, self.stages[-1]
        share = f"{bound.marginal_ms:.3f} of the {last.ms:.3f} ms that an image takes"
        rounds = f"{counted(round(self.agreeing * self.rounds), 'round')} of {self.rounds}"
        if self.sure and self.steady:
            speed = f"In all {last.images_per_second:,.0f} images/s; more with {self.advice}."
            return f"{bound.name} limits the pipeline: {share}, {bound.marginal_ms / last.ms:.0%}. {speed}"
        limit = f"{bound.name} limits the pipeline, as in {rounds}" if self.sure else "The limit cannot be measured now"
        return (
            f"{limit}. The figures are not reliable: the slowest round took {self.spread:.1f} times as long as the "
            f"fastest one, at a load average of {self.load:.1f} on {counted(self.cores, 'core')}. Run it again when "
            "the machine is idle."
        )

    @property
    def advice(self) -> str:
        """What makes the limiting stage faster, in words."""
        name = self.bound.name
        if name.startswith("Decode"):
            others = "" if self.resized else " or smaller images (prepare --config raw256)"
            return f"more cores{', ' if others else ' or '}a tf.data service (train --service){others}"
        if name in ("read", "parse"):
            return "more hosts, each with its share of the records (shard=…)"
        if name == "batch":
            return "images of fewer pixels"
        return f"a preset without {name} (--ops), or more cores"


def report_of(names: Sequence[str], times: Sequence[Sequence[float]], **facts: Any) -> Report:
    """Returns the report of measured times.

    A stage cannot make the pipeline faster, so times of a round that fall are those of a disturbance. They are replaced
    by the nearest numbers that do not fall (isotonic regression), and then each stage has the median of its rounds. So
    no stage takes less than nothing, and none more than all of them.

    Args:
      names: Names of the stages.
      times: Time of an image up to each stage, in ms, for each round.
      facts: Other attributes of the report.

    >>> facts = {"folder": "/data", "split": "val", "ops": (), "batch_size": 4, "images": 8, "cores": 2, "load": 1.5}
    >>> report = report_of(["read", "parse", "batch"], [[0.1, 0.9, 0.7], [0.1, 0.9, 0.7]], **facts)
    >>> [round(stage.ms, 6) for stage in report.stages], round(report.bound.marginal_ms, 6)
    ([0.1, 0.8, 0.8], 0.7)
    """
    turns = [_rising(turn) for turn in times]
    columns = list(zip(*turns))
    ms = [statistics.median(column) for column in columns]
    added = _steps(ms)
    bound = added.index(max(added))
    stages = (
        Stage(name, median, more, fastest_ms=min(column), slowest_ms=max(column))
        for name, median, more, column in zip(names, ms, added, columns)
    )
    agreeing = sum(_steps(turn)[bound] == max(_steps(turn)) for turn in turns) / len(turns)
    return Report(rounds=len(turns), agreeing=agreeing, stages=tuple(stages), **facts)


def bar(share: float) -> str:
    """Returns a bar and a percentage.

    >>> bar(0.5), bar(0.0)
    (' 50% ██████████', '  0%')
    """
    return f"{share:>4.0%} {'█' * round(_BAR * share)}".rstrip()


def _steps(values: Sequence[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise([0.0, *values])]


def _rising(values: Sequence[float]) -> list[float]:
    """Returns the numbers that do not fall and are nearest to these (pool adjacent violators)."""
    pools: list[list[float]] = []  # mean, number
    for value in values:
        pools.append([value, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, n), (b, m) = pools[-2:]
            pools[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    return [mean for mean, number in pools for _ in range(int(number))]


def _range(stage: Stage) -> str:
    return f"{1000 / stage.slowest_ms:,.0f}–{1000 / stage.fastest_ms:,.0f}"
