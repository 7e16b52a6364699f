"""Archives of trees with random damage: an image is read as it is, or refused; nothing else happens, and not slowly."""

import re
import time
from collections.abc import Callable

import drawing
import hostile
import numpy as np
import pytest

from ilsvrc_tfds.errors import ImageError, LabelError, SourceError
from ilsvrc_tfds.sources import Reader, find_layout, index_images

ROOT = "ILSVRC/Data/CLS-LOC"
IMAGES = {
    **{f"train/{wnid}/{wnid}_{k}.JPEG": drawing.jpeg(16, 12, seed=k) for wnid in drawing.WNIDS for k in range(2)},
    **{f"val/ILSVRC2012_val_{k:08d}.JPEG": drawing.jpeg(16, 12, seed=10 + k) for k in (236, 293)},
}
MEMBERS = [*((f"{ROOT}/{name}", data) for name, data in IMAGES.items()), ("readme.txt", b"text")]
SAMPLES = [
    member
    for name, data in IMAGES.items()
    if "train" in name
    for member in ((name[:-5] + ".jpg", data), (name[:-5] + ".cls", name.split("/")[1].encode()))
]
BY_NAME = {name.rpartition("/")[2].encode(): data for name, data in IMAGES.items()}
TIMES = 150

Damage = Callable[[bytes, np.random.Generator], bytes]


def _span(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """Returns where some bytes begin and end; half of the time near the end, where a zip has its directory."""
    first = len(data) // 2 if rng.integers(2) else 0
    start = int(rng.integers(first, len(data)))
    return start, min(len(data), start + int(rng.choice([1, 2, 4, 8, 30, 46, 512, 3000])))


def _overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    return data[:start] + rng.bytes(stop - start) + data[stop:]


def _set(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    return data[:start] + bytes([rng.choice([0, 1, 0x7F, 0x80, 0xFF])]) * (stop - start) + data[stop:]


def _lost(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    return data[:start] + data[stop:]


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _span(data, rng)[0]]


def _twice(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    return data[:stop] + data[start:]


def _swapped(data: bytes, rng: np.random.Generator) -> bytes:
    """Two spans of a length change places, as two directory entries may."""
    size = int(rng.choice([4, 46, 512]))
    one, other = sorted(rng.integers(0, len(data) - size, 2).tolist())
    other = max(one + size, other)
    return (
        data[:one]
        + data[other : other + size]
        + data[one + size : other]
        + data[one : one + size]
        + data[other + size :]
    )


def _led_astray(data: bytes, rng: np.random.Generator) -> bytes:
    """A zip's directory leads to another entry, with or without its sizes and checksum; of a tar, two spans change places."""
    entries = [match.start() for match in re.finditer(rb"PK\x01\x02", data)]
    if not entries:
        return _swapped(data, rng)
    one, other = rng.choice(entries, 2, replace=False).tolist()
    fields = [(16, 28), (42, 46)] if rng.integers(2) else [(42, 46)]
    for begin, end in fields:
        data = data[: one + begin] + data[other + begin : other + end] + data[one + end :]
    return data


DAMAGES: tuple[Damage, ...] = (_overwritten, _set, _lost, _cut, _twice, _swapped, _led_astray)
ZIPS = ("stored", "deflated", "zip64", "streamed", "front")


def outcomes(folder, name: str, data: bytes, mend: Callable = bytes, *, checked: bool, seed: int) -> set[str]:
    """Reads an archive with each of many damages, and returns what happened."""
    rng, path, seen = np.random.default_rng(seed), folder / name, set()
    for number in range(TIMES):
        path.write_bytes(mend(DAMAGES[number % len(DAMAGES)](data, rng)))
        began = time.process_time()
        try:
            splits = index_images(find_layout([folder])).splits
        except (SourceError, LabelError):
            seen.add("archive")
            splits = {}
        with Reader() as reader:
            for members in splits.values():
                for row in range(len(members)):
                    try:
                        image = reader.read(members, row)
                    except (ImageError, SourceError):
                        seen.add("image")
                        continue
                    seen.add("read")
                    stored = members.name[row]
                    assert image == BY_NAME[stored] if checked else len(image) == members.size[row], (number, stored)
        assert time.process_time() - began < 2, number
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("how", ZIPS)
def test_image_of_a_damaged_zip_is_what_it_was_or_is_refused(how, tmp_path):
    data = hostile.zipped(MEMBERS, how)
    name = "imagenet-object-localization-challenge.zip"
    assert outcomes(tmp_path, name, data, checked=True, seed=ZIPS.index(how)) == {"archive", "image", "read"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [drawing.tarfile.GNU_FORMAT, drawing.tarfile.PAX_FORMAT, drawing.tarfile.USTAR_FORMAT])
@pytest.mark.parametrize(
    "name, members",
    [("ILSVRC2017_CLS-LOC.tar", MEMBERS), ("train_240115.tar", MEMBERS[:6]), ("train-0000.tar", SAMPLES)],
)
@pytest.mark.parametrize("mend", [bytes, hostile.mended], ids=["", "mended"])
def test_damaged_tar_is_read_or_refused(kind, name, members, mend, tmp_path):
    data = drawing.tar(members, kind)
    assert outcomes(tmp_path, name, data, mend, checked=False, seed=kind) >= {"archive", "read"}
