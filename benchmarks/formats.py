"""The images of a prepared data set in the formats that other loaders read."""

import functools
from collections.abc import Iterator
from pathlib import Path

from rivals import Records

from ilsvrc_tfds.formats.example_in_place import Picture, parse_payload
from ilsvrc_tfds.formats.framing import HEADER_BYTES
from ilsvrc_tfds.formats.tfrecord import read_records

_LABEL_BYTES = 2


def write_folders(records: Records, folder: Path) -> None:
    """Writes a file for each image, in a folder for each label, as torchvision's ImageFolder reads them."""
    for number, (_, picture, label) in enumerate(_pictures(records)):
        path = folder / f"{label:04d}" / f"{number:07d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture.copy())


def folder_paths(folder: Path) -> list[tuple[str, int]]:
    """Returns path and label of each image of `write_folders`."""
    return [(str(path), int(path.parent.name)) for path in sorted(folder.glob("*/*.jpg"))]


def write_array_record(records: Records, folder: Path) -> None:
    """Writes an ArrayRecord file for each shard, one record in a group, as Grain asks for random access."""
    from array_record.python.array_record_module import ArrayRecordWriter

    folder.mkdir()
    for path in records.paths:
        writer = ArrayRecordWriter(str(folder / (Path(path).name + ".array_record")), "group_size:1,uncompressed")
        for _, picture, label in _pictures(records._replace(paths=[path])):
            writer.write(label.to_bytes(_LABEL_BYTES, "little") + picture.copy())
        writer.close()


def split_label(record: bytes) -> tuple[bytes, int]:
    """Returns the JPEG and the label of a record of `write_array_record`."""
    return record[_LABEL_BYTES:], int.from_bytes(record[:_LABEL_BYTES], "little")


def write_litdata(records: Records, folder: Path) -> None:
    """Writes chunks of LitData, which hold the JPEGs as they are."""
    import litdata

    folder.mkdir()
    options = {"chunk_bytes": "64MB", "num_workers": 2, "start_method": "spawn", "reorder_files": False}
    sample = functools.partial(_litdata_sample, records)
    litdata.optimize(sample, records.paths, output_dir=str(folder / "chunks"), verbose=False, **options)


def _litdata_sample(records: Records, path: str) -> Iterator[dict]:
    from litdata.types import Jpeg

    for _, picture, label in _pictures(records._replace(paths=[path])):
        yield {"image": Jpeg(bytes=picture.copy(), max_quality=None), "label": label}


def write_positions(records: Records, folder: Path) -> None:
    """Writes the text file `positions` that limit.c reads: path of each shard, then offset, size and label of each JPEG in it."""
    folder.mkdir()
    with open(folder / "positions", "w") as file:
        shard = None
        for (path, offset), picture, label in _pictures(records):
            if path != shard:
                shard = path
                file.write(f"{path}\n")
            file.write(f"{offset + HEADER_BYTES + picture.start} {picture.stop - picture.start} {label}\n")


def _pictures(records: Records) -> Iterator[tuple[tuple[str, int], Picture, int]]:
    """Yields place of the record, image and label, in the order of the shards."""
    for path in records.paths:
        for record in read_records(path):
            features, picture = parse_payload(record.payload, "image", path)
            yield (path, record.offset), picture, features["label"][0]
