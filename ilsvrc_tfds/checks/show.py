"""What the records of a prepared or exported folder hold: in words, and as a contact sheet."""

import bisect
import functools
import io
import itertools
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.told import class_in_words, class_of, contradiction
from ilsvrc_tfds.errors import ImageError, OptionError, SourceError, first_few, shown
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.folder import Output, find_output
from ilsvrc_tfds.formats.kinds import FIELDS, TFDS
from ilsvrc_tfds.formats.naming import own_split
from ilsvrc_tfds.formats.tfrecord import read_record, read_spans
from ilsvrc_tfds.images import look
from ilsvrc_tfds.storage.files import file_to_replace, write_whole

# A contact sheet of so many has 12,400 x 6,600 pixels.
_MOST = 1000

_CHANNELS = {
    ("JPEG", 1): "grey", ("JPEG", 3): "RGB", ("JPEG", 4): "CMYK",
    ("PNG", 1): "grey or palette", ("PNG", 2): "grey with alpha", ("PNG", 3): "RGB", ("PNG", 4): "RGBA",
}  # fmt: skip

# The sheet, in pixels. Most images are 4:3; the mat around each shows where one ends that is white at its edges.
_WIDTH, _HEIGHT, _MAT, _CAPTION = 264, 212, 8, 50
_MARGIN, _GAP, _TITLE = 36, 20, 78
_PAPER, _MAT_COLOUR, _INK, _FAINT, _BOX = "#ffffff", "#efeff1", "#1c1c1e", "#76767c", "#ffd60a"


class _Sample(NamedTuple):
    """One record.

    Attributes:
      number: in its split.
      where: in the folder, in words.
      file_name: fit for a terminal.
      label: as the record has it.
      synset: of its class; None where it has none.
      told: Class that its file name or synset tells, if that is another than the label's; else None.
      image: the bytes.
      boxes: (xmin, ymin, xmax, ymax), 0 to 1 in sound records; None where the kind of record knows no boxes.
    """

    number: int
    where: str
    file_name: str
    label: int
    synset: synsets.Synset | None
    told: synsets.Synset | None
    image: bytes
    boxes: list[tuple[float, float, float, float]] | None


def show(
    folder: str | os.PathLike, *, split: str | None = None, num: int = 8, out: str | os.PathLike | None = None
) -> str:
    """Returns what a prepared or exported folder holds, and some of its records, in words.

    Args:
      folder: with the shards.
      split: train, val (or validation), test; where None the first of them that is there.
      num: how many records, evenly spread over the split; all if it has fewer.
      out: file for a contact sheet of the same records, `.png`; none is drawn where None.

    Raises:
      OptionError: there is no such split; `num` is not in [1, 1000]; `out` is no PNG.
      SourceError: no shards are there, in another format than TFRecord, without records, or damaged where they were read.
      DestinationError: `out` cannot be written, or is there and is not a regular file.
    """
    if not 1 <= num <= _MOST:
        raise OptionError(f"num must be in [1, {_MOST}], got {num}.")
    if out is not None and Path(out).suffix.lower() != ".png":
        raise OptionError(f"The contact sheet is a PNG, and {os.fspath(out)!r} does not end in .png.")
    sheet_path = None if out is None else file_to_replace(Path(out).expanduser())  # before the work
    output = find_output(folder).in_tfrecord()
    split = _split(output, split)
    lengths = output.stated_lengths(split) or [len(read_spans(path)) for path in output.paths(split)]
    samples = list(_samples(output, split, lengths, num))
    if sheet_path is not None:
        subtitle = f"{len(samples):,} of {sum(lengths):,} images" + (f" · {_images(output)}" if output.config() else "")
        _save(_contact_sheet(samples, f"ILSVRC2012 {split}", subtitle), sheet_path)
    chosen = f"{len(samples):,} of the {sum(lengths):,} records of {split}, evenly spread:"
    return "\n".join(
        [
            *_header(output),
            *contradiction([sample.told for sample in samples], output.label_offset),
            "",
            chosen,
            *itertools.chain.from_iterable(map(_lines, samples)),
        ]
    )


def _split(output: Output, name: str | None) -> str:
    if name is None:
        name = next((split for split in synsets.OFFICIAL_COUNTS if split in output.shards), "train")
    if own_split(name) not in output.shards:
        raise OptionError(
            f"There is no split {name!r} in {output.folder}; it has {', '.join(output.shards) or 'none'}."
        )
    return own_split(name)


def _samples(output: Output, split: str, lengths: Sequence[int], num: int) -> Iterator[_Sample]:
    """Yields records from the middles of `num` equal parts of a split; reads no others."""
    total, starts = sum(lengths), list(itertools.accumulate(lengths, initial=0))
    if total < 1:
        raise SourceError(f"{output.folder}: split {split!r} has no records.")
    num = min(num, total)
    numbers = [(2 * k + 1) * total // (2 * num) for k in range(num)]
    for shard, group in itertools.groupby(numbers, lambda number: bisect.bisect_right(starts, number) - 1):
        name = output.shards[split][shard]
        path = os.path.join(output.folder, name)
        spans = read_spans(path)
        if len(spans) != lengths[shard]:
            stated = f"{lengths[shard]:,} are stated. `ilsvrc-tfds verify` tells more."
            raise SourceError(f"{path} has {len(spans):,} records, {stated}")
        for number in group:
            row = number - starts[shard]
            offset, size = spans[row]
            where = f"record {row:,}, byte {offset:,}"
            sample = _sample(
                output, number, f"{name}: {where}", parse_example(read_record(path, offset, size), f"{path}: {where}")
            )
            yield sample._replace(told=None) if split == "test" else sample  # whose labels are -1


def _sample(output: Output, number: int, where: str, features: Mapping[str, Sequence]) -> _Sample:
    keys = FIELDS[output.kind]
    name, image, label = (next(iter(features.get(key, ())), None) for key in keys)
    if not isinstance(name, bytes) or not isinstance(image, bytes) or not isinstance(label, int):
        found = first_few(map(ascii, sorted(features)))
        raise SourceError(f"{output.folder}: {where} has the keys {found}; expected a value each of {', '.join(keys)}.")
    wnids = features.get("image/class/synset", ())
    synset, told = class_of(label, output.label_offset, name, wnids), class_of(label, None, name, wnids)
    return _Sample(
        number=number,
        where=where,
        file_name=shown(os.fsdecode(name)),
        label=label,
        synset=synset,
        told=None if told == synset else told,
        image=image,
        boxes=None if output.kind == TFDS else _boxes(features),
    )


def _boxes(features: Mapping[str, Sequence]) -> list[tuple[float, float, float, float]]:
    sides = [features.get(f"image/object/bbox/{side}", ()) for side in ("xmin", "ymin", "xmax", "ymax")]
    return [box for box in zip(*sides) if all(isinstance(value, float) for value in box)]


def _header(output: Output) -> list[str]:
    """Returns what the folder is, and a line for each split."""
    offset = output.label_offset
    labels = "unknown numbering" if offset is None else "class index" if offset == 0 else f"class index + {offset}"
    kind = "prepared data set (TFDS)" if output.kind == TFDS else "classic TFRecords"
    lines = [os.fspath(output.folder), f"{kind}; images: {_images(output)}; labels: {labels}"]
    for split, names in output.shards.items():
        lengths = output.stated_lengths(split)
        examples = "" if lengths is None else f"{sum(lengths):>11,} examples in "
        sizes = [os.path.getsize(path) for name in names if os.path.isfile(path := os.path.join(output.folder, name))]
        missing = f", {len(names) - len(sizes):,} MISSING" if len(sizes) < len(names) else ""
        lines.append(f"  {split:5} {examples}{len(names):>5,} shards, {sum(sizes) / 1e6:>9,.1f} MB{missing}")
    return lines


def _images(output: Output) -> str:
    """Returns what became of the images, in words."""
    config = dict(output.config())
    op = config.pop("op", "not recorded")
    return shown(", ".join([str(op), *(f"{key.replace('_', ' ')} {value}" for key, value in config.items())]))[:200]


def _lines(sample: _Sample) -> list[str]:
    boxes = () if sample.boxes is None else (f"  boxes  {_boxes_in_words(sample.boxes)}",)
    return [
        "",
        f"record {sample.number:,}: {sample.file_name}",
        f"  label  {sample.label}: {class_in_words(sample.label, sample.synset, sample.told)}",
        f"  image  {_image_in_words(sample.image)}",
        *boxes,
        f"  place  {sample.where}",
    ]


def _image_in_words(data: bytes) -> str:
    try:
        head = look(data)
    except ImageError as error:
        return f"{len(data):,} bytes that are no sound image: {error}"
    return f"{head.format}, {_CHANNELS[head.format, head.components]}, {head.width:,} x {head.height:,} pixels, {len(data):,} bytes"


def _boxes_in_words(boxes: Sequence[tuple[float, float, float, float]]) -> str:
    each = (f"x {xmin:.3f} to {xmax:.3f}, y {ymin:.3f} to {ymax:.3f}" for xmin, ymin, xmax, ymax in boxes)
    return f"{len(boxes):,}: {first_few(f'({box})' for box in each)}" if boxes else "none"


def _contact_sheet(samples: Sequence[_Sample], title: str, subtitle: str) -> Image.Image:
    """Returns a picture of records in rows: each image with its boxes, below it its class, the class index, its file name."""
    rows = max(1, round(math.sqrt(len(samples) / 1.9)))  # about 3:2 in all
    columns = math.ceil(len(samples) / rows)
    rows = math.ceil(len(samples) / columns)
    step_x, step_y, inner = _WIDTH + _GAP, _HEIGHT + _CAPTION + _GAP, columns * (_WIDTH + _GAP) - _GAP
    sheet = Image.new("RGB", (inner + 2 * _MARGIN, rows * step_y - _GAP + _TITLE + 2 * _MARGIN - _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    _write(pen, (_MARGIN, _MARGIN + 20), title, 28, _INK, inner)
    _write(pen, (_MARGIN, _MARGIN + 47), subtitle, 15, _FAINT, inner)
    for k, sample in enumerate(samples):
        row, column = divmod(k, columns)
        x, y = _MARGIN + column * step_x, _MARGIN + _TITLE + row * step_y
        sheet.paste(_tile(sample), (x, y))
        _write_caption(pen, (x, y + _HEIGHT), sample)
    return sheet


def _tile(sample: _Sample) -> Image.Image:
    """Returns a mat with the image in its middle and its boxes on it."""
    tile = Image.new("RGB", (_WIDTH, _HEIGHT), _MAT_COLOUR)
    pen = ImageDraw.Draw(tile)
    try:
        image = _decoded(sample.image)
    except ImageError:
        pen.text((_WIDTH / 2, _HEIGHT / 2), "no sound image", _FAINT, _font(15), anchor="mm")
        return tile
    scale = min((_WIDTH - 2 * _MAT) / image.width, (_HEIGHT - 2 * _MAT) / image.height)
    width, height = (max(1, round(side * scale)) for side in image.size)
    left, top = (_WIDTH - width) // 2, (_HEIGHT - height) // 2
    tile.paste(image.resize((width, height), Image.Resampling.LANCZOS), (left, top))
    for xmin, ymin, xmax, ymax in sample.boxes or ():
        if 0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1:
            x, right = (round(left + share * (width - 1)) for share in (xmin, xmax))
            y, bottom = (round(top + share * (height - 1)) for share in (ymin, ymax))
            pen.rectangle(
                (x - 1, y - 1, right + 1, bottom + 1), None, _INK, 4
            )  # a bright line is not seen on every picture
            pen.rectangle((x, y, right, bottom), None, _BOX, 2)
    return tile


def _decoded(data: bytes) -> Image.Image:
    from ilsvrc_tfds.images import pixels

    image = pixels.decode(data, look(data))
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")


def _write_caption(pen: ImageDraw.ImageDraw, corner: tuple[int, int], sample: _Sample) -> None:
    x, y = corner
    words, index = (
        ("no class", "") if sample.synset is None else (sample.synset.words.partition(",")[0], str(sample.synset.index))
    )
    if sample.told is not None:
        words = f"{words}? {sample.told.words.partition(',')[0]}?"
    _write(pen, (x, y + 24), words, 17, _INK, _WIDTH - 40)
    pen.text((x + _WIDTH, y + 24), index, _FAINT, _font(15), anchor="rs")
    file_name = sample.file_name.encode("ascii", "backslashreplace").decode()  # Pillow's font has no other letters
    _write(pen, (x, y + 44), file_name, 13, _FAINT, _WIDTH)


def _write(pen: ImageDraw.ImageDraw, start: tuple[int, int], text: str, size: int, colour: str, width: int) -> None:
    """Writes a line from a point of its baseline on, shortened to a width in pixels."""
    font = _font(size)
    if font.getlength(text) > width:
        text = next(f"{text[:n]}…" for n in range(len(text), -1, -1) if font.getlength(f"{text[:n]}…") <= width)
    pen.text(start, text, colour, font, anchor="ls")


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _save(sheet: Image.Image, path: Path) -> None:
    content = io.BytesIO()
    sheet.save(content, "PNG")
    write_whole(path, content.getvalue())
