"""Images of sources that cannot be read at random are spooled first: nothing is lost, doubled or left behind."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import drawing
import forms
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import DestinationError, ImageError, SourceError
from ilsvrc_tfds.images import Original, Resized
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.sources import Reader, find_layout, index_images
from ilsvrc_tfds.sources.layouts import STREAMS
from ilsvrc_tfds.sources.members import Container, Members
from ilsvrc_tfds.sources.spool import SpoolTask, finish_spool
from ilsvrc_tfds.sources.spool_place import Spool
from ilsvrc_tfds.sources.spooling import spooled
from ilsvrc_tfds.storage import space

DAMAGED = "n01440764_11.JPEG"
SHARDS = {"train": 3, "val": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a miniature as archives and as parquet files, and one with damaged images as both."""
    folder = tmp_path_factory.mktemp("made")
    images, damaged = drawing.miniature(), drawing.miniature()
    damaged.train["n01440764"] |= {DAMAGED: damaged.train["n01440764"][DAMAGED][:-50], "n01440764_12.JPEG": b""}
    for name, own in (("", images), ("damaged_", damaged)):
        drawing.official_archives(folder / f"{name}archives", own)
        forms.hugging_face(folder / f"{name}hf", own, how="pyarrow", row_group_size=5)
    return folder


def files(folder: Path) -> dict[str, str]:
    """Returns the sha256 of each file below a folder, by its path; of `metadata.json` only what names no layout."""
    found = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    for path, data in found.items():
        if path.name == "metadata.json":
            found[path] = json.dumps(dict(json.loads(data), source_layout="")).encode()
    return {os.fspath(path.relative_to(folder)): hashlib.sha256(data).hexdigest() for path, data in found.items()}


def prepared(source: Path, data_dir: Path, **options) -> dict[str, str]:
    ilsvrc_tfds.prepare(source, data_dir, **{**forms.PLAIN, "num_shards": SHARDS, **options})
    return files(data_dir)


@pytest.mark.slow
@pytest.mark.parametrize("config", ["classification", "raw256"])
def test_damaged_images_are_skipped_as_those_of_archives(config, made, tmp_path):
    own, archives = (
        prepared(made / f"damaged_{name}", tmp_path / name, config=config, on_error="skip")
        for name in ("hf", "archives")
    )
    assert own == archives  # and with it metadata.json: skipped and changed images, and the digest of the source


@pytest.mark.parametrize("config", ["classification", "raw256"])
def test_run_stops_at_a_damaged_image_and_names_its_file(config, made, tmp_path):
    with pytest.raises(
        ImageError, match=r"train-0000\d-of-00002.parquet\S*: train/n01440764_1[12].JPEG: it .*--on-error"
    ):
        prepared(made / "damaged_hf", tmp_path, config=config)


@pytest.mark.slow
def test_all_configs_are_made_of_one_spool(made, tmp_path, caplog):
    caplog.set_level("INFO")
    options = {**forms.PLAIN, "num_shards": SHARDS}
    ilsvrc_tfds.prepare_all(made / "hf", tmp_path / "own", scratch=tmp_path / "scratch", **options)
    assert sum("have no random access" in message for message in caplog.messages) == 1
    ilsvrc_tfds.prepare_all(made / "archives", tmp_path / "archives", **options)
    assert files(tmp_path / "own") == files(tmp_path / "archives")
    assert not (tmp_path / "scratch").exists()
    ilsvrc_tfds.prepare_all(made / "hf", tmp_path / "own", **options)  # compared by names: nothing is spooled
    assert sum("have no random access" in message for message in caplog.messages) == 1
    assert os.listdir(tmp_path / "own") == ["ilsvrc2012"]


@pytest.mark.slow
def test_prepared_already_is_found_out_by_names_and_labels(made, tmp_path):
    prepared(made / "hf", tmp_path / "data")
    other = forms.hugging_face(tmp_path / "other", drawing.miniature(train=5), how="pyarrow")
    with pytest.raises(
        DestinationError, match="made of other images than .* 15 images now, 12 then, new: n01440764_13"
    ):
        prepared(other, tmp_path / "data")


@pytest.mark.parametrize("op, state", [(Original(), (0,)), (Resized(256), (1,)), (Resized(30), (0, 1))])
def test_spool_holds_each_image_once_and_is_removed(op, state, made, tmp_path):
    index, archives = (index_images(find_layout([made / name])) for name in ("hf", "archives"))
    spool = Spool(tmp_path / "out", op=op)
    with LocalRunner(1) as runner, spooled(index, spool, runner) as ready, Reader() as reader:
        own, first = ready.splits["train"], archives.splits["train"]
        wanted = {first.name[row]: reader.read(first, row) for row in range(len(first))}
        for row, name in enumerate(own.name.tolist()):
            data = reader.read(own, row)
            assert data == (wanted[name] if isinstance(op, Original) else op(wanted[name]))
            assert own.containers[own.container[row]].processed == (data != wanted[name])
        assert {container.processed for container in own.take(range(len(own))).containers} == set(map(bool, state))
        assert own.digest() == first.digest() and spool.path.with_name(f".{spool.path.name}.staging").exists()
        assert ready.made == ({} if isinstance(op, Original) else {s: index_op(op) for s in ready.splits})
    assert list(tmp_path.iterdir()) == []


def test_shards_are_continued_even_if_the_spool_is_gone(made, tmp_path, monkeypatch, caplog):
    options = {**forms.PLAIN, "config": "raw256", "num_shards": {"train": 6, "val": 2}}
    monkeypatch.setattr(run, "_report_skipped", lambda receipts: 1 / 0)  # all shards are finished
    with pytest.raises(ZeroDivisionError):
        ilsvrc_tfds.prepare(made / "hf", tmp_path, **options)
    monkeypatch.undo()
    [spool] = tmp_path.rglob(".1.0.0-spool.staging")
    shutil.rmtree(spool)
    shards = {path.stat().st_ino for path in tmp_path.rglob("*.tfrecord-*") if path.suffix != ".json"}
    caplog.set_level("INFO")
    builder = ilsvrc_tfds.prepare(made / "hf", tmp_path, **options)
    assert any(message.startswith("Continuing: ") for message in caplog.messages)
    assert {path.stat().st_ino for path in Path(builder.data_dir).glob("*.tfrecord-*")} == shards and len(shards) == 8


def test_boxes_in_pixels_of_the_original_images_are_exported(made, tmp_path):
    table = tmp_path / "LOC_train_solution.csv"
    table.write_text("ImageId,PredictionString\nn01440764_9,n01440764 10 20 30 35\n")
    for name in ("hf", "archives"):
        options = {**forms.PLAIN, "config": "raw256", "num_shards": {"train": 2, "val": 1}, "bbox": [table]}
        ilsvrc_tfds.export(made / name, tmp_path / f"out_{name}", **options)
    found = [files(tmp_path / name) for name in ("out_hf", "out_archives")]
    assert found[0].pop("manifest.json") != found[1].pop("manifest.json")  # which record what the sets were made of
    assert found[0] == found[1] and len(found[0]) == 3


def index_op(op: Resized) -> dict:
    return {"op": "Resized", "shorter_side": op.shorter_side, "quality": op.quality}


def test_finished_files_are_kept_and_those_of_other_sources_removed(made, tmp_path):
    data = tmp_path / "hf/data"
    forms.hugging_face(tmp_path / "hf", drawing.miniature(), how="pyarrow", shards=3)
    spool = Spool(tmp_path / "out")

    def fill() -> dict[str, int]:
        with LocalRunner(1) as runner, pytest.raises(KeyError):
            with spooled(index_images(find_layout([tmp_path / "hf"])), spool, runner):
                raise KeyError
        return {path.name: path.stat().st_ino for path in tmp_path.rglob("*.images")}

    first = fill()
    damaged = next(iter(tmp_path.rglob("train-00001*.images")))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    (data / "train-00002-of-00003.parquet").touch()  # as if it had been downloaded again
    second = fill()
    assert len(first) == len(second) == 4 and len(first.items() & second.items()) == 2
    assert len(list(tmp_path.rglob("*.images.json"))) == 4


def test_a_stream_of_very_many_images_takes_little_memory(tmp_path, monkeypatch):
    """One archive may hold all 1.28 million images: 80 bytes each are 100 MB."""
    count, stream = 100_000, SimpleNamespace(images=lambda path, stamp, places: (b"x" * 4 for _ in places))
    monkeypatch.setitem(STREAMS, "many", stream)
    columns = (np.zeros(count, np.int16), np.zeros(count, np.int32), np.arange(count) * 512, np.full(count, 4))
    containers = (Container("train.tar.gz", "train", "1-1", "many"),)
    task = SpoolTask(Members("train", containers, np.full(count, b"1.JPEG"), *columns), str(tmp_path / "x"), sync=False)
    for _ in ("written", "read again"):
        tracemalloc.start()
        found = finish_spool(task)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 80 * count + (4 << 20) and (found.offset == 4 * np.arange(count)).all()


@pytest.mark.parametrize("name", ["size", "source_size", "state"])
def test_receipt_that_does_not_fit_its_file_is_not_used(name, made, tmp_path):
    task = SpoolTask(index_images(find_layout([made / "hf"])).splits["val"], str(tmp_path / "x"))
    wanted = finish_spool(task)
    receipt = json.loads((tmp_path / "x.json").read_text())
    receipt["rows"][name] = receipt["rows"][name][:8]
    (tmp_path / "x.json").write_text(json.dumps(receipt))
    found = finish_spool(task)
    assert (found.size == wanted.size).all() and (found.state == wanted.state).all() and len(found.source_size) == 6


def test_too_little_room_is_found_out_before(made, tmp_path, monkeypatch):
    monkeypatch.setattr(space, "free_bytes", lambda folder: 64 << 20)
    with pytest.raises(
        DestinationError, match=r"[0-9.]+ MB are free. Make room, or choose another place .*--scratch DIR"
    ):
        prepared(made / "hf", tmp_path)
    assert not list(tmp_path.rglob("*.images"))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["header of a page", "page with a checksum"])
def test_file_that_is_damaged_inside_is_named(part, tmp_path):
    options = {"row_group_size": 6, "write_page_checksum": part != "header of a page", "compression": "zstd"}
    source = forms.hugging_face(tmp_path / "hf", drawing.miniature(), how="pyarrow", shards=1, **options)
    path = source / "data/train-00000-of-00001.parquet"
    forms.damage_second_row_group(path, header=part == "header of a page")
    assert len(index_images(find_layout([source])).splits["train"]) == 12
    with pytest.raises(SourceError, match=f"{path}: row group 1 is damaged or cut short"):
        prepared(source, tmp_path / "out")
    assert not list(tmp_path.glob("out/**/train*.images"))


def test_image_without_bytes_stops_the_run(tmp_path):
    path = forms.hugging_face(tmp_path / "hf", drawing.miniature(), how="pyarrow") / "data/train-00000-of-00002.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[3]["image"]["bytes"] = None
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(path)), path, write_statistics=False)
    with pytest.raises(SourceError, match=f"{path}: row group 0, row 3 has no image"):
        prepared(tmp_path / "hf", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("scratch", [False, True])
def test_killed_run_is_continued(scratch, tmp_path):
    images = drawing.miniature(train=60)
    source = forms.hugging_face(tmp_path / "hf", images, how="pyarrow", shards=60)
    out, between = tmp_path / "out", tmp_path / "scratch"
    words = f"prepare {source} --data-dir {out} --config raw256 --allow-incomplete --workers 2".split()
    words += ["--scratch", str(between)] if scratch else []
    process = subprocess.Popen([sys.executable, "-m", "ilsvrc_tfds.cli", *words], stderr=subprocess.DEVNULL)
    while len(finished := list((between if scratch else out).rglob("*.images.json"))) < 3:
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.5)  # workers end by themselves
    kept = {path: path.stat().st_ino for path in (tmp_path).rglob("*.images") if Path(f"{path}.json") in finished}
    assert 3 <= len(list(tmp_path.rglob("*.images.json"))) < 61 and len(kept) >= 3
    assert main(words) == 0
    drawing.official_archives(tmp_path / "archives", images)
    assert prepared(tmp_path / "archives", tmp_path / "wanted", config="raw256", num_shards=None) == files(out)
    assert not list(between.glob("*")) and not list(tmp_path.rglob("*.staging"))


@pytest.mark.parametrize("numbers", [(6, 10), (6, 9)], ids=["as many images", "fewer images"])
def test_stopped_run_with_another_list_reads_no_image_of_the_first(numbers, made, tmp_path, monkeypatch):
    names = [name for own in drawing.miniature().train.values() for name in own]
    options = {"splits": ["train"], "num_shards": {"train": 1}, **forms.PLAIN}
    with monkeypatch.context() as patched:
        patched.setattr(run, "finish_shards", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ilsvrc_tfds.export(made / "hf", tmp_path / "out", images=names[:4], **options)
    assert list(tmp_path.glob(".out-spool.staging/*/*.images"))
    own = names[numbers[0] : numbers[1]]
    out = ilsvrc_tfds.export(made / "hf", tmp_path / "out", images=own, **options)
    expected = ilsvrc_tfds.export(made / "archives", tmp_path / "expected", images=own, **options)
    assert (out / "train-00000-of-00001").read_bytes() == (expected / "train-00000-of-00001").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["expected", "out"]


@pytest.mark.parametrize("now", ["scratch", "archives"])
def test_spool_of_a_stopped_run_is_removed_by_another_way_to_the_result(now, made, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(run, "finish_shards", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        for export in (False, True):
            with pytest.raises(KeyboardInterrupt):
                if export:
                    ilsvrc_tfds.export(made / "hf", tmp_path / "out", **forms.PLAIN)
                else:
                    ilsvrc_tfds.prepare(made / "hf", tmp_path / "data", **forms.PLAIN)
    assert len(list(tmp_path.rglob("*-spool.staging"))) == 2
    source, options = (made / "hf", {"scratch": tmp_path / "scratch"}) if now == "scratch" else (made / "archives", {})
    ilsvrc_tfds.prepare(source, tmp_path / "data", **options, **forms.PLAIN)
    ilsvrc_tfds.export(source, tmp_path / "out", **options, **forms.PLAIN)
    assert not list(tmp_path.rglob("*staging*"))
