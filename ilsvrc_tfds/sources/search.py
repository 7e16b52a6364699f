"""Searches folders for a source: the place of each split, in the first of the `layouts` that has it.

The layout is found by looking, and never chosen by an option. Each split is searched separately, so a source may mix
archives and folders. Other files beside them, which state labels too, are found here as well.
"""

import dataclasses
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from ilsvrc_tfds.errors import IncompleteError, NotFoundError, SourceError
from ilsvrc_tfds.sources.label_tables import GROUND_TRUTH
from ilsvrc_tfds.sources.layouts import ARCHIVE_LAYOUTS, QUICK_LAYOUTS, arrows, parquets, records, webdatasets
from ilsvrc_tfds.sources.mistakes import describe_searched
from ilsvrc_tfds.sources.names import ARCHIVES, KAGGLE_ROOTS, OTHER_ROOTS, OWN_ROOTS, ROOTS, SPLITS
from ilsvrc_tfds.sources.nearby import hints
from ilsvrc_tfds.sources.other_sets import refuse_other_sets
from ilsvrc_tfds.sources.places import Place, absolute, is_same, kind_of, names_in, refuse_rivals
from ilsvrc_tfds.sources.sightings import Sighting, describe_missing, sightings, unfinished
from ilsvrc_tfds.storage.files import require_local_source, without_dots

_DEVKITS = (
    "ILSVRC2012_devkit_t12.tar.gz",
    "ILSVRC2012_devkit_t12.tar",
    f"ILSVRC2012_devkit_t12/data/{GROUND_TRUTH}",
    f"data/{GROUND_TRUTH}",
    GROUND_TRUTH,
)
_SOLUTION, _SYNSET_MAPPING = "LOC_val_solution.csv", "LOC_synset_mapping.txt"

# A compressed archive of this size is listed in a second, a plain one in much less.
_QUICK_BYTES = 1 << 28

EXPECTED = (
    f"{ARCHIVES['train'][0]}, {ARCHIVES['val'][0]}, folders train/, val/, a zip, or files of parquet, Arrow, "
    "WebDataset or TFRecords"
)


@dataclasses.dataclass(frozen=True)
class Layout:
    """The archives and folders of a source.

    Attributes:
      source: Folder that the user named.
      places: Place of each split that was found, in the order train, val, test.
      unused: Further places of a split that is read from another place.
      sightings: Other files and folders that may be a split, but have unknown names.
      aside: Other archives and files that may be a split and are left aside, with the reason.
      ground_truths: Development kits, and ground truth files out of them.
      solutions: Files `LOC_val_solution.csv` of Kaggle.
      synset_mappings: Files `LOC_synset_mapping.txt` of Kaggle.
    """

    source: str
    places: tuple[Place, ...]
    unused: tuple[Place, ...]
    sightings: tuple[Sighting, ...]
    aside: tuple[Sighting, ...]
    ground_truths: tuple[Path, ...]
    solutions: tuple[Path, ...]
    synset_mappings: tuple[Path, ...]

    def missing(self) -> dict[str, str]:
        """Returns, for each missing split, a text that says what was found instead."""
        names, there = names_in(self.source), {place.split for place in self.places}
        seen = (*self.aside, *self.sightings)
        return {split: describe_missing(seen, split, names) for split in SPLITS if split not in there}

    def is_quick(self) -> bool:
        """Returns whether all archives and shards are listed in less time than worker processes take to start.

        >>> find_layout(["/data/imagenet"]).is_quick()
        True
        """
        paths = (path for place in self.places for path in (place.path, *place.files))
        return sum(os.path.getsize(path) for path in paths if os.path.isfile(path)) < _QUICK_BYTES

    def only(self, splits: Iterable[str] | None) -> "Layout":
        """Returns the layout with only these splits, or with all if None. Raises IncompleteError if one is missing.

        >>> [place.split for place in find_layout(["/data/imagenet"]).only(["val"]).places]
        ['val']
        """
        if splits is None:
            return self
        missing = [f"{split} ({text})" for split, text in self.missing().items() if split in splits]
        if missing:
            raise IncompleteError(
                f"{self.source} does not have the split {', '.join(missing)}, which was asked for. Complete or rename "
                "it, or leave it out of the splits."
            )
        places, unused = (tuple(p for p in found if p.split in splits) for found in (self.places, self.unused))
        seen, aside = (
            tuple(sighting for sighting in found if sighting.split in (None, *splits))
            for found in (self.sightings, self.aside)
        )
        return dataclasses.replace(self, places=places, unused=unused, sightings=seen, aside=aside)


def find_layout(candidates: list[str | os.PathLike], splits: Collection[str] | None = None) -> Layout:
    """Returns the layout of the first candidate that has a split, with all splits that it has.

    >>> layout = find_layout(["/data/nowhere", "/data/imagenet"])
    >>> for place in layout.places:
    ...     print(place.split, place.kind, place.path)
    train archive /data/imagenet/ILSVRC2012_img_train.tar
    val archive /data/imagenet/ILSVRC2012_img_val.tar

    Args:
      candidates: Folders to search, in this order; or archives.
      splits: Splits that are wanted. What only another split would need is not read, and no reason to stop. None wants
        train and val, and test if it is of the same set.

    Raises:
      NotFoundError: No candidate has a split. The message lists what was found in each.
      SourceError: Two places of a source may be the same split, or a place cannot be read.
      OptionError: A candidate is a URL.
    """
    require_local_source(*candidates)
    looked_at = ""
    for candidate in candidates:
        source = without_dots(Path(candidate).expanduser())
        layout = _look_into(source, splits)
        if layout.places:
            return layout
        looked_at += f"\n  {describe_searched(source, layout.aside)}"
    roots = ", ".join(OWN_ROOTS[1:] + KAGGLE_ROOTS[1:])
    raise NotFoundError(
        f"No ILSVRC2012 found. {' '.join(_instead(candidates))}\nLooked for {EXPECTED} at these places, and in {roots} "
        f"below them:{looked_at}"
    )


def _instead(candidates: Iterable[str | os.PathLike]) -> list[str]:
    """Returns sentences that say which folder to name, or where to get the archives."""

    def places(folder: Path) -> list[Place]:
        try:
            refuse_other_sets([folder])
            roots = (root for root in ROOTS if os.path.isdir(folder / root))
            return [place for root in roots for own in QUICK_LAYOUTS for place in own.find(folder, root) if place.usual]
        except SourceError:  # a folder that cannot be read, or another data set
            return []

    found = [hint for candidate in candidates for hint in hints(without_dots(Path(candidate).expanduser()), places)]
    return found or ["Get the archives from https://image-net.org/download-images and name the folder that holds them."]


def _look_into(source: Path, splits: Collection[str] | None) -> Layout:
    is_file, roots = os.path.isfile(source), [""]
    if not is_file:
        is_folder = os.path.isdir(source)
        roots = [root for root in (*ROOTS, *OTHER_ROOTS) if is_folder and kind_of(source / root) == "folder"]
    found = [place for layout in QUICK_LAYOUTS for root in roots for place in layout.find(source, root)]
    needed = set(splits or ("train", "val")) - {place.split for place in found}
    listed, aside = _in_archives(source, roots, needed, alone=not found)
    # The sort is stable, so earlier layouts, roots and names stay before later ones.
    found = sorted([*found, *listed], key=lambda place: (bool(place.set), not place.usual))
    taken = [absolute(source)] if is_file else [path for place in found for path in (place.path, *place.files)]
    folder = source.parent if is_file else source
    for place in [] if splits and "test" in splits else _foreign_tests(found):
        found.remove(place)
        what = f"{place.kind} of another set than train and val; --splits takes it, as in --splits train,val,test"
        aside.append(Sighting(os.path.relpath((*place.files, place.path)[0], folder), what, place.split))
    chosen = {place.split: place for place in reversed(found)}
    wanted = [place for split, place in chosen.items() if splits is None or split in splits]
    for place in wanted:
        refuse_rivals(place, found)
    _refuse_two_sets(wanted)
    _refuse_unfinished(wanted)
    refuse_other_sets([folder, *(os.path.dirname(place.path) for place in wanted if not place.set)])
    beside = _folders_beside(folder, chosen.values())
    return Layout(
        source=absolute(folder),
        places=tuple(chosen[split] for split in SPLITS if split in chosen),
        unused=tuple(place for place in found if not is_same(place, chosen[place.split])),
        sightings=sightings(absolute(folder), roots, [*taken, *(os.path.join(folder, seen.path) for seen in aside)]),
        aside=tuple(aside),
        ground_truths=_existing(beside, _DEVKITS),
        solutions=() if is_file else _existing(beside, (_SOLUTION,)),
        synset_mappings=() if is_file else _existing(beside, (_SYNSET_MAPPING,)),
    )


def _in_archives(
    source: Path, roots: Iterable[str], needed: Collection[str], *, alone: bool
) -> tuple[list[Place], list[Sighting]]:
    """Returns the splits in archives of whole trees; and the archives that are not listed or cannot be, with a reason.

    Raises SourceError if an archive that the user named cannot be listed, or if nothing but such archives is there.

    Args:
      source: The source.
      roots: Folders to search, relative to the source.
      needed: Wanted splits that are in no other place.
      alone: Whether there are no other places.
    """
    is_file = os.path.isfile(source)
    if is_file and not alone:
        return [], []
    found: list[Place] = []
    aside: list[Sighting] = []
    errors: list[SourceError] = []
    for layout, path in [
        (layout, path)
        for layout in ARCHIVE_LAYOUTS
        for root in roots
        for path in ([source] if is_file else layout.archives_in(source / root))
    ]:
        name = os.path.relpath(path, source.parent if is_file else source)
        if not is_file and {place.split for place in found} >= set(needed):
            aside.append(Sighting(name, "an archive that is not looked into, because the splits are found", None))
            continue
        try:
            found += layout.find(path, "")
        except NotFoundError as error:  # an archive of something else
            what = str(error).removeprefix(f"{path} ").removesuffix(".")
            aside.append(Sighting(name, f"an archive that {what}", None))
        except SourceError as error:
            errors.append(error)
            aside.append(Sighting(name, f"an archive that cannot be read: {error}", None))
    if errors and (is_file or alone) and not found:
        raise errors[0]
    return found, aside


def _foreign_tests(found: list[Place]) -> list[Place]:
    """Returns the places of test that belong to another set than train and val, if there are these.

    A name such as `test1.tar` may belong to anything, and the labels of test cannot be checked.
    """
    first = {place.split: place.set for place in reversed(found) if place.split != "test"}
    return [place for place in found if place.split == "test" and first and place.set not in first.values()]


def _refuse_two_sets(places: Iterable[Place]) -> None:
    """Raises SourceError if train and val are TFRecords, parquet or Arrow files of two sets, such as two versions."""
    places = list(places)
    for kind in (records.KIND, parquets.KIND, arrows.KIND):
        own = {place.split: place for place in places if place.kind == kind}
        if {"train", "val"} <= own.keys() and own["train"].set != own["val"].set:
            raise SourceError(
                f"train would be read from {own['train'].path}, val from {own['val'].path}: these are two sets. "
                "Complete one of them and name its folder."
            )


def _refuse_unfinished(places: Iterable[Place]) -> None:
    """Raises SourceError if a file of a place is still being downloaded. WebDatasets and TFRecords see to theirs."""
    see_to_it = (webdatasets.KIND, records.KIND)
    for path in (p for place in places for p in (place.path, *(() if place.kind in see_to_it else place.files))):
        if os.path.isfile(path) and (mark := unfinished(path)):
            raise SourceError(
                f"{path} is not finished: {os.path.basename(mark)} beside it belongs to a download that was stopped or "
                "is not at its end. Finish it; or, if the file is whole, remove the other one."
            )


def _folders_beside(source: Path, places: Iterable[Place]) -> list[str]:
    """Returns the folders that may have other sources of the labels: the source, and those above each split."""
    folders = [source]
    for place in places:
        above = Path(place.path).parent
        folders += [above, *(list(above.parents)[:3] if above.parts[-2:] == ("Data", "CLS-LOC") else [])]
    return list(dict.fromkeys(os.path.realpath(folder) for folder in folders))


def _existing(folders: list[str], names: tuple[str, ...]) -> tuple[Path, ...]:
    paths = (Path(folder, name) for folder in folders for name in names)
    return tuple(path for path in paths if os.path.isfile(path))
