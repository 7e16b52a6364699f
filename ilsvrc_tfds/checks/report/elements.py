"""Elements that several sections of the report have: names of splits, and pictures with their captions."""

import base64
from collections.abc import Sequence
from html import escape

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.report.values import Picture
from ilsvrc_tfds.pages.elements import sheet, tile
from ilsvrc_tfds.terminal.progress import in_bytes


def class_of(label: int) -> str:
    """Returns the first word of a class, or `no class`.

    >>> class_of(0), class_of(-1)
    ('tench', 'no class')
    """
    return "no class" if label < 0 else synsets.synsets()[label].words.partition(",")[0]


def strip(pictures: Sequence[Picture]) -> str:
    """Returns the thumbnails of pictures in a row, with captions; an empty text without pictures.

    >>> strip([])
    ''
    """
    return sheet(map(_tile, pictures))


def _tile(picture: Picture) -> str:
    url = f"data:image/webp;base64,{base64.b64encode(picture.thumbnail).decode()}"
    words = class_of(picture.label)
    about = f"{escape(picture.split)}, {_size(picture)}"
    return tile(url, f"{words}, {picture.name}", words, [about], picture.name)


def listed(picture: Picture) -> str:
    """Returns a picture as an item of a list: split, name, class, size and format."""
    size = f"{_size(picture)}, {in_bytes(picture.num_bytes)}, {escape(picture.kind)}"
    return f"<li>{tag(picture.split)}<code>{escape(picture.name)}</code> {escape(class_of(picture.label))}, {size}</li>"


def _size(picture: Picture) -> str:
    return f"{picture.width:,}&nbsp;×&nbsp;{picture.height:,}"


def tag(split: str) -> str:
    """Returns the name of a split in its colour.

    >>> tag("val")
    '<span class="tag val">val</span>'
    """
    return f'<span class="tag {escape(split)}">{escape(split)}</span>'
