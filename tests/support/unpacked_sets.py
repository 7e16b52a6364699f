"""What an unpacked data set holds, and prepared sets of given records."""

from pathlib import Path

import drawing
import tensorflow_datasets as tfds

from ilsvrc_tfds.formats.example import encode_example
from ilsvrc_tfds.formats.tfrecord import frame

BESIDE = {"metadata.h5", "classes.txt", "unpacked.json"}
TENCH, GOLDFISH = drawing.WNIDS[:2]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def images_in(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(folder).items() if name not in BESIDE}


def records(folder, split: str) -> list[dict]:
    decoders = {"image": tfds.decode.SkipDecoding()}
    return list(tfds.as_numpy(tfds.builder_from_directory(folder).as_dataset(split=split, decoders=decoders)))


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def with_records(prepare, *examples: tuple[bytes, bytes, int], split: str = "train") -> Path:
    """Returns a prepared data set with these records in the place of a split's only shard; nothing there says otherwise."""
    folder = prepare(num_shards=1).data_path
    for name in ("manifest.json", "dataset_info.json"):
        Path(folder, name).unlink(missing_ok=True)
    data = b"".join(piece for example in examples for piece in frame(encode_example(*example)))
    Path(folder, f"ilsvrc2012-{split}.tfrecord-00000-of-00001").write_bytes(data)
    return Path(folder)
