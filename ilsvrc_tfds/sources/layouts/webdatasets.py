"""WebDataset: numbered tars whose members belong together by their names: `<key>.jpg`, `<key>.cls`, `<key>.json`.

| made by | files |
|---|---|
| timm | `imagenet1k-train-0000.tar` to `-1023.tar`, `imagenet1k-validation-00.tar` to `-63.tar`, `_info.json` |
| users | `train-000000.tar`, `imagenet-val-000000.tar`, `train/shard-000000.tar`, `val/000000.tar` |

The image is `.jpg`, `.jpeg` or `.png` in any case. Its official name is the base name of `filename` in `.json`, or else
the key; the label is in `.cls` (an index or a wnid) or in `label` of `.json`.
"""

import contextlib
import dataclasses
import itertools
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from io import FileIO
from pathlib import Path

from ilsvrc_tfds.errors import SourceError, counted, first_few, shown, unreadable
from ilsvrc_tfds.sources.collecting import errors_reported
from ilsvrc_tfds.sources.hugging_face import versions_in
from ilsvrc_tfds.sources.names import (
    FOLDERS,
    KAGGLE_ROOTS,
    SPLITS,
    UNFINISHED,
    numbered_archive,
    split_of_folder,
)
from ilsvrc_tfds.sources.numbered import dated_archives
from ilsvrc_tfds.sources.places import Place, absolute, names_in, set_of_folder
from ilsvrc_tfds.sources.record_set import GO_WITHOUT
from ilsvrc_tfds.sources.sample_scan import KIND as KIND
from ilsvrc_tfds.sources.sample_scan import SampleScan
from ilsvrc_tfds.sources.scan import Scan, stamped
from ilsvrc_tfds.storage.regular import open_regular

INFO_NAME = "_info.json"
_AGAIN = "Get the set again, or make it again."
# timm's has 1,087 names and numbers, 40 KB.
_MOST_BYTES = 64 << 20
_MOST_NAMED = 4
_OF_1000_CLASSES = re.compile(r"datasets--.*imagenet-?_?1k", re.I)
_NUMBER = re.compile(r"(\d+)\.tar$")


def find(source: Path, root: str) -> list[Place]:
    """Returns the splits whose shards are in one folder of a source, in the folders of splits there, or in a cache.

    >>> [(place.split, len(place.files)) for place in find(Path("/data/webdataset"), "")]
    [('train', 2), ('val', 1)]
    """
    folder = source / root
    if root in KAGGLE_ROOTS[1:] or not os.path.isdir(folder):
        return []
    places = list(_places(folder, None))
    for split, names in FOLDERS.items():
        for name in names:
            places += _places(folder / name, split)
    return places or _in_cache(folder)


def _in_cache(folder: Path) -> list[Place]:
    """Returns the splits in the Hub's cache, of the first version that has shards: timm's `imagenet-1k-wds`.

    They count as unusual ones: if the original images of Hugging Face's copy are there as well, these are used.
    """
    versions = (version for version in versions_in(folder) if _OF_1000_CLASSES.search(str(version)))
    found = next(filter(None, (list(_places(version, None)) for version in versions)), [])
    return [dataclasses.replace(place, usual=False) for place in found]


def scans(place: Place) -> tuple[list[Scan], list[str]]:
    """Returns a scan for each shard of the split; and no folders that are not used.

    Raises SourceError if a shard is missing or there twice, or if there are shards of two sets.
    """
    lengths: dict[str, int] = {}
    with errors_reported():
        lengths = _lengths(Path(place.path, INFO_NAME))
        _require_all(place, lengths)
    jobs: list[Scan] = [
        SampleScan(place.split, path, stamp, lengths.get(os.path.basename(path)))
        for path, stamp in stamped(place.files)
    ]
    return jobs, []


def in_words(places: Collection[Place], jobs: Collection[Scan]) -> str:
    """Returns the name of the layout."""
    return "WebDataset"


def read(file: FileIO, offset: int, size: int, name: bytes) -> bytes:
    """Returns the bytes of an image, which are stored as they are."""
    return os.pread(file.fileno(), size, offset)


def _places(folder: Path, of_folder: str | None) -> Iterator[Place]:
    """Yields the splits that a folder has shards of, by their names or else by the split of the folder.

    If there are shards, a split that `_info.json` states has a place even if all of its files are missing.
    """
    files: dict[str, list[str]] = {}
    names = [name for name in names_in(folder) if numbered_archive(name)]
    dated = {archive.name for archive in dated_archives(folder, names)}
    for name in names:
        split = None if name in dated else _split_of_shard(name) or of_folder
        if split:
            files.setdefault(split, []).append(os.path.join(absolute(folder), name))
    # Something else with the name of a shard, such as a broken link, is an error if there are shards, and else none.
    files = {split: paths for split, paths in files.items() if any(map(os.path.isfile, paths))}
    stated: set[str | None] = set()
    with contextlib.suppress(SourceError):  # raised when the split is scanned
        stated = {_split_of_shard(name) or of_folder for name in _lengths(folder / INFO_NAME)} if files else set()
    for split in (split for split in SPLITS if split in files or split in stated):
        own = tuple(files.get(split, ()))
        place = Place(split, absolute(folder), split, KIND, files=own, set=set_of_folder(folder))
        yield dataclasses.replace(place, may_be_repaired=True)


def _split_of_shard(name: str) -> str | None:
    """Returns the split that the name of a shard states, or None if it states none, or is not that of a shard."""
    numbered = numbered_archive(name)
    return split_of_folder(numbered[0]) if numbered is not None else None


def _require_all(place: Place, lengths: Mapping[str, int]) -> None:
    """Raises SourceError if shards are missing or there twice, or belong to another set than the others."""
    names = [os.path.basename(path) for path in place.files]
    numbers: dict[int, str] = {}
    stems = set()
    for name in names:
        stem, number = numbered_archive(name) or ("", 0)
        stems.add(stem)
        if len(stems) > 1:
            raise SourceError(
                f"{place.path} holds shards of several sets: {first_few(map(shown, (names[0], name)))}. Keep one there."
            )
        if number in numbers:
            raise SourceError(
                f"{place.path}: {shown(numbers[number])} and {shown(name)} are the same shard. Remove one of them."
            )
        numbers[number] = name
    of_folder = split_of_folder(os.path.basename(place.path))
    stated = [name for name in lengths if (_split_of_shard(name) or of_folder) == place.split]
    if strange := [name for name in names if lengths and name not in stated]:
        raise SourceError(
            f"{place.path}: {INFO_NAME} does not state {first_few(map(shown, strange))}, so it is of another set. Move "
            "it away."
        )
    if unfinished := list(_unfinished(place.path, stems, numbers)):
        shards = "a shard" if len(unfinished) == 1 else "shards"
        raise SourceError(
            f"{place.path}: {first_few(map(shown, unfinished))}: the download of {shards} of split {place.split!r} has "
            f"not ended. Finish it, and remove what is left of it. {GO_WITHOUT}"
        )
    count, missing = _missing(names, numbers, stated)
    if count:
        split = f"split {place.split!r}"
        raise SourceError(
            f"{counted(count, f'shard of {split} is', f'shards of {split} are')} missing: "
            f"{first_few(os.path.join(place.path, shown(name)) for name in missing)}. {_AGAIN} {GO_WITHOUT}"
        )


def _unfinished(folder: str, stems: Collection[str], numbers: Collection[int]) -> Iterator[str]:
    """Yields the names of files of a folder that are shards which have not arrived."""
    for name in names_in(folder):
        match = UNFINISHED.search(name)
        numbered = numbered_archive(name[: match.start()]) if match else None
        if match and numbered and numbered[0] in stems and (match[1] or numbered[1] not in numbers):
            yield name


def _missing(names: list[str], numbers: Collection[int], stated: list[str]) -> tuple[int, list[str]]:
    """Returns the number of missing shards, and the names of the first ones: of those stated, or of gaps in between."""
    if stated:
        missing = [name for name in stated if name not in set(names)]
        return len(missing), missing
    digits = len(_NUMBER.findall(names[0])[0])
    begin = names[0][: -digits - len(".tar")]
    first, last = (min(numbers) if min(numbers) <= 1 else 0), max(numbers)
    gaps = (number for number in range(first, last) if number not in numbers)
    shown_gaps = [f"{begin}{number:0{digits}d}.tar" for number in itertools.islice(gaps, _MOST_NAMED)]
    return last + 1 - first - len(numbers), shown_gaps


def _lengths(path: Path) -> dict[str, int]:
    """Returns the number of samples of each shard by `_info.json`, or an empty dictionary if there is none."""
    try:
        with open_regular(path) as file:
            splits = json.loads(file.read(_MOST_BYTES))["splits"].values()
        return {
            str(name): int(length)
            for split in splits
            for name, length in zip(split["filenames"], split["shard_lengths"], strict=True)
        }
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error) from error
    except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(f"{path} makes no sense ({error!r:.200}). Get it again, or move it away.") from error
