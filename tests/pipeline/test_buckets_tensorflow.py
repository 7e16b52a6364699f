"""Batches from gs:// through TensorFlow's own client, against a server that nobody here wrote, and TFDS's own reading."""

import json
import subprocess
import sys
from pathlib import Path

import drawing
import googleapis
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import OptionError

OPTIONS = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 3, "val": 2}}

READ = """
import hashlib, json, sys
import tensorflow as tf
import tensorflow_datasets as tfds
import ilsvrc_tfds
from ilsvrc_tfds import preprocess, training
from ilsvrc_tfds.pipeline import reading
from ilsvrc_tfds.pipeline.bench import measure

def refuse(path, number):
    raise AssertionError("read without TensorFlow's client")

reading.rescued = refuse
data_dir, out = sys.argv[1:]

def digest(batches):
    state = hashlib.sha256()
    for images, labels in batches:
        state.update(images.numpy().tobytes() + labels.numpy().tobytes())
    return state.hexdigest()

found = {}
for exact in ({"fraction": 1.0}, {"fraction": 0.5}):
    train = ilsvrc_tfds.for_training("ilsvrc2012/raw256", data_dir=data_dir, batch_size=4, seed=1, epochs=2, **exact)
    found[f"train {exact}"] = digest(train)
val = ilsvrc_tfds.for_evaluation("ilsvrc2012/raw256", data_dir=data_dir, batch_size=4)
found["val"] = digest((images, labels) for images, labels, *_ in val)
data = tfds.load("ilsvrc2012/raw256", data_dir=data_dir, split="train", as_supervised=True)
found["tfds"] = digest(data)
recipe = training.Recipe(model="small", image_size=32, epochs=1, batch_size=4)
model = training.train("ilsvrc2012/raw256", out, recipe, data_dir=data_dir)
found["examples"] = training.evaluate("ilsvrc2012/raw256", model, data_dir=data_dir, batch_size=4).examples
found["bench"] = measure("ilsvrc2012/raw256", data_dir=data_dir, batch_size=4, seconds=0.1) is not None
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return drawing.official_archives(tmp_path_factory.mktemp("source"), drawing.miniature())


def read(data_dir: str, folder: Path, environment: dict[str, str]) -> dict:
    command = [sys.executable, "-W", "ignore", "-c", READ, data_dir, str(folder / "run")]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("store", ["gs"], indirect=True)
def test_tensorflow_reads_a_bucket_as_it_reads_a_disk(source, store, tmp_path):
    url = store.url("tensorflow/tfds")
    ilsvrc_tfds.prepare(source, url, config="raw256", **OPTIONS)
    ilsvrc_tfds.prepare(source, tmp_path / "local", config="raw256", **OPTIONS)
    with googleapis.googleapis(store, tmp_path) as names:
        environment = googleapis.client_environment(names)
        from_bucket = read(url, tmp_path / "bucket", environment)
    assert from_bucket == read(str(tmp_path / "local"), tmp_path / "disk", environment)
    assert from_bucket["examples"] == 6


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_tf_data_cannot_read_s3_and_says_so(source, store, tmp_path):
    url = store.url("tensorflow/tfds")
    ilsvrc_tfds.prepare(source, url, config="raw256", **OPTIONS)
    text = f"{url}/ilsvrc2012/raw256/1.0.0 cannot be read by tf.data, .*aws s3 sync .* FOLDER.*, or mount the bucket"
    for read_split in (ilsvrc_tfds.for_training, ilsvrc_tfds.for_evaluation):
        with pytest.raises(OptionError, match=text):
            read_split("ilsvrc2012/raw256", data_dir=url, batch_size=2)
    with pytest.raises(OptionError, match=text):
        ilsvrc_tfds.training.train(url, tmp_path / "run")
    assert not (tmp_path / "run").exists()
