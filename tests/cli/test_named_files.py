"""Files that commands write where the user says: links stay links, and only regular files are replaced."""

import os
import stat

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
