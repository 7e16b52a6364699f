"""Small pictures of chosen images, as jobs that read these images a second time."""

import dataclasses
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence

from PIL import Image

from ilsvrc_tfds.checks.report.looking import Box, Part
from ilsvrc_tfds.checks.report.tables import Tables
from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.images import look

# Longest side in pixels: sharp at 120 CSS pixels on the screen of a phone or a laptop.
_SIDE, _QUALITY = 160, 58
# Images of one job, so that progress is seen and workers share the last ones.
_AT_ONCE = 64
_MOST_BOXES = 50


@dataclasses.dataclass(frozen=True, eq=False)
class DrawJob:
    """Some images of a part, by their places in it, in ascending order; and the rows that they have."""

    part: Part
    places: Sequence[tuple[int, int]]
    rows: Sequence[int]


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """A small picture in WebP, empty if the image cannot be decoded; and the bounding boxes of the image."""

    image: bytes
    boxes: tuple[Box, ...]


def draw_jobs(tables: Tables, rows: Iterable[int]) -> Iterator[DrawJob]:
    """Yields the jobs that draw these rows. A part that is a stream is read by one job."""
    for number, group in itertools.groupby(sorted(set(rows)), lambda row: tables.part_of(row)[0]):
        part, table, own = tables.parts[number], tables.tables[number], list(group)
        step = len(own) if part.is_stream else _AT_ONCE
        for start in range(0, len(own), step):
            some = own[start : start + step]
            local = [row - int(tables.starts[number]) for row in some]
            yield DrawJob(part, [(int(table.at[k]), int(table.span[k])) for k in local], some)


def draw(job: DrawJob) -> dict[int, Thumbnail]:
    """Returns the thumbnail of each row of a job, without those of images that can no longer be read."""
    found = {}
    row_of = {at: row for (at, _), row in zip(job.places, job.rows)}
    for item in job.part.some(job.places):
        if isinstance(item.image, bytes):
            boxes = tuple((round(a, 4), round(b, 4), round(c, 4), round(d, 4)) for a, b, c, d in item.boxes)
            found[row_of[item.at]] = Thumbnail(thumbnail(item.image), boxes[:_MOST_BOXES])
    return found


def thumbnail(data: bytes) -> bytes:
    """Returns a small picture of an image, in WebP, or no bytes if it cannot be decoded.

    >>> thumbnail(b"text")
    b''
    """
    try:
        image = _decoded(data)
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC, reducing_gap=2)
        content = io.BytesIO()
        image.save(content, "WEBP", quality=_QUALITY, method=3)
    except (ImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return b""
    return content.getvalue()


def _decoded(data: bytes) -> Image.Image:
    head = look(data)
    if head.format == "JPEG" and head.components != 4:
        image = Image.open(io.BytesIO(data), formats=["JPEG"])
        image.draft("RGB", (_SIDE * 2, _SIDE * 2))  # libjpeg decodes at 1/2, 1/4 or 1/8 of the size
        return image.convert("RGB")
    from ilsvrc_tfds.images import pixels  # loads the codecs

    return Image.fromarray(pixels.decode(data, head))
