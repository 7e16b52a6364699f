"""The labels of exported records, found without reading their images, and the rows of a subset."""

from pathlib import Path

import drawing
import numpy as np
import pytest
import tensorflow as tf

from ilsvrc_tfds.errors import OptionError, SourceError
from ilsvrc_tfds.formats.tfrecord import frame, read_spans
from ilsvrc_tfds.pipeline import find_split
from ilsvrc_tfds.pipeline.subsets import Subset, find_places
from ilsvrc_tfds.shards.encoders import ClassicExample

# A varint takes one byte more from 2**7 and 2**14 on, and ten bytes below 0.
LABELS = [0, 1, 3, 127, 128, 255, 256, 999]


def by_this_package(label: int) -> bytes:
    return b"".join(ClassicExample(label_offset=0)(b"own.JPEG", drawing.jpeg(), label))


def features_of(label: int | list[int]) -> dict[str, tf.train.Feature]:
    labels = label if isinstance(label, list) else [label]
    return {
        "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=labels)),
        "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[drawing.jpeg()])),
        "image/filename": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"own.JPEG"])),
    }


def by_tensorflow(label: int | list[int]) -> bytes:
    features = tf.train.Features(feature=features_of(label))
    return tf.train.Example(features=features).SerializeToString(deterministic=True)


def image_first(label: int | list[int]) -> bytes:
    """Returns an example with its label behind the image: examples that follow each other are one."""
    parts = [tf.train.Features(feature={key: value}) for key, value in sorted(features_of(label).items(), reverse=True)]
    inner = b"".join(part.SerializeToString() for part in parts)
    head = tf.train.Example(features=tf.train.Features(feature={"x": tf.train.Feature()})).SerializeToString()[:1]
    size, length = len(inner), b""
    while size > 0x7F:
        length, size = length + bytes((size & 0x7F | 0x80,)), size >> 7
    return head + length + bytes((size,)) + inner


def write(folder: Path, *payloads: bytes) -> Path:
    (folder / "train-00000-of-00001").write_bytes(b"".join(b"".join(frame([payload])) for payload in payloads))
    return folder


@pytest.mark.parametrize(
    "encode, offset",
    [(by_this_package, 0), (by_tensorflow, 0), (by_tensorflow, 1), (image_first, 0), (image_first, 1)],
)
def test_label_is_found_wherever_it_stands_in_the_record(encode, offset, tmp_path):
    folder = write(tmp_path, *(encode(label) for label in [*LABELS, 3]))
    split = find_split(folder, "train", label_offset=offset)
    spans = read_spans(split.paths[0])
    for index in {label - offset for label in LABELS} - {-1}:
        places = find_places(split, Subset((index,)))
        expected = [row for row, label in enumerate([*LABELS, 3]) if label == index + offset]
        assert places.number.tolist() == expected and places.shard.tolist() == [0] * len(expected)
        assert list(zip(places.offset.tolist(), places.size.tolist())) == [spans[row] for row in expected]


@pytest.mark.parametrize("encode", [by_tensorflow, image_first])
def test_label_below_zero_is_of_no_class(encode, tmp_path):
    split = find_split(write(tmp_path, encode(-1), encode(5), encode(-(1 << 63))), "train", label_offset=0)
    assert find_places(split, Subset(tuple(range(1000)))).number.tolist() == [1]


def test_image_is_not_read_for_the_label(tmp_path):
    payload = b"".join(ClassicExample(label_offset=0)(b"own.JPEG", drawing.jpeg(200, 200), 7))
    shard = write(tmp_path, payload, payload) / "train-00000-of-00001"
    split, data = find_split(tmp_path, "train", label_offset=0), bytearray(shard.read_bytes())
    for start, size in read_spans(shard):
        data[start + 300 : start + size] = b"\xff" * (size - 300)
    shard.write_bytes(data)
    assert find_places(split, Subset((7,))).number.tolist() == [0, 1]


def test_record_of_two_labels_is_named(tmp_path):
    split = find_split(write(tmp_path, by_tensorflow(5), by_tensorflow([1, 2])), "train", label_offset=0)
    start = read_spans(split.paths[0])[1][0]
    with pytest.raises(SourceError, match=f"byte {start:,}: expected one whole number as its image/class/label. Its k"):
        find_places(split, Subset((1,)))


def test_index_of_other_records_is_named(tmp_path):
    split = find_split(write(tmp_path, *map(by_tensorflow, (5, 5, 300))), "train", label_offset=0)
    (first, size), (_, second_size), last = read_spans(split.paths[0])
    spans = (first, size - 1), (size - 1, second_size + 1), last
    (tmp_path / "index-train-00000-of-00001").write_text("".join(f"{start} {length}\n" for start, length in spans))
    with pytest.raises(SourceError, match=f"byte 0: no record of {size - 1:,} bytes begins here. Make the shard again"):
        find_places(split, Subset((5,)))


@pytest.mark.parametrize("fraction", [0, 0.0, -0.5, 1.0001, 2, True, "0.5", float("nan")])
def test_fraction_out_of_range_is_an_option_error(fraction):
    with pytest.raises(OptionError, match=r"fraction must be in \(0, 1\], got "):
        Subset((0,), fraction=fraction)


@pytest.mark.parametrize(
    "options, expected", [({"fraction": 1}, 9), ({"fraction": 0.3}, 3), ({"per_class": 1}, 1), ({}, 9)]
)
def test_rows_of_a_subset_are_the_first_of_each_class_in_order(options, expected):
    labels = np.array([4, 2, 4, 9] * 9)
    rows = Subset((9, 2), **options).chosen(labels)
    assert rows.tolist() == sorted([*np.flatnonzero(labels == 2)[:expected], *np.flatnonzero(labels == 9)[:expected]])
