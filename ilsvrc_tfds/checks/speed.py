"""About how long the data sets of a source will take on this machine, from a few of its images."""

import contextlib
import itertools
import time
from collections.abc import Iterator

import numpy as np

from ilsvrc_tfds.errors import IlsvrcError, ImageError
from ilsvrc_tfds.images import Original, Resized, Untouched, describe_op
from ilsvrc_tfds.runners.local import num_cores
from ilsvrc_tfds.sources import Index, Members, Reader
from ilsvrc_tfds.sources.spool import images_in_order
from ilsvrc_tfds.sources.spooling import is_stream, parts_of

# Number of images that are measured, or fewer if that takes longer than this.
_IMAGES, _SECONDS = 48, 0.6
# Writing a byte, and what an image takes besides reading and resizing it.
_SECONDS_A_BYTE, _SECONDS_AN_IMAGE = 1e-9, 5e-5


def seconds_for(index: Index, op: Original | Resized, num_bytes: int, workers: int | None = None) -> float | None:
    """Returns about how many seconds a data set takes, or None if no image of the source can be read.

    Images are read and processed here, one after another, and the time is divided by the number of workers.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> 0 < seconds_for(index_images(find_layout(["/data/imagenet"])), Resized(256), 500_000) < 60
    True

    Args:
      index: Index of the source.
      op: Operation on each image.
      num_bytes: Size of the data set.
      workers: Number of worker processes; None: one for each core.
    """
    images = sum(map(len, index.splits.values()))
    if not images:
        return None
    split, members = max(index.splits.items(), key=lambda item: len(item[1]))
    is_made = index.made.get(split) == describe_op(op)
    spent = _seconds_an_image(members, Untouched() if is_made else op)
    if spent is None:
        return None
    return images * (spent + _SECONDS_AN_IMAGE) / (workers or num_cores()) + num_bytes * _SECONDS_A_BYTE


def _seconds_an_image(members: Members, op: Original | Resized | Untouched) -> float | None:
    """Returns the mean time of some images, or None if none of them can be read."""
    times: list[float] = []
    begin = last = time.monotonic()
    try:
        for image in _some(members):
            with contextlib.suppress(ImageError):  # a damaged image, which is not what is looked for here
                op(image)
            now = time.monotonic()
            times.append(now - last)
            last = now
            if now - begin > _SECONDS:
                break
    except IlsvrcError:  # the images behind it cannot be read
        pass
    times = times[1:] or times  # the first loads the codecs, and opens the archive
    return sum(times) / len(times) if times else None


def _some(members: Members) -> Iterator[bytes]:
    """Yields some images: those that are evenly spread, or the first ones of a stream."""
    part = parts_of(members)[0]
    if is_stream(part):
        yield from (data for data, _ in itertools.islice(images_in_order(part), _IMAGES) if data is not None)
        return
    rows = np.unique(np.linspace(0, len(part) - 1, _IMAGES).astype(int)).tolist()
    with Reader() as reader:
        for row in rows:
            yield reader.read(part, row)
