"""What a destination may be, and what is removed beside it."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.storage import staging
from ilsvrc_tfds.storage.destination import is_mount_point, real_path, remove_incomplete, require_replaceable


@pytest.mark.parametrize(
    "name",
    [
        "incomplete.my_photos_b",
        "incomplete.abc123_a_b",  # a parallel run's, which makes a_b
        "incomplete.AbC123_b",
        "incomplete.abc1234_b",
        "incomplete._b",
        "Xincomplete.abc123_b",
        "incomplete.abc123_bb",
    ],
)
def test_folders_of_others_stay(name, tmp_path):
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine").touch()
    staging.tidy(tmp_path / "b")
    with staging.claim(tmp_path / "b"):
        pass
    assert (tmp_path / name / "mine").exists()


@pytest.mark.parametrize("destination", ["b", "a_b", "1.0.0", "[ab]*", "a+b"])
@pytest.mark.parametrize("drawn", ["abc123", "ABC123", "X7Q0Z9"])
def test_folders_of_killed_runs_are_removed(destination, drawn, tmp_path):
    (tmp_path / f"incomplete.{drawn}_{destination}/part").mkdir(parents=True)
    with staging.claim(tmp_path / destination):
        pass
    assert os.listdir(tmp_path) == []


def test_dots_and_stars_of_a_name_are_no_pattern(tmp_path):
    for name in ("incomplete.abc123_1x0x0", "incomplete.abc123_1.0.0"):
        (tmp_path / name).mkdir()
    remove_incomplete(tmp_path / "1.0.0")
    assert os.listdir(tmp_path) == ["incomplete.abc123_1x0x0"]


@pytest.mark.parametrize("exists", [True, False], ids=["folder", "leads nowhere"])
def test_link_stays_and_what_it_leads_to_is_replaced(exists, tmp_path):
    (tmp_path / "disk").mkdir()
    if exists:
        (tmp_path / "disk/real").mkdir()
    (tmp_path / "link").symlink_to("disk/real")
    for text in ("first", "second"):
        with staging.claim(tmp_path / "link") as claimed:
            folder, _ = claimed.folder_for(text)
            (folder / "a").write_text(text)
            claimed.publish([folder / "a"])
        assert (tmp_path / "link").is_symlink() and (tmp_path / "disk/real/a").read_text() == text
    assert sorted(os.listdir(tmp_path)) == ["disk", "link"] and os.listdir(tmp_path / "disk") == ["real"]


def test_links_in_a_circle_are_a_destination_error(tmp_path):
    (tmp_path / "one").symlink_to("two"), (tmp_path / "two").symlink_to("one")
    with pytest.raises(DestinationError, match="[Ll]inks? "), staging.claim(tmp_path / "one"):
        pass


@contextlib.contextmanager
def mounted(folder: Path, *words: str):
    folder.mkdir()
    done = subprocess.run(["mount", *words, folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_mount_point_is_refused_at_once_and_a_folder_inside_is_not(kind, tmp_path):
    words = ("--bind", tmp_path) if kind == "bind" else ("-t", "tmpfs", "none")
    (tmp_path / "to it").symlink_to("a b")
    with mounted(tmp_path / "a b", *words):
        for name in ("a b", "to it"):
            with pytest.raises(
                DestinationError, match="is a mount point.* Name a folder inside it, such as .*/a b/ilsvrc"
            ):
                with staging.claim(tmp_path / name):
                    pass
        with staging.claim(tmp_path / "a b/inside"):
            pass
    assert sorted(os.listdir(tmp_path)) == ["a b", "to it"]
    require_replaceable(tmp_path / "a b")


def test_root_of_the_file_system_is_a_mount_point(tmp_path):
    assert is_mount_point(Path("/")) and is_mount_point(Path("/proc")) and not is_mount_point(tmp_path)
    with pytest.raises(DestinationError, match="/proc is a mount point"):
        require_replaceable(Path("/proc"))


def test_real_path_is_absolute_and_knows_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert real_path("~/a/../b") == real_path("b") == tmp_path / "b"
