"""Records are compared with protobuf's own bytes, the framing with what TensorFlow writes and reads."""

import struct

import google_crc32c
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ilsvrc_tfds.records import FRAME_BYTES, TfdsExample, encode_example, frame


def reference(name: bytes, image: bytes, label: int) -> bytes:
    """Returns the example as protobuf writes it."""
    features = {
        "file_name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[name])),
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=255).map(str.encode)


@settings(deadline=None)
@given(NAMES, st.binary(max_size=600), st.integers(-1, 999))
def test_example_is_what_protobuf_writes(name, image, label):
    example = encode_example(name, image, label)
    assert b"".join(example) == reference(name, image, label)
    assert example.size == len(reference(name, image, label))


@pytest.mark.parametrize("label", [-1, 0, 127, 128, 999])
@pytest.mark.parametrize("power", [7, 14, 21])  # a length takes one byte more from 2**7, 2**14 and 2**21 on
def test_example_is_what_protobuf_writes_where_lengths_grow(power, label):
    # An enclosing message reaches the limit up to some 30 bytes before the image does.
    for size in range(2**power - 60, 2**power + 2, 1 if power < 21 else 6):
        image = bytes(size)
        assert b"".join(encode_example(b"n01440764_10.JPEG", image, label)) == reference(
            b"n01440764_10.JPEG", image, label
        )


def test_example_does_not_copy_the_image():
    image = bytes(1000)
    assert encode_example(b"a.JPEG", image, 1).image is image


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=5000), st.integers(-1, 999)), max_size=5))
def test_frames_are_the_file_that_tensorflow_writes(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("records") / "theirs"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in rows:
            writer.write(reference(*row))
    assert b"".join(piece for row in rows for piece in frame(encode_example(*row))) == path.read_bytes()


def test_frames_are_read_by_tensorflow(tmp_path):
    rows = [(b"a.JPEG", b"", -1), (b"b.JPEG", bytes(range(256)) * 700, 999), (b"c.JPEG", bytes(3_000_000), 0)]
    path = tmp_path / "ours"
    path.write_bytes(b"".join(piece for row in rows for piece in frame(encode_example(*row))))
    assert [record.numpy() for record in tf.data.TFRecordDataset(str(path))] == [reference(*row) for row in rows]
    assert path.stat().st_size == sum(FRAME_BYTES + encode_example(*row).size for row in rows)


def test_frame_has_the_checksum_of_rfc_3720():
    # B.4: CRC32C of 32 zeros is 0x8a9136aa; so the library under the framing is the right one.
    assert google_crc32c.value(bytes(32)) == 0x8A9136AA
    length, *_, data_checksum = frame(encode_example(b"", b"", 0))
    assert struct.unpack("<Q", length[:8])[0] == encode_example(b"", b"", 0).size
    assert len(length) == 12 and len(data_checksum) == 4


def test_tfds_example_hands_an_unchanged_image_on_without_a_copy():
    data = b"as it is"
    assert TfdsExample(lambda image: image)(b"a.JPEG", data, 3).image is data
    assert TfdsExample(bytes.upper)(b"a.JPEG", data, 3) == encode_example(b"a.JPEG", b"AS IT IS", 3)
