"""What is read of files that nobody vouches for, as functions of their bytes: for test_hostile.py and fuzz.py.

Each target returns, or raises one of our own errors; anything else is a bug.
"""

import contextlib
import dataclasses
import functools
import gzip
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import drawing
import hostile_pages
import pyarrow
import pyarrow.parquet

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, NotFoundError, SourceError
from ilsvrc_tfds.formats import folder as outputs
from ilsvrc_tfds.formats import hdf5, manifest, tfrecord
from ilsvrc_tfds.formats.example import encode_example
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.kinds import CLASSIC, KINDS, TFDS
from ilsvrc_tfds.images import MAX_PIXELS, Original, Resized, look
from ilsvrc_tfds.outputs.unpack import unpack
from ilsvrc_tfds.pipeline import subsets
from ilsvrc_tfds.shards.encoders import ClassicExample
from ilsvrc_tfds.sources import Reader, boxes, find_layout, index_images, record_fields
from ilsvrc_tfds.sources.label_tables import GROUND_TRUTH, check_ground_truth, check_solution, check_synset_mapping
from ilsvrc_tfds.sources.scan import is_plain
from ilsvrc_tfds.sources.tar import BLOCK, read_members

TENCH = drawing.WNIDS[0]
PICTURE = drawing.jpeg(16, 12)


@dataclasses.dataclass(frozen=True)
class Target:
    """Something that reads untrusted bytes.

    Attributes:
      read: takes the bytes.
      seeds: that it can read, for changes to begin with.
    """

    read: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


@contextlib.contextmanager
def folder_with(**files: bytes) -> Iterator[Path]:
    """Yields a folder that holds these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        yield Path(folder)


def mended(data: bytes) -> bytes:
    """Returns a tar whose headers have the checksums that they should have: no random change would come past them."""
    data, position = bytearray(data), 0
    while position + BLOCK <= len(data) and any(data[position : position + BLOCK]):
        data[position + 148 : position + 156] = b" " * 8
        data[position + 148 : position + 156] = b"%06o\0 " % sum(data[position : position + BLOCK])
        digits = bytes(data[position + 124 : position + 135]).strip(b" \0")
        size = int(digits, 8) if digits and not digits.strip(b"01234567") else 0
        position += BLOCK + -(-size // BLOCK) * BLOCK
    return bytes(data)


def read_tar(data: bytes) -> None:
    data = mended(data)
    with folder_with(tar=data) as folder, open(folder / "tar", "rb") as file:
        for member in read_members(file.fileno(), "tar"):
            assert BLOCK <= member.offset <= member.offset + member.size <= len(data)


def read_source(data: bytes) -> None:
    with folder_with(**{"ILSVRC2012_img_train.tar": mended(data)}) as source:
        index = index_images(find_layout([source]))
        with Reader() as reader:
            for split, members in index.splits.items():
                assert split == "train" and ((0 <= members.label) & (members.label < synsets.NUM_CLASSES)).all()
                assert not any(b"/.." in path or path.startswith(b"/") for path in members.paths().tolist())
                assert [len(reader.read(members, row)) for row in range(len(members))] == members.size.tolist()
        assert os.listdir(source) == ["ILSVRC2012_img_train.tar"]


def read_records(data: bytes) -> None:
    with folder_with(shard=data) as folder:
        records = list(tfrecord.read_records(folder / "shard"))
        assert sum(record.size for record in records) == len(data)
        assert tfrecord.read_spans(folder / "shard") or not data


def read_shard(data: bytes, name: str, framed: bool = True) -> None:
    shard = b"".join(tfrecord.frame([data])) if framed else data
    # The message of NotFoundError has several lines.
    with contextlib.suppress(NotFoundError), folder_with(**{name: shard}) as source:
        index = index_images(find_layout([source]))
        with Reader() as reader:
            for members in index.splits.values():
                assert not any(b"/.." in path or path.startswith(b"/") for path in members.paths().tolist())
                sizes = [len(reader.read(members, row)) for row in range(len(members))]
                assert sizes == members.size.tolist() or members.containers[0].layout == "parquet"


def read_own(data: bytes, framed: bool = True) -> None:
    """Reads a shard of a prepared data set that has nothing but `metadata.json`, and what is recorded there."""
    shard = b"".join(tfrecord.frame([data])) if framed else data
    with folder_with(**{_OWN: shard, "metadata.json": b'{"images": {"op": "Original"}}'}) as source:
        index = index_images(find_layout([source]))
        with Reader() as reader:
            for members in index.splits.values():
                assert all(map(is_plain, members.name.tolist()))
                assert [len(reader.read(members, row)) for row in range(len(members))] == members.size.tolist()


def read_provenance(data: bytes) -> None:
    with folder_with(**{_OWN: _FRAMED[0], "metadata.json": data}) as source:
        index = index_images(find_layout([source]))
        assert all(name.isascii() for names in index.repaired.values() for name in names)


def read_zip(data: bytes) -> None:
    read_shard(data, "imagenet-object-localization-challenge.zip", framed=False)


def read_tree(data: bytes) -> None:
    read_shard(mended(data), "ILSVRC2017_CLS-LOC.tar", framed=False)


def read_dated(data: bytes) -> None:
    read_shard(mended(data), "train_240115.tar", framed=False)


def read_webdataset(data: bytes) -> None:
    read_shard(mended(data), "train-000000.tar", framed=False)


def read_parquet(data: bytes) -> None:
    read_shard(data, "train-00000-of-00001.parquet", framed=False)


def read_arrow(data: bytes) -> None:
    read_shard(data, "imagenet-1k-train.arrow", framed=False)


def read_gzip(data: bytes) -> None:
    read_shard(gzip.compress(mended(data), 1), "val_images.tar.gz", framed=False)
    for archive in (gzip.compress(data, 1)[:-9], data):
        with contextlib.suppress(SourceError):
            read_shard(archive, "val_images.tar.gz", framed=False)


def read_array_record(data: bytes, framed: bool = True) -> None:
    read_shard(_array_record(data) if framed else data, _IMAGENET2012.replace("tfrecord", "array_record"), framed=False)


def _array_record(payload: bytes) -> bytes:
    from array_record.python.array_record_module import ArrayRecordWriter

    with tempfile.TemporaryDirectory() as folder:
        writer = ArrayRecordWriter(f"{folder}/shard", "group_size:1")
        writer.write(payload)
        writer.close()
        return Path(folder, "shard").read_bytes()


def read_example(data: bytes) -> None:
    record_fields.fields_of(data, "record 0")


def read_label(data: bytes) -> None:
    with folder_with(shard=b"".join(tfrecord.frame([data]))) as folder:
        path = os.fspath(folder / "shard")
        assert subsets._labels_in(path, tfrecord.read_spans(path), KINDS[CLASSIC].fields).shape == (1,)


def read_prepared(data: bytes) -> None:
    name = "ilsvrc2012-train.tfrecord-00000-of-00001"
    with folder_with(**{name: b"".join(tfrecord.frame([data]))}) as folder:
        try:
            unpack(folder, folder / "below/out", workers=1)
        finally:
            assert set(os.listdir(folder)) <= {name, "below"}
            written = [path for path in folder.rglob("*") if path.is_file() and path.name != name]
            assert all(path.is_relative_to(folder / "below/out") for path in written)


def read_head(data: bytes) -> None:
    head = look(data)
    assert 0 < head.height * head.width <= MAX_PIXELS


def read_image(data: bytes) -> None:
    Original()(data)
    if look(data).height * look(data).width < 1 << 20:  # beyond it is slow, and nothing new
        assert look(Resized(16)(data)).format == "JPEG"


def read_annotation(data: bytes) -> None:
    with folder_with(**{f"{TENCH}_1.xml": data}) as folder:
        for found in boxes.read_boxes([folder]).values():
            assert all(0 <= side <= 1 for box in found.relative() for side in box)


def read_table(data: bytes) -> None:
    with folder_with(**{"LOC_train_solution.csv": data}) as folder:
        for found in boxes.read_boxes([folder / "LOC_train_solution.csv"]).values():
            found.relative(10, 10)


def read_labels(data: bytes) -> None:
    checks = {
        "LOC_val_solution.csv": check_solution,
        "LOC_synset_mapping.txt": check_synset_mapping,
        GROUND_TRUTH: check_ground_truth,
    }
    with folder_with(**dict.fromkeys(checks, data)) as folder:
        for name, check in checks.items():
            try:
                assert "agrees with the official labels" in check(folder / name)
            except (LabelError, SourceError) as error:
                assert str(error).isprintable()


def read_annotations(data: bytes) -> None:
    for archive in (mended(data), gzip.compress(mended(data), 1), data):
        with contextlib.suppress(SourceError), folder_with(archive=archive) as folder:
            boxes.read_boxes([folder / "archive"])


def read_metadata(data: bytes) -> None:
    with folder_with(**{hdf5.NAME: data}) as folder:
        assert set(hdf5.read(folder / hdf5.NAME)) <= set(hdf5.SPLITS)


def read_manifest(data: bytes) -> None:
    with folder_with(**{manifest.NAME: data}) as folder:
        found = outputs.find_output(folder)
        assert all(os.path.dirname(name) == "" for names in found.shards.values() for name in names)
        [found.stated_lengths(split) for split in found.shards]


def read_info(data: bytes) -> None:
    with folder_with(**{INFO_NAME: data}) as folder:
        found = outputs.find_output(folder)
        [found.stated_lengths(split) for split in found.shards]


class _Pipe(io.RawIOBase):
    """A stream that cannot go back: zipfile puts sizes and checksums behind the data then."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.data += bytes(data)
        return len(data)


def zipped(members: list[tuple[str, bytes]], how: str = "stored") -> bytes:
    """Returns a zip archive: `stored`, `deflated`, `zip64` with 64-bit fields, `streamed`, or with bytes in `front`."""
    out, limit = _Pipe() if how == "streamed" else io.BytesIO(), zipfile.ZIP64_LIMIT
    try:
        zipfile.ZIP64_LIMIT = 10 if how == "zip64" else limit
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if how == "deflated" else zipfile.ZIP_STORED) as archive:
            for name, data in members:
                archive.writestr(name, data)
    finally:
        zipfile.ZIP64_LIMIT = limit
    data = out.data if isinstance(out, _Pipe) else out.getvalue()
    return b"#!/bin/sh\nexit\n" + data if how == "front" else data


def _table() -> pyarrow.Table:
    """Returns a table of two images with the columns of Hugging Face's copy."""
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    rows = [{"bytes": PICTURE, "path": f"{TENCH}_{number}_{TENCH}.JPEG"} for number in (1, 2)]
    return pyarrow.table({"image": pyarrow.array(rows, kind), "label": pyarrow.array([0, 0])})


def _parquet(**options) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(_table(), buffer, **options)
    return buffer.getvalue()


def _arrow() -> bytes:
    buffer = io.BytesIO()
    with pyarrow.ipc.new_stream(buffer, _table().schema) as stream:
        stream.write_table(_table())
    return buffer.getvalue()


def _metadata() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source = drawing.official_archives(Path(folder), drawing.miniature(train=1, val=1))
        hdf5.write(Path(folder, hdf5.NAME), index_images(find_layout([source])).splits.values())
        return Path(folder, hdf5.NAME).read_bytes()


def _manifest() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        entry = manifest.ShardEntry("ilsvrc2012-train.tfrecord-00000-of-00001", 1, 200, "0123456789abcdef")
        described = manifest.Manifest(TFDS, "tfrecord", {"op": "Original"}, KINDS[TFDS].keys, 0, {"train": (entry,)})
        return manifest.write(described, folder).read_bytes()


_XML = f"""<annotation><filename>{TENCH}_1</filename><size><width>500</width><height>375</height><depth>3</depth></size>
<object><name>{TENCH}</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>
""".encode()
_TABLE = f"ImageId,PredictionString\n{TENCH}_1,{TENCH} 1 2 30 40 \n"
_SOLUTION = (
    "ImageId,PredictionString\nILSVRC2012_val_00000001,n01751748 1 2 30 40 \nILSVRC2012_val_00000002,n09193705 \n"
)
_INFO = {
    "name": "ilsvrc2012",
    "fileFormat": "tfrecord",
    "splits": [{"name": "train", "shardLengths": ["1"], "numBytes": "9"}],
}
_MEMBERS = [(f"{TENCH}/{TENCH}_1.JPEG", PICTURE), (f"./{TENCH}/" + 120 * "x" + ".JPEG", b"ab")]
_FORMATS = (drawing.tarfile.GNU_FORMAT, drawing.tarfile.PAX_FORMAT)
_TARS = tuple(drawing.tar(_MEMBERS, kind) for kind in _FORMATS)
_CLASSIC = b"".join(ClassicExample()(f"{TENCH}_1.JPEG".encode(), PICTURE, 0))
_EXAMPLE = b"".join(encode_example(f"{TENCH}_1.JPEG".encode(), PICTURE, 0))
_FRAMED = [b"".join(tfrecord.frame([payload])) for payload in (_EXAMPLE, b"", b"x" * 100)]
_IMAGES = (
    PICTURE,
    drawing.jpeg(16, 12, "CMYK"),
    drawing.jpeg(progressive=True),
    drawing.png(16, 12),
    drawing.png(16, 12, "P"),
)

_TREE = [
    (f"ILSVRC/Data/CLS-LOC/train/{TENCH}/{TENCH}_1.JPEG", PICTURE),
    ("ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000293.JPEG", PICTURE),
]
_SAMPLE = [
    (f"{TENCH}/{TENCH}_1.jpg", PICTURE),
    (f"{TENCH}/{TENCH}_1.cls", b"0"),
    (f"{TENCH}/{TENCH}_1.json", f'{{"filename": "{TENCH}/{TENCH}_1.JPEG", "label": 0}}'.encode()),
]
_OWN = "ilsvrc2012-train.tfrecord-00000-of-00001"
_PROVENANCE = json.dumps(
    {
        "images": {"op": "Original"},
        "repaired_images": {"train": [f"{TENCH}_1.JPEG"]},
        "converted_images": {"train": [f"{TENCH}_2.JPEG"]},
        "changed_images": {"train": 1},
        "skipped_images": {"train": {f"{TENCH}_3.JPEG": "cut"}},
    }
)
_IMAGENET2012 = "imagenet2012-train.tfrecord-00000-of-00001"

TARGETS = {
    "tar": Target(read_tar, _TARS),
    "source": Target(read_source, (*_TARS, drawing.tar([(f"{TENCH}.tar", _TARS[0])]))),
    "records": Target(read_records, (b"".join(_FRAMED), *_FRAMED)),
    "classic_source": Target(functools.partial(read_shard, name="train-00000-of-00001"), (_CLASSIC,)),
    "imagenet2012": Target(functools.partial(read_shard, name=_IMAGENET2012), (_EXAMPLE,)),
    "imagenet2012_file": Target(functools.partial(read_shard, name=_IMAGENET2012, framed=False), (_FRAMED[0],)),
    "array_record": Target(read_array_record, (_EXAMPLE,)),
    "array_record_file": Target(functools.partial(read_array_record, framed=False), (_array_record(_EXAMPLE),)),
    "own_source": Target(read_own, (_EXAMPLE,)),
    "own_source_file": Target(functools.partial(read_own, framed=False), (_FRAMED[0],)),
    "provenance": Target(read_provenance, (_PROVENANCE.encode(),)),
    "zip": Target(read_zip, tuple(zipped(_TREE, how) for how in ("deflated", "stored", "zip64", "streamed", "front"))),
    "tree": Target(read_tree, tuple(drawing.tar(_TREE, kind) for kind in _FORMATS)),
    "dated": Target(read_dated, (drawing.tar(_TREE[:1]), drawing.tar([(f"{TENCH}.tar", _TARS[0])]))),
    "parquet": Target(read_parquet, (_parquet(), _parquet(compression="zstd", row_group_size=1))),
    "pages": Target(hostile_pages.read_pages, tuple(hostile_pages.seeds([PICTURE, PICTURE[:-9]]))),
    "arrow": Target(read_arrow, (_arrow(),)),
    "gzip": Target(read_gzip, (drawing.tar([("ILSVRC2012_val_00000293.JPEG", PICTURE)]),)),
    "webdataset": Target(read_webdataset, (drawing.tar(_SAMPLE),)),
    "example": Target(read_example, (_EXAMPLE,)),
    "label": Target(read_label, (_CLASSIC,)),
    "prepared": Target(read_prepared, (_EXAMPLE,)),
    "head": Target(read_head, _IMAGES),
    "image": Target(read_image, _IMAGES),
    "annotation": Target(read_annotation, (_XML,)),
    "table": Target(read_table, tuple(map(_TABLE.encode, ("utf-8", "utf-16", "utf-8-sig")))),
    "labels": Target(
        read_labels, (_SOLUTION.encode(), _SOLUTION.replace(",", ";").encode("utf-16"), b"n01440764 tench\n490\n")
    ),
    "annotations": Target(read_annotations, (drawing.tar([(f"val/{TENCH}_1.xml", _XML)]),)),
    "metadata": Target(read_metadata, (_metadata(),)),
    "manifest": Target(read_manifest, (_manifest(),)),
    "info": Target(read_info, (json.dumps(_INFO).encode(),)),
}
