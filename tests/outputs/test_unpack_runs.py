"""Unpacking that is stopped and continued, and its destination."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from unpacked_sets import files, images_in, times

from ilsvrc_tfds.errors import DestinationError, OptionError
from ilsvrc_tfds.outputs import unpack as unpacking
from ilsvrc_tfds.outputs.unpack import unpack
from ilsvrc_tfds.storage import space, staging

KILL_AFTER = """
import os, signal, sys
from ilsvrc_tfds import sources
from ilsvrc_tfds.outputs.unpack import unpack
read, count = sources.Reader.read, 0

def read_or_die(*arguments):
    global count
    count += 1
    if count > int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return read(*arguments)

sources.Reader.read = read_or_die
unpack(sys.argv[1], sys.argv[2], workers=1)
"""


def kill_after(num_images: int, prepared: Path, out: Path) -> list[Path]:
    """Unpacks in another process, which is killed after so many images; returns the receipts of the finished shards."""
    command = [sys.executable, "-c", KILL_AFTER, str(prepared), str(out), str(num_images)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return sorted(out.parent.glob(f".{out.name}.staging/*/*.json"))


@pytest.mark.slow
def test_killed_run_is_continued(prepared, tmp_path, caplog):
    out = tmp_path / "out"
    assert [path.name for path in kill_after(8, prepared, out)] == [
        "train-00000-of-00004.json",
        "train-00001-of-00004.json",
    ]
    assert not out.exists()
    before = {path: time for path, time in times(tmp_path).items() if "train256" in path.parts}
    assert len(before) == 8  # two shards of three images, and two images of the third
    with caplog.at_level("INFO"):
        unpack(prepared, out, workers=2)
    assert "the images of 2 of 7 shards are written already" in caplog.text
    assert files(out) == files(unpack(prepared, tmp_path / "whole", workers=1))
    after = {path.name: time for path, time in times(out).items()}
    assert sum(after[path.name] == time for path, time in before.items()) == 6  # not written again
    assert sorted(os.listdir(tmp_path)) == ["out", "whole"]


@pytest.mark.slow
def test_file_that_is_damaged_in_a_finished_shard_is_written_again(prepared, tmp_path):
    out = tmp_path / "out"
    kill_after(20, prepared, out)
    cut, gone, zeros, *_ = sorted(tmp_path.glob(".out.staging/*/files/train256/*/*"))
    os.truncate(cut, 100), gone.unlink()
    zeros.write_bytes(bytes(zeros.stat().st_size))  # as after a loss of power
    assert files(unpack(prepared, out, workers=1)) == files(unpack(prepared, tmp_path / "whole", workers=1))


@pytest.mark.slow
def test_changed_data_set_starts_anew(prepare, tmp_path, caplog):
    folder = prepare(num_shards={"train": 4}).data_path
    kill_after(8, folder, tmp_path / "out")
    prepare(num_shards={"train": 2}, overwrite=True)
    unpack(folder, tmp_path / "out", workers=1)
    assert "has changed since the last run was stopped: starting anew" in caplog.text
    assert len(images_in(tmp_path / "out")) == 18


@pytest.mark.slow
def test_full_disk_is_an_error_and_keeps_what_is_finished(prepared, tmp_path):
    sizes = sorted(len(data) for data in images_in(unpack(prepared, tmp_path / "whole", workers=1)).values())
    code = """
import resource, sys
from ilsvrc_tfds import errors
from ilsvrc_tfds.outputs.unpack import unpack
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), -1))
try:
    unpack(sys.argv[1], sys.argv[2], workers=1)
except errors.DestinationError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(prepared), str(tmp_path / "out"), str(sizes[-1] - 1)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "files cannot be written: File too large. The limit of a file's size is reached" in done.stdout, done.stderr
    assert not (tmp_path / "out").exists() and list(tmp_path.glob(".out.staging/*/*.json"))
    assert files(unpack(prepared, tmp_path / "out", workers=1)) == files(tmp_path / "whole")


def test_too_little_room_is_told_before_anything_is_written(prepared, tmp_path, monkeypatch):
    # 21 images of up to 30 KB, each in whole blocks; 64 MiB are kept free.
    monkeypatch.setattr(space, "free_bytes", lambda folder: (64 << 20) + 21 * 4096)
    with pytest.raises(DestinationError, match="Too little room at .*: about [0-9.]+ MB are needed"):
        unpack(prepared, tmp_path / "out", workers=1)
    assert os.listdir(tmp_path) == []


def test_second_run_on_one_destination_is_refused(prepared, tmp_path):
    with staging.claim(tmp_path / "out"):
        with pytest.raises(DestinationError, match=f"process {os.getpid()} on "):
            unpack(prepared, tmp_path / "out", workers=1)


# The destination.


@pytest.mark.slow
def test_folder_that_is_there_is_refused_without_overwrite_and_replaced_with(prepared, prepare, tmp_path):
    out = unpack(prepare().data_dir, tmp_path / "out", workers=1)
    before = files(out)
    with pytest.raises(
        DestinationError, match="out holds unpacked images, made of other .* Replace them with --overwrite"
    ):
        unpack(prepared, out, workers=1)
    assert files(out) == before
    unpack(prepared, out, workers=1, overwrite=True)
    assert {Path(name).parts[0] for name in images_in(out)} == {"train256", "val256", "test256"}
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.slow
def test_overwrite_that_fails_keeps_what_was_there(prepared, prepare, tmp_path, monkeypatch):
    out = unpack(prepared, tmp_path / "out", workers=1)
    before = files(out)

    other, rename = prepare().data_dir, Path.rename

    def full(path, target):
        if path.name == "files":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(DestinationError, match="out cannot be written: No space left on device"):
            unpack(other, out, workers=1, overwrite=True)
    assert files(out) == before
    assert "train" in os.listdir(unpack(other, out, workers=1, overwrite=True))  # from the files in staging
    assert not list(tmp_path.glob(".out*"))


STRANGERS = {
    "somebody's files": {"thesis.tex": b"years of work"},
    "a mark, and somebody's files": {"unpacked.json": b"{}", "train/a.JPEG": b"", "thesis.tex": b"years of work"},
    "a source with its metadata": {"train/n01440764/a.JPEG": b"image", "val/b.JPEG": b"image", "metadata.h5": b"HDF"},
    "hidden files": {".bashrc": b"alias"},
}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("held", STRANGERS.values(), ids=STRANGERS)
def test_folder_of_others_is_never_replaced(held, overwrite, prepared, tmp_path):
    for name, data in held.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(data)
    with pytest.raises(DestinationError, match="out is not empty and was not made by unpack: it h"):
        unpack(prepared, tmp_path / "out", workers=1, overwrite=overwrite)
    assert files(tmp_path) == {f"out/{name}": data for name, data in held.items()}


def test_prepared_data_set_is_not_replaced_by_its_own_images(prepared):
    before = files(prepared)
    with pytest.raises(DestinationError, match="is not empty and was not made by unpack"):
        unpack(prepared, prepared, workers=1, overwrite=True)
    assert files(prepared) == before


def test_file_is_no_destination(prepared, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(DestinationError, match="out cannot be written: Not a directory"):
        unpack(prepared, tmp_path / "out", workers=1, overwrite=True)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.slow
def test_empty_folder_behind_a_link_is_filled(prepared, tmp_path):
    (tmp_path / "disk").mkdir(), (tmp_path / "link").symlink_to("disk")
    assert unpack(prepared, tmp_path / "link", workers=1) == tmp_path / "disk"
    assert (tmp_path / "link").is_symlink() and len(images_in(tmp_path / "disk")) == 21
    assert sorted(os.listdir(tmp_path)) == ["disk", "link"]


@pytest.mark.slow
def test_folder_moved_aside_by_a_killed_run_comes_back(prepared, tmp_path):
    unpack(prepared, tmp_path / "out", workers=1).rename(tmp_path / ".out.replaced")
    unpack(prepared, tmp_path / "out", workers=1)
    assert os.listdir(tmp_path) == ["out"] and len(images_in(tmp_path / "out")) == 21


@pytest.mark.slow
def test_files_put_there_meanwhile_are_kept(prepared, tmp_path, monkeypatch):
    describe = unpacking._describe

    def describe_slowly(*arguments):
        describe(*arguments)
        (tmp_path / "out").mkdir(), (tmp_path / "out/thesis.tex").write_text("years of work")

    monkeypatch.setattr(unpacking, "_describe", describe_slowly)
    with pytest.raises(DestinationError, match="out is not empty and was not made by unpack: it holds 'thesis.tex'"):
        unpack(prepared, tmp_path / "out", workers=1, overwrite=True)
    assert files(tmp_path / "out") == {"thesis.tex": b"years of work"}


def test_folder_that_cannot_be_written_is_a_destination_error(prepared, tmp_path, permissions_count):
    tmp_path.chmod(0o500)
    with pytest.raises(DestinationError, match="cannot be written: Permission denied"):
        unpack(prepared, tmp_path / "out", workers=1)


@pytest.mark.parametrize("options", [{"out": "gs://bucket/out"}, {"workers": 0}])
def test_impossible_options_are_refused(options, prepared, tmp_path):
    with pytest.raises(OptionError):
        unpack(prepared, **{"out": tmp_path / "out", **options})
    assert os.listdir(tmp_path) == []
