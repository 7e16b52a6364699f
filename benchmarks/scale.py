"""What 1,281,167 + 50,000 images cost apart from their bytes: seconds of index and plan, memory, the size of the metadata.

    python benchmarks/scale.py [--images 1331167] [--engines local beam dask] [--forms zip parquet] [--work DIR]

Makes archives in the official layout with as many images in as many classes as the real ones, and names like theirs; each
image is the same JPEG of 8 x 8 pixels. 1.4 GB of archives, 0.5 GB of output for each engine, all removed. With --forms the same
images are also prepared from other forms of source, which take minutes to write. Beam's FnApiRunner and
Dask's LocalCluster start their processes on this machine, as many as the local runner. Prints JSON lines.
"""

import argparse
import io
import shutil
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from processes import in_fresh_process, report, with_peaks
from sources import WRITERS

from ilsvrc_tfds import synsets

WORKERS = 2
# As at full size; the rule on these bytes would give a handful.
NUM_SHARDS = {"train": 1024, "val": 64}
OFFICIAL = synsets.OFFICIAL_COUNTS["train"] + synsets.NUM_VALIDATION
# Each made where the package is loaded, in a process of its own.
_ENGINES = {
    "local": lambda package: None,
    "beam": lambda package: package.BeamRunner(
        f"--direct_running_mode=multi_processing --direct_num_workers={WORKERS}"
    ),
    "dask": lambda package: package.DaskRunner(workers=WORKERS),
}
# Beam's and Dask's workers load these, and what they need.
_WORKER_MEGABYTES = {"local": 150, "beam": 400, "dask": 300}
_FORM_WORKER_MEGABYTES = 300
_TRAIN, _VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=OFFICIAL, help="in all, at least 2000 (default: %(default)s)")
    names = list(_ENGINES)
    parser.add_argument("--engines", nargs="+", choices=names, default=names, help="what prepares (default: all)")
    parser.add_argument("--forms", nargs="+", choices=list(WRITERS), default=[], help="other sources (default: none)")
    parser.add_argument(
        "--work", type=Path, help="folder for archives and outputs, emptied again (default: the system's)"
    )
    arguments = parser.parse_args()
    if not 2000 <= arguments.images <= OFFICIAL:
        parser.error(f"--images must be in [2000, {OFFICIAL}], got {arguments.images}")
    with tempfile.TemporaryDirectory(prefix="ilsvrc-tfds-scale-", dir=arguments.work) as work:
        source = Path(work, "source")
        start = time.perf_counter()
        num_images = write_archives(source, arguments.images / OFFICIAL)
        archives = sum(path.stat().st_size for path in source.iterdir())
        report(step="archives", images=num_images, megabytes=archives / 1e6, seconds=time.perf_counter() - start)
        shards = {split: max(1, count * num_images // OFFICIAL) for split, count in NUM_SHARDS.items()}
        for line in in_fresh_process(index_and_plan, source, shards, Path(work, "metadata.h5")):
            report(**line)
        for engine in arguments.engines:
            _report_peaks(source, Path(work, engine), num_images, shards, engine, "archives")
        for form in arguments.forms:
            own = in_fresh_process(WRITERS[form], source, Path(work, "form"))
            _report_peaks(own, Path(work, "out"), num_images, shards, "local", form)
            shutil.rmtree(Path(work, "form"))
            shutil.rmtree(Path(work, "out"))


def _report_peaks(source: Path, out: Path, num_images: int, shards: dict[str, int], engine: str, form: str) -> None:
    """Prepares `classification` and reports its speed and the peaks of memory."""
    most = _WORKER_MEGABYTES[engine] if form == "archives" else _FORM_WORKER_MEGABYTES
    peaks = with_peaks(prepare, source, out, shards, engine)
    report(
        step="prepare classification",
        form=form,
        engine=engine,
        seconds=peaks.result,
        images_per_second=num_images / peaks.result,
        shards=sum(shards.values()),
        peak_driver_megabytes=peaks.driver / 1e6,
        goal_driver_below=1000,
        peak_worker_megabytes=peaks.worker / 1e6,
        goal_worker_below=most,
        met=peaks.driver < 1e9 and peaks.worker < most * 1e6,
    )


def write_archives(folder: Path, share: float) -> int:
    """Writes both archives with a share of the official number of images; returns the number."""
    folder.mkdir()
    rng, block = np.random.default_rng(2012), _image_block()
    counts = np.maximum(1, (rng.permutation(class_sizes()) * share).round().astype(int))
    with open(folder / _TRAIN, "wb") as file:
        for wnid, count in zip(synsets.wnids(), counts.tolist()):
            inner = _archive(_train_names(wnid, count, rng), block)
            file.write(_header(f"{wnid}.tar", len(inner)) + inner)  # an archive's size is a multiple of a block's
        file.write(bytes(2 * tarfile.BLOCKSIZE))
    num_val = round(synsets.NUM_VALIDATION * share)
    names = [b"ILSVRC2012_val_%08d.JPEG" % number for number in range(1, num_val + 1)]
    (folder / _VAL).write_bytes(_archive(names, block))
    return int(counts.sum()) + num_val


def class_sizes() -> np.ndarray:
    """Returns sizes of the 1000 train classes as the official ones are: 895 of 1300, the smallest 732, 1,281,167 in all."""
    sizes = np.full(synsets.NUM_CLASSES, 1300)
    # An exponent that leaves a few images to hand out one by one.
    sizes[:105] = 732 + 567 * np.linspace(0, 1, 105) ** 0.454
    missing = synsets.OFFICIAL_COUNTS["train"] - sizes.sum()
    sizes[1 : 1 + missing] += 1
    return sizes


def index_and_plan(source: Path, shards: dict[str, int], path: Path) -> list[dict]:
    """Returns the report of what goes before the first shard, and of the metadata."""
    import h5py  # noqa: F401

    from ilsvrc_tfds.formats import hdf5
    from ilsvrc_tfds.runners import LocalRunner
    from ilsvrc_tfds.shards.plan import plan_split
    from ilsvrc_tfds.sources.find import find_images

    lines, clock = [], _Clock()
    with LocalRunner(WORKERS) as runner:
        index = find_images([source], runner)
    num_images = sum(len(members) for members in index.splits.values())
    columns = [
        getattr(members, name)
        for members in index.splits.values()
        for name in ("name", "label", "container", "offset", "size")
    ]
    num_bytes = sum(column.nbytes for column in columns)
    lines.append(
        {"step": "index", "seconds": clock.lap(), "images": num_images, "bytes_per_image": num_bytes / num_images}
    )
    plans = [plan_split(members, num_shards=shards[split]) for split, members in index.splits.items()]
    lines.append({"step": "plan", "seconds": clock.lap()})
    hdf5.write(path, [plan.planned_members() for plan in plans])
    size = path.stat().st_size
    lines.append(
        {
            "step": "write metadata",
            "seconds": clock.lap(),
            "bytes": size,
            "goal_at_most": 6_800_000,
            "met": size <= 6_800_000,
        }
    )
    hdf5.read(path)
    lines.append({"step": "read metadata", "seconds": clock.lap()})
    return lines


def prepare(source: Path, out: Path, shards: dict[str, int], engine: str) -> float:
    """Returns the seconds of `ilsvrc_tfds.prepare`, with those in which the engine starts."""
    import ilsvrc_tfds

    clock = _Clock()
    runner = _ENGINES[engine](ilsvrc_tfds)
    ilsvrc_tfds.prepare(source, out, workers=WORKERS, runner=runner, num_shards=shards, allow_incomplete=True)
    return clock.lap()


class _Clock:
    def __init__(self):
        self._start = time.perf_counter()

    def lap(self) -> float:
        """Returns the seconds since the last lap."""
        start, self._start = self._start, time.perf_counter()
        return self._start - start


def _train_names(wnid: str, count: int, rng: np.random.Generator) -> list[bytes]:
    """Returns names with the gaps that the official ones have, in their order: that of text."""
    highest = int(rng.integers(2 * count, 20 * count))  # The official numbers go up to some 30,000.
    numbers = rng.choice(highest, count, replace=False) + 1
    return sorted(f"{wnid}_{number}.JPEG".encode() for number in numbers.tolist())


def _archive(names: list[bytes], block: bytes) -> bytes:
    """Returns a tar of images that are all the same, its headers made at once: `tarfile` takes 30 us for each."""
    names = np.array(names, "S100")
    headers = np.tile(np.frombuffer(_header("", len(block.rstrip(b"\0"))), np.uint8), (len(names), 1))
    headers[:, :100] = names.view(np.uint8).reshape(-1, 100)
    headers[:, 148:156] = ord(" ")
    checksums = headers.sum(axis=1)
    for digit in range(6):
        headers[:, 153 - digit] = ord("0") + (checksums >> 3 * digit & 7)
    headers[:, 154] = 0
    data = np.frombuffer(block, np.uint8)
    return np.hstack([headers, np.broadcast_to(data, (len(names), len(data)))]).tobytes() + bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, size: int) -> bytes:
    header = tarfile.TarInfo(name)
    header.size = size
    return header.tobuf(tarfile.USTAR_FORMAT)


def _image_block() -> bytes:
    """Returns a JPEG, padded to a tar's block."""
    file = io.BytesIO()
    Image.new("L", (8, 8), 128).save(file, "JPEG")
    return file.getvalue().ljust(tarfile.BLOCKSIZE, b"\0")


if __name__ == "__main__":
    main()
