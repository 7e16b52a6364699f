"""Writes the files of a source that has a fault."""

from pathlib import Path

import drawing

from ilsvrc_tfds.sources import Index, Reader, find_layout, index_images

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
PICTURE = drawing.jpeg(20, 20)
VAL_1 = "ILSVRC2012_val_00000001.JPEG"


def indexed(source: Path) -> Index:
    return index_images(find_layout([source]))


def write(folder: Path, name: str, data: bytes = PICTURE) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def labels_of(index: Index, split: str) -> dict[str, int]:
    members = index.splits[split]
    return dict(zip((name.decode() for name in members.name.tolist()), members.label.tolist()))


def read_all(index: Index) -> None:
    with Reader() as reader:
        for members in index.splits.values():
            for row in range(len(members)):
                reader.read(members, row)


def write_train(folder: Path, entries) -> Path:
    return write(folder, TRAIN, drawing.tar(entries))


def write_val(folder: Path, *names: str) -> Path:
    return write(folder, VAL, drawing.tar([(name, PICTURE) for name in names]))
