"""Elements that pages have: sections, tables, figures, lists of facts, and tiles with a picture.

What an argument calls HTML is put in as it is, so its texts are escaped already; all else is escaped here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

# Places at which a long file name may break: behind an underscore, and before a dot.
_BREAKS = re.compile(r"(?<=_)|(?=\.)")


class Section(NamedTuple):
    """A section of a page: its anchor, its title, and its content in HTML."""

    id: str
    title: str
    content: str


def in_html(section: Section) -> str:
    """Returns a section as an element.

    >>> in_html(Section("odd", "Odd images", "<p>None.</p>")).splitlines()[1]
    '<h2 id="odd-title">Odd images</h2>'
    """
    if not section.title:
        return section.content
    title = f'<h2 id="{section.id}-title">{escape(section.title)}</h2>'
    return f'<section id="{section.id}" aria-labelledby="{section.id}-title">\n{title}\n{section.content}\n</section>'


class Figure(NamedTuple):
    """A number that a page shows large: its name, its value, a remark, and `good`, `bad` or nothing."""

    name: str
    value: str
    about: str = ""
    colour: str = ""


def figures(found: Iterable[Figure]) -> str:
    """Returns large numbers in a row.

    >>> figures([Figure("images", "50,000")])
    '<dl class="figures"><div><dt>images</dt><dd>50,000</dd></div></dl>'
    """
    return f'<dl class="figures">{"".join(map(_figure, found))}</dl>'


def _figure(figure: Figure) -> str:
    colour = f' class="{figure.colour}"' if figure.colour else ""
    about = f"<small>{escape(figure.about)}</small>" if figure.about else ""
    return f"<div><dt>{escape(figure.name)}</dt><dd{colour}>{escape(figure.value)}{about}</dd></div>"


def facts(found: Iterable[tuple[str, str]]) -> str:
    """Returns a list of names and values.

    >>> facts([("model", "resnet50")])
    '<dl class="facts"><dt>model</dt><dd>resnet50</dd></dl>'
    """
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in found)
    return f'<dl class="facts">{rows}</dl>'


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], words: str, texts: Sequence[int] = (), *, id: str = ""
) -> str:
    """Returns a table. The cells are HTML; the first of each row is its heading.

    >>> print(table(["split", "images"], [["train", "12"]], "Images"))
    <div class="scroll" tabindex="0" role="region" aria-label="Images"><table>...

    Args:
      head: Headings of the columns.
      rows: Cells of each row.
      words: Name of the table, for screen readers.
      texts: Positions of the columns with text, which stands on the left and may break.
      id: Name by which the page's script finds the rows.
    """
    kinds = [' class="text"' if k in texts else "" for k in range(len(head))]
    top = "".join(f'<th scope="col"{kind}>{cell}</th>' for cell, kind in zip(head, kinds))
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(others, kinds[1:]))
        lines.append(f'<tr><th scope="row"{kinds[0]}>{first}</th>{cells}</tr>')
    own = f' id="{id}"' if id else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(words)}"><table>'
        f"<thead><tr>{top}</tr></thead><tbody{own}>{''.join(lines)}</tbody></table></div>"
    )


def side_by_side(charts: Mapping[str, str]) -> str:
    """Returns charts beside each other, where the page is wide. Their titles are HTML, as they are.

    >>> side_by_side({"Loss": "<svg></svg>"})
    '<div class="charts"><figure><figcaption>Loss</figcaption><svg></svg></figure></div>'
    """
    drawn = "".join(f"<figure><figcaption>{title}</figcaption>{chart}</figure>" for title, chart in charts.items())
    return f'<div class="charts">{drawn}</div>'


def sheet(tiles: Iterable[str]) -> str:
    """Returns tiles in rows; an empty text without tiles.

    >>> sheet([])
    ''
    """
    content = "".join(tiles)
    return f'<ul class="sheet">{content}</ul>' if content else ""


def tile(url: str, alt: str, title: str, lines: Iterable[str], name: str) -> str:
    """Returns a picture with its captions, an item of a list.

    >>> tile("data:,", "tench", "tench", ["train"], "n01440764_18.JPEG")
    '<li class="tile"><div class="mat"><div class="pic"><img alt="tench" src="data:,"></div></div><p class="words">...

    Args:
      url: The picture.
      alt: What it shows, in words.
      title: First caption.
      lines: Captions below it, as HTML.
      name: File name.
    """
    captions = "".join(f'<p class="more-of">{line}</p>' for line in lines)
    return (
        f'<li class="tile"><div class="mat"><div class="pic"><img alt="{escape(alt)}" src="{url}"></div></div>'
        f'<p class="words">{escape(title)}</p>{captions}'
        f'<p class="name">{_BREAKS.sub("<wbr>", escape(name))}</p></li>'
    )
