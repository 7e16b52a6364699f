"""Files that commands write where the user says: links stay links, and only regular files are replaced."""

import os
import stat
import sys

import pytest

from ilsvrc_tfds.cli import main


@pytest.fixture
def commands(archives, prepare) -> dict[str, list[str]]:
    """The commands that write a named file, without that."""
    folder = str(prepare().data_path)
    return {
        "sheet.png": ["show", folder, "--num", "1", "--out"],
        "metadata.h5": ["metadata", str(archives), "--allow-incomplete", "--workers", "1", "--overwrite", "--out"],
        "figures.json": ["bench", folder, "--batch-size", "2", "--seconds", "0.01", "--json"],
    }


@pytest.mark.slow
def test_link_stays_and_its_target_is_written(commands, tmp_path):
    for name, words in commands.items():
        (tmp_path / f"old-{name}").write_bytes(b"old")
        (tmp_path / name).symlink_to(f"old-{name}")
        assert main([*words, str(tmp_path / name)]) == 0
        assert os.readlink(tmp_path / name) == f"old-{name}"
        assert len((tmp_path / f"old-{name}").read_bytes()) > 100


def test_pipe_is_refused_before_the_work_and_stays(commands, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ilsvrc_tfds.pipeline.bench.stages_of", None)  # nothing is measured, indexed or drawn
    monkeypatch.setattr("ilsvrc_tfds.outputs.metadata.find_images", None)
    monkeypatch.setattr("ilsvrc_tfds.checks.show.find_output", None)
    for name, words in commands.items():
        os.mkfifo(tmp_path / name)
        assert main([*words, str(tmp_path / name)]) == 1
        assert capsys.readouterr().err == (
            f"ilsvrc-tfds: {tmp_path / name} cannot be written: it is a pipe, and only a file is replaced. "
            "Choose another place.\n"
        )
        assert stat.S_ISFIFO(os.stat(tmp_path / name).st_mode)


def test_missing_folder_is_said_before_the_work(commands, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ilsvrc_tfds.pipeline.bench.stages_of", None)
    monkeypatch.setattr("ilsvrc_tfds.outputs.metadata.find_images", None)
    monkeypatch.setattr("ilsvrc_tfds.checks.show.find_output", None)
    for name, words in commands.items():
        assert main([*words, str(tmp_path / "nowhere" / name)]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"ilsvrc-tfds: {tmp_path / 'nowhere' / name} cannot be written: No such file")
    assert not (tmp_path / "nowhere").exists()


def test_file_of_a_data_set_is_not_replaced_by_a_page(archives, tmp_path, capsys):
    train = archives / "ILSVRC2012_img_train.tar"
    before = train.read_bytes()
    (tmp_path / "manifest.json").write_text("{}")
    for option, path in (("--out", train), ("--json", tmp_path / "manifest.json")):
        page = [] if option == "--out" else ["--out", str(tmp_path / "r.html")]
        assert main(["report", str(archives), *page, option, str(path), "--workers", "1"]) == 1
        assert "has the name of a file of a data set. It is not replaced" in capsys.readouterr().err
    assert train.read_bytes() == before and not list(tmp_path.glob("*r.html*"))


def test_two_results_are_not_written_into_one_file(prepare, tmp_path, capsys):
    folder, name = str(prepare().data_path), str(tmp_path / "figures")
    (tmp_path / "link").symlink_to("figures")
    commands = (
        ["report", folder, "--out", name, "--json", str(tmp_path / "link")],
        ["bench", folder, "--chart", name, "--json", name],
        ["evaluate", folder, "--model", "model.keras", "--report", name, "--json", name],
    )
    for words in commands:
        assert main(words) == 1
        assert f"{name} is named for two files" in capsys.readouterr().err
    assert not list(tmp_path.glob("figures*"))


def test_chart_without_matplotlib_is_refused_before_the_work(prepare, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ilsvrc_tfds.pipeline.bench.stages_of", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["bench", str(prepare().data_path), "--chart", str(tmp_path / "c.png")]) == 1
    assert "--chart needs Matplotlib, which cannot be imported" in capsys.readouterr().err
