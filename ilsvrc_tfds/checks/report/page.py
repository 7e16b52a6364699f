"""The report as one page of HTML that loads nothing from elsewhere.

`page.html` is the frame, `page.css` and `page.js` are put into it. Everything that comes from the data, such as file
names, is escaped. The page's own security policy allows its script and its style sheet by their digests, and images in
`data:` URIs; a browser would refuse anything else.
"""

import base64
import datetime
import hashlib
import importlib.resources
import json
import re
from collections.abc import Mapping
from html import escape

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.report import sections
from ilsvrc_tfds.checks.report.looking import KINDS
from ilsvrc_tfds.checks.report.values import Picture, Report

_PLACE = re.compile(r"\{\{([a-z-]+)\}\}")


def page(report: Report) -> bytes:
    """Returns the page of a report, in UTF-8.

    >>> import ilsvrc_tfds
    >>> page(ilsvrc_tfds.report("/data/imagenet")).startswith(b"<!DOCTYPE html>")
    True
    """
    parts = sections.all_of(report)
    style, script = _file("page.css"), _file("page.js")
    created = datetime.datetime.fromisoformat(report.created)
    splits = [split.split for split in report.splits]
    values = {
        "title": escape(report.title),
        "folder": escape(report.folder),
        "version": escape(report.version),
        "created": escape(report.created),
        "created-words": f"{created.day} {created:%B %Y, %H:%M} UTC",
        "style": style,
        "style-hash": _hash(style),
        "script": script,
        "script-hash": _hash(script),
        "nav": "".join(f'<a href="#{part.id}">{escape(part.title)}</a>' for part in parts if part.title)
        + '<a href="#pictures">Pictures</a>',
        "sections": "\n".join(map(sections.in_html, parts)),
        "sampling": escape(report.sampling),
        "split-options": "".join(f'<option value="{k}">{name}</option>' for k, name in enumerate(splits)),
        "boxes-toggle": _BOXES_TOGGLE if any(picture.boxes for picture in report.samples) else "",
        "data": _json(_data(report, splits)),
    }
    # One pass, so that text that looks like a place stays as it is.
    return _PLACE.sub(lambda match: values[match[1]], _file("page.html")).encode()


_BOXES_TOGGLE = '<label class="check"><input id="boxes" type="checkbox" checked> Bounding boxes</label>'


def _data(report: Report, splits: list[str]) -> Mapping[str, object]:
    """Returns what the script reads: the pictures as short lists, whose positions are named at its top."""
    return {
        "splits": splits,
        "kinds": KINDS,
        "classes": [(synset.wnid, synset.words) for synset in synsets.synsets()],
        "items": [_item(picture, splits) for picture in report.samples],
    }


def _item(picture: Picture, splits: list[str]) -> list[object]:
    image = base64.b64encode(picture.thumbnail).decode()
    own = (picture.label, picture.name, picture.width, picture.height, picture.num_bytes, KINDS.index(picture.kind))
    return [splits.index(picture.split), *own, image, picture.boxes]


def _json(value: object) -> str:
    """Returns JSON that cannot end the script element that it is in."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _file(name: str) -> str:
    return importlib.resources.files("ilsvrc_tfds.checks.report").joinpath(name).read_text(encoding="utf-8")
