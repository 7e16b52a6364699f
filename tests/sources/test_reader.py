"""Exported and prepared files, read by other libraries: TensorFlow, the package `tfrecord`, NVIDIA DALI."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import drawing
import numpy as np
import pytest
import tensorflow as tf

import ilsvrc_tfds
from ilsvrc_tfds.outputs.index import index_records

# The package `tfrecord` cannot read the index of a shard with a single record.
SHARDS = {"train": 3, "val": 2}
SIDES = ("ymin", "xmin", "ymax", "xmax")

# What the TPU models and tf-models-official ask for, TPU's key of the boxes' labels included: it is in nobody's files.
TF_FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string, ""),
    "image/format": tf.io.FixedLenFeature([], tf.string, "jpeg"),
    "image/filename": tf.io.FixedLenFeature([], tf.string),
    "image/height": tf.io.FixedLenFeature([], tf.int64),
    "image/width": tf.io.FixedLenFeature([], tf.int64),
    "image/class/label": tf.io.FixedLenFeature([], tf.int64, -1),
    "image/class/text": tf.io.FixedLenFeature([], tf.string, ""),
    "image/object/class/label": tf.io.VarLenFeature(tf.int64),
    "image/object/bbox/label": tf.io.VarLenFeature(tf.int64),
    **{f"image/object/bbox/{side}": tf.io.VarLenFeature(tf.float32) for side in SIDES},
}


@pytest.fixture
def export(archives, tmp_path):
    """Exports the miniature with its indexes."""

    def export_miniature(**options):
        options = {"num_shards": SHARDS, "index": True, "workers": 1, "allow_incomplete": True, **options}
        return ilsvrc_tfds.export(archives, tmp_path / "out", **options)

    return export_miniature


@pytest.fixture
def prepared(prepare):
    """A prepared miniature with its indexes."""
    folder = prepare(config="raw256", num_shards=SHARDS).data_path
    index_records(folder, workers=1)
    return Path(folder)


def shards(folder: Path, pattern: str) -> tuple[list[str], list[str]]:
    """Returns the paths of the shards that a reader finds by its pattern, and those of their indexes."""
    paths = sorted(folder.glob(pattern))
    return [str(path) for path in paths], [str(path.with_name(f"index-{path.name}")) for path in paths]


def read_with_tensorflow(folder: Path, pattern: str) -> dict[str, dict]:
    """Returns what each record holds, by file name, as the ResNets of the TPU and MLPerf repositories read it."""

    def parse(record):
        found = tf.io.parse_single_example(record, TF_FEATURES)
        boxes = tf.stack([found.pop(f"image/object/bbox/{side}").values for side in SIDES], axis=1)
        labels = [found.pop(f"image/object/{key}").values for key in ("bbox/label", "class/label")]
        pixels = tf.io.decode_jpeg(found.pop("image/encoded"), channels=3)
        return found | {
            "pixels": pixels,
            "boxes": boxes,
            "label": found["image/class/label"] - 1,
            "of_boxes": labels[0],
        }

    data = tf.data.TFRecordDataset(shards(folder, pattern)[0]).map(parse)
    return {example["image/filename"].decode(): example for example in data.as_numpy_iterator()}


@pytest.mark.parametrize("split, pattern", [("train", "train-*"), ("val", "validation-*")])
def test_tensorflow_reads_every_label(split, pattern, export, images):
    found = read_with_tensorflow(export(), pattern)
    assert {name: example["label"] for name, example in found.items()} == images.labels(split)


@pytest.mark.parametrize("config", ["classification", "raw256"])
def test_tensorflow_decodes_images_of_the_size_that_the_record_tells(config, export):
    found = read_with_tensorflow(export(config=config), "train-*")
    sizes = {name: (example["image/height"], example["image/width"], 3) for name, example in found.items()}
    assert {name: example["pixels"].shape for name, example in found.items()} == sizes and len(sizes) == 12


def test_tensorflow_decodes_the_pixels_of_the_source(export, images):
    found = read_with_tensorflow(export(), "validation-*")
    for name, data in images.val.items():
        np.testing.assert_array_equal(found[name]["pixels"], tf.io.decode_jpeg(data, channels=3))


def test_tensorflow_reads_boxes_and_their_absence(export, images, tmp_path):
    wnid = drawing.WNIDS[1]
    with_box, *others = images.train[wnid]  # 40 x 31 pixels
    table = tmp_path / "LOC_train_solution.csv"
    table.write_text(f"ImageId,PredictionString\n{with_box[:-5]},{wnid} 10 0 20 31 {wnid} 0 0 40 31 \n")
    found = read_with_tensorflow(export(bbox=[table]), "train-*")
    np.testing.assert_allclose(found[with_box]["boxes"], [[0, 0.25, 1, 0.5], [0, 0, 1, 1]])
    assert found[with_box]["of_boxes"].tolist() == [2, 2]
    assert all(found[name]["boxes"].shape == (0, 4) for name in others)


def test_tensorflow_makes_batches_for_a_model(export):
    def parse(record):
        found = tf.io.parse_single_example(record, TF_FEATURES)
        image = tf.image.resize(tf.io.decode_jpeg(found["image/encoded"], channels=3), (224, 224))
        return image, tf.one_hot(found["image/class/label"] - 1, 1000)

    paths = tf.data.Dataset.list_files(str(export(config="raw256") / "train-*"), shuffle=False)
    pixels, labels = next(iter(paths.interleave(tf.data.TFRecordDataset).map(parse).batch(12, drop_remainder=True)))
    assert pixels.shape == (12, 224, 224, 3) and tf.reduce_all(tf.reduce_sum(labels, axis=1) == 1)


# In a process of its own: `tfrecord` registers the messages of TensorFlow, which protobuf accepts once per process.
TFRECORD_SCRIPT = """
import hashlib, json, sys
from tfrecord.reader import tfrecord_loader

paths, indexes, description, shard = json.loads(sys.argv[1])
for path, index in zip(paths, indexes):
    for record in tfrecord_loader(path, index, description, shard=shard):
        text = lambda value: hashlib.sha256(value).hexdigest() if len(value) > 99 else value.decode()
        values = {key: text(value) if isinstance(value, bytes) else value.tolist() for key, value in record.items()}
        print(json.dumps(values))
"""
CLASSIC = {"image/encoded": "byte", "image/class/label": "int", "image/filename": "byte"}
TFDS = {"image": "byte", "label": "int", "file_name": "byte"}
needs_tfrecord = pytest.mark.skipif(
    importlib.util.find_spec("tfrecord") is None, reason="the package tfrecord is missing"
)


def read_with_tfrecord(folder: Path, pattern: str, description, shard: tuple[int, int] = (0, 1)) -> list[dict]:
    """Returns the records of one of several workers, which finds its share by the index; images as sha256."""
    job = json.dumps([*shards(folder, pattern), description, shard])
    process = subprocess.run([sys.executable, "-c", TFRECORD_SCRIPT, job], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


@needs_tfrecord
@pytest.mark.parametrize("split, pattern", [("train", "train-*"), ("val", "validation-*")])
def test_tfrecord_reads_every_label(split, pattern, export, images):
    found = read_with_tfrecord(export(config="raw256"), pattern, CLASSIC)
    labels = {record["image/filename"]: record["image/class/label"] for record in found}
    assert labels == {name: [label + 1] for name, label in images.labels(split).items()} and len(found) == len(labels)


@needs_tfrecord
def test_tfrecord_reads_the_images_of_the_source(export, images):
    found = read_with_tfrecord(export(), "validation-*", CLASSIC)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in images.val.items()}
    assert {record["image/filename"]: record["image/encoded"] for record in found} == sums


@needs_tfrecord
def test_tfrecord_reads_every_key_and_lists_without_boxes(export):
    record, *_ = read_with_tfrecord(export(), "train-*", None)
    assert len(record) == 15 and record["image/channels"] == [3] and record["image/colorspace"] == "RGB"
    assert [record[f"image/object/bbox/{key}"] for key in ("label", *SIDES)] == [[]] * 5


@needs_tfrecord
def test_tfrecord_shares_an_export_among_workers_by_the_index(export, images):
    out = export()
    parts = [read_with_tfrecord(out, "train-*", CLASSIC, (worker, 2)) for worker in range(2)]
    assert [len(part) for part in parts] == [6, 6]
    assert {record["image/filename"] for part in parts for record in part} == set(images.labels("train"))


@needs_tfrecord
def test_tfrecord_shares_a_prepared_set_among_workers_by_the_index(prepared, images):
    parts = [read_with_tfrecord(prepared, "ilsvrc2012-train.*", TFDS, (worker, 2)) for worker in range(2)]
    labels = {record["file_name"]: record["label"][0] for part in parts for record in part}
    assert [len(part) for part in parts] == [6, 6] and labels == images.labels("train")


def read_with_dali(folder: Path, pattern: str, keys: dict[str, str], shard: int = 0, num_shards: int = 1) -> list[dict]:
    """Returns the values that DALI reads of some keys in a share of the records. The first key's value is decoded."""
    dali = pytest.importorskip("nvidia.dali")
    tfrec = pytest.importorskip("nvidia.dali.tfrecord")
    kinds = {"int64": tfrec.FixedLenFeature([1], tfrec.int64, -1), "floats": tfrec.VarLenFeature(tfrec.float32, 0.0)}
    features = {key: kinds.get(kind, tfrec.FixedLenFeature((), tfrec.string, "")) for key, kind in keys.items()}
    paths, indexes = shards(folder, pattern)

    @dali.pipeline_def(batch_size=1, num_threads=1, device_id=None)
    def pipeline():
        share = {"shard_id": shard, "num_shards": num_shards, "stick_to_shard": True}
        found = dali.fn.readers.tfrecord(path=paths, index_path=indexes, features=features, name="reader", **share)
        image, *others = (found[key] for key in keys)
        return dali.fn.decoders.image(image, device="cpu", output_type=dali.types.RGB), *others

    def value(kind: str, batch):
        array = np.array(batch.at(0))
        return array.tobytes().decode() if kind == "text" else array

    reading = pipeline()
    reading.build()
    total = reading.reader_meta("reader")["epoch_size"]
    own = total * (shard + 1) // num_shards - total * shard // num_shards
    return [{key: value(kind, batch) for (key, kind), batch in zip(keys.items(), reading.run())} for _ in range(own)]


DALI_CLASSIC = {
    "image/encoded": "image",
    "image/filename": "text",
    "image/class/label": "int64",
    "image/height": "int64",
    "image/width": "int64",
    "image/object/bbox/xmin": "floats",
}


@pytest.mark.parametrize("config", ["classification", "raw256"])
@pytest.mark.parametrize("split, pattern", [("train", "train-*"), ("val", "validation-*")])
def test_dali_reads_every_label_and_decodes_every_image(split, pattern, config, export, images):
    found = read_with_dali(export(config=config), pattern, DALI_CLASSIC)
    assert {record["image/filename"]: record["image/class/label"].item() - 1 for record in found} == images.labels(
        split
    )
    for record in found:
        assert record["image/encoded"].shape == (record["image/height"].item(), record["image/width"].item(), 3)
        assert record["image/object/bbox/xmin"].shape == (0,)


def test_dali_shares_an_export_among_processes_by_the_index(export, images):
    out = export()
    parts = [read_with_dali(out, "train-*", DALI_CLASSIC, shard, 2) for shard in range(2)]
    assert [len(part) for part in parts] == [6, 6]
    assert {record["image/filename"] for part in parts for record in part} == set(images.labels("train"))


def test_dali_reads_a_prepared_set(prepared, images):
    found = read_with_dali(prepared, "ilsvrc2012-train.*", {"image": "image", "file_name": "text", "label": "int64"})
    assert {record["file_name"]: record["label"].item() for record in found} == images.labels("train")
    assert all(min(record["image"].shape[:2]) == 256 for record in found)
