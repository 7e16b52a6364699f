"""How fast data sets are prepared from each form in which people have ImageNet, against the official archives; and against
the writers that people use instead.

    python benchmarks/sources.py IMAGES [--gigabytes 4] [--repeats 3] [--only raw256] [--work DIR]

IMAGES is a folder of pictures whose names begin with a wnid, as `n01440764_tench.JPEG`. All forms have the same images, each
picture many times. The sides of a comparison take turns; a side runs in a process of its own that has imported everything
before the clock starts, finds its source in the page cache, and writes to the file system of DIR.
Needs webdataset, and for their sides mosaicml-streaming and litdata; a side whose package is missing is left out.
Prints JSON lines: one for each run, then one for each ratio, the median over the rounds.
"""

import functools
import importlib.metadata
import io
import itertools
import json
import shutil
import statistics
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from archives import write_archives
from prepare import decode_and_encode, prepare
from processes import in_fresh_process, report, with_peaks
from rounds import compare, report_ratio, run_benchmarks, timed

from ilsvrc_tfds import synsets
from ilsvrc_tfds.sources import Reader, find_layout, index_images

# The goal is a share of the speed from the official archives.
GOALS = {
    "classification": {
        **dict.fromkeys(("zip", "webdataset", "tfrecord"), 0.8),
        **dict.fromkeys(("parquet", "large pages", "tar.gz"), 0.35),
    },
    "raw256": {
        **dict.fromkeys(("zip", "webdataset", "tfrecord", "parquet", "large pages"), 0.85),
        "tar.gz": 0.35,
    },
}
_SHARDS = {"train": 16, "val": 2}
_ROWS, _MANY_ROWS = 100, 1 << 20
_SMALL, _LARGE = 4_000, 18_000
# Archives, one form, what a side writes, and a spool.
_ROOM = 4.5


def forms(config: str, pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """One config from each form, against the official archives; then the memory of a worker.

    The forms come one after another, so that the page cache holds both sides of a comparison.
    """
    source = work / "archives"
    files = write_archives(pictures, source, num_bytes)
    for name, goal in GOALS[config].items():
        folders = {name: WRITERS[name](source, work / name), "archives": source}
        sides = {
            side: functools.partial(prepare, own, config=config, num_shards=_SHARDS) for side, own in folders.items()
        }
        benchmark = f"{config} from {name}"
        amount = {"images": len(files)}
        seconds = compare(benchmark, sides, source, repeats, amount, functools.partial(warm_all, folders))
        report_ratio(benchmark, seconds, "archives", goal=goal)
        peak = with_peaks(prepare, folders[name], work / "out", config)
        report(benchmark=benchmark, peak_worker_megabytes=peak.worker / 1e6, goal_below=300)
        for path in (folders[name], work / "out"):
            shutil.rmtree(path)
    shutil.rmtree(source)


def small(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """4,000 pictures to raw256, start of the workers included, against the codec alone on all cores, and one worker."""
    mean = statistics.mean(path.stat().st_size for path in pictures)
    source = work / "small"
    files = write_archives(pictures, source, _SMALL * mean)
    sides = {
        "ilsvrc_tfds": functools.partial(prepare, source, config="raw256", workers=None),
        "codec": functools.partial(decode_and_encode, files),
        "one worker": functools.partial(prepare, source, config="raw256", workers=1),
    }
    seconds = compare("small raw256", sides, source, repeats, {"images": len(files)})
    report_ratio("small raw256", seconds, "codec", goal=0.65)
    report_ratio("small raw256", seconds, "one worker", goal=1)
    shutil.rmtree(source)


def rivals(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """18,000 pictures from folders to shards of the same bytes, start of the workers included, against other writers."""
    mean = statistics.mean(path.stat().st_size for path in pictures)
    archives = work / "archives"
    write_archives(pictures, archives, _LARGE * mean)
    source = work / "folders"
    for name, data, _ in _images(archives):
        path = source / _path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    shutil.rmtree(archives)
    sides: dict[str, Callable] = {"ilsvrc_tfds": functools.partial(prepare, source, workers=None)}
    sides |= {name: functools.partial(write, source) for name, write in RIVALS.items() if _version(name)}
    count = sum(1 for _ in source.rglob("*.JPEG"))
    report(benchmark="rivals", images=count, **{name: _version(name) for name in RIVALS})
    seconds = compare("rivals", sides, source, repeats, {"images": count}, functools.partial(warm_all, {"": source}))
    for name in list(sides)[1:]:
        report_ratio("rivals", seconds, name, goal=3.5)
    shutil.rmtree(source)


BENCHMARKS = {config: functools.partial(forms, config) for config in GOALS} | {"small": small, "rivals": rivals}


def warm_all(folders: dict[str, Path], source: Path, out: Path) -> None:
    """Brings all files into the page cache, after a file as large as what a side writes, twice; see `rounds.warm`."""
    megabytes = 2 * sum(path.stat().st_size for path in source.rglob("*") if path.is_file()) >> 20
    subprocess.run(
        ["dd", "if=/dev/zero", f"of={out / 'room'}", "bs=1M", f"count={megabytes}", "status=none"], check=True
    )
    for folder in folders.values():
        subprocess.run(["find", folder, "-type", "f", "-exec", "cat", "{}", "+"], stdout=subprocess.DEVNULL, check=True)


def _images(archives: Path) -> Iterator[tuple[str, bytes, int]]:
    """Yields the name, the bytes and the label of each image, in the order of the archives."""
    with Reader() as reader:
        for members in index_images(find_layout([archives])).splits.values():
            for row, (name, label) in enumerate(zip(members.name.tolist(), members.label.tolist())):
                yield name.decode(), reader.read(members, row), label


def _path(name: str) -> str:
    return f"train/{name[:9]}/{name}" if name.startswith("n") else f"val/{name}"


def _in_splits(archives: Path) -> Iterator[tuple[str, Iterator[tuple[str, bytes, int]]]]:
    return itertools.groupby(_images(archives), key=lambda image: "train" if image[0].startswith("n") else "validation")


def write_zip(archives: Path, folder: Path) -> Path:
    """Writes Kaggle's tree as a zip of stored entries."""
    folder.mkdir()
    path = folder / "imagenet-object-localization-challenge.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data, _ in _images(archives):
            archive.writestr(f"ILSVRC/Data/CLS-LOC/{_path(name)}", data)
    return folder


def write_webdataset(archives: Path, folder: Path) -> Path:
    """Writes WebDataset shards with timm's names and fields."""
    import webdataset

    folder.mkdir()
    for split, images in _in_splits(archives):
        shard = webdataset.ShardWriter(str(folder / f"imagenet1k-{split}-%04d.tar"), maxcount=1251, verbose=0)
        for name, data, label in images:
            about = json.dumps({"filename": f"{synsets.wnids()[label]}/{name}", "label": label}).encode()
            shard.write({"__key__": name.partition(".")[0], "jpg": data, "cls": str(label).encode(), "json": about})
        shard.close()
    return folder


def write_tfrecord(archives: Path, folder: Path) -> Path:
    """Prepares `classification`, whose records are those of TFDS's imagenet2012."""
    in_fresh_process(functools.partial(prepare, num_shards=_SHARDS), archives, folder)
    return folder / "ilsvrc2012/classification/1.0.0"


def write_parquet(archives: Path, folder: Path, rows_at_once: int = _ROWS) -> Path:
    """Writes parquet files as Hugging Face has them: row groups of 100, snappy, names with the class appended.

    With many rows at once, pages have up to 1,024 images, as pyarrow's defaults make them.
    """
    import pyarrow
    import pyarrow.parquet

    (folder / "data").mkdir(parents=True)
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema([("image", image), ("label", pyarrow.int64())])
    for split, images in _in_splits(archives):
        rows = [
            ({"bytes": data, "path": name.replace(".", f"_{synsets.wnids()[label]}.")}, label)
            for name, data, label in images
        ]
        count = min(_SHARDS[split[:5].replace("valid", "val")], len(rows))
        for shard in range(count):
            path = folder / f"data/{split}-{shard:05d}-of-{count:05d}.parquet"
            with pyarrow.parquet.ParquetWriter(path, schema) as writer:
                own = rows[shard::count]
                for start in range(0, len(own), rows_at_once):
                    columns = map(list, zip(*own[start : start + rows_at_once]))
                    writer.write_table(pyarrow.table(list(columns), schema=schema))
    return folder


def write_tar_gz(archives: Path, folder: Path) -> Path:
    """Writes archives as Hugging Face had them first: gzip'd tars without folders, names with the class appended."""
    folder.mkdir()
    for split, images in _in_splits(archives):
        names = [f"train_images_{k}.tar.gz" for k in range(5)] if split == "train" else ["val_images.tar.gz"]
        own = list(images)
        for k, archive_name in enumerate(names):
            with tarfile.open(folder / archive_name, "w:gz", compresslevel=1) as archive:
                for name, data, label in own[k :: len(names)]:
                    header = tarfile.TarInfo(name.replace(".", f"_{synsets.wnids()[label]}."))
                    header.size = len(data)
                    archive.addfile(header, io.BytesIO(data))
    return folder


WRITERS = {
    "zip": write_zip,
    "webdataset": write_webdataset,
    "tfrecord": write_tfrecord,
    "parquet": write_parquet,
    "large pages": functools.partial(write_parquet, rows_at_once=_MANY_ROWS),
    "tar.gz": write_tar_gz,
}


def _of_folders(source: Path) -> Iterator[tuple[str, bytes, int]]:
    labels = {wnid: label for label, wnid in enumerate(synsets.wnids())}
    for path in sorted(source.rglob("*.JPEG")):
        yield path.stem, path.read_bytes(), labels.get(path.parent.name, 0)


def with_webdataset(source: Path, out: Path) -> float:
    """Returns the seconds of webdataset's ShardWriter, which has no workers."""
    import webdataset

    def write() -> None:
        with webdataset.ShardWriter(str(out / "%06d.tar"), maxsize=2e8, verbose=0) as shards:
            for name, data, label in _of_folders(source):
                shards.write({"__key__": name, "jpg": data, "cls": str(label).encode()})

    return timed(write)


def with_streaming(source: Path, out: Path) -> float:
    """Returns the seconds of MosaicML's MDSWriter, which has no workers."""
    import streaming

    def write() -> None:
        with streaming.MDSWriter(
            out=str(out / "mds"), columns={"name": "str", "jpg": "bytes", "label": "int"}
        ) as shards:
            for name, data, label in _of_folders(source):
                shards.write({"name": name, "jpg": data, "label": label})

    return timed(write)


def with_litdata(source: Path, out: Path) -> float:
    """Returns the seconds of `litdata.optimize` with two workers."""
    import litdata

    paths = [str(path) for path in sorted(source.rglob("*.JPEG"))]
    options = {"num_workers": 2, "chunk_bytes": "200MB", "start_method": "spawn", "reorder_files": False}
    return timed(litdata.optimize, read_sample, paths, output_dir=str(out / "litdata"), **options)


def read_sample(path: str) -> dict:
    """Returns a sample of LitData."""
    return {"name": Path(path).stem, "jpg": Path(path).read_bytes(), "label": 0}


RIVALS = {"webdataset": with_webdataset, "mosaicml-streaming": with_streaming, "litdata": with_litdata}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


if __name__ == "__main__":
    run_benchmarks(__doc__, BENCHMARKS, room=_ROOM)
