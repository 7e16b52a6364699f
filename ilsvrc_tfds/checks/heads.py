"""Looks at every image of a source: its kind and its size, and whether it is damaged."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from ilsvrc_tfds.errors import ImageError, SourceError, counted
from ilsvrc_tfds.images import look
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import Index, Members, Reader
from ilsvrc_tfds.sources.members import size_fault
from ilsvrc_tfds.sources.sides import common_side
from ilsvrc_tfds.sources.spool import images_in_order
from ilsvrc_tfds.sources.spooling import is_stream, parts_of

_CHUNK = 2000  # images in one job
_KINDS = {("JPEG", 1): "grey JPEG", ("JPEG", 3): "RGB JPEG", ("JPEG", 4): "CMYK JPEG"}


@dataclasses.dataclass(frozen=True, eq=False)
class _Seen:
    """What some images look like.

    Attributes:
      kinds: Number of images of each kind.
      sides: Number of images of each shorter side, in pixels.
      damaged: A line for each image that is damaged or cannot be read.
    """

    kinds: Counter[str] = dataclasses.field(default_factory=Counter)
    sides: Counter[int] = dataclasses.field(default_factory=Counter)
    damaged: list[str] = dataclasses.field(default_factory=list)


def look_at_all(index: Index, decode: bool, runner: LocalRunner) -> tuple[list[str], list[str]]:
    """Returns lines about the kinds and sizes of the images of each split, and about the problems of images.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> with LocalRunner(1) as runner:
    ...     facts, problems = look_at_all(index_images(find_layout(["/data/imagenet"])), False, runner)
    >>> facts[:2]
    ['train: 9 RGB JPEG, 1 CMYK JPEG, 1 PNG, 1 grey JPEG', 'train: shorter sides 30 to 40 pixels, median 33']

    Args:
      index: Index of the source.
      decode: Whether every image is also decoded.
      runner: Runner of the jobs.
    """
    facts, problems = [], []
    for split, members in index.splits.items():
        seen = _Seen()
        for part in runner.run(functools.partial(_look_at, decode=decode), chunks(members)):
            seen.kinds.update(part.kinds)
            seen.sides.update(part.sides)
            seen.damaged.extend(part.damaged)
        counts = ", ".join(f"{count:,} {kind}" for kind, count in seen.kinds.most_common())
        facts.append(f"{split}: {counts or 'all images are damaged'}")
        facts += [f"{split}: {_spread(seen.sides)}"] if seen.sides else []
        problems += seen.damaged
        problems += _resized(split, seen.sides) if split not in index.made else ()
    return facts, problems


def chunks(members: Members) -> Iterator[Members]:
    """Yields a table for each job. A stream is read from its beginning to its end by one of them.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> train = index_images(find_layout(["/data/imagenet"])).splits["train"]
    >>> [len(table) for table in chunks(train)]
    [12]
    """
    for part in parts_of(members):
        step = len(part) if is_stream(part) else _CHUNK
        yield from (part.take(np.arange(start, min(start + step, len(part)))) for start in range(0, len(part), step))


def _spread(sides: Counter[int]) -> str:
    """Returns the range of the shorter sides, and their median: for the original images 375 pixels."""
    smallest, largest = min(sides), max(sides)
    if smallest == largest:
        return f"shorter sides {smallest:,} pixels"
    return f"shorter sides {smallest:,} to {largest:,} pixels, median {_median(sides):,}"


def _median(sides: Counter[int]) -> int:
    values = sorted(sides)
    cumulated = np.cumsum([sides[side] for side in values])
    return values[int(np.searchsorted(cumulated, (cumulated[-1] + 1) // 2))]


def _resized(split: str, sides: Counter[int]) -> Iterator[str]:
    """Yields a line if nearly all images have one shorter side, as copies do that somebody has made smaller."""
    if common := common_side(sides):
        side, count = common
        yield (
            f"{split}: {count:,} of {sides.total():,} images have the shorter side {side:,}: these are not the "
            "original images, but resized ones, and are used as they are. Get the official archives for the originals"
        )


def _look_at(members: Members, *, decode: bool) -> _Seen:
    seen = _Seen()
    for row, image in images_of(members, lambda line, _: seen.damaged.append(line)):
        try:
            _note(image, decode, seen)
        except ImageError as error:
            seen.damaged.append(f"{members.place(row)}: {error}")
    return seen


def _note(image: bytes | ImageError, decode: bool, seen: _Seen) -> None:
    from ilsvrc_tfds.images import pixels  # loads the codecs

    if isinstance(image, ImageError):
        raise image
    head = look(image)
    if decode:
        pixels.require_decodable(image, head)
    seen.kinds[_KINDS.get((head.format, head.components), head.format)] += 1
    seen.sides[min(head.height, head.width)] += 1


def images_of(members: Members, report: Callable[[str, int], object]) -> Iterator[tuple[int, bytes | ImageError]]:
    """Yields row and bytes of each image of a table that `chunks` returns, or the reason why it cannot be read.

    Args:
      members: Images, all of one stream or none of any.
      report: Function that is called with a line about images of which nothing is yielded, and with their number. The
        line names the place.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> val = index_images(find_layout(["/data/imagenet"])).splits["val"]
    >>> [image[:2] for _, image in images_of(val.take([0, 1]), print)]
    [b'\\xff\\xd8', b'\\xff\\xd8']
    """
    return _in_order(members, report) if is_stream(members) else _one_by_one(members, report)


def _one_by_one(members: Members, report: Callable[[str, int], object]) -> Iterator[tuple[int, bytes | ImageError]]:
    with Reader() as reader:
        for row in range(len(members)):
            try:
                yield row, reader.read(members, row)
            except ImageError as error:
                yield row, error
            except SourceError as error:  # its message names the place already
                report(str(error), 1)


def _in_order(members: Members, report: Callable[[str, int], object]) -> Iterator[tuple[int, bytes | ImageError]]:
    """Yields the same for a stream, of which nothing is read behind a place that is damaged."""
    row = 0
    try:
        for row, (data, size) in enumerate(images_in_order(members), 1):
            fault = size_fault(size)
            yield row - 1, ImageError(f"{fault}. Get it again") if fault or data is None else data
    except SourceError as error:
        left = len(members) - row
        rest = f" {counted(left, 'image')} of it could not be looked at." if left else ""
        report(f"{error}{rest}", max(1, left))
