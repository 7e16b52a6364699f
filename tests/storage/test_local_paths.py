"""URLs of no store are refused wherever a path is taken, as they are written and as `Path` changes them."""

from pathlib import Path

import pytest

import ilsvrc_tfds
from ilsvrc_tfds.checks import doctor
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.storage.files import require_local

HERE = "/nowhere"
CALLS = {
    "prepare from": lambda url: ilsvrc_tfds.prepare(url, HERE),
    "prepare to": lambda url: ilsvrc_tfds.prepare(HERE, url),
    "export from": lambda url: ilsvrc_tfds.export(url, HERE),
    "export to": lambda url: ilsvrc_tfds.export(HERE, url),
    "unpack from": lambda url: ilsvrc_tfds.unpack(url, HERE),
    "unpack to": lambda url: ilsvrc_tfds.unpack(HERE, url),
    "verify": ilsvrc_tfds.verify,
    "show": ilsvrc_tfds.show,
    "index": ilsvrc_tfds.index_records,
    "doctor": lambda url: doctor.examine(url, HERE),
    "batches": lambda url: ilsvrc_tfds.for_training(url, batch_size=8),
    "train on": lambda url: ilsvrc_tfds.training.train(url, HERE),
    "train to": lambda url: ilsvrc_tfds.training.train(HERE, url),
}


LOCAL = {
    "prepare from": "read at a million places. Copy it",
    "doctor": "read at a million places. Copy it",
    "unpack to": "only local paths are supported. Mount the",
    "train to": "only local paths are supported. Mount the",
}


@pytest.mark.parametrize("url", ["https://bucket/imagenet", Path("az://bucket/imagenet")], ids=["text", "path"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_url_of_no_store_is_refused(call, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="(https|az):/+bucket/imagenet.* is a URL.*Mount the bucket"):
        call(url)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["gs://bucket/imagenet", Path("s3://bucket/imagenet")], ids=["text", "path"])
@pytest.mark.parametrize("name", LOCAL)
def test_url_of_a_store_is_refused_where_a_local_path_is_needed(name, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match=f"(gs|s3):/+bucket/imagenet is a URL, and .*{LOCAL[name]}"):
        CALLS[name](url)
    assert not list(tmp_path.iterdir())


def test_other_paths_are_local():
    require_local("/data/a:b", "~/data", Path("data"), "C:")
