"""The folder for images that are written in between: where it may be, and that nothing is left in it."""

import os
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.storage.staging import Staging

SHARDS = {"train": 2, "val": 1}
WORDS = {"export": "--out", "prepare": "--data-dir", "prepare_all": "--data-dir"}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A miniature as parquet files."""
    return forms.hugging_face(tmp_path_factory.mktemp("made") / "hf", drawing.miniature(), how="pyarrow")


def made(command: str, source: Path, out: Path, **options) -> object:
    return getattr(ilsvrc_tfds, command)(source, out, **{**forms.PLAIN, "num_shards": SHARDS, **options})


def results(command: str, out: Path) -> list[Path]:
    """Returns the folders that a command writes as a whole."""
    configs = {"export": [], "prepare": ["classification"], "prepare_all": ["classification", "raw256"]}[command]
    return [out / "ilsvrc2012" / config / "1.0.0" for config in configs] or [out]


def left(folder: Path) -> list[str]:
    return sorted(os.fspath(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("command", WORDS)
@pytest.mark.parametrize("below", ["", "a/b"])
@pytest.mark.parametrize("link", ["", "scratch", "out"])
def test_scratch_in_the_result_is_refused_before_anything_is_written(command, below, link, source, tmp_path):
    out = tmp_path / "out"
    inside = results(command, out)[-1]
    scratch = inside / below
    if link == "scratch":
        (tmp_path / "link").symlink_to(inside)
        scratch = tmp_path / "link" / below
    elif link == "out":
        (tmp_path / "target").mkdir()
        out.symlink_to(tmp_path / "target")
        scratch = tmp_path / "target" / inside.relative_to(out) / below
    before = left(tmp_path)
    with pytest.raises(DestinationError, match=f"--scratch {scratch} is in .*, which is written as a whole. Choose"):
        made(command, source, out, scratch=scratch)
    assert left(tmp_path) == before
    made(command, source, out, scratch=out.parent)
    assert not list(tmp_path.rglob("*.staging"))


def test_command_refuses_scratch_in_its_own_staging_folder(source, tmp_path, capsys):
    words = ["export", str(source), "--out", str(tmp_path / "out"), "--allow-incomplete"]
    assert main([*words, "--scratch", str(tmp_path / ".out.staging/x")]) == 1
    assert (
        f"is in {tmp_path}/.out.staging, which is written as a whole" in capsys.readouterr().err
        and left(tmp_path) == []
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", WORDS)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_spool_of_a_run_that_was_killed_at_its_end_is_removed(command, elsewhere, source, tmp_path, monkeypatch):
    out, options = tmp_path / "out", {"scratch": tmp_path / "scratch"} if elsewhere else {}
    monkeypatch.setattr(Staging, "discard", lambda claimed: None)  # as if it was killed before
    made(command, source, out, **options)
    monkeypatch.undo()
    assert len(list(tmp_path.rglob("*-spool.staging/*/*.images.json"))) == 3
    made(command, source, out, **options)
    assert not list(tmp_path.rglob("*.staging")) and not list(tmp_path.glob("scratch/*"))


@pytest.mark.slow
@pytest.mark.parametrize("command", WORDS)
def test_spool_of_a_run_that_was_killed_while_it_replaced_a_result_is_kept(command, source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    made(command, source, out)
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(run, "_report_skipped", lambda receipts: 1 / 0)
        made(command, source, out, overwrite=True)
    spooled = sorted(tmp_path.rglob("*-spool.staging/*/*.images*"))
    assert len(spooled) == 6
    made(command, source, out)
    assert sorted(tmp_path.rglob("*-spool.staging/*/*.images*")) == spooled
    made(command, source, out, overwrite=True)
    assert not list(tmp_path.rglob("*.staging"))
