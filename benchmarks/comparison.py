"""Tries what docs/comparison.md says of other packages, on the demo's drawings.

    python benchmarks/comparison.py [--work DIR]

Prints a line of JSON for each trial: the package, its version, what was tried, and what happened. A package that is not installed
is named as such. The trials need no network.
"""

import argparse
import hashlib
import importlib.metadata
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from processes import in_fresh_process

from ilsvrc_tfds import synsets
from ilsvrc_tfds.sources import demo

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"


def labels_of_tfds(archives: Path, work: Path) -> dict:
    """Gives TFDS a validation archive that lacks one image of 1,000, and counts the labels that are wrong."""
    import tensorflow_datasets as tfds

    names = [f"ILSVRC2012_val_{k + 1:08d}.JPEG" for k in range(1000)]
    with tarfile.open(archives / VAL) as archive:
        picture = archive.extractfile(archive.getmembers()[0]).read()
    _write_tar(work / "manual" / VAL, {name: picture for k, name in enumerate(names) if k != 99})
    data = _prepared_by_tfds(tfds, work, split="validation")
    truth = [synsets.validation_labels()[synsets.validation_number(one["file_name"]) - 1] for one in data]
    wrong = sum(bool(one["label"] != label) for one, label in zip(data, truth, strict=True))
    return {"images": len(data), "wrong_labels": wrong}


def damage_and_tfds(archives: Path, work: Path) -> dict:
    """Gives TFDS a train archive with one image that ends early."""
    import tensorflow_datasets as tfds

    with tarfile.open(archives / TRAIN) as outer:
        inner = outer.extractfile(outer.getmembers()[0]).read()
        wnid = outer.getmembers()[0].name[:9]
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        images = {one.name: archive.extractfile(one).read() for one in archive.getmembers()[:20]}
    name = sorted(images)[5]
    images[name] = images[name][: len(images[name]) // 2]
    buffer = io.BytesIO()
    _fill_tar(buffer, images)
    _write_tar(work / "manual" / TRAIN, {f"{wnid}.tar": buffer.getvalue()})
    shutil.copy(archives / VAL, work / "manual")
    records = _prepared_by_tfds(tfds, work, split="train", decoders={"image": tfds.decode.SkipDecoding()})
    stored = {one["file_name"].decode(): one["image"] for one in records}
    return {"images": len(stored), "damaged_image_is_stored": stored[name] == images[name]}


def killed_tfds(archives: Path, work: Path) -> dict:
    """Kills TFDS's preparation, starts it again, and looks whether what the first run left was used."""
    import tensorflow_datasets as tfds

    (work / "manual").mkdir(parents=True)
    for name in TRAIN, VAL:
        shutil.copy(archives / name, work / "manual")
    code = (
        f"import comparison, tensorflow_datasets as t; comparison._prepared_by_tfds(t, comparison.Path({str(work)!r}))"
    )
    left = _killed(code, lambda: list((work / "data").rglob("*incomplete*/*")))
    before = {path: path.stat().st_mtime_ns for path in left}
    _prepared_by_tfds(tfds, work)
    return {
        "left_unused": bool(before)
        and all(path.exists() and path.stat().st_mtime_ns == then for path, then in before.items())
    }


def killed_torchvision(archives: Path, work: Path) -> dict:
    """Kills torchvision while it unpacks the archive, and starts it again. It is told the demo's checksum."""
    work.mkdir(parents=True)
    shutil.copy(archives / TRAIN, work)
    _teach_torchvision(work)
    code = f"import comparison; comparison._with_torchvision(comparison.Path({str(work)!r}))"
    _killed(code, lambda: list(work.glob("train/n*/*.JPEG")))
    try:
        return {"images": len(_with_torchvision(work)), "of": 480}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def damage_and_datasets(archives: Path, work: Path) -> dict:
    """Gives the folder loader of `datasets` an image that ends early."""
    import datasets

    damaged = _unpack_train(archives, work / "train")
    data = datasets.load_dataset("imagefolder", data_dir=str(work), split="train", cache_dir=str(work / "cache"))
    paths = [one["path"] for one in data.cast_column("image", datasets.Image(decode=False))["image"]]
    return {"images": len(data), "damaged_image_is_listed": str(damaged) in paths}


def damage_and_webdataset(archives: Path, work: Path) -> dict:
    """Writes an image that ends early with ShardWriter, as its bytes."""
    import webdataset

    damaged = _unpack_train(archives, work / "train")
    paths = sorted((work / "train").rglob("*.JPEG"))
    with webdataset.ShardWriter(str(work / "out-%06d.tar"), maxcount=10**6, verbose=0) as writer:
        for path in paths:
            writer.write({"__key__": path.stem, "jpg": path.read_bytes(), "cls": 0})
    (sample,) = (
        one
        for one in webdataset.WebDataset(str(work / "out-000000.tar"), shardshuffle=False)
        if one["__key__"] == damaged.stem
    )
    return {"images": len(paths), "damaged_image_is_stored": sample["jpg"] == damaged.read_bytes()}


def damage_and_litdata(archives: Path, work: Path) -> dict:
    """Writes an image that ends early with litdata.optimize, and reads it."""
    import litdata

    damaged = _unpack_train(archives, work / "train")
    paths = [str(path) for path in sorted((work / "train").rglob("*.JPEG"))]
    litdata.optimize(
        _litdata_sample, paths, output_dir=str(work / "out"), num_workers=1, chunk_bytes="64MB", verbose=False
    )
    data = litdata.StreamingDataset(str(work / "out"))
    try:
        data[paths.index(str(damaged))]
    except RuntimeError as error:
        return {"images": len(data), "error_when_it_is_read": f"{error}".splitlines()[0][-80:]}
    return {"images": len(data)}


def _litdata_sample(path: str) -> dict:
    from PIL import Image

    return {"image": Image.open(path), "label": 0}


TRIALS: dict[Callable[[Path, Path], dict], str] = {
    labels_of_tfds: "tensorflow-datasets",
    damage_and_tfds: "tensorflow-datasets",
    killed_tfds: "tensorflow-datasets",
    killed_torchvision: "torchvision",
    damage_and_datasets: "datasets",
    damage_and_webdataset: "webdataset",
    damage_and_litdata: "litdata",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="folder for the trials, emptied again (default: the system's)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ilsvrc-tfds-comparison-", dir=arguments.work) as work:
        archives = demo.draw(Path(work, "archives"))
        for trial, package in TRIALS.items():
            said = {"package": package, "tried": trial.__doc__.strip()}
            try:
                said["version"] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                said["result"] = "not installed"
            else:
                # Each in a process of its own: TensorFlow and PyTorch do not always share one.
                said["result"] = in_fresh_process(trial, archives, Path(work, trial.__name__))
            print(json.dumps(said), flush=True)


def _prepared_by_tfds(tfds, work: Path, **options) -> list:
    """Returns the examples of `imagenet2012`, made of the archives in `manual`."""
    builder = tfds.builder("imagenet2012", data_dir=work / "data")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=work / "manual"))
    return list(tfds.as_numpy(builder.as_dataset(**options))) if options else []


def _teach_torchvision(work: Path) -> None:
    """Writes torchvision's table of classes, which it otherwise reads from the development kit."""
    import torch

    wnids = synsets.wnids()
    torch.save(({wnid: (wnid,) for wnid in wnids}, [wnids[k] for k in synsets.validation_labels()]), work / "meta.bin")


def _with_torchvision(work: Path):
    from torchvision.datasets import imagenet

    imagenet.ARCHIVE_META["train"] = TRAIN, hashlib.md5((work / TRAIN).read_bytes()).hexdigest()
    return imagenet.ImageNet(work, "train")


def _killed(code: str, begun: Callable[[], list[Path]]) -> list[Path]:
    """Runs Python code in a process, kills it as soon as it has begun, and returns the files that it left."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not begun():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    if process.wait() != -signal.SIGKILL:
        raise RuntimeError("The process ended before it was killed.")
    return begun()


def _unpack_train(archives: Path, folder: Path) -> Path:
    """Unpacks some images of two classes. Returns the last one, which is cut in half."""
    with tarfile.open(archives / TRAIN) as outer:
        for member in outer.getmembers()[:2]:
            with tarfile.open(fileobj=outer.extractfile(member)) as inner:
                for one in inner.getmembers()[1:20]:
                    path = folder / member.name[:9] / one.name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(inner.extractfile(one).read())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _write_tar(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        _fill_tar(file, members)


def _fill_tar(file: io.BufferedIOBase, members: dict[str, bytes]) -> None:
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))


if __name__ == "__main__":
    main()
