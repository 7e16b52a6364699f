"""A part of ILSVRC2012 as a data set of its own: some classes, or the images of a list, or both."""

import dataclasses
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import xxhash

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import IncompleteError, OptionError, counted, first_few, shown
from ilsvrc_tfds.sources.members import Index, Members, Whole
from ilsvrc_tfds.sources.tables import without_extension

_log = logging.getLogger(__name__)

# So long descriptions of subsets of subsets are put in words.
_MOST_LEVELS = 5


@dataclasses.dataclass(frozen=True)
class Subset:
    """Some classes, the images of a list, or both: the images of the list that are of these classes. Or all images.

    The classes are those of train and val. The images of test have no known class, so a subset of classes has no test
    split. A list of images concerns the splits whose images it names, and leaves the others whole.

    Attributes:
      classes: Class indices in the order of the list; None for all classes.
      relabel: Whether the label of a class is its position in the list. Otherwise it is the class index.
      images: Official file names in the order of the list; None for all images.

    Raises OptionError for invalid values.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> subset = Subset(classes=(3, 0), relabel=True)
    >>> part = subset.of(index_images(find_layout(["/data/imagenet"])))
    >>> part.splits["train"].label.tolist(), subset.new_labels
    ([0, 0, 0, 0, 3, 3, 3, 3], {3: 0, 0: 1})
    """

    classes: tuple[int, ...] | None = None
    relabel: bool = False
    images: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.relabel and self.classes is None:
            raise OptionError("relabel numbers the classes of a list in its order. Name the list (classes, --classes).")
        for what, values in (("classes", self.classes), ("images", self.images)):
            if values is not None and not values:
                raise OptionError(f"The list of {what} is empty.")
        _refuse_doubles("classes", [synsets.wnids()[index] for index in self.classes or ()])
        _refuse_doubles("images", list(map(without_extension, self.images or ())))

    @property
    def numbering(self) -> tuple[int, ...]:
        """The class index of each label if the classes are numbered anew; otherwise empty."""
        return self.classes if self.relabel and self.classes is not None else ()

    @property
    def wnids(self) -> tuple[str, ...] | None:
        """The wnid of each label if the classes are numbered anew; otherwise None."""
        return tuple(synsets.wnids()[index] for index in self.numbering) or None

    @property
    def new_labels(self) -> Mapping[int, int]:
        """The label of each class index if the classes are numbered anew; otherwise empty."""
        return {index: label for label, index in enumerate(self.numbering)}

    def described(self) -> dict[str, object]:
        """Returns a description in JSON's types: number and digest of each list. `xxhsum -H2` prints the same digest.

        >>> Subset(classes=(3, 0)).described()["classes"]
        {'listed': 2, 'xxh3_128': '044916f02c63fa26bf8b8dc50ba9d857'}
        """
        lists: dict[str, object] = {}
        if self.classes is not None:
            lists["classes"] = _described([synsets.wnids()[index] for index in self.classes])
            lists["relabelled"] = self.relabel
        if self.images is not None:
            lists["images"] = _described(self.images)
        return lists

    def require_splits(self, splits: Collection[str] | None) -> None:
        """Raises OptionError if the splits that were asked for include test, whose images have no known class."""
        if self.classes is not None and splits is not None and "test" in splits:
            raise OptionError(
                "The images of test have no known class, so that a subset of classes cannot have this split. Leave "
                "test out of the splits."
            )

    def of(self, index: Index, allow_incomplete: bool = False) -> Index:
        """Returns the index of the subset, with the numbers of images that it has if it is whole.

        An index that this subset has made before stays as it is: what the whole source had is not known any more.

        Args:
          index: Index of the whole source, or of some splits.
          allow_incomplete: Whether images of the list may be missing.

        Raises:
          IncompleteError: Images of the list are missing, and that is not allowed; or nothing of a split is left.
          OptionError: The list of images names none of these splits.
        """
        described = self.described()
        if self.classes is self.images is None or described == index.subset:
            return index
        splits = {s: members for s, members in index.splits.items() if self.classes is None or s != "test"}
        if len(splits) < len(index.splits):
            _log.info("The split test is left out of the subset, because its images have no known class.")
        listed = {split: self._listed(split, members) for split, members in splits.items()}
        if self.images is not None and not any(own.names_split for own in listed.values()):
            raise OptionError(
                f"The list of images names none of {', '.join(splits)} of {index.source}: it begins with "
                f"{first_few(map(shown, self.images))}. Expected official names, such as n01440764_10026.JPEG."
            )
        missing = [name for own in listed.values() for name in own.names if name not in own.there]
        if missing and not allow_incomplete:
            raise IncompleteError(
                f"{index.source} does not have {counted(len(missing), 'image')} of the list: "
                f"{first_few(map(shown, missing))}. Complete the source or correct the list; or, if this is intended, "
                "allow it: --allow-incomplete, allow_incomplete=True, or ILSVRC2012_ALLOW_INCOMPLETE=1."
            )
        rows = {split: self._rows(members, listed[split]) for split, members in splits.items()}
        for split, own in rows.items():
            if not len(own):
                raise IncompleteError(
                    f"{index.source}: split {split} has no image of the subset. Take other splits (--splits, splits=)."
                )
        parts = {split: members.take(rows[split]) for split, members in splits.items()}
        names = {split: set(map(bytes.decode, part.name.tolist())) for split, part in parts.items() if index.repaired}
        repaired = {split: tuple(n for n in own if n in names.get(split, ())) for split, own in index.repaired.items()}
        return dataclasses.replace(
            index,
            splits=parts,
            made={split: made for split, made in index.made.items() if split in parts},
            repaired={split: own for split, own in repaired.items() if own},
            skipped=dict(self._skipped(index.skipped, listed)),
            whole={s: self._whole(own, parts[s], listed[s], index.whole.get(s)) for s, own in splits.items()},
            subset=described,
            recorded={split: len(part) for split, part in parts.items() if self._is_as_recorded(index, part)},
        )

    def _is_as_recorded(self, index: Index, part: Members) -> bool:
        """Returns whether nothing is missing but images that the set was made without, in classes that it has."""
        recorded = index.recorded.get(part.split)
        has_all = self.classes is None or bool(np.isin(self.classes, part.label).all())
        return has_all and recorded is not None and len(index.splits[part.split]) >= recorded

    def _listed(self, split: str, members: Members) -> "_Listed":
        """Returns what the list of images says of a split. Whether it names it does not depend on the classes."""
        if self.images is None:
            return _Listed(False, [], {})
        wanted = {without_extension(listed): listed for listed in self.images}
        stems = enumerate(map(_stem, members.name.tolist()))
        there = {stem: row for row, stem in stems if stem in wanted}
        names, names_split = [], False
        for name, listed in wanted.items():
            encoded = listed.encode("utf-8", "surrogateescape")
            of_split = synsets.split_of_name(encoded)
            if of_split == split or of_split is None and name in there:
                names_split = True
                label = int(members.label[there[name]]) if name in there else synsets.label_of_name(encoded)
                if self.classes is None or label is None or label in self.classes:
                    names.append(name)
        return _Listed(names_split, names, there)

    def _rows(self, members: Members, listed: "_Listed") -> np.ndarray:
        """Returns the rows of the images of the subset, in the order of the source."""
        if listed.names_split:
            return np.sort(np.array([listed.there[name] for name in listed.names if name in listed.there], np.int64))
        return np.arange(len(members)) if self.classes is None else np.flatnonzero(self._has(members))

    def _has(self, members: Members) -> np.ndarray:
        return np.isin(members.label, np.array(self.classes, members.label.dtype))

    def _skipped(
        self, skipped: Mapping[str, Mapping[str, str]], listed: Mapping[str, "_Listed"]
    ) -> Iterator[tuple[str, dict[str, str]]]:
        """Yields the images of each split of the subset that its source was made without."""
        for split, reasons in skipped.items():
            if split not in listed:
                continue
            wanted = set(listed[split].names) if listed[split].names_split else None
            labels = {name: synsets.label_of_name(name.encode()) for name in reasons}
            own = {
                name: reason
                for name, reason in reasons.items()
                if (wanted is None or without_extension(name) in wanted)
                and (self.classes is None or labels[name] is None or labels[name] in self.classes)
            }
            if own:
                yield split, own

    def _whole(self, members: Members, part: Members, listed: "_Listed", before: Whole | None) -> Whole:
        """Returns the number of images and classes that a split of the subset has if it is whole.

        Args:
          members: Images of the split of the source.
          part: Those of the subset.
          listed: What the list of images says of the split.
          before: What the split of the source has if it is whole, if that is a subset; otherwise None.
        """
        split, official = members.split, synsets.OFFICIAL_COUNTS[members.split]
        if listed.names_split:
            labels = {synsets.label_of_name(name.encode()) for name in listed.names} - {None}
            return Whole(len(listed.names), len(labels))
        if self.classes is None:
            return before or Whole(official, 0 if split == "test" else synsets.NUM_CLASSES)
        if split == "val":
            return Whole(synsets.VALIDATION_PER_CLASS * len(self.classes), len(self.classes))
        if len(members) == official:
            return Whole(len(part), len(self.classes))
        # The official number of each class is not known here, but the smallest of them is.
        counts = np.bincount(part.label, minlength=synsets.NUM_CLASSES)[list(self.classes)]
        return Whole(int(np.maximum(counts, synsets.FEWEST_OF_TRAIN).sum()), len(self.classes), at_least=True)


class _Listed(NamedTuple):
    """What the list of images says of a split.

    Attributes:
      names_split: Whether the list names images of the split, of whatever class. If not, it does not concern the split.
      names: The listed images of the split that are of the classes, without extensions.
      there: The row of each listed image that the source has.
    """

    names_split: bool
    names: list[str]
    there: Mapping[str, int]


def in_words(described: Mapping[str, object]) -> str:
    """Returns a description of a subset, as `Subset.described` returns it, in words.

    >>> in_words(Subset(classes=(3, 0), relabel=True).described())
    'a subset: 2 classes, numbered 0 to 1 (list with xxh3_128 044916f02c63fa26bf8b8dc50ba9d857)'
    """
    texts: list[str] = []
    above: object = described
    while isinstance(above, Mapping) and len(texts) < _MOST_LEVELS:
        texts.append(_lists_in_words(above))
        above = above.get("of")
    return " of ".join(texts)


def of_part(lists: Mapping[str, object], part: Mapping[str, object]) -> dict[str, object]:
    """Returns the description of a subset of a set that is a subset itself.

    It is that of all lists, as if the subset had been taken of the whole. If both have a list of the same kind, but not
    the same one, the description of the set is put below `of`. The labels are those of the set, unless the subset is
    relabelled.

    >>> part = Subset(classes=(3, 0), relabel=True).described()
    >>> both = of_part(Subset(images=("n01440764_9.JPEG",)).described(), part)
    >>> list(both), both["relabelled"], of_part(Subset(classes=(3,)).described(), part)["of"] == part
    (['classes', 'relabelled', 'images'], True, True)

    Args:
      lists: Description of the subset.
      part: Description of the set; empty if it is no subset.
    """
    if any(lists[what] != part[what] for what in ("classes", "images") if what in lists and what in part):
        return {**lists, "of": part}
    relabelled = {"relabelled": True} if lists.get("relabelled") or part.get("relabelled") else {}
    return {**part, **lists, **relabelled}


def _lists_in_words(described: Mapping[str, object]) -> str:
    parts = []
    for what, one in (("classes", "class"), ("images", "image")):
        entry = described.get(what)
        if isinstance(entry, Mapping):
            stated = entry.get("listed")
            listed = stated if isinstance(stated, int) else 0
            numbered = f", numbered 0 to {listed - 1}" if what == "classes" and described.get("relabelled") else ""
            digest = shown(str(entry.get("xxh3_128")))[:40]
            parts.append(f"{counted(listed, one, what)}{numbered} (list with xxh3_128 {digest})")
    return f"a subset: {' and '.join(parts)}"


def _stem(name: bytes) -> str:
    """Returns a name without its extension. The usual case comes first, because there are a million names."""
    return name[:-5].decode() if name.endswith(b".JPEG") else without_extension(name.decode())


def _refuse_doubles(what: str, values: list[str]) -> None:
    seen: set[str] = set()
    doubles = [value for value in values if value in seen or seen.add(value)]  # type: ignore[func-returns-value]
    if doubles:
        times = counted(len(doubles), "comes twice", "come twice")
        raise OptionError(f"The list of {what} must name each once, but {times}: {first_few(map(shown, doubles))}.")


def _described(lines: Iterable[str]) -> dict[str, object]:
    lines = list(lines)
    text = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    return {"listed": len(lines), "xxh3_128": xxhash.xxh3_128_hexdigest(text)}
