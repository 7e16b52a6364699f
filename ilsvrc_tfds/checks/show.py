"""The contents of a prepared or exported folder: a description in words, and a contact sheet."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.contact_sheet import draw_sheet
from ilsvrc_tfds.checks.samples import Box, Sample, read_samples
from ilsvrc_tfds.checks.told import class_in_words, contradiction
from ilsvrc_tfds.errors import ImageError, OptionError, counted, first_few, require_integers, shown
from ilsvrc_tfds.formats.data_sets import Data, folder_of
from ilsvrc_tfds.formats.folder import Output, find_output
from ilsvrc_tfds.formats.in_buckets import from_buckets
from ilsvrc_tfds.formats.kinds import KINDS
from ilsvrc_tfds.formats.naming import own_split
from ilsvrc_tfds.formats.tfrecord import read_spans
from ilsvrc_tfds.images import look, op_in_words
from ilsvrc_tfds.storage.files import file_to_replace, write_whole
from ilsvrc_tfds.terminal.units import in_bytes

# A contact sheet of this many records has 12,400 x 6,600 pixels.
_MOST = 1000

_CHANNELS = {
    ("JPEG", 1): "grey", ("JPEG", 3): "RGB", ("JPEG", 4): "CMYK",
    ("PNG", 1): "grey or palette", ("PNG", 2): "grey with alpha", ("PNG", 3): "RGB", ("PNG", 4): "RGBA",
}  # fmt: skip


@from_buckets("data")
def show(
    data: Data,
    *,
    data_dir: str | os.PathLike | None = None,
    split: str | None = None,
    num: int = 8,
    out: str | os.PathLike | None = None,
) -> str:
    """Returns a description, in words, of a prepared or exported data set and of some of its records.

    >>> import ilsvrc_tfds
    >>> print(ilsvrc_tfds.show("/data/tfrecords", split="val", num=1, out="/data/val.png"))
    /data/tfrecords
    classic TFRecords; images: unchanged; labels: class index + 1
      train          12 examples in    12 shards,   ... kB
      val             6 examples in     6 shards,   ... kB
    <BLANKLINE>
    1 of the 6 records of val, evenly spread:
    <BLANKLINE>
    record 3: ILSVRC2012_val_00002969.JPEG
      label  4: class 3, n01491361, tiger shark, Galeocerdo cuvieri
      image  JPEG, RGB, 60 x 45 pixels, ... bytes
      boxes  none
      place  validation-00003-of-00006: record 0, byte 0

    Args:
      data: Prepared data set or export, in any form that `for_training` takes.
      data_dir: TFDS's data directory, in which names are looked up.
      split: `train`, `val` (or `validation`) or `test`; None takes the first of them that the folder has.
      num: Number of records to describe, evenly spread over the split; all are taken if it has fewer.
      out: Path of a contact sheet of the same records, ending in `.png`; None draws no sheet.

    Raises:
      OptionError: There is no such data set or split, `num` is not in [1, 1000], or `out` does not end in `.png`.
      SourceError: The folder has no shards, or has them in another format than TFRecord; the split has no records; or a
        record that should be described is damaged.
      DestinationError: `out` cannot be written, or exists and is not a regular file.
    """
    require_integers(num=num)
    if not 1 <= num <= _MOST:
        raise OptionError(f"num must be in [1, {_MOST}], got {num}.")
    if out is not None and Path(out).suffix.lower() != ".png":
        raise OptionError(f"The contact sheet is a PNG, and {os.fspath(out)!r} does not end in .png.")
    sheet_path = None if out is None else file_to_replace(Path(out).expanduser())  # before the work
    output = find_output(folder_of(data, data_dir)).in_tfrecord()
    split = split_of(output, split)
    lengths = output.stated_lengths(split) or [len(read_spans(path)) for path in output.paths(split)]
    samples = list(read_samples(output, split, lengths, num))
    if sheet_path is not None:
        subtitle = f"{len(samples):,} of {counted(sum(lengths), 'image')}"
        subtitle += f" · {_images(output)}" if output.config() else ""
        title = " ".join(filter(None, ("ILSVRC2012", output.config_name(), split)))
        write_whole(sheet_path, draw_sheet(samples, title, _place(output.folder.absolute()), subtitle))
    chosen = f"{len(samples):,} of the {counted(sum(lengths), 'record')} of {split}, evenly spread:"
    return "\n".join(
        [
            *_header(output),
            *contradiction([sample.told for sample in samples], output.label_offset),
            "",
            chosen,
            *itertools.chain.from_iterable(map(_lines, samples)),
        ]
    )


def split_of(output: Output, name: str | None) -> str:
    """Returns the split of a folder that a name means, or the first if None. Raises OptionError if it has none such.

    >>> split_of(find_output("/data/tfrecords"), "validation")
    'val'
    """
    if name is None:
        name = next((split for split in synsets.OFFICIAL_COUNTS if split in output.shards), "train")
    own = own_split(name)
    if own is None or own not in output.shards:
        raise OptionError(
            f"There is no split {name!r} in {output.folder}; it has {', '.join(output.shards) or 'none'}."
        )
    return own


def _place(folder: Path) -> str:
    """Returns the path of a folder: below the current folder without that one, so that the sheet may be given away."""
    return shown(os.fspath(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder))


def _header(output: Output) -> list[str]:
    """Returns lines that describe the folder, and one line for each split."""
    offset, number = output.label_offset, "class index" if output.wnids is None else "position of the class in its list"
    labels = "unknown numbering" if offset is None else number if offset == 0 else f"{number} + {offset}"
    lines = [os.fspath(output.folder), f"{KINDS[output.kind].words}; images: {_images(output)}; labels: {labels}"]
    for split, names in output.shards.items():
        lengths = output.stated_lengths(split)
        examples = ""
        if lengths is not None:
            examples = f"{sum(lengths):>11,} {'example in ' if sum(lengths) == 1 else 'examples in'} "
        sizes = [os.path.getsize(path) for name in names if os.path.isfile(path := os.path.join(output.folder, name))]
        missing = f", {len(names) - len(sizes):,} MISSING" if len(sizes) < len(names) else ""
        shards = f"{len(names):>5,} {'shard, ' if len(names) == 1 else 'shards,'}"
        lines.append(f"  {split:5} {examples}{shards} {in_bytes(sum(sizes)):>9}{missing}")
    return lines


def _images(output: Output) -> str:
    """Returns how the images were processed, in words."""
    return shown(op_in_words(output.config()))[:200]


def _lines(sample: Sample) -> list[str]:
    boxes = () if sample.boxes is None else (f"  boxes  {_boxes_in_words(sample.boxes)}",)
    return [
        "",
        f"record {sample.number:,}: {sample.file_name}",
        f"  label  {sample.label}: {class_in_words(sample.label, sample.synset, sample.told)}",
        f"  image  {_image_in_words(sample.image)}",
        *boxes,
        f"  place  {sample.place}",
    ]


def _image_in_words(data: bytes) -> str:
    try:
        head = look(data)
    except ImageError as error:
        return f"{len(data):,} bytes that are not a valid image: {error}"
    channels = _CHANNELS[head.format, head.components]
    return f"{head.format}, {channels}, {head.width:,} x {head.height:,} pixels, {len(data):,} bytes"


def _boxes_in_words(boxes: Sequence[Box]) -> str:
    each = (f"x {xmin:.3f} to {xmax:.3f}, y {ymin:.3f} to {ymax:.3f}" for xmin, ymin, xmax, ymax in boxes)
    return f"{len(boxes):,}: {first_few(f'({box})' for box in each)}" if boxes else "none"
