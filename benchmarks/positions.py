"""What it costs to begin in the middle of an epoch, and how many bytes a subset reads.

    python benchmarks/positions.py IMAGES [--gigabytes 4] [--repeats 3] [--only subset] [--work DIR]

IMAGES are those of `prepare.py`, prepared first. A side runs in a process of its own, on 2 cores, and finds the shards in the page
cache. Prints JSON lines: one for each run, then one for each ratio, the median over the rounds.
"""

import os
import shutil
import statistics
from pathlib import Path

from pipeline import drop, prepare_records
from processes import BusyClock, in_fresh_process, report
from rivals import BATCH_SIZE, CORES, Records
from rounds import run_benchmarks, timed, warm

_ROOM = 3
_PERCENT = 0.01


def start_step(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """What it costs to begin late in an epoch, of what the batches before cost."""
    records, shares = prepare_records(pictures, work, num_bytes), []
    step = records.epoch * 9 // 10
    for number in range(repeats):
        (out := work / "out").mkdir()
        warm(records.folder, out)
        shutil.rmtree(out)
        clock = BusyClock()
        first, late, before = in_fresh_process(start_late, records, step)
        shares.append((late - first) / before)
        seconds = {"seconds_to_first_batch": first, "seconds_to_batch": late, "seconds_of_batches_before": before}
        report(benchmark="start_step", run=number + 1, step=step, **seconds, cores_of_others=clock.cores_of_others())
    share = statistics.median(shares)
    report(
        benchmark="start_step", extra_cost=share, rounds=[round(s, 3) for s in shares], goal_below=0.1, met=share < 0.1
    )
    shutil.rmtree(work / "classification")


def subset(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Bytes read for one class of a hundred, and for 1 % of each class (one image at least), of those that all images take."""
    records = prepare_records(pictures, work, num_bytes)
    wnids = sorted({path.name.partition("_")[0] for path in pictures})
    subsets = {
        "classes": {"classes": wnids[: max(1, round(len(wnids) * _PERCENT))]},
        "fraction": {"fraction": _PERCENT},
    }
    for name, options in subsets.items():
        (images, read), (all_images, all_read) = in_fresh_process(read_subset, records, options)
        share = read / all_read
        amount = {
            "images": images,
            "share_of_images": images / all_images,
            "megabytes": read / 1e6,
            "share_of_bytes": share,
        }
        report(benchmark="subset", subset=name, **amount, goal_below=0.03, met=share < 0.03)
    shutil.rmtree(work / "classification")


BENCHMARKS = {"start_step": start_step, "subset": subset}


def start_late(records: Records, step: int) -> tuple[float, float, float]:
    """Returns the seconds to the first batch of an epoch, to batch `step` without those before, and of those before."""
    from ilsvrc_tfds import pipeline

    def take(first: int, count: int) -> None:
        options = {"batch_size": BATCH_SIZE, "shuffle_buffer": records.buffer, "start_step": first}
        drop(iter(pipeline.for_training(records.folder, **options)), count)

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    take(0, 1)  # TensorFlow gets ready
    return timed(take, 0, 1), timed(take, step, 1), timed(take, 0, step)


def read_subset(records: Records, options: dict) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns the images of a subset and the bytes read for them, and the same of all images (Linux)."""
    from ilsvrc_tfds import pipeline

    def read(**options) -> tuple[int, int]:
        start = _bytes_read()
        data = pipeline.for_training(
            records.folder, batch_size=BATCH_SIZE, ops=(), epochs=1, shuffle_buffer=1, drop_remainder=False, **options
        )
        return sum(len(labels) for _, labels in data), _bytes_read() - start

    read(per_class=1)  # modules are loaded
    return read(**options), read()


def _bytes_read() -> int:
    """Returns the bytes that this process has read, from the page cache or the disk."""
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])


if __name__ == "__main__":
    run_benchmarks(__doc__, BENCHMARKS, room=_ROOM)
