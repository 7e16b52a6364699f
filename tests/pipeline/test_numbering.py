"""What the labels of a split are more than the class index: told by its first records, and never only believed."""

import json

import drawing
import numpy as np
import pytest
import tensorflow as tf

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, synsets
from ilsvrc_tfds.errors import LabelError, OptionError, SourceError

SHARK = synsets.index_of("n01491361")
NAME, OWN = "n01491361_9.JPEG", "photo.JPEG"


def write_shard(path, *records: tuple[str, int], wnid: str | None = None):
    """Writes classic records of (file name, label), with a synset or without one. Returns the folder."""
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, label in records:
            values = {"image/filename": [name.encode()], "image/encoded": [drawing.jpeg()]}
            values |= {} if wnid is None else {"image/class/synset": [wnid.encode()]}
            feature = {
                key: tf.train.Feature(bytes_list=tf.train.BytesList(value=value)) for key, value in values.items()
            }
            feature["image/class/label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return path.parent


def first_label(folder, **options) -> int:
    _, labels = next(iter(pipeline.for_training(folder, batch_size=1, epochs=1, ops=(), **options)))
    return int(labels[0])


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize(
    "name, wnid", [(NAME, None), (OWN, "n01491361"), (NAME, "n01491361")], ids=["name", "synset", "both"]
)
def test_numbering_is_what_name_or_synset_tells(name, wnid, offset, tmp_path):
    folder = write_shard(tmp_path / "tf/train-00000-of-00001", (name, SHARK + offset), wnid=wnid)
    assert pipeline.find_split(folder, "train").label_offset == offset
    assert first_label(folder) == first_label(folder, label_offset=offset) == SHARK
    with pytest.raises(
        OptionError, match=f"label_offset={1 - offset}, but .*train-00000-of-00001: record 0, '{name}', has the label"
    ):
        pipeline.find_split(folder, "train", label_offset=1 - offset)


def test_validation_names_tell_the_numbering_too(tmp_path):
    folder = write_shard(tmp_path / "tf/validation-00000-of-00001", ("ILSVRC2012_val_00000002.JPEG", 971))
    assert int(synsets.validation_labels()[1]) == 970 and pipeline.find_split(folder, "val").label_offset == 1


@pytest.mark.parametrize(
    "split, name, label",
    [
        ("val", "/data/val/ILSVRC2012_val_00000002.JPEG", 971),
        ("val", "C:\\val\\ILSVRC2012_val_00000002.JPEG", 971),
        ("val", "val/ILSVRC2012_val_00000002", 971),
        ("val", "ilsvrc2012_val_2.jpg", 971),
        ("train", "/data/train/n01491361/n01491361_9.JPEG", SHARK + 1),
        ("train", "n01491361_9", SHARK + 1),
    ],
)
def test_names_with_folders_or_without_extension_tell_the_numbering(split, name, label, tmp_path):
    stem = {"val": "validation", "train": "train"}[split]
    folder = write_shard(tmp_path / f"tf/{stem}-00000-of-00001", (name, label))
    assert pipeline.find_split(folder, split).label_offset == 1
    with pytest.raises(OptionError, match="label_offset=0, but .*has the label"):
        pipeline.find_split(folder, split, label_offset=0)


def test_numbering_is_told_by_a_later_record_where_the_first_tell_nothing(tmp_path):
    records = [*((f"own{k}.JPEG", 4) for k in range(20)), (NAME, SHARK + 1)]
    folder = write_shard(tmp_path / "tf/train-00000-of-00001", *records)
    assert pipeline.find_split(folder, "train").label_offset == 1
    with pytest.raises(OptionError, match="label_offset=0, but .*record 20, .* has the label 4"):
        pipeline.find_split(folder, "train", label_offset=0)


def test_numbering_that_nothing_tells_must_be_said(tmp_path):
    folder = write_shard(tmp_path / "tf/train-00000-of-00001", (OWN, 1))
    with pytest.raises(
        OptionError, match="neither file names nor synsets .* identify their class. Pass label_offset=1"
    ):
        pipeline.find_split(folder, "train")
    assert [first_label(folder, label_offset=offset) for offset in (0, 1)] == [1, 0]


def test_label_outside_of_the_classes_is_an_error(tmp_path):
    folder = write_shard(tmp_path / "tf/train-00000-of-00001", (OWN, 0))
    with pytest.raises(
        tf.errors.OpError, match=r"train-00000-of-00001: record 0 \(photo.JPEG\): its label is -1, counted from 0"
    ):
        first_label(folder, label_offset=1)


def test_test_split_needs_no_numbering(tmp_path):
    folder = write_shard(tmp_path / "tf/test-00000-of-00001", ("ILSVRC2012_test_00000001.JPEG", -1))
    (batch,) = pipeline.for_evaluation(folder, split="test", batch_size=1, ops=())
    assert int(batch[1][0]) == -1


def test_shards_that_are_numbered_differently_are_an_error(tmp_path):
    write_shard(tmp_path / "tf/train-00000-of-00002", (NAME, SHARK))
    folder = write_shard(tmp_path / "tf/train-00001-of-00002", (NAME, SHARK + 1))
    for options in ({}, {"label_offset": 0}, {"label_offset": 1}):
        with pytest.raises(
            LabelError, match="train-00001-of-00002: record 0, .*; but .*train-00000-of-00002: .* numbered differently"
        ):
            pipeline.find_split(folder, "train", **options)


def test_labels_of_another_numbering_are_an_error(tmp_path):
    devkit = synsets.synsets()[SHARK].ilsvrc2012_id
    folder = write_shard(tmp_path / "tf/train-00000-of-00001", (NAME, devkit))
    with pytest.raises(
        LabelError, match=f"has the label {devkit}, .* n01491361 has the index 3: expected the label 3 or 4"
    ):
        pipeline.find_split(folder, "train")


@pytest.mark.parametrize("offset", [-1, 2, True, False, 0.0, 1.0, "1"])
def test_label_offset_that_is_neither_0_nor_1_is_an_option_error(offset, tmp_path):
    folder = write_shard(tmp_path / "tf/train-00000-of-00001", (NAME, SHARK))
    with pytest.raises(OptionError, match=f"label_offset must be 0 or 1, got {offset!r}"):
        pipeline.find_split(folder, "train", label_offset=offset)


@pytest.mark.parametrize("odd", range(20))
def test_first_record_of_eight_shards_tells_the_numbering(odd, tmp_path):
    for k in range(20):
        folder = write_shard(tmp_path / f"tf/train-{k:05d}-of-00020", (NAME, SHARK + (k == odd)))
    if odd in (0, 2, 5, 7, 10, 12, 15, 17):
        with pytest.raises(LabelError, match="Their labels are numbered differently"):
            pipeline.find_split(folder, "train")
    else:
        assert pipeline.find_split(folder, "train").label_offset == 0


@pytest.mark.parametrize("odd", [7, 8])
def test_first_eight_records_of_a_single_shard_tell_the_numbering(odd, tmp_path):
    folder = write_shard(tmp_path / "tf/train-00000-of-00001", *((NAME, SHARK + (k == odd)) for k in range(9)))
    if odd == 7:
        with pytest.raises(LabelError, match="record 7, .*; but .*record 0, .* numbered differently"):
            pipeline.find_split(folder, "train")
    else:
        assert pipeline.find_split(folder, "train").label_offset == 0


def test_damage_of_the_first_record_is_named_if_no_record_is_sound(tmp_path):
    shards = [tmp_path / f"tf/train-0000{k}-of-00002" for k in range(2)]
    for shard in shards:
        write_shard(shard, (NAME, SHARK))
        data = bytearray(shard.read_bytes())
        data[40] ^= 1
        shard.write_bytes(data)
    message = f"{shards[0]}: record 0, byte 0: its data does not match the checksum; no sound record was found, so the"
    with pytest.raises(SourceError, match=message):
        pipeline.find_split(shards[0].parent, "train")


def test_name_and_synset_of_two_classes_are_an_error(tmp_path):
    folder = write_shard(tmp_path / "tf/train-00000-of-00001", (NAME, SHARK), wnid="n01440764")
    with pytest.raises(
        LabelError, match="record 0, 'n01491361_9.JPEG', has the synset n01440764; its name belongs to n01491361"
    ):
        pipeline.find_split(folder, "train")


def test_manifest_that_contradicts_the_records_is_an_error(prepare, tmp_path):
    out = ilsvrc_tfds.export(prepare().data_dir, tmp_path / "out", workers=1, allow_incomplete=True)
    described = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**described, "label_offset": 0}))
    with pytest.raises(
        LabelError, match="by manifest.json label_offset is 0, but .*train-00000-of-.*: record 0, .* has the label 1"
    ):
        pipeline.find_split(out, "train")


def test_prepared_data_of_another_numbering_are_an_error(tmp_path):
    features = {
        "file_name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[NAME.encode()])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[SHARK + 1])),
    }
    with tf.io.TFRecordWriter(str(tmp_path / "ilsvrc2012-train.tfrecord-00000-of-00001")) as writer:
        writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    with pytest.raises(LabelError, match="by its kind label_offset is 0, but .*record 0, .* has the label 4"):
        pipeline.find_split(tmp_path, "train")


def test_damaged_record_is_passed_over(tmp_path):
    shard = tmp_path / "tf/train-00000-of-00001"
    write_shard(shard, (NAME, SHARK + 1), (NAME, SHARK + 1))
    data = bytearray(shard.read_bytes())
    data[40] ^= 1
    shard.write_bytes(data)
    assert pipeline.find_split(shard.parent, "train").label_offset == 1


def test_record_without_a_label_is_named(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "train-00000-of-00001")) as writer:
        writer.write(tf.train.Example().SerializeToString())
    with pytest.raises(
        SourceError, match="train-00000-of-00001: record 0 has the keys ; expected a value of image/filename"
    ):
        pipeline.find_split(tmp_path, "train", label_offset=0)


def test_class_told_is_that_of_the_name_before_the_synset():
    cases = [
        (b"n01491361_9.JPEG", b"n01440764"),
        (b"photo.JPEG", b"n01440764"),
        (b"photo.JPEG", b"n0144"),
        (b"photo.JPEG", b"\xff"),
    ]
    assert [synsets.class_told(*case) for case in cases] == [3, 0, None, None]


@pytest.mark.slow
def test_relabel_follows_the_given_order(prepare):
    folder = prepare().data_dir
    for classes in (["n01491361", "n01440764"], [0, 3], (3, 1, 0), np.array([1, 0])):
        batches = pipeline.for_training(folder, batch_size=1, epochs=1, ops=(), classes=classes, relabel=True)
        kept = pipeline.for_training(folder, batch_size=1, epochs=1, ops=(), classes=classes)
        indices = [synsets.index_of(value) if isinstance(value, str) else value for value in classes]
        pairs = {(int(old[0]), int(new[0])) for (_, old), (_, new) in zip(kept, batches)}
        assert pairs == {(index, position) for position, index in enumerate(indices)}


def test_relabel_of_a_set_is_refused(prepare):
    with pytest.raises(OptionError, match="relabel=True needs classes in a fixed order, as a list, got a set"):
        pipeline.for_training(prepare().data_dir, batch_size=1, classes={0, 3}, relabel=True)


def test_metadata_of_other_classes_is_an_error(prepare):
    import h5py

    folder = prepare().data_path
    with h5py.File(folder / "metadata.h5", "r+") as file:
        ids = file["train/object_ids"][()]
        ids[:, 1] = np.roll(ids[:, 1], 4)  # each class is that of the one before
        file["train/object_ids"][...] = ids
    with pytest.raises(
        SourceError, match=r"train.*: record \d+ \(n01443537_.*JPEG\): metadata.h5 gives it another class"
    ):
        with pipeline.source_errors(folder):
            list(pipeline.for_training(folder, batch_size=1, epochs=1, ops=(), classes=[0]))
