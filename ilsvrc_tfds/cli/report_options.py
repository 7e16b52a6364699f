"""The arguments of `report`."""

import argparse

from ilsvrc_tfds.checks.report.sampling import MOST_SAMPLES
from ilsvrc_tfds.cli.options import add_bbox, add_json_file, add_names_dir, count, named, path


def report(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of `report` to its parser.

    >>> parser = argparse.ArgumentParser()
    >>> report(parser)
    >>> options = parser.parse_args(["/data/imagenet", "--out", "report.html"])
    >>> options.samples, options.bbox, options.json is None
    (6000, [], True)
    """
    command.add_argument(
        "data",
        metavar="DATA",
        type=named,
        help="a source in any layout; or a prepared or exported data set: its folder, a data directory that has one, "
        "or a name such as ilsvrc2012/raw256",
    )
    add_names_dir(command)
    command.add_argument("--out", type=path, required=True, metavar="FILE.html", help="the page to write")
    add_json_file(command, "figures")
    add_bbox(command, "sources of bounding boxes for a source, as for export; exported records have their own")
    command.add_argument(
        "--samples",
        type=count,
        default=MOST_SAMPLES,
        metavar="N",
        help="pictures in the contact sheets, at most (default: %(default)s, for a page of less than 30 MB)",
    )
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="number that chooses other pictures (default: %(default)s)"
    )
