"""The training batches of `pipeline.py` as other loaders make them, each from its own format and with its usual decoder.

All make a random crop of area 0.08..1 and aspect 3/4..4/3, resize it to 224, bilinear without antialiasing as ours does, flip it, and
batch 128 of them with their labels, shuffled, as uint8 on the processor. All but DALI decode whole images.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import math
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from formats import folder_paths, split_label, write_array_record, write_folders, write_litdata
from rivals import BATCH_SIZE, CORES, SIZE, Records, train_with_dali

from ilsvrc_tfds.outputs.index import index_records

_AREA = 0.08, 1.0
_ASPECT = 3 / 4, 4 / 3


class Peer(NamedTuple):
    """Another loader.

    Attributes:
      packages: Distributions that it needs, of which the first one installed gives its version.
      probe: Function that raises if the loader does not work here.
      write: Function of Records and a folder that writes its format into the folder.
      batches: Function of this folder and Records that returns its batches.
    """

    packages: tuple[str, ...]
    probe: Callable[[], object]
    write: Callable[[Records, Path], object]
    batches: Callable[[Path, Records], Iterable]


def version(peer: Peer) -> str:
    """Returns the version of the first of the peer's packages that is installed, or an empty string."""
    for package in peer.packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)
    return ""


def fault(peer: Peer) -> str:
    """Returns why a peer does not work here, or an empty string. To be called in a process of its own."""
    try:
        peer.probe()
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    return ""


def write_dali_index(records: Records, folder: Path) -> None:
    """Writes an index beside each shard: DALI reads our shards."""
    folder.mkdir()
    index_records(records.folder)


def train_with_dali_pipeline(folder: Path, records: Records) -> Iterator:
    """Yields batches of DALI's pipeline mode, whose decoder decodes the crop alone."""
    return train_with_dali(records)


def train_with_dynamic_dali(folder: Path, records: Records) -> Iterator:
    """Yields batches of DALI's dynamic mode with the same operations; it captures them after the first batch and prefetches."""
    import nvidia.dali.experimental.dynamic as ndd
    from nvidia.dali import tfrecord as tfrec
    from nvidia.dali import types

    from ilsvrc_tfds.formats.record_index import PREFIX

    ndd.set_num_threads(CORES)
    reader = ndd.readers.TFRecord(
        path=records.paths,
        index_path=[str(Path(path).with_name(PREFIX + Path(path).name)) for path in records.paths],
        features={
            "image": tfrec.FixedLenFeature((), tfrec.string, ""),
            "label": tfrec.FixedLenFeature((), tfrec.int64, -1),
        },
        random_shuffle=True,
        initial_fill=records.buffer,
    )
    options = {"random_area": _AREA, "random_aspect_ratio": _ASPECT, "num_attempts": 100}
    for record in reader.next_epoch(batch_size=BATCH_SIZE, capture=True):
        image = ndd.decoders.image_random_crop(record["image"], device="cpu", **options)
        image = ndd.resize(image, size=[SIZE, SIZE], interp_type=types.INTERP_LINEAR, antialias=False)
        image = ndd.flip(image, horizontal=ndd.random.coin_flip(batch_size=BATCH_SIZE))
        yield image.evaluate(), record["label"]


def train_with_spdl(folder: Path, records: Records) -> Iterator:
    """Yields batches of SPDL with its own decoder, FFmpeg, in two threads."""
    return _spdl_batches(folder, _spdl_batch)


def train_with_spdl_and_simplejpeg(folder: Path, records: Records) -> Iterator:
    """Yields batches of SPDL's pipeline of threads with simplejpeg and Pillow in them."""
    return _spdl_batches(folder, _simplejpeg_batch)


def _spdl_batches(folder: Path, batch: Callable) -> Iterator:
    from spdl.pipeline import PipelineBuilder

    images = folder_paths(folder)
    random.shuffle(images)
    builder = PipelineBuilder().add_source(images).aggregate(BATCH_SIZE, drop_last=True)
    pipeline = builder.pipe(batch, concurrency=CORES).add_sink(2).build(num_threads=CORES)
    with pipeline.auto_stop():
        yield from pipeline


def _spdl_batch(images: list[tuple[str, int]]):
    import spdl.io

    frames = []
    for path, _ in images:
        packets = spdl.io.demux_image(path)
        frames.append(spdl.io.decode_packets(packets, spdl.io.get_filter_desc(packets, filter_desc=_ffmpeg_crop())))
    return spdl.io.to_numpy(spdl.io.convert_frames(frames)), np.array([label for _, label in images])


def _ffmpeg_crop() -> str:
    """Returns FFmpeg's filters for a crop, which clips what is too wide or too high instead of drawing anew."""
    area, ratio = random.uniform(*_AREA), math.exp(random.uniform(*map(math.log, _ASPECT)))
    sides = f"w='min(iw,sqrt(iw*ih*{area * ratio}))':h='min(ih,sqrt(iw*ih*{area / ratio}))'"
    flip = ",hflip" if random.random() < 0.5 else ""
    place = f"x='(iw-ow)*{random.random()}':y='(ih-oh)*{random.random()}'"
    return f"crop={sides}:{place},scale={SIZE}:{SIZE}:flags=bilinear{flip}"


def _simplejpeg_batch(images: list[tuple[str, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([crop(Path(path).read_bytes()) for path, _ in images]), np.array([label for _, label in images])


def crop(data: bytes) -> np.ndarray:
    """Returns a random crop of a JPEG, uint8 [SIZE, SIZE, 3]: simplejpeg decodes, Pillow crops, resizes and flips in one step."""
    import PIL.Image
    import simplejpeg

    image = PIL.Image.fromarray(simplejpeg.decode_jpeg(data, "RGB", strict=False))
    left, top, right, bottom = _draw_window(*image.size)
    if random.random() < 0.5:
        left, right = right, left
    size, bilinear = (SIZE, SIZE), PIL.Image.Resampling.BILINEAR
    return np.asarray(image.transform(size, PIL.Image.Transform.EXTENT, (left, top, right, bottom), bilinear))


def _draw_window(width: int, height: int) -> tuple[int, int, int, int]:
    """Returns the edges of a crop as torchvision draws it."""
    for _ in range(10):
        area, ratio = width * height * random.uniform(*_AREA), math.exp(random.uniform(*map(math.log, _ASPECT)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = random.randint(0, width - w), random.randint(0, height - h)
            return left, top, left + w, top + h
    return 0, 0, width, height


def train_with_grain(folder: Path, records: Records) -> Iterator:
    """Yields batches of Grain from ArrayRecord in two processes, with simplejpeg and Pillow in them."""
    import absl.flags
    import grain

    absl.flags.FLAGS.mark_as_parsed()  # Grain's processes read them
    source = grain.sources.ArrayRecordDataSource([str(path) for path in sorted(folder.iterdir())])
    data = grain.MapDataset.source(source).shuffle(seed=0).map(_grain_example).to_iter_dataset()
    data = data.batch(BATCH_SIZE, drop_remainder=True)
    return iter(data.mp_prefetch(grain.MultiprocessingOptions(num_workers=CORES)))


def _grain_example(record: bytes) -> tuple[np.ndarray, int]:
    data, label = split_label(record)
    return crop(data), label


def train_with_torchvision(folder: Path, records: Records) -> Iterable:
    """Returns batches of torchvision v2 from ImageFolder, with simplejpeg, in two workers."""
    import torch
    from torchvision.datasets import ImageFolder

    images = ImageFolder(str(folder), _torch_transform(), loader=_load_tensor)
    options = {"shuffle": True, "num_workers": CORES, "drop_last": True}
    return torch.utils.data.DataLoader(images, BATCH_SIZE, **options)


def _load_tensor(path: str):
    import simplejpeg
    import torch

    image = simplejpeg.decode_jpeg(Path(path).read_bytes(), "RGB", strict=False)
    return torch.from_numpy(image).permute(2, 0, 1)


def _torch_transform() -> Callable:
    from torchvision.transforms import v2

    return v2.Compose([v2.RandomResizedCrop(SIZE, _AREA, _ASPECT, antialias=False), v2.RandomHorizontalFlip()])


def train_with_litdata(folder: Path, records: Records) -> Iterable:
    """Returns batches of LitData, which decodes with torchvision, in two workers."""
    import litdata

    transform = _torch_transform()
    data = litdata.StreamingDataset(str(folder / "chunks"), shuffle=True, drop_last=True, transform=_OfImage(transform))
    return litdata.StreamingDataLoader(data, batch_size=BATCH_SIZE, num_workers=CORES)


class _OfImage:
    """A transform of a sample's image."""

    def __init__(self, transform: Callable):
        self.transform = transform

    def __call__(self, sample: dict) -> tuple:
        return self.transform(sample["image"]), sample["label"]


def _probe_spdl() -> None:
    import spdl.io

    spdl.io.decode_config()  # loads FFmpeg's libraries


def _importing(module: str) -> Callable[[], object]:
    return functools.partial(importlib.import_module, module)


_DALI = ("nvidia-dali-cuda130", "nvidia-dali-cuda120")
PEERS = {
    "dali": Peer(_DALI, _importing("nvidia.dali"), write_dali_index, train_with_dali_pipeline),
    "dali dynamic": Peer(
        _DALI, _importing("nvidia.dali.experimental.dynamic"), write_dali_index, train_with_dynamic_dali
    ),
    "spdl": Peer(("spdl_io",), _probe_spdl, write_folders, train_with_spdl),
    "spdl + simplejpeg": Peer(
        ("spdl_core",), _importing("spdl.pipeline"), write_folders, train_with_spdl_and_simplejpeg
    ),
    "grain + simplejpeg": Peer(("grain",), _importing("grain"), write_array_record, train_with_grain),
    "torchvision + simplejpeg": Peer(
        ("torchvision",), _importing("torchvision"), write_folders, train_with_torchvision
    ),
    "litdata": Peer(("litdata",), _importing("litdata"), write_litdata, train_with_litdata),
}
