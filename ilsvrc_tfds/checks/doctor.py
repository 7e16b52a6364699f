"""The contents and the problems of a source, before hours of work are spent on it."""

import dataclasses
import functools
import hashlib
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.counts import in_words, split_counts
from ilsvrc_tfds.checks.findings import Report
from ilsvrc_tfds.checks.heads import look_at_all
from ilsvrc_tfds.checks.room import Room
from ilsvrc_tfds.errors import LabelError, SourceError, counted, first_few, unreadable
from ilsvrc_tfds.images import op_in_words
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import Index, Layout, find_layout, index_images
from ilsvrc_tfds.sources.completeness import incomplete_is_allowed, is_as_recorded, missing_splits, shortfalls
from ilsvrc_tfds.sources.conflicts import conflicts
from ilsvrc_tfds.sources.index import odd_sizes
from ilsvrc_tfds.sources.layouts import archives
from ilsvrc_tfds.sources.mistakes import DOGS
from ilsvrc_tfds.sources.official import official_archives
from ilsvrc_tfds.sources.scan import open_archive
from ilsvrc_tfds.storage.files import require_disk, require_local, without_dots
from ilsvrc_tfds.storage.space import free_bytes

_OFFICIAL_NAMES = {
    "train": re.compile(rb"n\d{8}_\d+\.JPEG"),
    "val": re.compile(rb"ILSVRC2012_val_\d{8}\.JPEG"),
    "test": re.compile(rb"ILSVRC2012_test_\d{8}\.JPEG"),
}
# The wnids of the dog breeds follow each other. Task 3 also has dingo, dhole and African hunting dog.
_FIRST_DOG, _LAST_DOG, _WILD_DOGS = "n02085620", "n02113978", {"n02115641", "n02115913", "n02116738"}
_READ_AT_ONCE = 1 << 22


def examine(
    source: str | os.PathLike,
    data_dir: str | os.PathLike,
    *,
    deep: bool = False,
    decode: bool = False,
    splits: Collection[str] | None = None,
    workers: int | None = None,
    scratch: str | os.PathLike | None = None,
    allow_incomplete: bool | None = None,
) -> Report:
    """Returns a report on a source: layout, splits, counts, odd names, sizes of archives, room needed and free.

    >>> from ilsvrc_tfds.checks.doctor import examine
    >>> report = examine("/data/imagenet", "/data/tfds", deep=True, allow_incomplete=False)
    >>> for fact in report.facts[:3]:
    ...     print(fact)
    archives in /data/imagenet
    train: 12 images of 3 classes, 0.0 MB; official: 1,281,167
    train: missing classes n01484850 (great white shark), n01494475 (hammerhead), ... and 992 more
    >>> report.problems[0]
    'train: 12 of 1,281,167 images, 997 classes missing; complete it, or prepare it with --allow-incomplete'

    Args:
      source: Folder in any layout.
      data_dir: Folder that the data would be prepared in.
      deep: Whether the checksums of the archives and the head of every image are checked too, which reads all of the
        data.
      decode: Whether every image is also decoded. This implies `deep`. Nothing else finds damage between the head and
        the end of an image.
      splits: Splits that are wanted. None requires train and val, and includes test if it is there.
      workers: Number of worker processes; None uses all cores.
      scratch: Folder for the images of sources without random access; None: beside the data.
      allow_incomplete: Whether missing splits and images are facts and not problems; None asks the environment
        variable ILSVRC2012_ALLOW_INCOMPLETE.

    Raises:
      SourceError: Nothing was found. Everything else that is wrong with a source is in the report.
      OptionError: `workers` is less than 1, or `source`, `data_dir` or `scratch` is a URL.
      InterruptedRun: A worker process died.
    """
    if scratch is not None:
        require_local(scratch)
    require_disk(data_dir)
    with LocalRunner(workers) as runner:
        found = find_layout([source], splits)
        there = [place.split for place in found.places if place.split in (splits or ())]
        layout = found.only(there or splits)
        try:
            run = functools.partial(runner.run_short, quick=layout.is_quick())
            index = dataclasses.replace(index_images(layout, run), missing=found.missing())
        except (SourceError, LabelError) as error:
            fact = f"{layout.source} cannot be used yet"
            problems = [*(conflicts(layout, runner.run) or [str(error)]), *_not_there(layout, found, splits)]
            return Report((fact,), tuple(problems), notes=(fact,))
        rooms = Room(index, _absolute(data_dir), None if scratch is None else _absolute(scratch))
        counts = tuple(split_counts(index, splits))
        allowed = incomplete_is_allowed(allow_incomplete)
        short = [*_allowed(index, splits, allowed)]
        notes, odd = [f"{index.layout} in {index.source}", *index.notes, *_made(index)], [*_odd_names(index)]
        facts = [*notes, *(line for split in counts for line in in_words(split, index)), *short, *odd]
        notes += [*short, *odd, *rooms.notes()]
        facts += rooms.facts()
        problems = [
            *_warnings(index, deep or decode),
            *_missing(index, splits, allowed),
            *_dogs(layout, index),
            *_odd_sizes(layout),
            *rooms.problems(),
        ]
        if deep or decode:
            for more_facts, more_problems in (_sums(layout, runner), look_at_all(index, decode, runner)):
                facts += more_facts
                notes += more_facts
                problems += more_problems
        needs = tuple(rooms.needs(workers))
    # Without duplicates: an archive that has vanished is reported for each of its images.
    problems = list(dict.fromkeys(problems))
    free = free_bytes(rooms.data_dir)
    return Report(tuple(facts), tuple(problems), notes=tuple(notes), splits=counts, configs=needs, free_bytes=free)


def _absolute(path: str | os.PathLike) -> Path:
    return without_dots(Path(path).expanduser().absolute())


def _not_there(layout: Layout, found: Layout, splits: Collection[str] | None) -> Iterator[str]:
    """Yields a line for each split that is missing of a source that cannot be indexed."""
    there = {place.split for place in layout.places}
    for split in ("train", "val") if splits is None else splits:
        if split not in there:
            what = found.missing().get(split)
            yield f"{split}: not there{f'; {what}' if what else ''}"


def _made(index: Index) -> Iterator[str]:
    """Yields a line for each split whose images are not the original ones."""
    for split, made in index.made.items():
        yield f"{split}: the images were made with {op_in_words(made)}; no other config can be made of them"


def _warnings(index: Index, deep: bool) -> list[str]:
    """Returns what the index warns of. If every image is looked at, that names the ones of impossible sizes."""
    named_later = set(odd_sizes(index.splits)) if deep else set()
    return [warning for warning in index.warnings if warning not in named_later]


def _missing(index: Index, splits: Collection[str] | None, allowed: bool) -> Iterator[str]:
    """Yields a line for each split that is missing, or does not have the official number of images, if not allowed."""
    short = {} if allowed else dict(_short(index, splits))
    whole = ",".join(split for split in index.splits if split not in short or is_as_recorded(index, split))
    others = f"prepare the others with --splits {whole}, or with" if whole else "prepare the others with"
    advice = f"complete or rename it, or {others} --allow-incomplete"
    for split, text in short.items():
        if not is_as_recorded(index, split):
            cure = advice if split not in index.splits else "complete it, or prepare it with --allow-incomplete"
            yield f"{split}: {text}; {cure}"


def _allowed(index: Index, splits: Collection[str] | None, allowed: bool) -> Iterator[str]:
    """Yields the same for the splits for which it is allowed, or was when the set that is the source was made."""
    for split, text in _short(index, splits):
        if is_as_recorded(index, split):
            yield f"{split}: {text} (as when the set was made)"
        elif allowed:
            yield f"{split} is not there (allowed)" if split not in index.splits else f"{split}: {text} (allowed)"


def _short(index: Index, splits: Collection[str] | None) -> Iterator[tuple[str, str]]:
    """Yields each split that is missing or does not have all images, and what is missing in words."""
    yield from missing_splits(index, splits).items()
    for split, text in shortfalls(index).items():
        part = index.parts.get(split)
        if part is None:
            yield split, text
        elif part.missing:  # a subset is not the whole of ILSVRC2012; a note says so
            yield split, f"{part.missing} of the subset that the set is"


def _odd_names(index: Index) -> Iterator[str]:
    for split, members in index.splits.items():
        odd = [name.decode() for name in members.name.tolist() if not _OFFICIAL_NAMES[split].fullmatch(name)]
        if odd:
            yield f"{split}: {counted(len(odd), 'name is', 'names are')} not of the official form: {first_few(odd)}"


def _dogs(layout: Layout, index: Index) -> Iterator[str]:
    """Yields a line if the train archive of task 3, renamed or not, is there instead of the one of task 1."""
    if "train" in index.splits:
        wnids = {synsets.wnids()[label] for label in np.unique(index.splits["train"].label)}
        dogs_only = len(wnids) > 1 and all(_FIRST_DOG <= wnid <= _LAST_DOG for wnid in wnids - _WILD_DOGS)
    else:
        folders = [layout.source, *(os.path.dirname(place.path) for place in layout.places)]
        dogs_only = any(os.path.exists(os.path.join(folder, DOGS)) for folder in folders)
    if dogs_only:
        yield f"train: only the dog breeds of task 3 ({DOGS}) are there; get ILSVRC2012_img_train.tar"


def _archive_paths(layout: Layout) -> Iterator[str]:
    """Yields the paths of the archives and development kits whose names are in the official list."""
    paths = [place.path for place in layout.places if place.kind == archives.KIND] + [
        str(path) for path in layout.ground_truths
    ]
    yield from (path for path in paths if os.path.basename(path) in official_archives())


def _odd_sizes(layout: Layout) -> Iterator[str]:
    for path in _archive_paths(layout):
        official = official_archives()[os.path.basename(path)].bytes
        try:
            size = os.path.getsize(path)
        except OSError as error:
            yield str(unreadable(path, error))
            continue
        if official is not None and size != official:
            yield f"{path} has {size:,} bytes, the official one has {official:,}: it was repacked, or is damaged"


def _sums(layout: Layout, runner: LocalRunner) -> tuple[list[str], list[str]]:
    """Compares the checksums of the archives with the official ones and returns facts and problems."""
    facts: list[str] = []
    problems: list[str] = []
    for more_facts, more_problems in runner.run(_compare_sum, _archive_paths(layout)):
        facts += more_facts
        problems += more_problems
    return facts, problems


def _compare_sum(path: str) -> tuple[list[str], list[str]]:
    archive = official_archives()[os.path.basename(path)]
    kind = "sha256" if archive.sha256 else "md5"
    try:
        found = _sum(path, kind)
    except SourceError as error:
        return [], [str(error)]
    if found == getattr(archive, kind):
        return [f"{path}: {kind} is the official one"], []
    return [], [f"{path}: {kind} is {found}, not the official one: it was repacked, or is damaged"]


def _sum(path: str, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with open_archive(path) as file:
        try:
            while chunk := file.read(_READ_AT_ONCE):
                digest.update(chunk)
        except OSError as error:
            raise unreadable(path, error) from error
    return digest.hexdigest()
