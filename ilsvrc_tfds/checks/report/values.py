"""The report as a value: what the page shows and the JSON file holds."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

# Increased if a key of the JSON file is renamed or removed, or means something else. New keys do not change it.
SCHEMA = 1


class Fact(NamedTuple):
    """A line about how the data was made, such as `config` and `shorter side 256, quality 95`."""

    name: str
    value: str


class Check(NamedTuple):
    """The state of one check.

    Attributes:
      name: What is checked.
      state: `passed`, `failed` or `open`, if it was not checked.
      detail: The result in words, or how to check it.
    """

    name: str
    state: str
    detail: str


class Spread(NamedTuple):
    """How a measure is distributed: smallest and largest value, mean, and quantiles in percent."""

    smallest: float
    q1: float
    q25: float
    median: float
    mean: float
    q75: float
    q99: float
    largest: float


class Histogram(NamedTuple):
    """Numbers of images in bins. Bin k holds values from `edges[k]` up to, and not including, `edges[k + 1]`.

    The first bin also holds smaller values and the last one larger values.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Measure:
    """A property of the images of a split, such as their width."""

    spread: Spread
    histogram: Histogram


@dataclasses.dataclass(frozen=True)
class Split:
    """One split.

    Attributes:
      split: `train`, `val` or `test`.
      images: Number of images that can be read.
      official: Number of images of this split in ILSVRC2012.
      damaged: Number of images that cannot be read.
      num_bytes: Size of all images, in bytes.
      classes: Number of classes that have images.
      boxed: Number of images with bounding boxes, or None if it is not known.
      boxes: Number of bounding boxes, likewise.
      kinds: Number of images of each kind, such as `RGB JPEG`.
      measures: `width`, `height`, `shorter side`, `aspect ratio` (width by height), `bytes`. Empty without images.
      per_class: Number of images of each class index, 0 to 999; empty in `test`.
    """

    split: str
    images: int
    official: int
    damaged: int
    num_bytes: int
    classes: int
    boxed: int | None
    boxes: int | None
    kinds: Mapping[str, int]
    measures: Mapping[str, Measure]
    per_class: tuple[int, ...]


class Fault(NamedTuple):
    """An image or record that cannot be read: where it is, and why."""

    split: str
    place: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Picture:
    """One image that the report names.

    Attributes:
      split: Its split.
      name: File name, in printable characters.
      label: Class index in [0, 1000), or -1 if the image has no valid class.
      width: Width in pixels.
      height: Height in pixels.
      num_bytes: Size of the image, in bytes.
      kind: Kind, such as `RGB JPEG`.
      boxes: Bounding boxes as xmin, ymin, xmax, ymax in [0, 1]. They are known only of pictures with a thumbnail.
      thumbnail: Small picture in WebP; empty if there is none. The JSON file leaves it out.
    """

    split: str
    name: str
    label: int
    width: int
    height: int
    num_bytes: int
    kind: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    thumbnail: bytes = b""


@dataclasses.dataclass(frozen=True)
class Odd:
    """Images that are unusual in one way.

    Attributes:
      name: The way, such as `CMYK JPEG`.
      meaning: A sentence that says what this means for a reader of the data.
      counts: Number of such images in each split.
      pictures: Some of them.
    """

    name: str
    meaning: str
    counts: Mapping[str, int]
    pictures: tuple[Picture, ...]


@dataclasses.dataclass(frozen=True)
class Group:
    """Images with the same bytes: their number, their splits, and some of them."""

    images: int
    splits: tuple[str, ...]
    classes: int
    pictures: tuple[Picture, ...]


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """Images whose bytes are those of another image.

    Attributes:
      groups: Number of groups of equal images.
      images: Number of images in these groups.
      within: Number of images that repeat an earlier one of their own split, by split.
      across: Number of groups that lie in several splits, by the names of the splits: `train + val`.
      mislabelled: Number of groups whose images have different classes.
      listed: Some of the groups: those across splits first, then those of different classes, then the largest.
    """

    groups: int
    images: int
    within: Mapping[str, int]
    across: Mapping[str, int]
    mislabelled: int
    listed: tuple[Group, ...]


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything that the page shows of a data set.

    Attributes:
      folder: Folder of the data.
      title: Name of the data set, in a few words.
      kind: `source`, `prepared` or `exported`.
      version: Version of this package.
      created: Time at which the report was made, in UTC.
      facts: How the data was made.
      checks: What was checked, and what was not.
      splits: The splits, in the order train, val, test.
      odd: Images that are unusual.
      duplicates: Images that occur several times.
      faults: Some of the images and records that cannot be read.
      num_faults: Number of all of them.
      samples: Pictures of the contact sheets.
      sampling: A sentence that says how they were chosen.
      density: Number of images by width and height: `edges`, and `counts[height][width]`.
      verify: The command that checks the data fully.
    """

    folder: str
    title: str
    kind: str
    version: str
    created: str
    facts: tuple[Fact, ...]
    checks: tuple[Check, ...]
    splits: tuple[Split, ...]
    odd: tuple[Odd, ...]
    duplicates: Duplicates
    faults: tuple[Fault, ...]
    num_faults: int
    samples: tuple[Picture, ...]
    sampling: str
    density: Mapping[str, Any]
    verify: str

    @property
    def images(self) -> int:
        """Number of images that can be read."""
        return sum(split.images for split in self.splits)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.state == "failed")

    def as_json(self) -> dict[str, Any]:
        """Returns the report in JSON's types, without thumbnails. docs/json.md describes the keys.

        They are the fields of these classes, but for `num_bytes`, which is `bytes`.
        """
        return {"schema": SCHEMA, "images": self.images, **_plain(self)}


_KEYS = {"num_bytes": "bytes"}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        names = (field.name for field in dataclasses.fields(value) if field.name != "thumbnail")
        return {_KEYS.get(name, name): _plain(getattr(value, name)) for name in names}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
