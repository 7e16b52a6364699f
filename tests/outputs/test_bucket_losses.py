"""What is in a bucket already is not lost, whoever put it there and whenever."""

import time
from pathlib import Path

import drawing
import pytest
import stores

import ilsvrc_tfds
from ilsvrc_tfds.errors import DestinationError, OptionError
from ilsvrc_tfds.outputs import export as export_module
from ilsvrc_tfds.storage import bucket, bucket_lock, bucket_staging

OPTIONS = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 3, "val": 2}}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return drawing.official_archives(tmp_path_factory.mktemp("source"), drawing.miniature())


@pytest.fixture
def meanwhile(monkeypatch):
    """`meanwhile(function)` calls a function once, when an export has written its shards."""

    def call(function) -> None:
        finish, functions = export_module.run.finish_shards, [function]

        def finished(*arguments):
            receipts = finish(*arguments)
            if functions:
                functions.pop()()
            return receipts

        monkeypatch.setattr(export_module.run, "finish_shards", finished)

    return call


@pytest.mark.parametrize("name", ["notes.txt", ".mine/notes.txt", ".y.staging/lock.holder"])
def test_objects_of_others_are_not_removed(name, source, url):
    bucket.write(f"{url}/{name}", b"mine")
    with pytest.raises(DestinationError, match=f"{url} is not empty and does not hold an export"):
        ilsvrc_tfds.export(source, url, **OPTIONS)
    assert bucket.read(f"{url}/{name}") == b"mine"


def test_objects_that_are_written_meanwhile_are_not_removed(source, url, meanwhile):
    meanwhile(lambda: bucket.write(f"{url}/.mine/notes.txt", b"mine"))
    with pytest.raises(DestinationError, match=f"{url} has objects that were written in the meantime: .mine/notes.txt"):
        ilsvrc_tfds.export(source, url, **OPTIONS)
    assert bucket.listed(url).keys() == {".mine/notes.txt"}
    bucket.remove_all([f"{url}/.mine/notes.txt"])
    assert "manifest.json" in bucket.listed(str(ilsvrc_tfds.export(source, url, **OPTIONS)))


def test_export_that_another_run_finished_meanwhile_is_kept(source, url, meanwhile):
    meanwhile(lambda: bucket.write(f"{url}/manifest.json", b"{}"))
    with pytest.raises(DestinationError, match=f"{url} has objects that were written in the meantime: manifest.json"):
        ilsvrc_tfds.export(source, url, **OPTIONS)
    assert bucket.listed(url).keys() == {"manifest.json"}


def test_export_onto_its_source_is_refused(source, url):
    ilsvrc_tfds.export(source, url, **OPTIONS)
    before = stores.digests(url)
    with pytest.raises(DestinationError, match=f"{url} is not replaced because the images are read from it: {url}"):
        ilsvrc_tfds.export(url, url, splits=["val"], overwrite=True, workers=1, allow_incomplete=True)
    assert stores.digests(url) == before


def test_lock_is_broken_for_all_configs(source, url):
    builders = ilsvrc_tfds.prepare_all(source, url, break_lock=True, **OPTIONS)
    assert [builder.data_dir.rpartition("/ilsvrc2012/")[0] for builder in builders.values()] == [url, url]


def test_copied_set_is_there_already(source, url):
    ilsvrc_tfds.export(source, url, **OPTIONS)
    shard = f"{url}/train-00001-of-00003"
    data = bucket.read(shard)
    time.sleep(1.1)  # the times of S3 are whole seconds
    bucket.write(shard, data)
    assert str(ilsvrc_tfds.export(source, url, **OPTIONS)) == url
    bucket.write(shard, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DestinationError, match="shards that were changed after they were made: train-00001-of-00003"):
        ilsvrc_tfds.export(source, url, **OPTIONS)


def test_lock_outlives_a_lost_answer(url, monkeypatch):
    write, calls = bucket.write_instead, []

    def lost(*arguments):
        stored = write(*arguments)
        calls.append(stored)
        if len(calls) == 2:  # the first heartbeat
            raise DestinationError("The store does not answer.")
        return stored

    monkeypatch.setattr(bucket, "write_instead", lost)
    monkeypatch.setattr(bucket_lock, "_SECONDS_BETWEEN_BEATS", 0.05)
    with bucket_lock.acquire(url, url, break_lock=False) as lock:
        until = time.monotonic() + 30
        while len(calls) < 5 and time.monotonic() < until:
            time.sleep(0.02)
        assert len(calls) >= 5 and lock.is_held()


def test_copies_that_are_refused_say_so(source, url, monkeypatch):
    ilsvrc_tfds.export(source, url, **OPTIONS)

    def refused(*arguments):
        raise DestinationError("403: no permission to copy.")

    with monkeypatch.context() as patched:
        patched.setattr(bucket_staging.bucket, "copy_all", refused)
        for overwrite in (True, False):
            with pytest.raises(DestinationError, match="403: no permission"):
                ilsvrc_tfds.export(source, url, label_offset=0, overwrite=overwrite, **OPTIONS)
    out = ilsvrc_tfds.export(source, url, label_offset=0, **OPTIONS)  # finished, and there already
    assert not ilsvrc_tfds.verify(str(out), workers=1).problems


def test_right_indexes_are_not_uploaded_again(source, url):
    ilsvrc_tfds.export(source, url, index=True, **OPTIONS)
    before = bucket.listed(url)
    ilsvrc_tfds.index_records(url, workers=1)
    assert bucket.listed(url) == before


def test_rest_of_an_object_is_read(url):
    bucket.write(f"{url}/note", b"0123456789")
    assert [bucket.read(f"{url}/note", *part) for part in ((7,), (2, 3), (0, 2), ())] == [
        b"789",
        b"234",
        b"01",
        b"0123456789",
    ]


def test_scratch_in_a_bucket_is_refused_before_anything_is_made(source, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="is a URL"):
        ilsvrc_tfds.export(source, url, scratch=f"{url}/scratch", **OPTIONS)
    assert not list(tmp_path.iterdir())
