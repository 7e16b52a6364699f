"""Elements that several sections of the page have: tables, names of splits, and thumbnails with their captions."""

import base64
import re
from collections.abc import Sequence
from html import escape

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.report.values import Picture
from ilsvrc_tfds.terminal.progress import in_bytes

# Places at which a long file name may break: behind an underscore, and before a dot.
_BREAKS = re.compile(r"(?<=_)|(?=\.)")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: str, texts: Sequence[int] = ()) -> str:
    """Returns a table. The cells are HTML already; the first of each row is its heading.

    >>> print(table(["split", "images"], [["train", "12"]], "Images"))
    <div class="scroll" tabindex="0" role="region" aria-label="Images"><table>...

    Args:
      head: Headings of the columns.
      rows: Cells of each row.
      words: Name of the table, for readers of the screen.
      texts: Positions of the columns with text, which stands on the left and may break.
    """
    kinds = [' class="text"' if k in texts else "" for k in range(len(head))]
    top = "".join(f'<th scope="col"{kind}>{cell}</th>' for cell, kind in zip(head, kinds))
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(others, kinds[1:]))
        lines.append(f'<tr><th scope="row"{kinds[0]}>{first}</th>{cells}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(words)}"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def class_of(label: int) -> str:
    """Returns the first word of a class, escaped, or `no class`.

    >>> class_of(0), class_of(-1)
    ('tench', 'no class')
    """
    return "no class" if label < 0 else escape(synsets.synsets()[label].words.partition(",")[0])


def strip(pictures: Sequence[Picture]) -> str:
    """Returns the thumbnails of pictures in a row, with captions; an empty text without pictures.

    >>> strip([])
    ''
    """
    tiles = "".join(_tile(picture) for picture in pictures)
    return f'<ul class="sheet">{tiles}</ul>' if pictures else ""


def _tile(picture: Picture) -> str:
    image = base64.b64encode(picture.thumbnail).decode()
    words = class_of(picture.label)
    return (
        f'<li class="tile"><div class="mat"><div class="pic"><img alt="{words}, {escape(picture.name)}" '
        f'src="data:image/webp;base64,{image}"></div></div><p class="words">{words}</p>'
        f'<p class="more-of">{escape(picture.split)}, {_size(picture)}</p>'
        f'<p class="name">{_BREAKS.sub("<wbr>", escape(picture.name))}</p></li>'
    )


def listed(picture: Picture) -> str:
    """Returns a picture as an item of a list: split, name, class, size and format."""
    size = f"{_size(picture)}, {in_bytes(picture.num_bytes)}, {escape(picture.kind)}"
    return f"<li>{tag(picture.split)}<code>{escape(picture.name)}</code> {class_of(picture.label)}, {size}</li>"


def _size(picture: Picture) -> str:
    return f"{picture.width:,}&nbsp;×&nbsp;{picture.height:,}"


def tag(split: str) -> str:
    """Returns the name of a split in its colour.

    >>> tag("val")
    '<span class="tag val">val</span>'
    """
    return f'<span class="tag {escape(split)}">{escape(split)}</span>'
