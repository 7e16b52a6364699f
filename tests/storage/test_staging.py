"""The folder where finished shards wait: who holds it, what stays in it, what leaves it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ilsvrc_tfds.errors import DestinationError, ImageError
from ilsvrc_tfds.storage import publishing, space, staging

# Holds a destination until it is killed.
HOLD = """
import sys, time
from pathlib import Path
from ilsvrc_tfds.storage import staging
with staging.claim(Path(sys.argv[1])) as claimed:
    folder, _ = claimed.folder_for("abc")
    (folder / "x.partial").touch()
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def destination(tmp_path) -> Path:
    return tmp_path / "data/ilsvrc2012/raw256/1.0.0"


def finish(folder: Path, name: str = "a") -> None:
    (folder / name).write_bytes(b"12345")
    Path(staging.receipt_path(str(folder / name))).write_text("{}")


def hold(destination: Path) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(destination)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    return process


def end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_claim_makes_a_hidden_folder_beside_the_destination(destination):
    with staging.claim(destination) as claimed:
        folder, anew = claimed.folder_for("abc")
        assert folder == destination.parent / ".1.0.0.staging/abc" and folder.is_dir() and not anew
        assert not destination.exists()


def test_second_claim_is_refused_and_names_the_holder(destination):
    with staging.claim(destination):
        message = rf"Another run is making {destination} \(process {os.getpid()} on .+\)\. Wait for it to end"
        for _ in range(2):
            with pytest.raises(DestinationError, match=message), staging.claim(destination):
                pass
    with staging.claim(destination):
        pass


def test_claim_of_another_process_is_refused_and_free_after_its_death(destination):
    process = hold(destination)
    try:
        with pytest.raises(DestinationError, match=rf"\(process {process.pid} on "), staging.claim(destination):
            pass
    finally:
        end(process)
    with staging.claim(destination) as claimed:
        folder, anew = claimed.folder_for("abc")
        assert not anew and os.listdir(folder) == []  # the partial file of the killed run is gone


def test_other_destinations_are_free(destination):
    with staging.claim(destination), staging.claim(destination.parent / "2.0.0"):
        pass


# Claims and leaves a destination for a second; fails if another process holds it meanwhile.
RACE = """
import os, random, sys, time
from pathlib import Path
from ilsvrc_tfds import errors
from ilsvrc_tfds.storage import staging
destination, end, held = Path(sys.argv[1]), time.time() + 1, 0
while time.time() < end:
    try:
        with staging.claim(destination) as claimed:
            alone = os.open(destination.parent / "alone", os.O_CREAT | os.O_EXCL)
            claimed.folder_for("abc")
            held += 1
            os.close(alone)
            os.unlink(destination.parent / "alone")
            if random.random() < 0.5:
                claimed.discard()
    except errors.DestinationError as error:
        assert "Another run is making" in str(error), error
print(held)
"""


@pytest.mark.slow
def test_runs_that_race_for_a_destination_never_hold_it_at_once(destination):
    destination.parent.mkdir(parents=True)
    command = [sys.executable, "-c", RACE, str(destination)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for racer in racers:
        out, err = racer.communicate()
        assert racer.returncode == 0 and int(out) > 0, err
    assert os.listdir(destination.parent) == []


def test_discard_leaves_nothing(destination):
    with staging.claim(destination) as claimed:
        finish(claimed.folder_for("abc")[0])
        claimed.discard()
    assert not (destination.parent.parent.parent).exists()  # folders that it made and that stayed empty


def test_claim_without_a_finished_shard_leaves_nothing(destination):
    other = destination.parent / "0.9.0"
    other.mkdir(parents=True)
    with staging.claim(destination) as claimed:
        folder, _ = claimed.folder_for("abc")
        (folder / "metadata.h5").touch()
        (folder / "b.0123.partial").touch()
    assert os.listdir(destination.parent) == ["0.9.0"]


def test_claim_that_fails_keeps_finished_shards_alone(destination):
    for finished in (False, True):
        with pytest.raises(ImageError), staging.claim(destination) as claimed:
            folder, _ = claimed.folder_for("abc")
            if finished:
                finish(folder)
            raise ImageError("damaged")
        assert folder.exists() == folder.parent.exists() == finished
    with staging.claim(destination) as claimed:
        folder, anew = claimed.folder_for("abc")
        assert not anew and sorted(os.listdir(folder)) == ["a", "a.json"]


def test_another_fingerprint_throws_the_old_shards_away(destination):
    with staging.claim(destination) as claimed:
        finish(claimed.folder_for("abc")[0])
    with staging.claim(destination) as claimed:
        folder, anew = claimed.folder_for("def")
        assert anew and sorted(os.listdir(folder.parent)) == ["def", "lock.holder"]
        assert claimed.folder_for("def") == (folder, False)


def test_what_older_versions_left_is_removed_and_links_are_not_followed(destination):
    (destination.parent / "mine").mkdir(parents=True)
    with staging.claim(destination) as claimed:
        folder = destination.parent / ".1.0.0.staging"
        (folder / "notes.txt").touch(), (folder / "link").symlink_to(destination.parent / "mine")
        claimed.folder_for("abc")
        assert sorted(os.listdir(folder)) == ["abc", "lock.holder"]
    assert os.listdir(destination.parent) == ["mine"]


@pytest.mark.parametrize("move", [os.link, os.rename], ids=["links", "no links"])
def test_shards_of_a_run_killed_behind_publishing_are_removed(destination, move):
    with staging.claim(destination) as claimed:
        folder, _ = claimed.folder_for("abc")
        finish(folder)
        destination.mkdir()
        move(folder / "a", destination / "a")
    staging.tidy(destination)
    assert os.listdir(destination.parent) == ["1.0.0"] and os.listdir(destination) == ["a"]


def test_shards_of_a_run_stopped_in_overwriting_are_kept(destination):
    destination.mkdir(parents=True)
    (destination / "a").write_bytes(b"older")
    with staging.claim(destination) as claimed:
        finish(claimed.folder_for("abc")[0])
        staging.tidy(destination)  # another run at work is no error
    staging.tidy(destination)
    assert sorted(os.listdir(destination.parent / ".1.0.0.staging/abc")) == ["a", "a.json"]


def test_read_only_destination_is_a_destination_error(destination, permissions_count):
    destination.parent.mkdir(parents=True, mode=0o500)
    with pytest.raises(
        DestinationError,
        match="cannot be written: Permission denied. Check the permissions of it and of each folder above it, or",
    ):
        with staging.claim(destination):
            pass


def test_destination_on_a_read_only_file_system_is_a_destination_error():
    # /proc is one for everybody, root too.
    with pytest.raises(DestinationError, match=r"/proc/.*\.staging cannot be written: No such file or directory"):
        with staging.claim(Path("/proc/ilsvrc2012/1.0.0")):
            pass


def test_destination_below_a_file_is_a_destination_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DestinationError, match=r"file/below/\.1\.0\.0\.staging cannot be written: Not a directory"):
        with staging.claim(tmp_path / "file/below/1.0.0"):
            pass


def test_staging_that_is_a_link_to_nowhere_is_a_destination_error(destination):
    destination.parent.mkdir(parents=True)
    (destination.parent / ".1.0.0.staging").symlink_to("/nowhere/at/all")
    with (
        pytest.raises(DestinationError, match="Remove it if it is a link that leads nowhere"),
        staging.claim(destination),
    ):
        pass


def test_require_space_says_how_much_is_needed_and_free(tmp_path):
    space.require_space(tmp_path, 1000)
    space.require_space(tmp_path, -1000)  # all is finished
    with pytest.raises(
        DestinationError,
        match=rf"Too little room at {tmp_path}: about 1000 TB are needed and [\d.]+ [GT]B are free",
    ):
        space.require_space(tmp_path, 10**15)


def test_publish_links_where_it_can_and_renames_where_it_cannot(tmp_path, monkeypatch):
    final = tmp_path / "final"
    final.mkdir()
    for name in "ab":
        (tmp_path / name).write_text(name)
    publishing.publish([tmp_path / "a"], final)
    assert (tmp_path / "a").samefile(final / "a")

    def refuse(*paths):
        raise PermissionError(1, "Operation not permitted")  # what FAT says

    monkeypatch.setattr(os, "link", refuse)
    publishing.publish([tmp_path / "b"], final)
    assert not (tmp_path / "b").exists() and (final / "b").read_text() == "b"


def test_files_that_were_moved_are_moved_back_if_one_cannot_be(tmp_path, monkeypatch):
    def refuse(*paths):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    final = tmp_path / "final"
    final.mkdir()
    for name in "ab":
        (tmp_path / name).write_text(name)
    with pytest.raises(DestinationError, match="gone cannot be written"):
        publishing.publish([tmp_path / "a", tmp_path / "b", tmp_path / "gone"], final)
    assert [(tmp_path / name).read_text() for name in "ab"] == ["a", "b"] and os.listdir(final) == []


def test_publish_into_a_missing_folder_is_a_destination_error(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(DestinationError, match="missing/a cannot be written: No such file or directory"):
        publishing.publish([tmp_path / "a"], tmp_path / "missing")


def test_publish_folder_makes_all_or_nothing(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    publishing.publish_folder([tmp_path / "a", tmp_path / "b"], tmp_path / "final")
    assert sorted(os.listdir(tmp_path / "final")) == ["a", "b"]
    with pytest.raises(DestinationError, match="gone cannot be written"):
        publishing.publish_folder([tmp_path / "a", tmp_path / "gone"], tmp_path / "other")
    assert not (tmp_path / "other").exists()
