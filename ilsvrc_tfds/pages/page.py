"""A page as one file of HTML: `frame.html`, with `base.css` and what a page has of its own put into it.

Everything that comes from data, such as file names, is escaped by whoever puts it in. The page's own security policy
allows its script and its style sheet by their digests, and images in `data:` URIs. A browser refuses anything else, as
a `style` attribute.
"""

import base64
import dataclasses
import datetime
import hashlib
import importlib.resources
import json
import re
from collections.abc import Mapping, Sequence
from html import escape

import ilsvrc_tfds
from ilsvrc_tfds.pages.elements import Section, in_html

_PLACE = re.compile(r"\{\{([a-z-]+)\}\}")


@dataclasses.dataclass(frozen=True)
class Heading:
    """Texts of the header and the footer of a page, not escaped.

    Attributes:
      kind: What the page is, in a word or two, for the title of the window.
      over: The same as a phrase, above the title.
      title: What the page is about.
      folder: Where that is.
      version: Version of this package that made the page.
      created: Time in UTC at which it was made, as ISO 8601 has it.
    """

    kind: str
    over: str
    title: str
    folder: str
    version: str
    created: str


def heading_now(kind: str, over: str, title: str, folder: object) -> Heading:
    """Returns the heading of a page that this version makes now.

    >>> heading_now("report", "Report on a data set", "raw256", "/data").folder
    '/data'
    """
    created = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return Heading(kind, over, title, f"{folder}", ilsvrc_tfds.__version__, created)


def page(
    heading: Heading, sections: Sequence[Section], *, style: str = "", script: str = "", data: object = None
) -> bytes:
    """Returns a page in UTF-8.

    >>> heading = Heading("report", "Report on a data set", "raw256", "/data", "1.4.0", "2026-01-31T12:00:00+00:00")
    >>> page(heading, [Section("odd", "Odd images", "<p>None.</p>")]).startswith(b"<!DOCTYPE html>")
    True

    Args:
      heading: Texts of its header and its footer.
      sections: Its sections, in order. Those with a title are listed at the top.
      style: Style sheet of its own, behind `base.css`.
      script: Script of its own.
      data: What the script reads from the element `data`, as JSON.
    """
    style = _file("base.css") + style
    created = datetime.datetime.fromisoformat(heading.created)
    values = {name: escape(text) for name, text in dataclasses.asdict(heading).items()} | {
        "created-words": f"{created.day} {created:%B %Y, %H:%M} UTC",
        "style": style,
        "style-hash": _hash(style),
        "script": script,
        "script-hash": _hash(script),
        "nav": "".join(f'<a href="#{part.id}">{escape(part.title)}</a>' for part in sections if part.title),
        "sections": "\n".join(map(in_html, sections)),
        "data": _json(data),
    }
    return filled(_file("frame.html"), values).encode()


def filled(template: str, values: Mapping[str, str]) -> str:
    """Returns a template with values in its places. Text in a value that looks like a place stays as it is.

    >>> filled("<p>{{name}}</p>", {"name": "{{other}}"})
    '<p>{{other}}</p>'
    """
    return _PLACE.sub(lambda match: values[match[1]], template)


def _json(value: object) -> str:
    """Returns JSON that cannot end the script element that it is in."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _file(name: str) -> str:
    return importlib.resources.files("ilsvrc_tfds.pages").joinpath(name).read_text(encoding="utf-8")
