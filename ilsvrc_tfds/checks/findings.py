"""The result of a check: what was found, and what is wrong."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class SplitFound:
    """A split of a source, beside the official one.

    Attributes:
      split: `train`, `val` or `test`.
      images: Number of images, or None if the split is not there.
      official: Number of images of the official split.
      classes: Number of classes that the images have; None for `test`.
      missing_classes: Wnids of the classes without images; empty if the source is a subset.
      bytes: Size of the images.
      state: `complete`, `incomplete`, `subset`, `too many`, `missing` or `not needed`.
    """

    split: str
    images: int | None
    official: int
    classes: int | None = None
    missing_classes: tuple[str, ...] = ()
    bytes: int = 0
    state: str = "complete"


@dataclasses.dataclass(frozen=True)
class ConfigNeeds:
    """What a config needs that would be prepared from a source.

    Attributes:
      config: Name of the config.
      bytes: Size of the data set, an estimate.
      between_bytes: Size of the images that are written in between, an estimate.
      seconds: Time of the preparation on this machine, an estimate; None if it is not known.
    """

    config: str
    bytes: int
    between_bytes: int
    seconds: float | None


@dataclasses.dataclass(frozen=True)
class SplitChecked:
    """A split of a prepared or exported folder.

    Attributes:
      split: `train`, `val` or `test`.
      records: Number of records, or None if they are not read.
      official: Number of images of the official split.
      classes: Number of classes that the records have; None for `test`, and if they are not read.
      shards: Number of shards that exist.
      bytes: Size of these shards.
    """

    split: str
    records: int | None
    official: int
    classes: int | None
    shards: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of `examine` or `verify`.

    >>> report = Report(("train: 1,281,167 images",), ("val: missing",))
    >>> for problem in report.problems:
    ...     print("PROBLEM", problem)
    PROBLEM val: missing

    Attributes:
      facts: Lines that describe what was found, and what could not be compared.
      problems: Lines that each describe one problem; empty if nothing is wrong.
      left_out: Number of damaged images that the folder does not have, because they were skipped when it was made.
      notes: The facts that are in none of the following values.
      splits: Splits of a source; empty if it cannot be indexed.
      configs: Configs that can be prepared from a source.
      free_bytes: Free space of the disk that they would be written to.
      checked: Splits of a prepared or exported folder.
      digests: Whether the digests of the shards were compared with the manifest.
    """

    facts: tuple[str, ...]
    problems: tuple[str, ...]
    left_out: int = 0
    notes: tuple[str, ...] = ()
    splits: tuple[SplitFound, ...] = ()
    configs: tuple[ConfigNeeds, ...] = ()
    free_bytes: int | None = None
    checked: tuple[SplitChecked, ...] = ()
    digests: bool = False

    def config_with_room(self, *, between_elsewhere: bool = False) -> str:
        """Returns `all` if both configs can be prepared and fit together, or else the largest one that fits.

        >>> needs = ConfigNeeds("classification", 150, 0, None), ConfigNeeds("raw256", 40, 0, None)
        >>> [Report((), (), configs=needs, free_bytes=free).config_with_room() for free in (200, 180, 60)]
        ['all', 'classification', 'raw256']

        Args:
          between_elsewhere: Whether the images that are written in between are on another disk.
        """

        def fits(*needs: ConfigNeeds) -> bool:
            between = 0 if between_elsewhere else max(need.between_bytes for need in needs)
            return sum(need.bytes for need in needs) + between <= (self.free_bytes or 0)

        largest_first = sorted(self.configs, key=lambda need: -need.bytes)
        if len(largest_first) > 1 and fits(*largest_first):
            return "all"
        return next((need.config for need in largest_first if fits(need)), largest_first[-1].config)
