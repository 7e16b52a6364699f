"""A prepared data set as a source."""

import json
import os
import shutil
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.formats.example import encode_example, feature_entry, int64_feature, join_features
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.tfrecord import frame, read_spans
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


def test_records_of_the_split_test_have_no_label(tmp_path):
    source = drawing.official_archives(tmp_path / "source", drawing.miniature(test=3))
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"test": 1}}
    folder = Path(ilsvrc_tfds.prepare(source, tmp_path / "data", **options).data_dir)
    assert index_prepared(find_output(folder)).splits["test"].label.tolist() == [-1, -1, -1]
    example = encode_example(b"ILSVRC2012_test_00000001.JPEG", b"image", 1)
    (folder / "ilsvrc2012-test.tfrecord-00000-of-00001").write_bytes(b"".join(frame(example)))
    for name in ("manifest.json", "dataset_info.json"):  # which say otherwise
        (folder / name).unlink()
    with pytest.raises(LabelError, match=r"1 record is mislabelled: ILSVRC2012_test_00000001.JPEG has label 1, not -1"):
        index_prepared(find_output(folder))


def test_damage_is_named_by_shard_record_and_byte(prepare):
    builder = prepare(num_shards={"val": 1})
    path = builder.data_path / "ilsvrc2012-val.tfrecord-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match=f"{path}: record 5, byte [0-9,]+: its data does not match the checksum"):
        index_prepared(find_output(builder.data_dir))


def test_missing_shard_is_an_error(prepare):
    builder = prepare(num_shards={"train": 3})
    os.unlink(os.path.join(builder.data_dir, "ilsvrc2012-train.tfrecord-00001-of-00003"))
    with pytest.raises(SourceError, match="1 shard of split 'train' is missing: .*tfrecord-00001-of-00003"):
        index_prepared(find_output(builder.data_dir))


@pytest.mark.parametrize(
    "example, error, message",
    [
        (encode_example(b"n01440764_9.JPEG", b"image", 5), LabelError, "n01440764_9.JPEG has label 5, not 0"),
        ((b"no example",), SourceError, "record 0, byte 0 is not a tf.train.Example"),
        (
            encode_example(b"a.JPEG", b"image", 70_000),
            LabelError,
            "record 0, .*, a.JPEG, has the label 70000; expected 0 to 999",
        ),
        (
            encode_example(b"a.JPEG\0", b"image", 0),
            SourceError,
            "record 0, .* has the file name .* expected ASCII. Make the data set again",
        ),
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
    for name in ("manifest.json", "dataset_info.json"):  # which say otherwise
        (builder.data_path / name).unlink()
    with pytest.raises(error, match=message):
        index_prepared(find_output(builder.data_dir))


def test_shards_of_another_set_are_named_unless_their_split_is_not_wanted(prepare):
    folder = Path(prepare(num_shards={"train": 1, "val": 2}).data_dir)
    strangers = ["ilsvrc2012-train.tfrecord-00000-of-00009", "ilsvrc2012-test.tfrecord-00000-of-00001"]
    for name in strangers:
        shutil.copy(folder / "ilsvrc2012-val.tfrecord-00000-of-00002", folder / name)
        split = name[11:].partition(".")[0]
        message = (
            f"shards of split {split} are not part of the set that manifest.json describes: {name}. Move them away.$"
        )
        for splits in (None, [split]):
            with pytest.raises(SourceError, match=message):
                index_prepared(find_output(folder), splits=splits)
        assert list(index_prepared(find_output(folder), splits=["val"]).splits) == ["val"]
        (folder / name).unlink()


def test_damage_of_a_split_that_is_not_wanted_does_not_matter(prepare):
    folder = Path(prepare(num_shards={"train": 1}).data_dir)
    (folder / "ilsvrc2012-train.tfrecord-00000-of-00001").write_bytes(b"damaged")
    assert len(index_prepared(find_output(folder), splits=["val"]).splits["val"]) == 6


def test_array_record_is_no_source(prepare):
    with pytest.raises(SourceError, match="is in the format array_record; expected tfrecord"):
        index_prepared(find_output(prepare(file_format="array_record").data_dir))


def test_export_is_no_source(archives, tmp_path):
    out = ilsvrc_tfds.export(archives, tmp_path / "out", workers=1, allow_incomplete=True)
    with pytest.raises(SourceError, match="holds exported TFRecords; expected a prepared data set"):
        index_prepared(find_output(out))


# Shards whose records are whole, and which are not those that were made.

KNOWN = {"manifest": (), "info": ("manifest.json",), "names": ("manifest.json", "dataset_info.json")}


@pytest.fixture(scope="module")
def three_shards(tmp_path_factory) -> Path:
    """A prepared data set of three train and two val shards, and another one of other pictures in `other`."""
    folder = tmp_path_factory.mktemp("made")
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 3, "val": 2}}
    pictures = drawing.miniature()
    redrawn = drawing.Images(
        {wnid: {name: drawing.jpeg(70, 50) for name in own} for wnid, own in pictures.train.items()}, pictures.val, {}
    )
    for name, images in (("first", pictures), ("other", redrawn)):
        source = drawing.official_archives(folder / name / "source", images)
        builder = ilsvrc_tfds.prepare(source, folder / name, **options)
        os.rename(builder.data_dir, folder / name / "set")
    return folder


TRAIN, VAL = "ilsvrc2012-train.tfrecord-0000{}-of-00003", "ilsvrc2012-val.tfrecord-0000{}-of-00002"


def _cut(folder: Path, made: Path) -> str:
    """Leaves the records of a shard but for the last."""
    offset, _ = read_spans(folder / TRAIN.format(1))[-1]
    os.truncate(folder / TRAIN.format(1), offset)
    return TRAIN.format(1)


def _empty(folder: Path, made: Path) -> str:
    os.truncate(folder / VAL.format(0), 0)
    return VAL.format(0)


def _of_another_split(folder: Path, made: Path) -> str:
    shutil.copy(folder / VAL.format(0), folder / TRAIN.format(2))
    return TRAIN.format(2)


def _twice(folder: Path, made: Path) -> str:
    shutil.copy(folder / TRAIN.format(0), folder / TRAIN.format(1))
    return TRAIN.format(1)


def _of_another_set(folder: Path, made: Path) -> str:
    shutil.copy(made / "other/set" / TRAIN.format(1), folder / TRAIN.format(1))
    return TRAIN.format(1)


def _swapped(folder: Path, made: Path) -> str:
    one, two = folder / TRAIN.format(0), folder / TRAIN.format(1)
    one.rename(folder / "x"), two.rename(one), (folder / "x").rename(two)
    return TRAIN.format(0)


@pytest.mark.parametrize("removed", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("damage", [_cut, _empty, _of_another_split, _twice, _of_another_set, _swapped])
def test_shard_that_is_not_the_one_that_was_made_is_named(damage, removed, three_shards, tmp_path):
    folder = shutil.copytree(three_shards / "first/set", tmp_path / "set")
    for name in removed:
        (folder / name).unlink()
    index_prepared(find_output(folder))
    name = damage(folder, three_shards)
    if "dataset_info.json" in removed and damage in (_cut, _of_another_set) or removed and damage is _swapped:
        index_prepared(find_output(folder))  # nothing there tells; swapped shards have all images
        return
    if damage is _of_another_set and removed:
        name = "the 3 shards of split 'train' have "
    with pytest.raises(SourceError, match=name) as caught:
        index_prepared(find_output(folder))
    assert "again with --overwrite" in str(caught.value)


@pytest.mark.parametrize("way", ["export", "unpack"])
def test_nothing_is_made_of_a_set_that_lost_images(way, three_shards, tmp_path):
    folder = shutil.copytree(three_shards / "first/set", tmp_path / "set")
    name, out = _cut(folder, three_shards), tmp_path / "out"
    with pytest.raises(SourceError, match=f"{name} has 3 records, manifest.json says 4"):
        if way == "export":
            ilsvrc_tfds.export(folder, out, workers=2, allow_incomplete=True)
        else:
            ilsvrc_tfds.unpack(folder, out, workers=2)
    assert sorted(os.listdir(tmp_path)) == ["set"]


def test_split_without_shards_is_an_error(three_shards, tmp_path):
    folder = shutil.copytree(three_shards / "first/set", tmp_path / "set")
    stated = json.loads((folder / "manifest.json").read_text())
    stated["shards"]["val"] = []
    (folder / "manifest.json").write_text(json.dumps(stated))
    with pytest.raises(SourceError, match="there are no images of split 'val': no shards"):
        index_prepared(find_output(folder))
