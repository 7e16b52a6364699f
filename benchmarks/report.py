"""What a report costs at full size: seconds, memory of the driver and of a worker, megabytes of the page.

    python benchmarks/report.py [--images 1331167] [--pictures DIR] [--workers 2] [--work DIR]

Makes archives in the official layout with as many images as the real ones, each the same JPEG of 8 x 8 pixels, reports on
them and on the data set that is prepared from them. All images are duplicates of each other, which is the worst case.
With --pictures, a folder of files whose names begin with a wnid, it also reports on archives of 6,600 real images: the
page then has all pictures that it ever has. Needs 2.5 GB for a while. Prints JSON lines.
"""

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import archives
import scale
from processes import report, with_peaks

# The page has 6,000 pictures at most.
_REAL_IMAGES = 6600
_GOAL_PAGE_MEGABYTES, _GOAL_DRIVER_MEGABYTES, _GOAL_WORKER_MEGABYTES = 30, 1000, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--images", type=int, default=scale.OFFICIAL, help="in all, at least 2000 (default: %(default)s)"
    )
    parser.add_argument("--pictures", type=Path, help="folder of real images for the size of the page")
    parser.add_argument("--workers", type=int, default=scale.WORKERS, help="processes (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="folder for everything, emptied again (default: the system's)")
    arguments = parser.parse_args()
    if not 2000 <= arguments.images <= scale.OFFICIAL:
        parser.error(f"--images must be in [2000, {scale.OFFICIAL}], got {arguments.images}")
    with tempfile.TemporaryDirectory(prefix="ilsvrc-tfds-report-", dir=arguments.work) as folder:
        work = Path(folder)
        if arguments.pictures is not None:
            _report_real(arguments.pictures, work, arguments.workers)
        scale.write_archives(work / "source", arguments.images / scale.OFFICIAL)
        _report_peaks("tiny images, archives", work / "source", work, arguments.workers)
        shards = {
            split: max(1, count * arguments.images // scale.OFFICIAL) for split, count in scale.NUM_SHARDS.items()
        }
        with_peaks(scale.prepare, work / "source", work / "data", shards, "local")
        prepared = work / "data/ilsvrc2012/classification/1.0.0"
        _report_peaks("tiny images, prepared", prepared, work, arguments.workers)


def _report_real(folder: Path, work: Path, workers: int) -> None:
    pictures = sorted(folder.iterdir())
    some = itertools.islice(itertools.cycle(pictures), _REAL_IMAGES)
    archives.write_archives(pictures, work / "real", sum(path.stat().st_size for path in some))
    _report_peaks("real images, archives", work / "real", work, workers)


def _report_peaks(what: str, folder: Path, work: Path, workers: int) -> None:
    peaks = with_peaks(make, folder, work / "report.html", workers)
    seconds, images, num_bytes, pictures = peaks.result
    page = (work / "report.html").stat().st_size / 1e6
    driver, worker = peaks.driver / 1e6, peaks.worker / 1e6
    report(
        step="report",
        what=what,
        images=images,
        megabytes=num_bytes / 1e6,
        workers=workers,
        seconds=seconds,
        images_per_second=images / seconds,
        pictures=pictures,
        page_megabytes=page,
        goal_page_below=_GOAL_PAGE_MEGABYTES,
        peak_driver_megabytes=driver,
        goal_driver_below=_GOAL_DRIVER_MEGABYTES,
        peak_worker_megabytes=worker,
        goal_worker_below=_GOAL_WORKER_MEGABYTES,
        met=page < _GOAL_PAGE_MEGABYTES and driver < _GOAL_DRIVER_MEGABYTES and worker < _GOAL_WORKER_MEGABYTES,
    )


def make(folder: Path, out: Path, workers: int) -> tuple[float, int, int, int]:
    """Returns the seconds of a report, its numbers of images and bytes, and the number of its pictures."""
    import ilsvrc_tfds

    start = time.perf_counter()
    found = ilsvrc_tfds.report(folder, out, workers=workers)
    seconds = time.perf_counter() - start
    return seconds, found.images, sum(split.num_bytes for split in found.splits), len(found.samples)


if __name__ == "__main__":
    main()
