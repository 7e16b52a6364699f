"""The sections of the page, above its pictures."""

from collections import Counter
from collections.abc import Sequence
from html import escape

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.report import charts
from ilsvrc_tfds.checks.report.elements import listed, strip, tag
from ilsvrc_tfds.checks.report.statistics import MEASURES
from ilsvrc_tfds.checks.report.values import Check, Group, Odd, Report, Split
from ilsvrc_tfds.errors import counted
from ilsvrc_tfds.pages.elements import Figure, Section, facts, figures, table
from ilsvrc_tfds.terminal.progress import in_bytes

_STATES = {"passed": ("good", "passed"), "failed": ("bad", "look at this"), "open": ("open", "not checked")}
_CHARTS = ("width", "height", "aspect ratio", "bytes")


def all_of(report: Report) -> list[Section]:
    """Returns the sections of a report, in order.

    >>> import ilsvrc_tfds
    >>> [section.title for section in all_of(ilsvrc_tfds.report("/data/imagenet"))]
    ['', 'Checks', 'How it was made', 'Splits', 'Classes', 'Sizes', 'Odd images', 'Duplicates']
    """
    found = [
        Section("overview", "", _figures(report)),
        Section("checks", "Checks", _checks(report)),
        Section("made", "How it was made", facts((fact.name, fact.value) for fact in report.facts)),
        Section("splits", "Splits", _splits(report.splits)),
        Section("classes", "Classes", _classes(report)),
        Section("sizes", "Sizes", _sizes(report)),
        Section("odd", "Odd images", _odd(report.odd)),
        Section("duplicates", "Duplicates", _duplicates(report)),
    ]
    return [*found, Section("damaged", "Damaged", _faults(report))] if report.num_faults else found


def _figures(report: Report) -> str:
    splits, equal = report.splits, report.duplicates
    across = sum(equal.across.values())
    return figures(
        [
            Figure("Images", f"{report.images:,}", ", ".join(f"{s.split} {s.images:,}" for s in splits)),
            Figure("Classes", f"{sum(map(any, zip(*(s.per_class for s in splits if s.per_class)))):,}", "of 1,000"),
            Figure("Size", in_bytes(sum(s.num_bytes for s in splits)), "of all images"),
            Figure("Cannot be read", f"{report.num_faults:,}", "images or records", "bad" if report.num_faults else ""),
            Figure(
                "In several splits",
                f"{across:,}",
                f"of {counted(equal.groups, 'group')} of equal images",
                "bad" if across else "",
            ),
            Figure(
                "To look at",
                f"{len(report.failed):,}",
                f"of {counted(len(report.checks), 'check')}",
                "bad" if report.failed else "good",
            ),
        ]
    )


def _checks(report: Report) -> str:
    rows = [[escape(check.name), _state(check), escape(check.detail)] for check in report.checks]
    command = f"<p>Everything is checked by <code>{escape(report.verify)}</code></p>"
    checks = table(["check", "state", "result"], rows, "Checks", (0, 1, 2))
    return f'<div class="stack">{checks}</div><div class="after">{command}</div>'


def _state(check: Check) -> str:
    colour, words = _STATES[check.state]
    return f'<span class="{colour}">{words}</span>'


def _splits(splits: Sequence[Split]) -> str:
    has_boxes = any(split.boxed is not None for split in splits)
    head = ["split", "images", "official", "classes", "bytes", "mean", "damaged", *(["boxes"] if has_boxes else [])]
    rows = []
    for s in splits:
        mean = in_bytes(s.num_bytes / s.images) if s.images else ""
        row = [tag(s.split), f"{s.images:,}", f"{s.official:,}", f"{s.classes:,}", in_bytes(s.num_bytes), mean]
        boxes = [f"{s.boxes or 0:,} in {s.boxed or 0:,}"] if has_boxes else []
        rows.append([*row, f"{s.damaged:,}", *boxes])
    totals: Counter[str] = Counter()
    for split in splits:
        totals.update(split.kinds)
    by_kind = [[escape(kind), *(f"{s.kinds.get(kind, 0):,}" for s in splits)] for kind, _ in totals.most_common()]
    return (
        table(head, rows, "Splits")
        + "<h3>Formats</h3>"
        + table(["format", *(s.split for s in splits)], by_kind, "Formats")
    )


def _classes(report: Report) -> str:
    labelled = [split for split in report.splits if any(split.per_class)]
    if not labelled:
        return "<p>No image has a class.</p>"
    totals = [split.per_class for split in labelled]
    there = [k for k in range(synsets.NUM_CLASSES) if any(counts[k] for counts in totals)]
    rows = []
    for k in there:
        synset = synsets.synsets()[k]
        link = f'<a href="#pictures" data-search="{synset.wnid}">{synset.wnid}</a>'
        rows.append([str(k), link, escape(synset.words), *(f"{counts[k]:,}" for counts in totals)])
    head = ["index", "wnid", "words", *(split.split for split in labelled)]
    drawn = "".join(
        f'<figure class="wide"><figcaption>{tag(split.split)} {charts.classes_in_words(split)}</figcaption>'
        f"{charts.classes(split)}</figure>"
        for split in labelled
    )
    return (
        f'<p class="lead">Images of each class, the largest class first.</p>{drawn}'
        f"<details><summary>Table of {counted(len(there), 'class', 'classes')}</summary>"
        f"{table(head, rows, 'Images of each class', (1, 2))}</details>"
    )


def _sizes(report: Report) -> str:
    splits = [split for split in report.splits if split.images]
    if not splits:
        return "<p>No image can be read.</p>"
    titles = {"width": "Width, pixels", "height": "Height, pixels", "aspect ratio": "Width by height", "bytes": "Bytes"}
    drawings = [(titles[name], charts.histograms(name, splits), "") for name in _CHARTS]
    drawings.insert(2, ("Width and height, pixels", charts.shapes(report.density), ' class="tall"'))
    drawn = "".join(
        f"<figure{kind}><figcaption>{title}</figcaption>{chart}</figure>" for title, chart, kind in drawings
    )
    rows = [
        [f"{name}, {s.split}", *(charts.in_units(name, value) for value in s.measures[name].spread)]
        for name in MEASURES
        for s in splits
    ]
    head = ["", "smallest", "1 %", "25 %", "median", "mean", "75 %", "99 %", "largest"]
    return f'<div class="charts">{drawn}</div>{table(head, rows, "Sizes")}'


def _odd(odd: Sequence[Odd]) -> str:
    if not odd:
        return "<p>None: no image is unusual in its format, its size or its name.</p>"
    return f'<div class="ways">{"".join(map(_way, odd))}</div>'


def _way(way: Odd) -> str:
    counts = "".join(f"{tag(split)}{count:,} " for split, count in way.counts.items())
    drawn = [picture for picture in way.pictures if picture.thumbnail]
    names = "".join(listed(picture) for picture in way.pictures)
    total = sum(way.counts.values())
    of_them = f"{len(way.pictures):,} of them" if total > len(way.pictures) else counted(total, "name")
    return (
        f'<div class="group"><h3>{escape(way.name)}: {counted(total, "image")}</h3>'
        f'<p class="lead">{escape(way.meaning)}</p><p>{counts}</p>{strip(drawn)}'
        f"<details><summary>{of_them}</summary><ul>{names}</ul></details></div>"
    )


def _duplicates(report: Report) -> str:
    found = report.duplicates
    if not found.groups:
        return "<p>None: no two images have the same bytes.</p>"
    rows = [[f"in {escape(names)}", counted(count, "group")] for names, count in found.across.items()]
    rows += [[f"repeated within {escape(name)}", counted(count, "image")] for name, count in found.within.items()]
    rows += [["with different classes", counted(found.mislabelled, "group")]] if found.mislabelled else []
    words = (
        f"{counted(found.images, 'image')} in {counted(found.groups, 'group')}, each of images with the same bytes. A "
        "model that is trained on an image of train that is also in val has seen its answer."
    )
    shown = found.listed[:20]
    parts = [
        f'<p class="lead">{words}</p>',
        f'<div class="before">{table(["", "number"], rows, "Duplicates")}</div>',
        *map(_group, shown),
    ]
    if others := found.listed[20:]:
        parts.append(f"<details><summary>{counted(len(others), 'further group')}</summary>")
        parts += [*map(_group, others), "</details>"]
    if found.groups > len(found.listed):
        parts.append(f'<p class="lead">{found.groups - len(found.listed):,} further groups are not listed.</p>')
    return "".join(parts)


def _group(group: Group) -> str:
    tags = "".join(map(tag, group.splits))
    classes = f", {group.classes:,} classes" if group.classes > 1 else ""
    more = f" {group.images - len(group.pictures):,} more." if group.images > len(group.pictures) else ""
    drawn = [picture for picture in group.pictures if picture.thumbnail]
    names = "".join(listed(picture) for picture in group.pictures)
    return (
        f'<div class="group"><p>{tags} {counted(group.images, "image")}{classes}</p>{strip(drawn)}'
        f"<details><summary>{counted(len(group.pictures), 'name')}</summary><ul>{names}</ul>{more}</details></div>"
    )


def _faults(report: Report) -> str:
    rows = [[tag(fault.split), escape(fault.place), escape(fault.reason)] for fault in report.faults]
    rest = report.num_faults - len(report.faults)
    more = f'<p class="lead">{rest:,} more are not listed.</p>' if rest > 0 else ""
    faults = table(["split", "place", "what is wrong"], rows, "Damaged images and records", (1, 2))
    return f'<div class="stack">{faults}</div>{more}'
