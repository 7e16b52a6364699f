"""All errors of a source together. Indexing stops at the first one."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.sources.index import Run
from ilsvrc_tfds.sources.label_tables import check_ground_truth, check_solution, check_synset_mapping
from ilsvrc_tfds.sources.layouts import LAYOUT_OF
from ilsvrc_tfds.sources.search import Layout


def conflicts(layout: Layout, run: Run = map) -> list[str]:
    """Returns the error of each table of labels, archive and folder that makes no sense by itself.

    An image that is in two archives is not among them: for that, all must be listed.

    >>> from ilsvrc_tfds.sources import find_layout
    >>> conflicts(find_layout(["/data/imagenet"]))
    []

    Args:
      layout: Layout of the source.
      run: Function that runs the scans; see `index_images`.
    """
    jobs: list[Callable[[], object]] = list(_checks_of_tables(layout))
    found = []
    for place in layout.places:
        try:
            jobs += LAYOUT_OF[place.kind].scans(place)[0]
        except (SourceError, LabelError) as error:
            found.append(str(error))
    found += filter(None, run(_error_of, jobs))
    return list(dict.fromkeys(found))


def _checks_of_tables(layout: Layout) -> Iterator[Callable[[], object]]:
    checks: tuple[tuple[Callable[[Path], object], tuple[Path, ...]], ...] = (
        (check_ground_truth, layout.ground_truths),
        (check_solution, layout.solutions),
        (check_synset_mapping, layout.synset_mappings),
    )
    for check, paths in checks:
        yield from (functools.partial(check, path) for path in paths)


def _error_of(job: Callable[[], object]) -> str:
    """Returns the text of the error of a job, or an empty string. Results are dropped: a million names are not sent."""
    try:
        job()
    except (SourceError, LabelError) as error:
        return str(error)
    return ""
