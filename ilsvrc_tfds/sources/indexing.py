"""From a layout to the index: scans as independent jobs, joined and checked."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, first_few
from ilsvrc_tfds.sources.labels import check_ground_truth, check_solution, check_synset_mapping
from ilsvrc_tfds.sources.layouts import Layout, Place
from ilsvrc_tfds.sources.members import Container, Index, Members
from ilsvrc_tfds.sources.scan import FolderScan, Scanned, TarScan, archive_stamp, inner_archives, scan

# Runs a function on each job and yields the results in the order of the jobs.
Run = Callable[[Callable, Iterable], Iterator]


def index_images(layout: Layout, run: Run = map) -> Index:
    """Returns where every image of a source lies, its label checked against each second source that is there.

    Args:
      layout: of the source.
      run: `run(function, jobs)` yields `function(job)` in the order of the jobs; `map`, or a runner's.

    Raises:
      SourceError: an archive that is none or is cut short, an image name or class folder that means nothing, a name twice.
      LabelError: two sources of a label contradict each other.
    """
    agreed = [
        *map(check_ground_truth, layout.ground_truths),
        *map(check_solution, layout.solutions),
        *map(check_synset_mapping, layout.synset_mappings),
    ]
    jobs = [job for place in layout.places for job in _scans(place)]
    scanned = list(run(scan, jobs))
    splits = {}
    for place in layout.places:
        found = [result for job, result in zip(jobs, scanned) if job.split == place.split]
        splits[place.split] = _joined(place, found)
    passed_over = [name for result in scanned for name in result.passed_over]
    notes = [f"{path} is not used: its split is taken from another place" for path in layout.unused]
    notes += [f"passed over {len(passed_over):,} files that are no images: {first_few(passed_over)}"] if passed_over else []
    return Index(layout.source, _layout_name(layout, jobs), splits, (*agreed, *notes))


def _scans(place: Place) -> list[TarScan | FolderScan]:
    """Returns the jobs that look through one split: one for each class where it has classes."""
    if place.kind == "archive":
        return _archive_scans(place)
    jobs = []
    for name in sorted(os.listdir(place.path)):
        path = os.path.join(place.path, name)
        if name.startswith("."):
            continue
        if os.path.isdir(path) and (place.split == "train" or synsets.is_wnid(name)):
            jobs.append(FolderScan(place.split, path, f"{place.folder}/{name}", name))
        elif place.split == "train" and name.endswith(".tar"):
            jobs.append(TarScan(place.split, path, archive_stamp(path), name.removesuffix(".tar")))
    # Where a class is there as archive and as folder the archive counts: it is whole, or seen to be cut short.
    archives = {job.wnid for job in jobs if isinstance(job, TarScan)}
    jobs = [job for job in jobs if isinstance(job, TarScan) or job.wnid not in archives]
    return [*jobs, FolderScan(place.split, place.path, place.folder)]


def _archive_scans(place: Place) -> list[TarScan]:
    stamp = archive_stamp(place.path)
    classes, has_images = inner_archives(place.path) if place.split == "train" else ({}, True)
    jobs = [TarScan(place.split, place.path, stamp, wnid, *span) for wnid, span in classes.items()]
    return [*jobs, TarScan(place.split, place.path, stamp)] if has_images or not jobs else jobs


def _joined(place: Place, found: list[Scanned]) -> Members:
    """Returns one table of all scans of a split, in the order of the jobs."""
    tables = [table for result in found for table in result.members]
    if not tables:
        raise SourceError(f"{place.path} holds no images. Expected files *.JPEG, in class folders or archives for train.")
    offsets = itertools.accumulate([len(table.containers) for table in tables], initial=0)
    members = Members(
        split=place.split,
        containers=tuple(itertools.chain.from_iterable(table.containers for table in tables)),
        name=np.concatenate([table.name for table in tables]),
        label=np.concatenate([table.label for table in tables]),
        container=np.concatenate([table.container + offset for table, offset in zip(tables, offsets)], dtype=np.int32),
        offset=np.concatenate([table.offset for table in tables]),
        size=np.concatenate([table.size for table in tables]),
    )
    _refuse_doubles(members)
    return members


def _refuse_doubles(members: Members) -> None:
    """Raises SourceError where two images have one name, or two validation images one number (`.JPEG` and `.jpg`)."""
    keys = members.name
    if members.split == "val":
        numbers = [synsets.validation_number(name) for name in members.name.tolist()]
        keys = np.array([name if number is None else b"%d" % number for name, number in zip(members.name.tolist(), numbers)])
    order = np.argsort(keys, kind="stable")
    doubles = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    if len(doubles):
        pairs = (f"{members.place(order[i])} and {members.place(order[i + 1])}" for i in doubles[:3])
        raise SourceError(f"{len(doubles):,} images of split {members.split!r} come twice: {first_few(pairs)}. Remove one of each.")


def _layout_name(layout: Layout, jobs: list[TarScan | FolderScan]) -> str:
    kinds = {place.kind for place in layout.places}
    if kinds == {"archive"}:
        return "archives"
    class_archives = any(isinstance(job, TarScan) and job.path.endswith(f"{job.wnid}.tar") and job.wnid for job in jobs)
    folders = "class archives" if class_archives else "folders"
    if any("CLS-LOC" in place.path for place in layout.places):
        folders = "Kaggle CLS-LOC folders"
    return folders if kinds == {"folder"} else f"archives and {folders}"
