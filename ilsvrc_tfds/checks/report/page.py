"""The report as a page: its sections, and the pictures, which `page.js` shows, searches and filters."""

import base64
import importlib.resources
from collections.abc import Mapping
from html import escape

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.report import sections
from ilsvrc_tfds.checks.report.looking import KINDS
from ilsvrc_tfds.checks.report.values import Picture, Report
from ilsvrc_tfds.pages import page as frame
from ilsvrc_tfds.pages.elements import Section

_BOXES_TOGGLE = '<label class="check"><input id="boxes" type="checkbox" checked> Bounding boxes</label>'


def page(report: Report) -> bytes:
    """Returns the page of a report, in UTF-8.

    >>> import ilsvrc_tfds
    >>> page(ilsvrc_tfds.report("/data/imagenet")).startswith(b"<!DOCTYPE html>")
    True
    """
    splits = [split.split for split in report.splits]
    return frame.page(
        frame.Heading("report", "Report on a data set", report.title, report.folder, report.version, report.created),
        [*sections.all_of(report), Section("pictures", "Pictures", _pictures(report, splits))],
        style=_file("page.css"),
        script=_file("page.js"),
        data=_data(report, splits),
    )


def _pictures(report: Report, splits: list[str]) -> str:
    values = {
        "sampling": escape(report.sampling),
        "split-options": "".join(f'<option value="{k}">{escape(name)}</option>' for k, name in enumerate(splits)),
        "boxes-toggle": _BOXES_TOGGLE if any(picture.boxes for picture in report.samples) else "",
    }
    return frame.filled(_file("pictures.html"), values)


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


def _file(name: str) -> str:
    return importlib.resources.files("ilsvrc_tfds.checks.report").joinpath(name).read_text(encoding="utf-8")
