"""Files and folders of a source that are not read but may be a split. They are reported: no split is lost silently."""

import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import first_few, shown
from ilsvrc_tfds.sources.members import is_image
from ilsvrc_tfds.sources.names import (
    FOLDERS,
    UNFINISHED,
    numbered_archive,
    split_hinted,
    split_of_archive,
    split_of_folder,
)
from ilsvrc_tfds.sources.unread import THUMBNAILS

# Limits that keep the search short: entries per folder, folders per root, class folders per folder.
_MOST_ENTRIES, _MOST_FOLDERS, _MOST_CLASSES = 2000, 200, 3

_MARKS = (".aria2", ".part", ".crdownload")
_ARCHIVE = re.compile(r"\.(?:tar|tgz|gz|zip|7z|rar|parquet|arrow)(?![a-z])", re.I)
_SHARD = re.compile(r"-\d{5}-of-\d{5}(?!\d)|^\d{4,5}\.parquet$|-(?:train|validation|test)\.arrow$")
# `ILSVRC2012_img_train (1).tar`, as browsers name a second download.
_COPY = re.compile(r"(.*?)(?: ?\(\d+\)|[ _-]+copy(?: ?\d+)?)(\.(?:tar|zip))", re.I)
# What unpacks an archive that cannot be read in place, by the end of its name.
_PROGRAMS = {
    ".zst": "zstd -d",
    ".tar.xz": "xz -d",
    ".tar.bz2": "bzip2 -d",
    ".tar.lz4": "lz4 -d",
    ".7z": "7z x",
    ".rar": "unrar x",
}
# Archives of ILSVRC2012 without images.
_OTHERS = re.compile(r"bbox|devkit|annotation", re.I)


class Sighting(NamedTuple):
    """A file or folder that is not read but may be a split.

    Attributes:
      path: Path relative to the source.
      what: Description: `images`, `an unfinished download`.
      split: Split that its name suggests, or None if it suggests none.
    """

    path: str
    what: str
    split: str | None

    def __str__(self) -> str:
        return f"{shown(self.path)} ({self.what})"


def sightings(source: str | os.PathLike, roots: Iterable[str], taken: Iterable[str]) -> tuple[Sighting, ...]:
    """Returns the files and folders that may be a split, except those that are read.

    >>> [str(sighting) for sighting in sightings("/data/folders", [""], ["/data/folders/train"])]
    ['val/ (images)']

    Args:
      source: Folder of the source.
      roots: Folders to search, relative to the source; `""` is the source itself.
      taken: Paths of the archives and folders that are read.
    """
    known = {os.path.realpath(path) for path in taken}
    known |= {str(parent) for path in known for parent in Path(path).parents}
    found: dict[str, Sighting] = {}
    for root in roots:
        for sighting in _sightings_in(source, root, known):
            found.setdefault(os.path.realpath(os.path.join(source, sighting.path)), sighting)
    return tuple(found.values())


def unfinished(path: str) -> str | None:
    """Returns the path of the file by which a download program marks a file as unfinished, or None if there is none.

    aria2 gives a file its whole size at once, and removes the mark at the end.

    >>> unfinished("/data/imagenet/ILSVRC2012_img_train.tar") is None
    True
    """
    return next((path + suffix for suffix in _MARKS if os.path.lexists(path + suffix)), None)


def describe_missing(found: Iterable[Sighting], split: str, names: Iterable[str]) -> str:
    """Returns a text that says what was found instead of a split.

    >>> describe_missing([Sighting("my_val/", "images", "val")], "val", [])
    'seen: my_val/ (images)'

    Args:
      found: Sightings in the source.
      split: Split that is missing.
      names: Names in the source. They are shown if no sighting may be the split.
    """
    near = [sighting for sighting in found if sighting.split in (split, None)]
    near.sort(key=lambda sighting: sighting.split is None)
    return f"seen: {first_few(near)}" if near else f"found: {first_few(map(shown, names), 6) or 'nothing'}"


def contents(folder: str | os.PathLike) -> str:
    """Returns `images`, `class folders`, `class archives` or `shards`, by what a folder holds; else an empty string.

    The result is empty for a folder that cannot be read: no split is read from it.

    >>> contents("/data/folders/train"), contents("/data/folders/val"), contents("/data/imagenet")
    ('class folders', 'images', '')
    """
    entries = _first_entries(folder)
    if any(is_image(os.fsencode(entry.name)) and os.path.isfile(entry.path) for entry in entries):
        return "images"
    classes = sorted((entry for entry in entries if synsets.is_wnid(entry.name)), key=lambda entry: entry.name)
    if any(_has_images_or_folders(entry.path) for entry in classes[:_MOST_CLASSES]):
        return "class folders"
    if any(synsets.is_wnid(entry.name.removesuffix(".tar")) and os.path.isfile(entry.path) for entry in entries):
        return "class archives"
    return "shards" if any(_SHARD.search(entry.name) or numbered_archive(entry.name) for entry in entries) else ""


def _sightings_in(source: str | os.PathLike, root: str, known: set[str]) -> Iterator[Sighting]:
    """Yields the sightings in one folder, beginning with the folder itself."""
    folder = os.path.join(source, root)
    what = contents(folder)
    if what not in ("", "shards"):
        yield Sighting(os.path.join(root or ".", ""), what, None)
    # Images and class folders belong to the folder itself. Leaving them out saves 50,000 looks at a flat folder.
    entries = [e for e in _all_entries(folder) if not is_image(os.fsencode(e.name)) and not synsets.is_wnid(e.name[:9])]
    entries.sort(key=lambda entry: entry.name)
    folders = {entry.name: entry for entry in entries if os.path.isdir(entry.path)}
    yield from _sightings_of_files(root, [entry.name for entry in entries if entry.name not in folders], source, known)
    for entry in [entry for entry in folders.values() if entry.name not in THUMBNAILS][:_MOST_FOLDERS]:
        if os.path.realpath(entry.path) not in known:
            yield from _sightings_of_folder(entry.path, os.path.join(root, entry.name), known)


def _sightings_of_files(root: str, names: list[str], source: str | os.PathLike, known: set[str]) -> Iterator[Sighting]:
    """Yields the files that may hold a split. Of the shards of a split only the first is returned."""
    shards = set()
    for name in names:
        what, split = _kind_of_file(name, split_hinted(name)), split_hinted(name)
        if not what or (what, split) in shards or os.path.realpath(os.path.join(source, root, name)) in known:
            continue
        if what == "shards":
            shards.add((what, split))
        yield Sighting(os.path.join(root, name), what, split)


def _kind_of_file(name: str, split: str | None) -> str:
    """Returns a description of a file that may hold a split, or an empty string for any other file."""
    if UNFINISHED.search(name):
        return "an unfinished download"
    if split is None or _OTHERS.search(name):
        return ""
    if _SHARD.search(name):
        return "shards"
    if copy := _COPY.fullmatch(name):
        return f"a second download, or a copy: rename it to {shown(copy[1] + copy[2])} if that is not there"
    packed = next((program for suffix, program in _PROGRAMS.items() if name.casefold().endswith(suffix)), "")
    if packed:
        return f"a compressed archive, which cannot be read in place: unpack it first, with {packed}"
    return "an archive of a name or kind that is not read" if _ARCHIVE.search(name) else ""


def _sightings_of_folder(folder: str, path: str, known: set[str]) -> Iterator[Sighting]:
    """Yields the folder itself if it holds images or shards, else the folders and archives of a split in it."""
    what = contents(folder)
    if what:
        named = split_of_archive(os.path.basename(path))
        advice = f", in a folder with the name of an archive: rename it to {FOLDERS[named][0]}/" if named else ""
        yield Sighting(f"{path}/", f"{what}{advice}", split_hinted(os.path.basename(path)))
        return
    for entry in sorted(_first_entries(folder), key=lambda entry: entry.name)[:_MOST_FOLDERS]:
        if os.path.realpath(entry.path) in known:
            continue
        below = f"{path}/{entry.name}"
        if split_of_archive(entry.name) and os.path.isfile(entry.path):
            yield Sighting(below, "an archive", split_of_archive(entry.name))
        elif split_of_folder(entry.name) and (what := contents(entry.path)):
            yield Sighting(f"{below}/", what, split_of_folder(entry.name))


def _has_images_or_folders(folder: str) -> bool:
    return any(is_image(os.fsencode(entry.name)) or os.path.isdir(entry.path) for entry in _first_entries(folder))


def _first_entries(folder: str | os.PathLike) -> list[os.DirEntry[str]]:
    return list(itertools.islice(_all_entries(folder), _MOST_ENTRIES))


def _all_entries(folder: str | os.PathLike) -> Iterator[os.DirEntry[str]]:
    """Yields the entries of a folder that are not hidden. Yields none if the folder cannot be read."""
    try:
        with os.scandir(os.fspath(folder)) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError:
        return
