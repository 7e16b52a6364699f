"""Results in buckets, on servers that nobody here wrote: the same bytes as on a local disk, and nothing else is left."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import drawing
import forms
import pytest
import stores

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import DestinationError, OptionError, SourceError
from ilsvrc_tfds.storage import bucket, bucket_lock, stand_ins
from ilsvrc_tfds.storage.stores import store_of

SHARDS = {"train": 3, "val": 2}
OPTIONS = {"workers": 1, "allow_incomplete": True, "num_shards": SHARDS}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return drawing.official_archives(tmp_path_factory.mktemp("source"), drawing.miniature())


def left_here() -> list[str]:
    """Returns the local folders that stand for buckets and are still there."""
    return list(filter(stand_ins._NAME.fullmatch, os.listdir(tempfile.gettempdir())))


def test_prepared_objects_are_those_of_a_local_run(source, url, tmp_path):
    local = ilsvrc_tfds.prepare(source, tmp_path / "local", config="raw256", **OPTIONS)
    builder = ilsvrc_tfds.prepare(source, url, config="raw256", **OPTIONS)
    assert stores.digests(url) == stores.digests(tmp_path / "local")
    assert builder.data_dir == f"{url}/ilsvrc2012/raw256/1.0.0" and str(builder.data_path) == builder.data_dir
    assert builder.info.splits["train"].filepaths[0].as_posix().startswith(("/gs/", "/s3/", url))
    assert builder.info.splits["train"].num_examples == local.info.splits["train"].num_examples == 12
    assert not left_here()


def test_exported_objects_are_those_of_a_local_run(source, url, tmp_path):
    local = ilsvrc_tfds.export(source, tmp_path / "local", index=True, **OPTIONS)
    out = ilsvrc_tfds.export(source, url, index=True, **OPTIONS)
    assert str(out) == url
    assert stores.digests(url) == stores.digests(local)
    assert bucket.listed(url.rpartition("/")[0]).keys() == {f"tfds/{name}" for name in stores.digests(local)}
    assert str(ilsvrc_tfds.export(source, url, **OPTIONS)) == url  # already
    with pytest.raises(DestinationError, match=f"{url} .* made with labels that begin at 1, not 0"):
        ilsvrc_tfds.export(source, url, label_offset=0, **OPTIONS)


def test_all_configs_of_parquet_files_are_prepared_from_one_spool(url, tmp_path, tmp_path_factory):
    import forms

    parquet = forms.hugging_face(tmp_path / "hf", drawing.miniature(), how="pyarrow")
    scratch = tmp_path / "scratch"
    builders = ilsvrc_tfds.prepare_all(parquet, url, scratch=scratch, **OPTIONS)
    assert {name: builder.data_dir for name, builder in builders.items()} == {
        name: f"{url}/ilsvrc2012/{name}/1.0.0" for name in ("classification", "raw256")
    }
    ilsvrc_tfds.prepare_all(parquet, tmp_path / "local", **OPTIONS)
    assert stores.digests(url) == stores.digests(tmp_path / "local")
    assert not list(scratch.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["beam", "dask", "two processes"])
def test_engines_need_no_shared_folder(engine, source, url, tmp_path):
    """Jobs and results go through the bucket, so that workers elsewhere need the source and the bucket alone."""
    runner = {
        "beam": lambda: ilsvrc_tfds.BeamRunner("--direct_running_mode=multi_processing --direct_num_workers=2"),
        "dask": lambda: ilsvrc_tfds.DaskRunner(workers=2),
        "two processes": lambda: None,
    }[engine]()
    options = {**OPTIONS, "workers": 2, "runner": runner}
    ilsvrc_tfds.export(source, url, config="raw256", scratch=tmp_path / "scratch", **options)
    ilsvrc_tfds.export(source, tmp_path / "local", config="raw256", **OPTIONS)
    assert stores.digests(url) == stores.digests(tmp_path / "local")
    assert len(bucket.listed(url.rpartition("/")[0])) == 6  # no jobs, no receipts, no lock
    assert not list((tmp_path / "scratch").iterdir())


def test_prepared_set_is_compared_and_replaced(source, url, caplog):
    ilsvrc_tfds.prepare(source, url, **OPTIONS)
    before = stores.digests(url)
    caplog.set_level("INFO")
    ilsvrc_tfds.prepare(source, url, **OPTIONS)
    assert f"{url}/ilsvrc2012/classification/1.0.0 is prepared already." in caplog.text
    with pytest.raises(DestinationError, match=f"{url}/ilsvrc2012.* exists already, made with num_shards"):
        ilsvrc_tfds.prepare(source, url, **{**OPTIONS, "num_shards": 1})
    assert stores.digests(url) == before
    ilsvrc_tfds.prepare(source, url, **{**OPTIONS, "num_shards": 1}, overwrite=True)
    names = [name.rpartition("/")[2] for name in stores.digests(url)]
    assert sum("tfrecord" in name for name in names) == 2  # no shard of the old set is left
    assert not ilsvrc_tfds.verify(f"{url}/ilsvrc2012/classification/1.0.0", workers=1).problems


def test_readers_name_the_bucket(source, url, tmp_path):
    ilsvrc_tfds.prepare(source, url, config="raw256", **OPTIONS)
    folder = f"{url}/ilsvrc2012/raw256/1.0.0"
    for data, data_dir in ((folder, None), (url, None), ("ilsvrc2012/raw256", url)):
        report = ilsvrc_tfds.verify(data, data_dir=data_dir, decode=True, workers=1)
        assert not report.problems and report.facts[0].startswith(f"{folder}: a prepared data set")
    assert ilsvrc_tfds.show(folder, num=1).startswith(f"{folder}\n")
    local = ilsvrc_tfds.prepare(source, tmp_path / "local", config="raw256", **OPTIONS).data_dir
    for name, place in (("bucket", folder), ("disk", local)):
        ilsvrc_tfds.unpack(place, tmp_path / name, workers=1)
        ilsvrc_tfds.index_records(place, workers=1)
        ilsvrc_tfds.export(place, tmp_path / f"{name}-export", **OPTIONS)
    assert stores.digests(tmp_path / "bucket") == stores.digests(tmp_path / "disk")
    assert stores.digests(tmp_path / "bucket-export") == stores.digests(tmp_path / "disk-export")
    assert stores.digests(folder) == stores.digests(local)  # with the indexes
    assert not left_here()


def test_imagenet2012_of_tfds_is_read_in_a_bucket(url, tmp_path):
    archives = drawing.official_archives(tmp_path / "archives", forms.consecutive())
    made = forms.imagenet2012(tmp_path / "made", archives)
    folder = f"{url}/imagenet2012/5.1.0"
    for path in made.iterdir():
        bucket.upload(path, f"{folder}/{path.name}")
    for data, data_dir in ((folder, None), (url, None), ("imagenet2012", url), ("imagenet2012:5.1.0", url)):
        report = ilsvrc_tfds.verify(data, data_dir=data_dir, workers=1)
        assert not report.problems and report.facts[0].startswith(f"{folder}: TFDS's imagenet2012")
    with pytest.raises(SourceError, match=f"{url}/imagenet2012/5.0.0 holds no data set"):
        ilsvrc_tfds.verify("imagenet2012:5.0.0", data_dir=url)


def test_damage_in_a_bucket_is_found(source, url):
    out = str(ilsvrc_tfds.export(source, url, **OPTIONS))
    shard = f"{out}/train-00001-of-00003"
    data = bytearray(bucket.read(shard))
    data[1000] ^= 1
    bucket.write(shard, bytes(data))
    bucket.remove_all([f"{out}/validation-00000-of-00002"])
    problems = ilsvrc_tfds.verify(out, workers=1).problems
    assert "validation-00000-of-00002 is missing" in problems
    assert any(line.startswith("train-00001-of-00003: record 0") for line in problems)
    with pytest.raises(SourceError, match=f"is missing: {out}/validation-00000-of-00002"):
        ilsvrc_tfds.index_records(out, workers=1)


def test_second_run_is_refused_and_a_silent_one_replaced(source, url, monkeypatch):
    staged = f"{url.rpartition('/')[0]}/.tfds.staging"
    # Of another machine: its process cannot be looked up here.
    words = b'{"token": "1", "machine": "another", "process": 1, "kernel": "", "text": "process 1 on host-b"}'
    bucket.write(f"{staged}/lock.holder", words)
    with pytest.raises(DestinationError, match=r"Another run is making .*/tfds \(process 1 on host-b, which wrote its"):
        ilsvrc_tfds.export(source, url, break_lock=True, **OPTIONS)
    monkeypatch.setattr(bucket_lock, "_SECONDS_TO_SILENCE", 0.0)
    with pytest.raises(DestinationError, match="silent for 0 minutes. If that run has ended, .* --break-lock"):
        ilsvrc_tfds.export(source, url, **OPTIONS)
    assert list(bucket.listed(staged)) == ["lock.holder"]
    ilsvrc_tfds.export(source, url, break_lock=True, **OPTIONS)
    assert not bucket.listed(staged)


def test_run_that_has_lost_its_lock_publishes_nothing(source, url, monkeypatch):
    staged = f"{url.rpartition('/')[0]}/.tfds.staging"
    make = bucket.upload

    def stolen(path, target):
        bucket.write(f"{staged}/lock.holder", b'{"token": "2", "machine": "", "process": 1, "kernel": "", "text": "x"}')
        return make(path, target)

    monkeypatch.setattr(bucket, "upload", stolen)
    with pytest.raises(DestinationError, match="Another run has taken .*/tfds over while this one did not answer"):
        ilsvrc_tfds.export(source, url, **OPTIONS)
    assert not bucket.listed(url)
    assert "lock.holder" in bucket.listed(staged)  # which is the other run's


def test_heart_writes_the_lock_anew(url, monkeypatch):
    monkeypatch.setattr(bucket_lock, "_SECONDS_BETWEEN_BEATS", 0.2)
    with bucket_lock.acquire(url, url, break_lock=False) as lock:
        first = bucket.look(f"{url}/lock.holder").version
        time.sleep(1)
        assert bucket.look(f"{url}/lock.holder").version != first
        assert lock.is_held()
    assert not bucket.listed(url)


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_parts_of_a_killed_upload_are_removed(source, url):
    """They are no objects, and nothing lists them, but they are paid for."""
    call = store_of("s3")._fs.call_s3
    above = url.removeprefix(f"s3://{stores.BUCKET}/").rpartition("/")[0]
    for key in (f"{above}/.tfds.staging/0123456789abcdef/train-00000-of-00003", f"{above}/of-others"):
        call("create_multipart_upload", Bucket=stores.BUCKET, Key=key)
    ilsvrc_tfds.export(source, url, **OPTIONS)
    left = call("list_multipart_uploads", Bucket=stores.BUCKET, Prefix=above)["Uploads"]
    assert [upload["Key"] for upload in left] == [f"{above}/of-others"]


def test_lock_without_preconditions_is_still_one(url, monkeypatch):
    """A store that ignores conditions lets two runs write: the one whose words are not there then has no lock."""

    def ignores(target, data, version):
        stored = bucket.write(target, data)
        bucket.write(target, b'{"text": "a rival"}')
        return stored

    monkeypatch.setattr(bucket, "write_instead", ignores)
    monkeypatch.setattr(bucket_lock, "_seen", lambda target: None)  # both looked before either wrote
    with pytest.raises(DestinationError, match="is written by several runs at once"):
        bucket_lock.acquire(url, url, break_lock=False)


def test_what_cannot_be_in_a_bucket_says_what_to_do(source, url, tmp_path, capsys):
    with pytest.raises(OptionError, match="read at a million places. Copy it to a local disk, .*: `(gcloud|aws) "):
        ilsvrc_tfds.prepare(url, tmp_path)
    with pytest.raises(OptionError, match="--break-lock .* is for buckets"):
        ilsvrc_tfds.export(source, tmp_path / "out", break_lock=True)
    with pytest.raises(OptionError, match="is a whole bucket. Name a folder in it"):
        ilsvrc_tfds.export(source, "/".join(url.split("/")[:3]))
    with pytest.raises(SourceError, match=f"{url} holds no data set. Prepare it first; or, if these are the archives"):
        ilsvrc_tfds.verify(url)
    assert main(["export", str(source), "--out", url.replace("data", "no-such-bucket", 1), "--allow-incomplete"]) == 1
    assert "there is no bucket 'no-such-bucket'" in capsys.readouterr().err


def test_fsspec_is_loaded_for_urls_only(archives, tmp_path):
    code = (
        "import sys, ilsvrc_tfds; from ilsvrc_tfds.cli import main;"
        f"assert main(['export', {str(archives)!r}, '--out', {str(tmp_path / 'out')!r}, '--allow-incomplete']) == 0;"
        f"assert main(['verify', {str(tmp_path / 'out')!r}, '--workers', '1']) == 0;"
        "assert not {'fsspec', 'gcsfs', 's3fs', 'botocore'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, timeout=120)
