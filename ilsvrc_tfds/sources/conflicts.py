"""All errors of a source together. Indexing stops at the first one."""

from collections.abc import Callable, Iterator
from pathlib import Path

from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.sources.collecting import Collected, collected, errors_reported
from ilsvrc_tfds.sources.history import history_of
from ilsvrc_tfds.sources.index import Run, joined
from ilsvrc_tfds.sources.label_tables import UNLIKE, check_ground_truth, check_solution, check_synset_mapping
from ilsvrc_tfds.sources.layouts import LAYOUT_OF
from ilsvrc_tfds.sources.places import Place
from ilsvrc_tfds.sources.scan import Scan, Scanned, scan
from ilsvrc_tfds.sources.search import Layout
from ilsvrc_tfds.sources.trees import Listed


def conflicts(layout: Layout, run: Run = map) -> list[str]:
    """Returns all errors of a source, those of one kind together; if there are many of a kind, their number at the end.

    What lies behind damage of an archive, or behind a name that is no class's, is not looked at.

    >>> from ilsvrc_tfds.sources import find_layout
    >>> conflicts(find_layout(["/data/imagenet"]))
    []

    Args:
      layout: Layout of the source.
      run: Function that runs the scans; see `index_images`.
    """
    with collected() as found:
        for check, path in _checks_of_tables(layout):
            with errors_reported(UNLIKE):
                check(path)
        jobs: dict[Place, list[Scan]] = {place: [] for place in layout.places}
        for place, own in jobs.items():
            with errors_reported():
                own += LAYOUT_OF[place.kind].scans(place)[0]
        for place, results in _scanned(jobs, run, found).items():
            if results:
                with errors_reported():
                    history_of(place, joined(place, results))
    return found.lines()


def _checks_of_tables(layout: Layout) -> Iterator[tuple[Callable[[Path], object], Path]]:
    checks: tuple[tuple[Callable[[Path], object], tuple[Path, ...]], ...] = (
        (check_ground_truth, layout.ground_truths),
        (check_solution, layout.solutions),
        (check_synset_mapping, layout.synset_mappings),
    )
    return ((check, path) for check, paths in checks for path in paths)


def _scanned(jobs: dict[Place, list[Scan]], run: Run, found: Collected) -> dict[Place, list[Scanned]]:
    """Returns the results of the scans of each place that have one, and adds their errors to what was found.

    There are none for a place of which no images are known because scans have failed.
    """
    now = run(_collecting, [job for own in jobs.values() for job in own if not isinstance(job, Listed)])
    results: dict[Place, list[Scanned]] = {}
    for place, own in jobs.items():
        pairs = [_collecting(job) if isinstance(job, Listed) else next(now) for job in own]
        for _, errors in pairs:
            found.join(errors)
        has_images = any(result is not None and any(map(len, result.members)) for result, _ in pairs)
        has_errors = any(errors.first for _, errors in pairs)
        results[place] = [result for result, _ in pairs if result] if has_images or not has_errors else []
    return results


def _collecting(job: Scan) -> tuple[Scanned | None, Collected]:
    """Returns the result of a scan, or None if it cannot go on, and the errors of it."""
    with collected() as found:
        try:
            return scan(job), found
        except (SourceError, LabelError) as error:
            found.add(str(error))
            return None, found
