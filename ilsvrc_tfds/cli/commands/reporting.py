"""The command that writes a page about a data set."""

import argparse
import os
import shlex
from pathlib import Path

import ilsvrc_tfds
from ilsvrc_tfds.cli.next_steps import Step
from ilsvrc_tfds.cli.results import tell
from ilsvrc_tfds.errors import counted
from ilsvrc_tfds.terminal.progress import in_bytes


def report(options: argparse.Namespace) -> int:
    """Writes the page and prints what it says to look at. Returns 0: a report on damaged data is a good report.

    >>> from ilsvrc_tfds.cli.parser import parse
    >>> report(parse(["report", "/data/imagenet", "--out", "/data/report.html"]))
    /data/report.html: 18 images of 3 classes, ... kB
    1 thing to look at, of 5 checks:
      All of ILSVRC2012: train 12 of 1,281,167, val 6 of 50,000
    0
    """
    found = ilsvrc_tfds.report(
        options.data,
        options.out,
        json=options.json,
        bbox=options.bbox,
        samples=options.samples,
        seed=options.seed,
        data_dir=options.data_dir,
        workers=options.workers,
    )
    classes = sum(map(any, zip(*(split.per_class for split in found.splits if split.per_class))))
    images = f"{counted(found.images, 'image')} of {counted(classes, 'class', 'classes')}"
    checks = counted(len(found.checks), "check")
    verdict = f"Nothing to look at: {checks}, none failed."
    if found.failed:
        verdict = f"{counted(len(found.failed), 'thing')} to look at, of {checks}:"
    lines = [
        f"{options.out}: {images}, {in_bytes(os.path.getsize(options.out))}",
        verdict,
        *(f"  {check.name}: {check.detail}" for check in found.failed),
    ]
    page = Path(options.out).expanduser().absolute().as_uri()
    see = shlex.join(["python", "-m", "webbrowser", page])
    steps = [Step("see it in a browser", see), Step("check everything, also the pixels", found.verify)]
    return tell(options, lines, {"page": str(options.out), **found.as_json()}, steps)
