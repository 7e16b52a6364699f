"""The miniature data set as a source, and what an index of it must hold."""

import os
import tarfile
from pathlib import Path

import drawing

from ilsvrc_tfds.sources import Index, Members, Reader, find_layout, index_images

IMAGES = drawing.miniature(test=3)
TRAIN = "ILSVRC2012_img_train.tar"


def indexed(source: Path) -> Index:
    return index_images(find_layout([source]))


def labels_of(members: Members) -> dict[str, int]:
    return dict(zip((name.decode() for name in members.name.tolist()), members.label.tolist()))


def bytes_of(members: Members) -> dict[str, bytes]:
    with Reader() as reader:
        return {name.decode(): reader.read(members, row) for row, name in enumerate(members.name.tolist())}


def drawn(images: drawing.Images, split: str) -> dict[str, bytes]:
    if split == "train":
        return {name: data for classes in images.train.values() for name, data in classes.items()}
    return getattr(images, split)


def assert_whole(index: Index, images: drawing.Images = IMAGES, splits: tuple[str, ...] = ("train", "val")) -> None:
    assert tuple(index.splits) == splits
    for split, members in index.splits.items():
        assert len(members) == len(drawn(images, split))
        assert labels_of(members) == images.labels(split)
        assert bytes_of(members) == drawn(images, split)


def write_train_tar(folder: Path, entries, format: int = tarfile.GNU_FORMAT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ILSVRC2012_img_train.tar").write_bytes(drawing.tar(entries, format))
    return folder


def inner_tars(images: drawing.Images = IMAGES, prefix: str = "") -> list[tuple[str, bytes]]:
    return [(f"{prefix}{wnid}.tar", drawing.tar(classes.items())) for wnid, classes in images.train.items()]


def train_images(images: drawing.Images = IMAGES) -> list[tuple[str, bytes]]:
    return [(f"{wnid}/{name}", data) for wnid, classes in images.train.items() for name, data in classes.items()]


def assert_paths_open(index: Index, source: Path) -> None:
    """Joined with the source, the paths are those of the images."""
    for members in index.splits.values():
        read = bytes_of(members)
        for path in members.paths().tolist():
            assert Path(source, os.fsdecode(path)).read_bytes() == read[Path(os.fsdecode(path)).name]
