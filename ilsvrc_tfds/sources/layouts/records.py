"""TFRecords: TFDS's `imagenet2012`, prepared data sets of any config, and classic TFRecords.

| set | files |
|---|---|
| TFDS's `imagenet2012` | `imagenet2012/5.1.0/imagenet2012-train.tfrecord-00000-of-01024`, `…-validation…`, `…-test…` |
| prepared data sets | `ilsvrc2012/<config>/1.0.0/ilsvrc2012-train.tfrecord-00000-of-01024`, `…-val…`, `…-test…` |
| aliases of prepared data sets | `imagenet2012/5.1.0` with `dataset_info.json` and no shards: see `formats.alias` |
| classic TFRecords | `train-00000-of-01024`, `validation-00000-of-00128`, also in `train/` and `validation/` |

The folder that is named may be that of the shards, or the one above it, of all versions; the newest version is read.
"""

import dataclasses
import os
import re
from collections.abc import Collection, Iterator
from io import FileIO
from pathlib import Path

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.alias import followed, read_alias
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.kinds import IMAGENET2012
from ilsvrc_tfds.sources.collecting import errors_reported
from ilsvrc_tfds.sources.names import FOLDERS, KAGGLE_ROOTS, SPLITS
from ilsvrc_tfds.sources.places import Place, absolute, names_in, set_of_folder
from ilsvrc_tfds.sources.record_scan import KIND as KIND
from ilsvrc_tfds.sources.record_set import RecordSet, split_of_shard
from ilsvrc_tfds.sources.record_sets import find_set
from ilsvrc_tfds.sources.scan import Scan

_VERSION = re.compile(r"\d+\.\d+\.\d+")


def find(source: Path, root: str) -> list[Place]:
    """Returns the splits of the sets of TFRecords in one folder of a source.

    >>> [(place.split, place.kind) for place in find(Path("/data/tfds/ilsvrc2012/classification/1.0.0"), "")]
    [('train', 'records'), ('val', 'records')]
    """
    if root in KAGGLE_ROOTS[1:] or not os.path.isdir(source / root):
        return []
    return [place for folder in _folders(source / root) for place in _places(folder)]


def _places(folder: Path) -> Iterator[Place]:
    """Yields the splits whose shards a folder has by their names, or that its set states. No shard is opened."""
    alias = read_alias(folder)
    try:
        folder = followed(folder)
    except SourceError as error:  # raised if a split of the alias is wanted
        splits, path = () if alias is None else alias.splits, absolute(folder)
        yield from [Place(s, path, s, KIND, set=set_of_folder(folder), listing=error) for s in splits]
        return
    files: dict[str, list[str]] = {}
    names = names_in(folder)
    for name in names:
        if split := split_of_shard(name, INFO_NAME in names):
            files.setdefault(split, []).append(os.path.join(absolute(folder), name))
    if not files:
        return
    own: RecordSet | SourceError | None
    try:
        own = find_set(folder)
    except SourceError as error:  # raised if a split of the folder is wanted
        own = error
    stated = own.shards if isinstance(own, RecordSet) else {}
    for split in (split for split in SPLITS if split in files or split in stated):
        own_files = tuple(files.get(split, ()))
        place = Place(split, absolute(folder), split, KIND, files=own_files, set=set_of_folder(folder), listing=own)
        is_original = not isinstance(own, RecordSet) or own.made.get("op", "Original") == "Original"
        yield dataclasses.replace(place, may_be_repaired=is_original)


def scans(place: Place) -> tuple[list[Scan], list[str]]:
    """Returns a scan for each shard of the split; and no folders that are not used.

    Raises SourceError if a shard is missing or not of the set, or if nothing records what was done to the images of a
    set of ours.
    """
    own = set_of_place(place)
    with errors_reported():
        own.refuse_strangers(place.split)
    if own.output is not None and not own.made:
        raise SourceError(
            f"{own.folder}: nothing records whether its images are resized ({manifest.NAME}, metadata.json and "
            f"{INFO_NAME} are missing or do not say it). Get these files again, or take another source."
        )
    jobs = own.scans(place.split)
    with errors_reported():
        own.check_bytes(place.split)
    return [*jobs], []


def set_of_place(place: Place) -> RecordSet:
    """Returns the set that a place belongs to. Raises SourceError if its folder holds none, or several."""
    if isinstance(place.listing, SourceError):
        raise place.listing
    assert isinstance(place.listing, RecordSet)  # it was there when the place was found
    return place.listing


def in_words(places: Collection[Place], jobs: Collection[Scan]) -> str:
    """Returns the names of the sets."""
    return " and ".join(dict.fromkeys(set_of_place(place).words for place in places if place.kind == KIND))


def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
    """Returns the bytes of an image, which are stored as they are."""
    return os.pread(file.fileno(), size, offset)


def _folders(folder: Path) -> list[Path]:
    """Returns the folders that may hold shards: this one, those of splits, and versions from the newest."""
    splits = [folder / name for names in FOLDERS.values() for name in names]
    versions = [
        path
        for above in (folder, folder / IMAGENET2012)
        for name in sorted(filter(_VERSION.fullmatch, names_in(above)), key=_numbers, reverse=True)
        if not _is_one_of_several(path := above / name) or above == folder
    ]
    return [folder, *splits, *versions]


def _is_one_of_several(folder: Path) -> bool:
    """Returns whether a folder is the alias of one of several configs: their data directory does not say which."""
    alias = read_alias(folder)
    if alias is None:
        return False
    sets = alias.target.parents[1].glob(f"*/*/{INFO_NAME}")
    return len({path.parent.parent for path in sets}) > 1


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
