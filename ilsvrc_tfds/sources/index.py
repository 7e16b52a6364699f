"""Builds the index of a source: independent jobs scan its archives and folders; the results are joined and checked."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from ilsvrc_tfds.errors import SourceError, counted, first_few, shown
from ilsvrc_tfds.sources import copies
from ilsvrc_tfds.sources.doubles import refuse_doubles
from ilsvrc_tfds.sources.history import History, history_of
from ilsvrc_tfds.sources.label_tables import check_ground_truth, check_solution, check_synset_mapping
from ilsvrc_tfds.sources.layouts import LAYOUT_OF, archives, folders
from ilsvrc_tfds.sources.members import READ_KINDS, Index, Members, join_members
from ilsvrc_tfds.sources.places import Place
from ilsvrc_tfds.sources.scan import Scan, Scanned, scan
from ilsvrc_tfds.sources.search import Layout
from ilsvrc_tfds.sources.trees import Listed
from ilsvrc_tfds.sources.unread import is_class_archive

# Of the original images no shorter side is that of most: so many images are looked at, and fewer do not tell it.
_MOST_SIDES, _FEWEST_SIDES, _SAME_SIDES = 100, 20, 0.95

# A function such as `map`: calls a function with each job, and yields the results in the order of the jobs.
Run = Callable[[Callable, Iterable], Iterator]


def index_images(layout: Layout, run: Run = map) -> Index:
    """Returns the place and label of every image. Labels are checked against all other sources of them.

    >>> from ilsvrc_tfds.sources import find_layout
    >>> index = index_images(find_layout(["/data/imagenet"]))
    >>> index.layout, {split: len(members) for split, members in index.splits.items()}
    ('archives', {'train': 12, 'val': 6})

    Args:
      layout: Layout of the source.
      run: Function that runs the scans, such as `map` or a runner's `run`: `run(function, jobs)` yields
        `function(job)` in the order of the jobs.

    Raises:
      SourceError: A file is not an archive or is cut short; a name or class folder is unknown, comes twice, or belongs
        to another split.
      LabelError: Two sources of a label contradict each other.
    """
    agreed = [
        *map(check_ground_truth, layout.ground_truths),
        *map(check_solution, layout.solutions),
        *map(check_synset_mapping, layout.synset_mappings),
    ]
    notes = [*agreed, *map(_unused_note, layout.unused), *_sightings_note(layout)]
    jobs: list[Scan] = []
    for place in layout.places:
        scans, unused = LAYOUT_OF[place.kind].scans(place)
        jobs += scans
        if unused:
            one = "folder is not used, because its archive is beside it"
            many = "folders are not used, because their archives are beside them"
            notes.append(f"{counted(len(unused), one, many)}: {first_few(unused)}")
    scanned = _scanned(jobs, run)
    splits = {}
    for place in layout.places:
        splits[place.split] = joined(place, [result for job, result in zip(jobs, scanned) if job.split == place.split])
    notes += _empty_notes(jobs, scanned)
    passed_over = [name for result in scanned for name in result.passed_over]
    if passed_over:
        entries = counted(len(passed_over), "entry that is not an image", "entries that are not images")
        notes.append(f"skipped {entries}: {first_few(passed_over)}")
    notes += dict.fromkeys(note for result in scanned for note in result.notes)
    notes += [*_appended_notes(splits), *_folders_notes(splits)]
    warnings = [
        *_unread_warnings([unread for result in scanned for unread in result.unread]),
        *_other_kinds([name for result in scanned for name in result.other_kinds]),
        *odd_sizes(splits),
    ]
    histories = {place.split: history_of(place, splits[place.split]) for place in layout.places}
    notes += [note for history in histories.values() for note in history.notes]
    return Index(
        layout.source,
        _in_words(layout, jobs),
        splits,
        tuple(notes),
        tuple(warnings),
        layout.missing(),
        made={split: history.made for split, history in histories.items() if history.made},
        repaired={split: history.repaired for split, history in histories.items() if history.repaired},
        skipped={split: history.skipped for split, history in histories.items() if history.skipped},
        parts={split: history.part for split, history in histories.items() if history.part},
        recorded={split: own.recorded for split, own in histories.items() if own.recorded is not None},
        left_out=_left_out(layout, histories),
    )


def _left_out(layout: Layout, histories: Mapping[str, History]) -> tuple[str, ...]:
    """Returns the splits that the only set of ours was made without. If a source has more, they may have been lost."""
    found = {(place.path, histories[place.split].left_out) for place in layout.places}
    return next(iter(found))[1] if len(found) == 1 else ()


def _scanned(jobs: list[Scan], run: Run) -> list[Scanned]:
    """Returns the results of the jobs. Archives that were listed before are not scanned again, and report once."""
    copies.begin()
    now = iter(list(run(scan, [job for job in jobs if not isinstance(job, Listed)])))
    results, reported = [], set()
    for job in jobs:
        result = job() if isinstance(job, Listed) else next(now)
        if isinstance(job, Listed) and job.path in reported:
            result = dataclasses.replace(result, passed_over=(), other_kinds=(), unread=())
        reported.add(job.path)
        results.append(result)
    return results


def _unused_note(place: Place) -> str:
    shards = f"{place.files[0]} ({place.kind}: {counted(len(place.files), 'shard')})" if place.files else ""
    return f"{shards or place.path} is not used: split {place.split} is read from another place"


def _sightings_note(layout: Layout) -> Iterator[str]:
    if layout.sightings:
        yield f"not used, because the names are not those of a split: {first_few(layout.sightings)}"
    for sighting in layout.aside:
        yield f"not used: {sighting}"


def _empty_notes(jobs: list[Scan], scanned: list[Scanned]) -> Iterator[str]:
    """Yields a note about files that hold nothing, such as parquet files without rows and class archives."""
    empty = [
        f"{job.path}: {job.wnid}.tar" if isinstance(job, archives.TarScan) and job.start else job.path
        for job, found in zip(jobs, scanned)
        if not isinstance(job, folders.FolderScan)
        and not any((*map(len, found.members), found.passed_over, found.other_kinds, found.unread))
    ]
    if empty:
        yield f"{counted(len(empty), 'file holds', 'files hold')} no images: {first_few(map(shown, empty))}"


def _appended_notes(splits: dict[str, Members]) -> Iterator[str]:
    """Yields a note for each split with file names that have the class appended, as in Hugging Face's copy."""
    for split, members in splits.items():
        appended = np.array([container.class_appended for container in members.containers])[members.container]
        if appended.any():
            names = counted(int(appended.sum()), "file name has", "file names have")
            yield f"{split}: {names} the class appended; the official names are used"


def _folders_notes(splits: dict[str, Members]) -> Iterator[str]:
    """Yields a note for each split with class folders whose names are not wnids."""
    for split, members in splits.items():
        own = (
            container for container in members.containers if container.in_classes and container.layout == folders.KIND
        )
        if names := sorted({shown(os.path.basename(container.path)) for container in own}):
            some = counted(len(names), "class folder is not named by its wnid", "class folders are not named by wnids")
            yield f"{split}: {some}, so the names of the images tell the class: {first_few(names)}"


def _unread_warnings(unread: list[tuple[str, int]]) -> Iterator[str]:
    """Yields warnings about images in folders and archives that are not read."""
    deep = [f"{name} ({count:,})" for name, count in unread if count]
    if deep:
        total = sum(count for _, count in unread)
        yield (
            f"{counted(total, 'image')} in {counted(len(deep), 'folder')} {'is' if total == 1 else 'are'} not read: "
            f"{first_few(deep)}. Images are expected directly in the folder of a split or of a class: move them "
            "there, or away"
        )
    archives = [name for name, count in unread if not count]
    if archives:
        of_classes = all(is_class_archive(os.fsencode(os.path.basename(name))) for name in archives)
        are = counted(len(archives), "class archive is", "class archives are") if of_classes else ""
        are = are or counted(len(archives), "archive is", "archives are")
        it, into = "it" if len(archives) == 1 else "them", " into folders <wnid>/" if of_classes else ""
        yield f"{are} not read: {first_few(archives)}. Unpack {it}{into}"


def _other_kinds(names: list[str]) -> Iterator[str]:
    """Yields a warning about images in formats that are not read."""
    if names:
        yield (
            f"{counted(len(names), 'image')} of a kind that is not read: {first_few(names)}. Files named {READ_KINDS} "
            "are read: convert or rename them, or move them away"
        )


def odd_sizes(splits: Mapping[str, Members]) -> Iterator[str]:
    """Yields a warning for each split with images of an impossible size, which is known before any is read.

    >>> from ilsvrc_tfds.sources import find_layout
    >>> list(odd_sizes(index_images(find_layout(["/data/imagenet"])).splits))
    []
    """
    for split, members in splits.items():
        if odd := members.odd_sizes():
            yield f"{counted(len(odd), 'image')} of {split} cannot be used: {first_few(odd)}. Get them again"


def joined(place: Place, found: list[Scanned]) -> Members:
    """Returns one table of all images of a split, in the order of the scans.

    Raises SourceError if there are none, or if names come twice.

    >>> from ilsvrc_tfds.sources import find_layout
    >>> [_, place] = find_layout(["/data/imagenet"]).places
    >>> len(joined(place, [scan(job) for job in LAYOUT_OF[place.kind].scans(place)[0]]))
    6

    Args:
      place: Place of the split.
      found: Results of all of its scans.
    """
    tables = [table for result in found for table in result.members]
    if not tables:
        others = [name for r in found for name in (*r.passed_over, *r.other_kinds, *dict(r.unread))]
        where = first_few(place.files) or place.path
        raise SourceError(
            f"{where} holds no images that are read, but {first_few(others) or 'nothing'}. "
            f"Expected files named {READ_KINDS}, for train in class folders or archives <wnid>.tar."
        )
    members = join_members(tables)
    refuse_doubles(members)
    return members


def _in_words(layout: Layout, jobs: list[Scan]) -> str:
    """Returns the names of the layouts of a source: `archives`, `archives and folders`."""
    kinds = {place.kind for place in layout.places}
    return " and ".join(own.in_words(layout.places, jobs) for kind, own in LAYOUT_OF.items() if kind in kinds)
