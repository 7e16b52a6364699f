"""Images in shards that cannot be decoded: a stream names the first, or skips and counts them; it never goes on in silence."""

import re
import shutil
from pathlib import Path

import drawing
import pytest
import tensorflow as tf

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, preprocess
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.tfrecord import read_records
from ilsvrc_tfds.pipeline import missing

pytestmark = pytest.mark.slow

WNID = drawing.WNIDS[0]
BAD = {"train": f"{WNID}_14.JPEG", "val": ""}
OPTIONS = {"batch_size": 4, "ops": preprocess.preset("resnet_eval", size=32)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """36 train and 6 val images, prepared as they are; one of each split cannot be decoded, and `classification` does not try."""
    images = drawing.miniature(train=12)
    whole = drawing.jpeg(60, 50, progressive=True)
    BAD["val"] = sorted(images.val)[3]
    for split, classes in (("train", images.train[WNID]), ("val", images.val)):
        classes[BAD[split]] = whole[:-60] + b"\xff\x44" + whole[-58:]
    root = tmp_path_factory.mktemp("undecodable")
    source = drawing.official_archives(root / "source", images)
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 3}}
    return Path(ilsvrc_tfds.prepare(source, root / "data", **options).data_dir)


def place(folder: Path, split: str) -> str:
    """Returns the pattern of what names the image: shard, record, file name."""
    for path in sorted(folder.glob(f"*-{split}.*")):
        for record in read_records(path):
            if parse_example(record.payload, "")["file_name"] == [BAD[split].encode()]:
                return rf"{path}: record {record.number} \({re.escape(BAD[split])}\): its image cannot be decoded"
    raise AssertionError("the image is there")


def labels(data: tf.data.Dataset) -> list[int]:
    return [int(label) for batch in data for label in batch[1]]


@pytest.mark.parametrize(
    "options", [{}, {"deterministic": False}, {"fraction": 1.0}, {"drop_remainder": False}], ids=str
)
def test_training_names_the_image(folder, options):
    data = pipeline.for_training(folder, **OPTIONS, epochs=1, **options)
    with pytest.raises(tf.errors.OpError, match=place(folder, "train")):
        labels(data)
    with pytest.raises(
        SourceError,
        match=f"^{place(folder, 'train')}.*Make the data set again with --overwrite \\(overwrite=True\\); in Python, on_error='skip'",
    ):
        with pipeline.source_errors(folder):
            labels(data)


@pytest.mark.parametrize("options", [{}, {"pad": True}, {"classes": [0, 1, 3]}], ids=str)
def test_evaluation_names_the_image(folder, options):
    with pytest.raises(tf.errors.OpError, match=place(folder, "val")):
        labels(pipeline.for_evaluation(folder, **OPTIONS, **options))


@pytest.mark.parametrize("options", [{}, {"deterministic": False}, {"fraction": 1.0}], ids=str)
def test_skipped_image_is_named_and_counted_and_the_others_come_once(folder, options, caplog):
    data = pipeline.for_training(folder, **OPTIONS, epochs=1, drop_remainder=False, on_error="skip", **options)
    assert sorted(labels(data)) == [0] * 11 + [1] * 12 + [3] * 12
    assert re.search(f"{place(folder, 'train')}.* Skipped; 1 different record so far", caplog.text)


def test_batches_are_full_where_an_image_was_skipped(folder):
    data = pipeline.for_training(folder, **OPTIONS, epochs=2, on_error="skip")
    assert [len(batch[1]) for batch in data] == [4] * (2 * 35 // 4)
    evaluation = pipeline.for_evaluation(folder, **OPTIONS, on_error="skip", pad=True)
    assert [weight.numpy().tolist() for _, _, weight in evaluation] == [[1, 1, 1, 1], [1, 0, 0, 0]]


def test_error_that_is_no_image_s_is_not_skipped(folder):
    class OnlyLight(preprocess.Op):
        def __call__(self, example, seed):
            with tf.control_dependencies(
                [tf.debugging.assert_greater(tf.reduce_mean(tf.cast(example["image"], tf.float32)), 999.0)]
            ):
                return dict(example)

    data = pipeline.for_training(folder, batch_size=4, ops=(*OPTIONS["ops"], OnlyLight()), epochs=1, on_error="skip")
    with pytest.raises(tf.errors.OpError, match=r"record \d+ \(n\d{8}_\d+.JPEG\): .*did not hold"):
        labels(data)


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_nothing_but_undecodable_images_ends_an_endless_stream(folder, on_error):
    class Refuse(preprocess.Op):
        def __call__(self, example, seed):
            return {**example, "image": tf.io.decode_jpeg(tf.strings.substr(example["image"], 0, 100))}

    data = pipeline.for_training(folder, batch_size=4, ops=(Refuse(),), on_error=on_error)
    with pytest.raises(tf.errors.OpError, match="cannot be decoded|none of the records of train can be used .36."):
        next(iter(data))


def test_damaged_image_and_damaged_record_of_one_batch_are_both_skipped(folder, tmp_path, caplog):
    copy = shutil.copytree(folder, tmp_path / "copy")
    path = sorted(copy.glob("*-train.*"))[1]
    spans = ilsvrc_tfds.formats.tfrecord.read_spans(path)
    data = bytearray(path.read_bytes())
    data[spans[5][0] + 40] ^= 1
    path.write_bytes(data)
    caplog.clear()
    stream = pipeline.for_training(
        copy, **{**OPTIONS, "batch_size": 36}, epochs=1, drop_remainder=False, on_error="skip"
    )
    assert len(labels(stream)) == 34
    assert "2 different records so far" in caplog.text and f"{path}: record 5: byte" in caplog.text


def test_commands_name_the_image(folder, tmp_path, capsys):
    words = [str(folder), "--model", "small", "--epochs", "1", "--batch-size", "4", "--out", str(tmp_path / "run")]
    assert main(["train", *words]) == 1
    assert re.search(f"^ilsvrc-tfds: {place(folder, 'train')}", capsys.readouterr().err, re.MULTILINE)
    weights = tmp_path / "small.weights.h5"
    ilsvrc_tfds.training.build_model("small").save_weights(weights)
    assert main(["evaluate", str(folder), "--model", "small", "--weights", str(weights)]) == 1
    assert re.search(f"^ilsvrc-tfds: {place(folder, 'val')}", capsys.readouterr().err, re.MULTILINE)
    assert main(["bench", str(folder), "--batch-size", "4", "--seconds", "0.1"]) == 1
    assert re.search(f"^ilsvrc-tfds: {place(folder, 'train')}", capsys.readouterr().err, re.MULTILINE)


@pytest.fixture(scope="module")
def spoilt(folder, tmp_path_factory) -> Path:
    """The same; no image of the first class can be decoded."""
    images = drawing.miniature(train=12)
    whole = drawing.jpeg(60, 50, progressive=True)
    images.train[WNID] = dict.fromkeys(images.train[WNID], whole[:-60] + b"\xff\x44" + whole[-58:])
    root = tmp_path_factory.mktemp("spoilt")
    source = drawing.official_archives(root / "source", images)
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 3}}
    return Path(ilsvrc_tfds.prepare(source, root / "data", **options).data_dir)


@pytest.mark.parametrize(
    "options, count",
    [
        ({"classes": [0]}, 12),
        ({"classes": [0], "drop_remainder": False}, 12),
        ({"classes": [0], "shard": (1, 2)}, 6),
        ({"classes": [0], "per_class": 4, "epochs": 9}, 4),
    ],
    ids=str,
)
def test_subset_or_share_of_nothing_but_undecodable_images_is_an_error(spoilt, options, count):
    data = pipeline.for_training(spoilt, **OPTIONS, on_error="skip", **options)
    with pytest.raises(SourceError, match=f"none of the records of train that are read here can be used .{count}."):
        with pipeline.source_errors(spoilt):
            labels(data)


def test_share_of_a_whole_split_that_cannot_be_decoded_is_an_error(folder):
    class Refuse(preprocess.Op):
        def __call__(self, example, seed):
            return {**example, "image": tf.io.decode_jpeg(tf.strings.substr(example["image"], 0, 100))}

    for host in range(2):
        data = pipeline.for_training(folder, batch_size=4, ops=(Refuse(),), on_error="skip", shard=(host, 2))
        with pytest.raises(tf.errors.OpError, match="none of the records of train that are read here can be used .18."):
            next(iter(data))


class BadWindow(preprocess.Op):
    """Fails in an op whose name has `Jpeg` in it, of nothing in the image."""

    def __call__(self, example, seed):
        window = tf.boolean_mask([0, 0, 9, 9], [True, True, True, tf.size(seed) > 2])
        return {**example, "image": tf.io.decode_and_crop_jpeg(example["image"], window)}


class OutOfMemory(preprocess.Op):
    def __call__(self, example, seed):
        def fail(image):
            raise MemoryError("no room for a jpeg of this size")

        return {**example, "image": tf.ensure_shape(tf.numpy_function(fail, [example["image"]], tf.uint8), [1, 1, 3])}


@pytest.mark.parametrize(
    "op, what", [(BadWindow(), "crop_size must have four elements"), (OutOfMemory(), "no room for a")]
)
def test_error_of_another_kind_in_a_decoding_op_is_not_an_image_s(folder, op, what):
    data = pipeline.for_training(folder, batch_size=4, ops=(op,), epochs=1, on_error="skip")
    with pytest.raises(tf.errors.OpError, match=rf"record \d+ \(n\d{{8}}_\d+.JPEG\): .*{what}") as caught:
        labels(data)
    assert "cannot be decoded" not in str(caught.value)


def test_reason_has_no_names_of_ops(folder, caplog):
    labels(pipeline.for_training(folder, **OPTIONS, epochs=1, on_error="skip"))
    assert "its image cannot be decoded (jpeg::Uncompress failed." in caplog.text
    assert "{{" not in caplog.text and "/job:" not in caplog.text


def rewritten(folder: Path, copy: Path, change) -> Path:
    """Copies a data set and changes the payload of record 5 of the second shard of train."""
    path = sorted(shutil.copytree(folder, copy).glob("*-train.*"))[1]
    with tf.io.TFRecordWriter(str(path) + ".new") as file:
        for record in list(read_records(path)):
            file.write(change(record.payload) if record.number == 5 else record.payload)
    Path(f"{path}.new").replace(path)
    return path


def without_file_name(payload: bytes) -> bytes:
    example = tf.train.Example.FromString(payload)
    del example.features.feature["file_name"]
    return example.SerializeToString()


def with_empty_file_name(payload: bytes) -> bytes:
    example = tf.train.Example.FromString(payload)
    del example.features.feature["file_name"].bytes_list.value[:]
    return example.SerializeToString()


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize(
    "change, what",
    [
        (without_file_name, " has no file name: expected one text as its file_name. Make the shard again"),
        (with_empty_file_name, " has no file name"),
        (lambda payload: b"\xff\xff", " is not a tf.train.Example"),
    ],
)
def test_record_without_a_file_name_is_named(folder, tmp_path, change, what, on_error):
    path = rewritten(folder, tmp_path / "copy", change)
    with pytest.raises(SourceError, match=f"^{path}: record 5{what}"), pipeline.source_errors(path.parent):
        labels(pipeline.for_training(path.parent, batch_size=4, ops=(), epochs=1, on_error=on_error))


def test_label_that_no_class_has_is_an_error_behind_a_damaged_record_too(folder, tmp_path):
    def with_label(payload: bytes) -> bytes:
        example = tf.train.Example.FromString(payload)
        example.features.feature["label"].int64_list.value[:] = [2000]
        return example.SerializeToString()

    path = rewritten(folder, tmp_path / "copy", with_label)
    data = bytearray(path.read_bytes())
    data[ilsvrc_tfds.formats.tfrecord.read_spans(path)[3][0] + 40] ^= 1
    path.write_bytes(data)
    stream = pipeline.for_training(path.parent, **OPTIONS, epochs=1, on_error="skip")
    with pytest.raises(SourceError, match=rf"^{path}: record 5 .*its label is 2000"):
        with pipeline.source_errors(path.parent):
            labels(stream)


@pytest.mark.parametrize("change, name", [(lambda payload: payload, r"n\d+_\d+\.JPEG"), (without_file_name, "")])
def test_check_of_a_service_names_the_record_with_and_without_a_file_name(folder, tmp_path, change, name):
    path = rewritten(folder, tmp_path / "copy", change)
    payloads = [record.payload for record in read_records(path)]
    check = tf.function(missing.asserting_checker(pipeline.find_split(path.parent, "train")))
    count = len(payloads)
    records = (tf.zeros([count, 2]), tf.fill([count], tf.constant(1, tf.int64)), tf.range(count), tf.constant(payloads))
    with pytest.raises(SourceError, match=rf"^{path}: record 5 \({name}\): its image cannot be decoded, or its label"):
        with pipeline.source_errors(path.parent):
            check(records, tf.constant([row for row in range(count) if row != 5]))
