"""A prepared data set as a source."""

import os

import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.formats.example import encode_example, feature_entry, int64_feature, join_features
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.tfrecord import frame
from ilsvrc_tfds.sources import Reader
from ilsvrc_tfds.sources.prepared import index_prepared


def test_images_are_read_in_place(prepare, images):
    index = index_prepared(find_output(prepare(num_shards={"train": 3}).data_dir))
    assert {split: len(members) for split, members in index.splits.items()} == {"train": 12, "val": 6}
    with Reader() as reader:
        members = index.splits["val"]
        assert {
            name.decode(): reader.read(members, row) for row, name in enumerate(members.name.tolist())
        } == images.val
    assert dict(zip((n.decode() for n in members.name.tolist()), members.label.tolist())) == images.labels("val")


def test_damage_is_named_by_shard_record_and_byte(prepare):
    builder = prepare(num_shards={"val": 1})
    path = builder.data_path / "ilsvrc2012-val.tfrecord-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match=f"{path}: record 5, byte [0-9,]+: its data do not match their checksum"):
        index_prepared(find_output(builder.data_dir))


def test_missing_shard_is_an_error(prepare):
    builder = prepare(num_shards={"train": 3})
    os.unlink(os.path.join(builder.data_dir, "ilsvrc2012-train.tfrecord-00001-of-00003"))
    with pytest.raises(SourceError, match="1 shards of split 'train' are missing: .*tfrecord-00001-of-00003"):
        index_prepared(find_output(builder.data_dir))


@pytest.mark.parametrize(
    "example, error, message",
    [
        (encode_example(b"n01440764_9.JPEG", b"image", 5), LabelError, "n01440764_9.JPEG has label 5, not 0"),
        ((b"no example",), SourceError, "record 0, byte 0 is no tf.train.Example"),
        (encode_example(b"a.JPEG", b"image", 70_000), SourceError, "has file name b'a.JPEG' and label 70000; expected"),
        (encode_example(b"a.JPEG\0", b"image", 0), SourceError, "expected ASCII, and -1 to 999"),
        (
            join_features(
                feature_entry(b"file_name", int64_feature([1])),
                b"image",
                b"",
                feature_entry(b"label", int64_feature([1])),
            ),
            SourceError,
            "has values of wrong types",
        ),
        ((b"",), SourceError, r"has the keys \[\]; expected file_name, image and label"),
    ],
)
def test_records_that_are_not_ours_are_errors(example, error, message, prepare):
    builder = prepare(num_shards={"train": 1})
    path = builder.data_path / "ilsvrc2012-train.tfrecord-00000-of-00001"
    path.write_bytes(b"".join(frame(example)))
    with pytest.raises(error, match=message):
        index_prepared(find_output(builder.data_dir))


def test_array_record_is_no_source(prepare):
    with pytest.raises(SourceError, match="is in the format array_record; expected tfrecord"):
        index_prepared(find_output(prepare(file_format="array_record").data_dir))


def test_export_is_no_source(archives, tmp_path):
    out = ilsvrc_tfds.export(archives, tmp_path / "out", workers=1, allow_incomplete=True)
    with pytest.raises(SourceError, match="holds exported TFRecords; expected a prepared data set"):
        index_prepared(find_output(out))
