"""Files whole or not at all, and on disk: which calls the system gets, and what file systems answer that have none of them."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import refusing

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.storage import files
from ilsvrc_tfds.storage.files import sync_file_system, sync_folder, sync_name, write_whole


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """The calls of fsync and rename that are made, with the names of their files."""
    made, fsync, replace = [], os.fsync, os.replace

    def synced(descriptor):
        fsync(descriptor)
        made.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name.partition('.')[0]}")

    def replaced(path, target):
        replace(path, target)
        made.append(f"rename {Path(target).name}")

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return made


def test_bytes_are_on_disk_before_a_file_has_its_name(tmp_path, calls):
    assert write_whole(tmp_path / "a", b"data").read_bytes() == b"data"
    assert calls == ["fsync a", "rename a"]
    write_whole(tmp_path / "b", b"data", sync=False)
    assert calls[2:] == ["rename b"]
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_bytes_that_cannot_be_synced_leave_no_file(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(
        DestinationError, match="a cannot be written: Input/output error. The disk or the network behind it has"
    ):
        write_whole(tmp_path / "a", b"data")
    assert os.listdir(tmp_path) == []


def test_name_is_synced_in_all_folders_above(tmp_path, calls):
    folder = tmp_path / "data" / "raw256"
    folder.mkdir(parents=True)
    sync_name(folder / "1")  # 1.0.0 need not be there
    assert calls[:3] == ["fsync raw256", "fsync data", f"fsync {tmp_path.name.partition('.')[0]}"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
def test_file_systems_that_sync_no_folders_are_taken_as_they_are(number, tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    sync_folder(tmp_path)


def test_failing_disk_is_an_error_for_folders_too(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        sync_folder(tmp_path)


def test_whole_file_system_is_synced_with_or_without_syncfs(tmp_path, monkeypatch):
    sync_file_system(tmp_path)
    synced = []
    monkeypatch.setattr(files.ctypes, "CDLL", lambda *arguments, **options: object())  # a C library without it
    monkeypatch.setattr(os, "sync", lambda: synced.append("all"))
    sync_file_system(tmp_path)
    assert synced == ["all"]
    with pytest.raises(FileNotFoundError):
        sync_file_system(tmp_path / "nothing")


def run(refused: str, *words) -> subprocess.CompletedProcess:
    command = [sys.executable, refusing.__file__, "EINVAL", refused, sys.executable, "-m", "ilsvrc_tfds.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == refusing.UNAVAILABLE:
        pytest.skip("the kernel refuses to refuse system calls here")
    return done


@pytest.mark.slow
def test_file_system_that_cannot_sync_is_named_with_the_way_out(archives, tmp_path):
    words = ["prepare", archives, "--data-dir", tmp_path / "data", "--allow-incomplete", "--workers", "1"]
    done = run("fsync", *words)
    assert done.returncode == 1 and "cannot be written: Invalid argument. " in done.stderr
    assert "or try --no-sync (sync=False) if it cannot sync files." in done.stderr.splitlines()[-1]
    assert run("fsync,syncfs", *words, "--no-sync").returncode == 0
    unpack = [
        "unpack",
        tmp_path / "data/ilsvrc2012/classification/1.0.0",
        "--out",
        tmp_path / "files",
        "--workers",
        "1",
    ]
    assert run("syncfs", *unpack).returncode == 1 and run("fsync,syncfs", *unpack, "--no-sync").returncode == 0
