"""Makes the report on a data set, and writes it as a page and as JSON."""

import dataclasses
import datetime
import importlib.metadata
import itertools
import json as json_format
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from ilsvrc_tfds.checks.report import sampling
from ilsvrc_tfds.checks.report.duplicates import find_duplicates
from ilsvrc_tfds.checks.report.looking import Looked, Part, look_at
from ilsvrc_tfds.checks.report.odd import find_odd
from ilsvrc_tfds.checks.report.opening import Data, open_data
from ilsvrc_tfds.checks.report.page import page
from ilsvrc_tfds.checks.report.states import checks_of_completeness, checks_of_images, checks_of_shards
from ilsvrc_tfds.checks.report.statistics import density, split_numbers
from ilsvrc_tfds.checks.report.tables import Tables
from ilsvrc_tfds.checks.report.thumbnails import Thumbnail, draw, draw_jobs
from ilsvrc_tfds.checks.report.values import Check, Group, Odd, Picture, Report
from ilsvrc_tfds.errors import OptionError, require_integers
from ilsvrc_tfds.outputs.exported_source import source_of
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.storage.files import files_to_replace, require_local, write_whole
from ilsvrc_tfds.terminal.progress import progress

# Largest numbers of pictures: of odd images of each way, of groups of equal images, and of images in a group.
_DRAWN_OF_A_WAY, _DRAWN_GROUPS, _DRAWN_OF_A_GROUP = 12, 60, 4
# Most bytes of all thumbnails. In the page they take a third more, 27.3 MB, and the rest of it takes 1 MB.
_MOST_BYTES = 20_500_000
_MOST_FAULTS = 1000


def report(
    data: str | os.PathLike,
    out: str | os.PathLike | None = None,
    *,
    json: str | os.PathLike | None = None,
    bbox: Iterable[str | os.PathLike] = (),
    samples: int = sampling.MOST_SAMPLES,
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
    workers: int | None = None,
) -> Report:
    """Returns a report on a data set, and writes it as a page in HTML that needs nothing else, and as JSON.

    Every image is read once, and its header is parsed. The images of the contact sheets are read again, and decoded.

    >>> import ilsvrc_tfds
    >>> found = ilsvrc_tfds.report("/data/imagenet", "/data/report.html", json="/data/report.json")
    >>> [(split.split, split.images, split.classes) for split in found.splits]
    [('train', 12, 3), ('val', 6, 3)]
    >>> [odd.name for odd in found.odd]
    ['CMYK JPEG', 'Format contradicts name', 'PNG', 'Grey', 'Tiny']

    Args:
      data: Source in any layout, a prepared or exported folder, a data directory that has one, or a name such as
        `ilsvrc2012/raw256`.
      out: Path of the page; None writes none.
      json: Path of a JSON file with the same values, see `Report.as_json`; None writes none.
      bbox: Bounding boxes of a source, as for `export`. Exported records have their own.
      samples: Number of pictures in the contact sheets, at most. With 6,000 the page has less than 30 MB.
      seed: Number that changes the choice of these pictures.
      data_dir: TFDS's data directory, in which a name is looked up; None is the usual one.
      workers: Number of worker processes; None uses all cores.

    Raises:
      SourceError: The data set does not exist, or its places and labels cannot be read. Damaged images and
        records are part of the report.
      LabelError: Two sources of a label contradict each other.
      OptionError: An option has an impossible value, or a path is a URL.
      DestinationError: A file cannot be written.
      InterruptedRun: A worker process died.
    """
    require_integers(samples=samples, seed=seed)
    if not 0 <= samples <= sampling.MOST_SAMPLES:
        raise OptionError(f"samples must be in [0, {sampling.MOST_SAMPLES}], got {samples}.")
    require_local(*(path for path in (out, json) if path is not None))
    # Before the work, so that a mistyped path does not cost hours.
    page_path, json_path = files_to_replace(
        *(None if path is None else Path(path).expanduser() for path in (out, json))
    )
    with LocalRunner(workers) as runner:
        found = _made(open_data(source_of(data, data_dir), tuple(bbox), runner), samples, seed, runner)
    if json_path is not None:
        write_whole(json_path, json_format.dumps(found.as_json(), indent=1).encode() + b"\n")
    if page_path is not None:
        write_whole(page_path, page(found))
    return found


def _made(data: Data, samples: int, seed: int, runner: LocalRunner) -> Report:
    looked = _look(data.parts, runner)
    tables = Tables.of(data.parts, [own.table for own in looked])
    names = list(dict.fromkeys(part.split for part in data.parts))
    damaged = dict.fromkeys(names, 0)
    for part, own in zip(data.parts, looked):
        damaged[part.split] += own.num_faults
    splits = tuple(split_numbers(tables, name, damaged[name], data.knows_boxes) for name in names)
    odd, odd_rows = find_odd(tables, names)
    duplicates, equal_rows = find_duplicates(tables, names)
    chosen = sampling.choose(tables, names, samples, seed).tolist()
    odd_rows = [rows[:_DRAWN_OF_A_WAY] for rows in odd_rows]
    equal_rows = [rows[:_DRAWN_OF_A_GROUP] if k < _DRAWN_GROUPS else [] for k, rows in enumerate(equal_rows)]
    beside = list(itertools.chain.from_iterable([*odd_rows, *equal_rows]))
    drawn = _draw(tables, [*chosen, *beside], runner)
    shown_rows = _fitting(chosen, beside, drawn)
    num_faults = sum(damaged.values())
    in_split = tables.split_numbers(names)[shown_rows] if shown_rows else np.zeros(0, np.uint8)
    return Report(
        folder=data.folder,
        title=data.title,
        kind=data.kind,
        version=importlib.metadata.version("ilsvrc-tfds"),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        facts=data.facts,
        checks=(
            *(_shard_checks(data, looked)),
            *checks_of_images(splits, odd, duplicates, num_faults, data.kind == "source"),
            *checks_of_completeness(splits, data.subset, data.warnings),
        ),
        splits=splits,
        odd=tuple(_with_pictures(way, rows, drawn) for way, rows in zip(odd, odd_rows)),
        duplicates=dataclasses.replace(
            duplicates,
            listed=tuple(_with_pictures(group, rows, drawn) for group, rows in zip(duplicates.listed, equal_rows)),
        ),
        faults=tuple(fault for own in looked for fault in own.faults)[:_MOST_FAULTS],
        num_faults=num_faults,
        samples=tuple(_drawn_picture(tables.picture(row), drawn.get(row)) for row in sorted(shown_rows)),
        sampling=sampling.in_words(
            np.bincount(in_split, minlength=len(names)).tolist(), [s.images for s in splits], names, seed
        ),
        density=density(tables),
        verify=data.verify,
    )


def _look(parts: Sequence[Part], runner: LocalRunner) -> list[Looked]:
    found = []
    with progress("read", sum(part.images for part in parts)) as work:
        for part, looked in zip(parts, runner.run(look_at, parts)):
            found.append(looked)
            work.advance(part.images)
    return found


def _draw(tables: Tables, rows: Sequence[int], runner: LocalRunner) -> dict[int, Thumbnail]:
    drawn: dict[int, Thumbnail] = {}
    with progress("draw", len(set(rows))) as work:
        jobs = list(draw_jobs(tables, rows))
        for job, own in zip(jobs, runner.run(draw, jobs)):
            drawn |= own
            work.advance(len(job.rows))
    return drawn


def _fitting(rows: Sequence[int], beside: Sequence[int], drawn: dict[int, Thumbnail]) -> list[int]:
    """Returns the first of the rows whose thumbnails fit into a page together, with those of other sections beside."""
    sizes = np.cumsum([len(drawn[row].image) if row in drawn else 0 for row in (*beside, *rows)])[len(beside) :]
    return list(rows[: int(np.searchsorted(sizes, _MOST_BYTES, "right"))])


def _shard_checks(data: Data, looked: Sequence[Looked]) -> list[Check]:
    return [] if data.output is None else [*checks_of_shards(data.output, data.parts, looked)]


_Pictured = TypeVar("_Pictured", Odd, Group)


def _with_pictures(group: _Pictured, rows: Sequence[int], drawn: dict[int, Thumbnail]) -> _Pictured:
    """Returns odd or equal images with the thumbnails of the first ones, whose rows are given."""
    first: list[Picture] = [_drawn_picture(picture, drawn.get(row)) for picture, row in zip(group.pictures, rows)]
    return dataclasses.replace(group, pictures=(*first, *group.pictures[len(rows) :]))


def _drawn_picture(picture: Picture, thumbnail: Thumbnail | None) -> Picture:
    if thumbnail is None:
        return picture
    return dataclasses.replace(picture, thumbnail=thumbnail.image, boxes=thumbnail.boxes)
