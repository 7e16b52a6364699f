"""What a run that was killed has left in its spool is removed, or named, by the runs that make the same results."""

import os
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.storage.staging import claim

OPTIONS = {**forms.PLAIN, "num_shards": {"train": 2, "val": 1}, "sync": False}
LEFT = r"(\S+) \(0.0 GB\) is left of a run that was stopped. The same command would continue with it: delete it if"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A miniature as parquet files."""
    return forms.hugging_face(tmp_path_factory.mktemp("made") / "hf", drawing.miniature(), how="pyarrow")


@pytest.fixture
def killed(source, tmp_path, monkeypatch):
    """Runs a command that fails when all shards are written, and returns the spool that it leaves."""

    def failing(command: str, out: Path = tmp_path / "out", **options) -> Path:
        before = spools(tmp_path)
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(run, "_report_skipped", lambda receipts: 1 / 0)
            getattr(ilsvrc_tfds, command)(source, out, **OPTIONS, **options)
        [spool] = [path for path in spools(tmp_path) if path not in before]
        return spool

    return failing


def spools(folder: Path) -> list[Path]:
    return sorted(folder.rglob(".*-spool.staging"))


def left_overs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob(".*") if "staging" in path.name or "spool" in path.name)


def warned(caplog) -> list[str]:
    messages = [record.message for record in caplog.records if "is left of a run" in record.message]
    caplog.clear()
    return messages


@pytest.mark.parametrize("scratch", [False, True])
def test_shared_spool_is_named_until_all_configs_are_made_singly(scratch, source, killed, tmp_path, caplog):
    options = {"scratch": tmp_path / "scratch"} if scratch else {}
    spool = killed("prepare_all", **options)
    assert spool.name.startswith(".ilsvrc2012-")
    ilsvrc_tfds.prepare(source, tmp_path / "out", config="raw256", **OPTIONS)
    [message] = warned(caplog)
    assert message.startswith(f"{spool} (0.0 GB) is left of a run that was stopped. ") and spools(tmp_path) == [spool]
    ilsvrc_tfds.prepare(source, tmp_path / "out", config="classification", **OPTIONS)
    assert warned(caplog) == [] and left_overs(tmp_path) == [] and not list(tmp_path.glob("scratch/*"))


def test_shared_spool_of_another_run_is_left_alone(source, killed, tmp_path, caplog):
    spool = killed("prepare_all")
    with claim(spool.with_name("ilsvrc2012-spool").parent / "ilsvrc2012-spool"):
        for config in ("raw256", "classification"):
            ilsvrc_tfds.prepare(source, tmp_path / "out", config=config, **OPTIONS)
        assert warned(caplog) == [] and spools(tmp_path) == [spool] and len(list(spool.rglob("*.images"))) == 3
    ilsvrc_tfds.prepare(source, tmp_path / "out", **OPTIONS)  # it is there already
    assert left_overs(tmp_path) == []


@pytest.mark.parametrize("command", ["prepare", "export", "prepare_all"])
def test_spools_in_folders_that_were_named_before_are_removed(command, source, killed, tmp_path, caplog):
    places = [{"scratch": tmp_path / name} for name in ("first", "second")]
    found = [killed(command, **options) for options in (*places, {})]
    assert [path.parent.name for path in found[:2]] == ["first", "second"] and spools(tmp_path) == sorted(found)
    getattr(ilsvrc_tfds, command)(source, tmp_path / "out", **OPTIONS, scratch=tmp_path / "third")
    assert warned(caplog) == []
    assert left_overs(tmp_path) == [] and not list(tmp_path.glob("[!o]*/*"))


def test_spool_of_another_result_is_kept(source, killed, tmp_path):
    options = {"scratch": tmp_path / "scratch"}
    spool = killed("prepare", out=tmp_path / "other", **options)
    ilsvrc_tfds.prepare(source, tmp_path / "out", **OPTIONS, **options)
    assert spools(tmp_path) == [spool]


def test_list_of_folders_that_makes_no_sense_is_passed_over(source, tmp_path):
    (tmp_path / ".out-spool.elsewhere").write_bytes(b'["/nowhere", 7, {"a": ')
    ilsvrc_tfds.export(source, tmp_path / "out", **OPTIONS, scratch=tmp_path / "scratch")
    assert os.listdir(tmp_path) == ["out"]
