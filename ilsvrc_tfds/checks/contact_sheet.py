"""A contact sheet: one picture of many records, with their boxes, classes and file names."""

import functools
import io
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from ilsvrc_tfds.checks.samples import Sample
from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.images import look

# Sizes in pixels. Most images are 4:3. The mat around each image shows where an image with white edges ends.
_WIDTH, _HEIGHT, _MAT, _CAPTION = 264, 212, 8, 68
_MARGIN, _GAP, _TITLE = 36, 20, 100
_PAPER, _MAT_COLOUR, _INK, _FAINT, _BOX = "#ffffff", "#efeff1", "#1c1c1e", "#76767c", "#ffd60a"


def draw_sheet(samples: Sequence[Sample], title: str, place: str, subtitle: str) -> bytes:
    """Returns a contact sheet as a PNG: the images in rows, each above its class, class index, file name and size.

    >>> from ilsvrc_tfds.checks.samples import read_samples
    >>> from ilsvrc_tfds.formats.folder import find_output
    >>> output = find_output("/data/tfrecords")
    >>> samples = list(read_samples(output, "val", output.stated_lengths("val"), num=2))
    >>> draw_sheet(samples, "ILSVRC2012 val", "/data/tfrecords", "2 images")[:4]
    b'\\x89PNG'

    Args:
      samples: Records to draw, at least one. An image that cannot be decoded is drawn as an empty tile that says so.
      title: First line of text.
      place: Second line, in smaller letters: the folder of the records. If it is too long, its end is shown.
      subtitle: Third line, likewise small.
    """
    content = io.BytesIO()
    _sheet(samples, title, place, subtitle).save(content, "PNG")
    return content.getvalue()


def _sheet(samples: Sequence[Sample], title: str, place: str, subtitle: str) -> Image.Image:
    rows = max(1, round(math.sqrt(len(samples) / 1.9)))  # the whole sheet is about 3:2
    columns = math.ceil(len(samples) / rows)
    rows = math.ceil(len(samples) / columns)
    step_x, step_y, inner = _WIDTH + _GAP, _HEIGHT + _CAPTION + _GAP, columns * (_WIDTH + _GAP) - _GAP
    sheet = Image.new("RGB", (inner + 2 * _MARGIN, rows * step_y - _GAP + _TITLE + 2 * _MARGIN - _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    _write(pen, (_MARGIN, _MARGIN + 20), title, 28, _INK, inner)
    _write(pen, (_MARGIN, _MARGIN + 47), _ascii(place), 15, _FAINT, inner, keeps_end=True)
    _write(pen, (_MARGIN, _MARGIN + 69), subtitle, 15, _FAINT, inner)
    for k, sample in enumerate(samples):
        row, column = divmod(k, columns)
        x, y = _MARGIN + column * step_x, _MARGIN + _TITLE + row * step_y
        sheet.paste(_tile(sample), (x, y))
        _write_caption(pen, (x, y + _HEIGHT), sample)
    return sheet


def _tile(sample: Sample) -> Image.Image:
    """Returns a mat with the image and its boxes in the middle."""
    tile = Image.new("RGB", (_WIDTH, _HEIGHT), _MAT_COLOUR)
    pen = ImageDraw.Draw(tile)
    try:
        image = _decoded(sample.image)
    except ImageError:
        pen.text((_WIDTH / 2, _HEIGHT / 2), "damaged image", _FAINT, _font(15), anchor="mm")
        return tile
    scale = min((_WIDTH - 2 * _MAT) / image.width, (_HEIGHT - 2 * _MAT) / image.height)
    width, height = (max(1, round(side * scale)) for side in image.size)
    left, top = (_WIDTH - width) // 2, (_HEIGHT - height) // 2
    tile.paste(image.resize((width, height), Image.Resampling.LANCZOS), (left, top))
    for xmin, ymin, xmax, ymax in sample.boxes or ():
        if 0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1:
            x, right = (round(left + share * (width - 1)) for share in (xmin, xmax))
            y, bottom = (round(top + share * (height - 1)) for share in (ymin, ymax))
            # The dark line below the yellow one keeps the box visible on bright pictures.
            pen.rectangle((x - 1, y - 1, right + 1, bottom + 1), None, _INK, 4)
            pen.rectangle((x, y, right, bottom), None, _BOX, 2)
    return tile


def _decoded(data: bytes) -> Image.Image:
    from ilsvrc_tfds.images import pixels  # loads the codecs

    image = pixels.decode(data, look(data))
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")


def _write_caption(pen: ImageDraw.ImageDraw, corner: tuple[int, int], sample: Sample) -> None:
    x, y = corner
    words, index = "no class", ""
    if sample.synset is not None:
        words, index = sample.synset.words.partition(",")[0], str(sample.synset.index)
    if sample.told is not None:
        words = f"{words}? {sample.told.words.partition(',')[0]}?"
    _write(pen, (x, y + 24), words, 17, _INK, _WIDTH - 40)
    pen.text((x + _WIDTH, y + 24), index, _FAINT, _font(15), anchor="rs")
    _write(pen, (x, y + 44), _ascii(sample.file_name), 13, _FAINT, _WIDTH)
    _write(pen, (x, y + 62), _pixels(sample.image), 13, _FAINT, _WIDTH)


def _pixels(data: bytes) -> str:
    try:
        head = look(data)
    except ImageError:
        return ""
    return f"{head.width:,} x {head.height:,} pixels"


def _ascii(text: str) -> str:
    """Returns a text in the characters that Pillow's own font has."""
    return text.encode("ascii", "backslashreplace").decode()


def _write(
    pen: ImageDraw.ImageDraw,
    start: tuple[int, int],
    text: str,
    size: int,
    colour: str,
    width: int,
    keeps_end: bool = False,
) -> None:
    """Writes a line of text, shortened to a width in pixels; `start` is the left end of its baseline."""
    font = _font(size)
    if font.getlength(text) > width:
        lengths = range(len(text), -1, -1)
        cut = (f"…{text[len(text) - n :]}" if keeps_end else f"{text[:n]}…" for n in lengths)
        text = next(shorter for shorter in cut if font.getlength(shorter) <= width)
    pen.text(start, text, colour, font, anchor="ls")


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
