"""Runs with plain copies that are stopped or refused: finished copies serve the next run, and nothing else is left."""

import gzip
import os
from pathlib import Path

import pytest
from compressed_sources import KAGGLE, ONCE, PLAIN, SHARDS, Killed, kill, left_in, shards, stop_before_shards

import ilsvrc_tfds
from ilsvrc_tfds.errors import DestinationError, IncompleteError, SourceError
from ilsvrc_tfds.outputs import data_set
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.sources import copies, gzips, plain_copy
from ilsvrc_tfds.sources.spool_place import Spool
from ilsvrc_tfds.storage import space
from ilsvrc_tfds.terminal import units


@pytest.mark.parametrize("name", ["hf", f"kaggle/{KAGGLE}", "classes"])
def test_stopped_run_goes_on_with_the_finished_copies(name, compressed, tmp_path, read_whole):
    stop_before_shards(compressed / name, tmp_path / "own")
    assert set(read_whole.values()) == {1} and left_in(tmp_path / "own")
    ilsvrc_tfds.prepare(compressed / name, tmp_path / "own", **PLAIN)
    assert set(read_whole.values()) == {1}
    ilsvrc_tfds.prepare(compressed / "archives", tmp_path / "archives", **PLAIN)
    assert shards(tmp_path / "own") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("damage", ["byte", "cut", "receipt"])
def test_damaged_copy_is_written_again(damage, compressed, tmp_path, read_whole):
    stop_before_shards(compressed / "hf", tmp_path / "own")
    [copy] = (tmp_path / "own").rglob("train_images_2.tar.gz.*.tar")
    data = copy.read_bytes()
    if damage == "receipt":
        Path(f"{copy}.json").write_text("{}")
    else:
        copy.write_bytes(data[:-1] if damage == "cut" else data[:700] + bytes([data[700] ^ 1]) + data[701:])
    ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", **PLAIN)
    assert read_whole == {**ONCE, "train_images_2.tar.gz": 2}
    ilsvrc_tfds.prepare(compressed / "archives", tmp_path / "archives", **PLAIN)
    assert shards(tmp_path / "own") == shards(tmp_path / "archives")


def test_copy_of_an_archive_that_was_replaced_is_not_used(hf_archives, tmp_path, read_whole):
    stop_before_shards(hf_archives, tmp_path / "own")
    path = hf_archives / "data/val_images.tar.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))
    ilsvrc_tfds.prepare(hf_archives, tmp_path / "own", **PLAIN)
    assert read_whole["val_images.tar.gz"] == 2
    assert left_in(tmp_path / "own") == []


def test_refused_source_leaves_nothing(compressed, tmp_path):
    with pytest.raises(IncompleteError):
        ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", workers=1, num_shards=SHARDS)
    assert left_in(tmp_path / "own") == []


def test_refused_source_keeps_what_an_earlier_run_has_made(compressed, tmp_path, read_whole):
    stop_before_shards(compressed / "hf", tmp_path / "own")
    with pytest.raises(IncompleteError):
        ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", workers=1, num_shards=SHARDS)
    ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", **PLAIN)
    assert read_whole == ONCE
    assert left_in(tmp_path / "own") == []


@pytest.mark.parametrize("workers", [1, 2])
def test_damaged_archive_leaves_nothing(workers, hf_archives, tmp_path):
    path = hf_archives / "data/train_images_3.tar.gz"
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # of the checksum
    path.write_bytes(data)
    with pytest.raises(SourceError, match="train_images_3.tar.gz is damaged or cut short"):
        ilsvrc_tfds.prepare(hf_archives, tmp_path / "own", **{**PLAIN, "workers": workers})
    assert left_in(tmp_path / "own") == []


def test_archive_that_changes_while_it_is_listed_is_refused(hf_archives, tmp_path, monkeypatch):
    path, stamp = hf_archives / "data/val_images.tar.gz", gzips.archive_stamp
    monkeypatch.setattr(gzips, "archive_stamp", lambda one: "1-1" if one == str(path) else stamp(one))
    with pytest.raises(SourceError, match="val_images.tar.gz has changed while it was listed"):
        ilsvrc_tfds.prepare(hf_archives, tmp_path / "own", **PLAIN)
    assert left_in(tmp_path / "own") == []


def test_room_is_looked_for_before_anything_is_decompressed(compressed, tmp_path, monkeypatch, read_whole):
    monkeypatch.setattr(space, "free_bytes", lambda folder: (64 << 20) + 1000)
    with pytest.raises(DestinationError, match=r"Too little room at .*spool.*: about .* are needed.*--scratch DIR"):
        ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", **PLAIN)
    assert not read_whole and left_in(tmp_path / "own") == []


def test_error_of_the_writing_thread_is_told(compressed, tmp_path, monkeypatch):
    def full(self, pieces):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plain_copy._Writer, "_write", full)
    with pytest.raises(DestinationError, match="No space left on device.*--scratch puts them elsewhere"):
        ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", **PLAIN)
    assert left_in(tmp_path / "own") == []


@pytest.mark.parametrize("scratch", [False, True])
def test_refused_source_leaves_no_record_of_its_place(scratch, compressed, tmp_path):
    options = {"scratch": tmp_path / "scratch"} if scratch else {}
    for make, more in ((ilsvrc_tfds.prepare, {}), (ilsvrc_tfds.export, {"num_shards": {"train": 2, "val": 1}})):
        with pytest.raises(IncompleteError):
            make(compressed / "hf", tmp_path / "own", workers=1, **more, **options)
    assert left_in(tmp_path) == [] and not (tmp_path / "own/ilsvrc2012").exists()


def test_copies_of_replaced_archives_are_removed_first(hf_archives, tmp_path, monkeypatch):
    stop_before_shards(hf_archives, tmp_path / "own")
    before = {path.name for path in (tmp_path / "own").rglob("*.tar")}
    for path in hf_archives.rglob("*.gz"):
        os.utime(path, ns=(1, 1))
    there: list[set[str]] = []
    write = plain_copy.Copy.write

    def watched(self, *arguments):
        there.append({path.name for path in (tmp_path / "own").rglob("*.tar")})
        write(self, *arguments)

    monkeypatch.setattr(plain_copy.Copy, "write", watched)
    ilsvrc_tfds.prepare(hf_archives, tmp_path / "own", **PLAIN)
    assert before and len(there) == 6 and not any(names & before for names in there)


def test_lack_of_room_is_stated_for_all_archives(compressed, tmp_path, monkeypatch):
    needed = 2 * 1.03 * sum(path.stat().st_size for path in (compressed / "hf").rglob("*.gz"))
    monkeypatch.setattr(space, "free_bytes", lambda folder: (64 << 20) + int(0.9 * needed))
    with pytest.raises(DestinationError) as refused:
        ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", **PLAIN)
    assert f"about {units.in_bytes(int(needed) + (64 << 20))} are needed" in str(refused.value)
    monkeypatch.setattr(space, "free_bytes", lambda folder: (64 << 20) + int(1.5 * needed))
    ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", **PLAIN)


def test_room_for_what_is_made_already_is_not_needed_again(compressed, tmp_path, monkeypatch):
    bytes_of_images = sum(path.stat().st_size for path in (compressed / "hf").rglob("*.gz"))
    ilsvrc_tfds.prepare(compressed / "archives", tmp_path / "own", **PLAIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_set, "_write_files", kill)
        with pytest.raises(Killed):
            ilsvrc_tfds.prepare_all(compressed / "hf", tmp_path / "own", **PLAIN, overwrite=True)
    # The copies are whole. What is left is two results: the originals, and raw256 with less.
    looked = []
    monkeypatch.setattr(copies, "require_space", lambda folder, needed, then: looked.append(needed / bytes_of_images))
    ilsvrc_tfds.prepare_all(compressed / "hf", tmp_path / "own", **PLAIN, overwrite=True)
    assert len(looked) == 1 and 1.03 < looked[0] < 1.03 * 1.5


def test_other_run_in_the_folder_is_refused(compressed, tmp_path):
    spool = Spool(tmp_path / "own/ilsvrc2012/classification/1.0.0")
    with copies.spool_folder(spool), pytest.raises(DestinationError, match="Another run"):
        ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", **PLAIN)


def test_run_that_fails_at_an_image_keeps_the_copies(compressed, tmp_path, read_whole, monkeypatch):
    finish = run.finish_shards
    monkeypatch.setattr(run, "finish_shards", kill)
    with pytest.raises(Killed):
        ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", **PLAIN)
    monkeypatch.setattr(run, "finish_shards", finish)
    ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", **PLAIN)
    assert read_whole == ONCE
    assert left_in(tmp_path / "own") == []
