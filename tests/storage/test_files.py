"""Atomic writing and syncing: the system calls that are made, and file systems that refuse them."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import refusing

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.storage import files
from ilsvrc_tfds.storage.files import file_to_replace, sync_file_system, sync_folder, sync_name, write_whole


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


def test_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below/target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("below/other")
    (tmp_path / "below/other").symlink_to("target")
    (tmp_path / "dangling").symlink_to("below/new")
    for name in ("link", "dangling", "plain"):
        write_whole(file_to_replace(tmp_path / name), name.encode())
    assert os.readlink(tmp_path / "link") == "below/other" and os.readlink(tmp_path / "below/other") == "target"
    assert {
        path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()
    } == {
        "target": b"link",
        "new": b"dangling",
        "plain": b"plain",
    }


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.fspath(path))


OTHERS = {
    "a folder": os.mkdir,
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to(os.devnull),
    "a socket": make_socket,
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_regular_file_is_refused_and_stays(kind, tmp_path):
    OTHERS[kind](tmp_path / "it")
    (tmp_path / "link").symlink_to("it")
    before = os.stat(tmp_path / "it")
    for name in ("it", "link"):
        with pytest.raises(DestinationError, match=rf"{name} cannot be written: it is {kind}, and only a file is"):
            file_to_replace(tmp_path / name)
    assert os.stat(tmp_path / "it") == before and sorted(os.listdir(tmp_path)) == ["it", "link"]


def test_place_that_cannot_be_looked_at_is_a_destination_error(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    for path, message in (("loop", "Too many levels"), ("file/below", "Not a directory")):
        with pytest.raises(DestinationError, match=f"{path} cannot be written: {message}"):
            file_to_replace(tmp_path / path)


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
