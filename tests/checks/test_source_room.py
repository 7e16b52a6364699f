"""The room for data sets and for the images in between, on the disks of the folders that are named."""

from pathlib import Path

import drawing
import forms
import pytest

from ilsvrc_tfds.checks import room
from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.storage import space

# `classification` of the miniature needs 0.3 MB, and as much in between. raw256 would need more.
ENOUGH, TOO_LITTLE, FOR_ONE = 10**9, 1000, 500_000


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A miniature as parquet files."""
    images = drawing.miniature()
    for own in images.train.values():
        own.update({name: drawing.jpeg(900, 700, seed=k) for k, name in enumerate(own)})
    return forms.hugging_face(tmp_path_factory.mktemp("made") / "hf", images, how="pyarrow")


@pytest.fixture
def disks(monkeypatch, tmp_path):
    """Pretends that `tmp_path/data` and `tmp_path/scratch` are disks of their own, with so many free bytes."""

    def set_free(**free: int) -> None:
        def of(folder: Path) -> str:
            return Path(folder).relative_to(tmp_path).parts[0]

        monkeypatch.setattr(room, "free_bytes", lambda folder: free[of(folder)])
        monkeypatch.setattr(room, "is_same_disk", lambda folder, other: of(folder) == of(other))

    return set_free


@pytest.mark.parametrize(
    "scratch, free, expected",
    [
        (None, {"data": ENOUGH}, ""),
        (None, {"data": FOR_ONE}, "data: 0.5 MB are free, 0.6 MB needed (0.3 MB of it for the images in between, see"),
        ("data/x", {"data": FOR_ONE}, "data: 0.5 MB are free, 0.6 MB needed (0.3 MB of it for the images in between"),
        ("scratch", {"data": FOR_ONE, "scratch": FOR_ONE}, ""),
        ("scratch", {"data": ENOUGH, "scratch": TOO_LITTLE}, "scratch: 0.0 MB are free, 0.3 MB needed for the images in"),
        ("scratch", {"data": TOO_LITTLE, "scratch": ENOUGH}, "data: 0.0 MB are free, 0.3 MB needed; make room"),
        ("data/ilsvrc2012/raw256/1.0.0/x", {"data": ENOUGH}, "which is written as a whole. Choose a folder outside of it"),
    ],
)  # fmt: skip
def test_room_is_compared_on_the_disk_of_each_folder(source, disks, tmp_path, scratch, free, expected):
    disks(**free)
    report = examine(source, tmp_path / "data", workers=1, scratch=None if scratch is None else tmp_path / scratch)
    problems = [line for line in report.problems if "images, " not in line]
    assert [expected in line for line in problems] == ([True] if expected else [])


def test_folder_for_images_in_between_is_stated(source, disks, tmp_path):
    disks(data=ENOUGH, scratch=FOR_ONE)
    facts = examine(source, tmp_path / "data", workers=1, scratch=tmp_path / "scratch").facts
    assert any(f"has no random access; that is put into {tmp_path}/scratch" in fact for fact in facts)
    assert facts[-2:] == (f"room free at {tmp_path}/data: 1.0 GB", f"room free at {tmp_path}/scratch: 0.5 MB")


def test_source_that_is_read_in_place_needs_no_such_folder(archives, disks, tmp_path):
    disks(data=ENOUGH, scratch=0)
    report = examine(archives, tmp_path / "data", workers=1, scratch=tmp_path / "scratch")
    assert not any("scratch" in line for line in (*report.facts, *report.problems))


def test_next_step_has_the_folder(source, tmp_path, capsys):
    words = [str(source), "--data-dir", str(tmp_path / "data"), "--scratch", f"{tmp_path}/my disk"]
    assert main(["doctor", *words, "--workers", "1"]) == 1
    again, prepare = (
        f"  ilsvrc-tfds {name} {source} --data-dir {tmp_path}/data --scratch '{tmp_path}/my disk'"
        for name in ("doctor", "prepare")
    )
    lines = capsys.readouterr().err.splitlines()
    assert again in lines and lines[-1] == f"{prepare} --config all --allow-incomplete"
    assert not list(tmp_path.iterdir())


def test_disks_are_told_apart(tmp_path):
    assert space.is_same_disk(tmp_path / "no/folder", tmp_path)
    assert not space.is_same_disk(tmp_path, Path("/proc/self"))


def test_time_is_known_although_the_first_image_is_damaged(tmp_path):
    images = drawing.miniature()
    for own in (*images.train.values(), images.val):
        own[next(iter(own))] = drawing.jpeg()[:-100]
    report = examine(drawing.official_archives(tmp_path / "source", images), tmp_path / "data", workers=1)
    assert [need.seconds is not None for need in report.configs] == [True, True]
