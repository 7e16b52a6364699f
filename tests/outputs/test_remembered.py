"""A data set that was allowed to be incomplete needs no permission again where something is made of it."""

import json
import shutil
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import IlsvrcError, IncompleteError, SourceError
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.pipeline import find_set

TWO = [drawing.WNIDS[1], drawing.WNIDS[0]]


@pytest.fixture(autouse=True)
def ask(monkeypatch, caplog):
    """Nothing is allowed unless it is asked for, and all that is logged is seen."""
    monkeypatch.delenv("ILSVRC2012_ALLOW_INCOMPLETE", raising=False)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    caplog.set_level("INFO")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Incomplete sets: as a whole, without train, some images of it, and a subset; and an export."""
    folder = tmp_path_factory.mktemp("made")
    source = drawing.official_archives(folder / "source", drawing.miniature())
    options = {"workers": 1, "sync": False, "num_shards": {"val": 2}}
    allowed = {**options, "allow_incomplete": True}
    ilsvrc_tfds.prepare(source, folder / "whole", **allowed)
    ilsvrc_tfds.prepare(source, folder / "val", splits=["val"], **allowed)
    ilsvrc_tfds.prepare(source, folder / "few", max_examples=3, **allowed)
    ilsvrc_tfds.prepare(source, folder / "two", classes=TWO, relabel=True, name="two", **allowed)
    ilsvrc_tfds.export(source, folder / "exported/it", **allowed)
    return folder


def sets(made: Path) -> list[Path]:
    return [made / name for name in ("whole", "val", "few", "two", "exported/it")]


@pytest.mark.parametrize("name", ["whole", "val", "few", "two", "exported/it"])
def test_export_asks_for_nothing(name, made, tmp_path, caplog):
    out = ilsvrc_tfds.export(made / name, tmp_path / "out", workers=1)
    assert "Incomplete, like the data set it was read from: val has" in caplog.text or name == "two"
    assert (name == "val") == ("the split train is not there" in caplog.text)
    again = ilsvrc_tfds.export(out, tmp_path / "again", workers=1)
    assert manifest.read(again).shards == manifest.read(out).shards
    for source, there in ((made / name, out), (out, again)):
        ilsvrc_tfds.export(source, there, workers=1)  # which is there already
    assert ilsvrc_tfds.verify(again, workers=1).problems == ()


@pytest.mark.parametrize("name", ["whole", "val", "exported/it"])
def test_prepare_asks_for_nothing_when_repeated_neither(name, made, tmp_path, caplog):
    source = made / name if name == "exported/it" else made / name / "ilsvrc2012/classification/1.0.0"
    for _ in range(2):
        builder = ilsvrc_tfds.prepare(source, tmp_path, config="raw256", workers=1)
    assert "is prepared already" in caplog.text and builder.info.metadata["complete"] is False
    assert builder.info.metadata["missing"]["val"].startswith("6 of 50,000")
    report = examine(source, tmp_path / "there", workers=1)
    assert (
        report.problems == ()
        and "val: 6 of 50,000 images, 997 classes missing (as when the set was made)" in report.facts
    )


def test_subset_of_an_incomplete_set_asks_if_a_class_is_missing(made, tmp_path, caplog):
    out = ilsvrc_tfds.export(made / "whole", tmp_path / "out", classes=TWO, workers=1)
    assert "like the data set it was read from: train has 8 of at least 1,464 images" in caplog.text
    assert ilsvrc_tfds.export(out, tmp_path / "again", workers=1)
    with pytest.raises(IncompleteError, match="1 class missing.*--allow-incomplete"):
        ilsvrc_tfds.export(made / "whole", tmp_path / "three", classes=[*TWO, "n15075141"], workers=1)


def test_set_that_lost_more_is_an_error(made, tmp_path):
    for source in sets(made):
        copy = Path(shutil.copytree(source, tmp_path / source.name))
        next(copy.rglob("*val*-00001-of-00002")).unlink()
        with pytest.raises(SourceError, match="1 shard of split 'val' is missing"):
            ilsvrc_tfds.export(copy, tmp_path / "out", workers=1)
        assert not (tmp_path / "out").exists()


def test_set_without_record_asks(made, tmp_path):
    copy = Path(shutil.copytree(made / "exported/it", tmp_path / "it"))
    described = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").unlink()
    with pytest.raises(IlsvrcError):
        ilsvrc_tfds.export(copy, tmp_path / "out", workers=1)
    del described["shards"]["validation" if "validation" in described["shards"] else "val"]
    (copy / "manifest.json").write_text(json.dumps(described))
    with pytest.raises(SourceError, match="validation-00000-of-00002"):
        ilsvrc_tfds.export(copy, tmp_path / "out", splits=["val"], workers=1)


def test_two_sources_of_which_one_is_a_set_ask_for_the_other(made, tmp_path, archives):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for path in (made / "exported/it").glob("*"):
        if not path.name.startswith("validation"):
            shutil.copy(path, mixed)
    for path in archives.glob("*val*"):
        shutil.copy(path, mixed)
    with pytest.raises(IlsvrcError):
        ilsvrc_tfds.export(mixed, tmp_path / "out", workers=1)


def test_real_takes_the_images_that_a_set_has(made, tmp_path, caplog):
    labels = tmp_path / "real.json"
    labels.write_text(json.dumps([[0]] * 50_000))
    found = find_set(labels, data=made / "whole")
    assert found.num_examples == 6 and "val, expected 50,000" in caplog.text
    copy = Path(shutil.copytree(made / "exported/it", tmp_path / "it"))
    (copy / "manifest.json").unlink()
    with pytest.raises(IncompleteError, match="ImageNet-ReaL .* is not complete"):
        find_set(labels, data=copy)


def test_doctor_takes_shortfalls_as_facts_where_they_are_allowed(images, tmp_path, capsys, monkeypatch):
    source = drawing.folders(tmp_path / "folders", images)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert main(["doctor", str(source)]) == 1
    said = capsys.readouterr()
    assert "PROBLEM train: 12 of 1,281,167 images, 997 classes missing; complete it, or prepare it with" in said.out
    assert "--data-dir" not in said.err
    assert main(["doctor", str(source), "--allow-incomplete", "--data-dir", str(tmp_path / "data")]) == 0
    said = capsys.readouterr()
    assert "train: 12 of 1,281,167 images, 997 classes missing (allowed)" in said.out and "PROBLEM" not in said.out
    assert f"--data-dir {tmp_path}/data --allow-incomplete --config all" in said.err
    shutil.rmtree(source / "train")
    monkeypatch.setenv("ILSVRC2012_ALLOW_INCOMPLETE", "1")
    assert main(["doctor", str(source)]) == 0
    assert "train is not there (allowed)" in capsys.readouterr().out
