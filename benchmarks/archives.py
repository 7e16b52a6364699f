"""Archives in the official layout, made of a few real pictures, each many times."""

import io
import itertools
import statistics
import tarfile
from pathlib import Path

import numpy as np

from ilsvrc_tfds.sources import find_layout, index_images
from ilsvrc_tfds.sources.reader import read_images

ARCHIVES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar")
# One validation image for so many train images, as in the original.
_TRAIN_PER_VAL = 25


def pictures_in(images: Path, folder: Path, most: int) -> list[Path]:
    """Returns the pictures in a folder, sorted; or some train images of ImageNet, which are written as files first.

    Args:
      images: folder of pictures whose names begin with a wnid, or ImageNet in any layout that `prepare` takes.
      folder: for the images of ImageNet; it is made.
      most: number of images to take from ImageNet, evenly.
    """
    if pictures := sorted(path for path in images.glob("n*_*") if path.is_file()):
        return pictures
    train = index_images(find_layout([images], ["train"]).only(["train"])).splits["train"]
    rows = np.argsort(train.name)[np.unique(np.linspace(0, len(train) - 1, most).astype(int))]
    folder.mkdir()
    for _, (name, data) in read_images(train.take(rows), lambda name, data, label: (name, data)):
        (folder / name.decode()).write_bytes(data)
    return sorted(folder.iterdir())


def write_archives(pictures: list[Path], folder: Path, num_bytes: float) -> list[Path]:
    """Writes archives of so many bytes, about, in the official layout; returns the picture behind each image.

    Args:
      pictures: files whose names begin with a wnid.
      folder: for the archives; it is made.
      num_bytes: of both archives.
    """
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


def _wnid(path: Path) -> str:
    return path.name.partition("_")[0]


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(data)
    archive.addfile(header, io.BytesIO(data))
