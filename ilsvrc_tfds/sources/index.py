"""Builds the index of a source: independent jobs scan its archives and folders; the results are joined and checked."""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, counted, first_few
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.kinds import CLASSIC
from ilsvrc_tfds.images import look
from ilsvrc_tfds.images.ops import needs_fix
from ilsvrc_tfds.sources.labels import check_ground_truth, check_solution, check_synset_mapping
from ilsvrc_tfds.sources.layouts import LAYOUT_OF, records
from ilsvrc_tfds.sources.members import READ_KINDS, Index, Members, join_members
from ilsvrc_tfds.sources.official import REPAIRED_BY_TFDS
from ilsvrc_tfds.sources.origin import changed_of, repaired_of, skipped_of
from ilsvrc_tfds.sources.places import Place
from ilsvrc_tfds.sources.reader import read_images
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
        splits[place.split] = _joined(place, [result for job, result in zip(jobs, scanned) if job.split == place.split])
    passed_over = [name for result in scanned for name in result.passed_over]
    if passed_over:
        entries = counted(len(passed_over), "entry that is not an image", "entries that are not images")
        notes.append(f"skipped {entries}: {first_few(passed_over)}")
    notes += dict.fromkeys(note for result in scanned for note in result.notes)
    notes += _appended_notes(splits)
    warnings = [
        *_unread_warnings([unread for result in scanned for unread in result.unread]),
        *_other_kinds([name for result in scanned for name in result.other_kinds]),
        *odd_sizes(splits),
    ]
    for place in layout.places:
        _refuse_resized(place, splits[place.split])
    made = {place.split: own for place in layout.places if (own := _made(place))}
    repaired = {place.split: names for place in layout.places if (names := _repaired(place, splits[place.split]))}
    for split, names in repaired.items():
        one = "image is a CMYK JPEG or PNG in the archives and an RGB JPEG here, which is used as it is"
        many = "images are CMYK JPEGs or PNGs in the archives and RGB JPEGs here, which are used as they are"
        notes.append(f"{split}: {counted(len(names), one, many)}: {first_few(names)}")
    for place in layout.places:
        notes += _changed_note(place, len(repaired.get(place.split, ())))
    skipped = {place.split: left_out for place in layout.places if (left_out := _skipped(place))}
    for split, left_out in skipped.items():
        notes.append(f"{split}: {counted(len(left_out), 'image')} skipped when the set was made: {first_few(left_out)}")
    words = _in_words(layout, jobs)
    return Index(
        layout.source,
        words,
        splits,
        tuple(notes),
        tuple(warnings),
        layout.missing(),
        made=made,
        repaired=repaired,
        skipped=skipped,
    )


def _scanned(jobs: list[Scan], run: Run) -> list[Scanned]:
    """Returns the results of the jobs. Archives that were listed before are not scanned again, and report once."""
    now = iter(list(run(scan, [job for job in jobs if not isinstance(job, Listed)])))
    results, reported = [], set()
    for job in jobs:
        result = job() if isinstance(job, Listed) else next(now)
        if isinstance(job, Listed) and job.path in reported:
            result = dataclasses.replace(result, passed_over=(), other_kinds=(), unread=())
        reported.add(job.path)
        results.append(result)
    return results


def _refuse_resized(place: Place, members: Members) -> None:
    """Raises SourceError if a set does not record how its images were made and nearly all are of one shorter side."""
    own = records.set_of_place(place) if place.kind == records.KIND else None
    if own is None or own.kind != CLASSIC or own.made or len(members) < _FEWEST_SIDES:
        return
    rows = np.unique(np.linspace(0, len(members) - 1, _MOST_SIDES).astype(int))
    heads = read_images(members.take(rows), lambda file_name, data, label: look(data), skipped={})
    sides = Counter(min(head.height, head.width) for _, head in heads)
    [(side, count)] = sides.most_common(1) or [(0, 0)]
    if count > _SAME_SIDES * sides.total():
        raise SourceError(
            f"{own.folder}: nothing records whether its images are resized ({manifest.NAME} is missing), and {count:,} "
            f"of {sides.total():,} images of {place.split} have the shorter side {side:,}, as resized ones have. Get "
            "these files again with their manifest, or take another source."
        )


def _made(place: Place) -> Mapping[str, object]:
    """Returns the recorded operation on the images of a split; empty if they are original, as far as it is known."""
    own = records.set_of_place(place).made if place.kind == records.KIND else {}
    return own if own.get("op") != "Original" else {}


def _repaired(place: Place, members: Members) -> tuple[str, ...]:
    """Returns the names of the images of a split that are not as the archives have them. Only these images are read.

    These are the ones that a set of ours records, and those of the official names of CMYK JPEGs and PNGs that are RGB.
    """
    own = records.set_of_place(place) if place.kind == records.KIND else None
    told = repaired_of(own.folder, place.split) if own is not None and own.output is not None else ()
    if not place.may_be_repaired:
        return told
    names = np.array([f"{stem}.JPEG".encode() for stem in REPAIRED_BY_TFDS], np.bytes_)
    odd = members.take(np.flatnonzero(np.isin(members.name, names)))
    heads = read_images(odd, lambda file_name, data, label: (file_name.decode(), look(data)), skipped={})
    return tuple(sorted({*told, *(name for _, (name, head) in heads if not needs_fix(head))}))


def _changed_note(place: Place, known: int) -> Iterator[str]:
    """Yields a note if a set of ours had more images changed than there are known names."""
    own = records.set_of_place(place) if place.kind == records.KIND else None
    if own is None or own.output is None or own.made.get("op") != "Original":
        return
    if (count := changed_of(own.folder, place.split) - known) > 0:
        images = counted(count, "image has", "images have")
        yield (
            f"{place.split}: {images} other bytes than in the archives, because CMYK JPEGs and PNGs were converted "
            "when the set was made; it does not record which"
        )


def _skipped(place: Place) -> dict[str, str]:
    """Returns the images of a split that are missing in a set of ours, because they were damaged."""
    own = records.set_of_place(place) if place.kind == records.KIND else None
    return skipped_of(own.output, place.split) if own is not None and own.output is not None else {}


def _unused_note(place: Place) -> str:
    shards = f"{place.files[0]} ({place.kind}: {counted(len(place.files), 'shard')})" if place.files else ""
    return f"{shards or place.path} is not used: split {place.split} is read from another place"


def _sightings_note(layout: Layout) -> Iterator[str]:
    if layout.sightings:
        yield f"not used, because the names are not those of a split: {first_few(layout.sightings)}"
    for sighting in layout.aside:
        yield f"not used: {sighting}"


def _appended_notes(splits: dict[str, Members]) -> Iterator[str]:
    """Yields a note for each split with file names that have the class appended, as in Hugging Face's copy."""
    for split, members in splits.items():
        appended = np.array([container.class_appended for container in members.containers])[members.container]
        if appended.any():
            names = counted(int(appended.sum()), "file name has", "file names have")
            yield f"{split}: {names} the class appended; the official names are used"


def _unread_warnings(unread: list[tuple[str, int]]) -> Iterator[str]:
    """Yields warnings about images in folders and archives that are not read."""
    folders = [f"{name} ({count:,})" for name, count in unread if count]
    if folders:
        total = sum(count for _, count in unread)
        yield (
            f"{counted(total, 'image')} in {counted(len(folders), 'folder')} {'is' if total == 1 else 'are'} not read: "
            f"{first_few(folders)}. Images are expected directly in the folder of a split or of a class: move them "
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


def _joined(place: Place, found: list[Scanned]) -> Members:
    """Returns one table of all images of a split, in the order of the scans."""
    tables = [table for result in found for table in result.members]
    if not tables:
        others = [name for r in found for name in (*r.passed_over, *r.other_kinds, *dict(r.unread))]
        raise SourceError(
            f"{place.path} holds no images that are read, but {first_few(others) or 'nothing'}. "
            f"Expected files named {READ_KINDS}, for train in class folders or archives <wnid>.tar."
        )
    members = join_members(tables)
    _refuse_doubles(members)
    return members


def _refuse_doubles(members: Members) -> None:
    """Raises SourceError if two images have the same name, or two validation images the same number."""
    keys = members.name
    if members.split == "val":  # `.JPEG` and `.jpg` may have the same number
        numbered = ((name, synsets.validation_number(name)) for name in members.name.tolist())
        keys = np.array([name if number is None else b"%d" % number for name, number in numbered])
    order = np.argsort(keys, kind="stable")
    doubles = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    pairs = np.stack([order[doubles], order[doubles + 1]], axis=1)
    # With the same name in two classes they are two images. Renaming is asked for first: removing one would lose it.
    clashes = pairs[members.label[pairs[:, 0]] != members.label[pairs[:, 1]]]
    if len(clashes):
        same = "the same name as an image of another class"
        found = _pairs(members, clashes, f"has {same}", f"have {same}")
        raise SourceError(f"{found} Rename one of each: a file name identifies an image.")
    if len(pairs):
        raise SourceError(f"{_pairs(members, pairs, 'comes twice', 'come twice')} Remove one of each.")


def _pairs(members: Members, pairs: np.ndarray, one: str, many: str) -> str:
    offenders = first_few(f"{members.place(first)} and {members.place(second)}" for first, second in pairs)
    split = f"of split {members.split!r}"
    return f"{counted(len(pairs), f'image {split} {one}', f'images {split} {many}')}: {offenders}."


def _in_words(layout: Layout, jobs: list[Scan]) -> str:
    """Returns the names of the layouts of a source: `archives`, `archives and folders`."""
    kinds = {place.kind for place in layout.places}
    return " and ".join(own.in_words(layout.places, jobs) for kind, own in LAYOUT_OF.items() if kind in kinds)
