"""What commands print at their end: lines that a shell or Python takes as they are, on standard error alone."""

import ast
import errno
import io
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from ilsvrc_tfds.cli import main
from ilsvrc_tfds.cli.next_models import after_bench
from ilsvrc_tfds.cli.next_steps import Step, call, command, make_again, say_next
from ilsvrc_tfds.cli.parser import parse


@pytest.fixture
def steps(capsys):
    """Runs a command that must succeed, and returns the lines to copy."""

    def run(*words):
        assert main([*map(str, words)]) == 0
        *_, block = capsys.readouterr().err.partition("Next:\n")
        return [line.strip() for line in block.splitlines() if not line.startswith("  #")]

    return run


@pytest.mark.slow
def test_each_command_ends_with_commands_that_run(archives, tmp_path, steps, capsys):
    data, out, files = tmp_path / "my data", tmp_path / "out", tmp_path / "files"
    first = steps("prepare", archives, "--data-dir", data, "--allow-incomplete", "--config", "raw256")
    folder = data / "ilsvrc2012/raw256/1.0.0"
    assert first[0] == f"ilsvrc-tfds verify '{folder}'" and "train" in first[2]
    lines = [*first, *steps("verify", folder), *steps("show", folder)]
    lines += steps("show", folder, "--out", tmp_path / "sheet.png")
    lines += steps("export", folder, "--out", out, "--allow-incomplete")
    assert len(lines) == 4 + 2 + 2 + 2 + 4
    for program, *words in map(shlex.split, lines):
        assert program == "ilsvrc-tfds" and parse(words)
    assert main(["unpack", str(folder), "--out", str(files)]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [f"{files}: 12 images in train256, 6 in val256"]
    line = f'torchvision.datasets.ImageFolder("{files}/train256", allow_empty=True)'
    assert said.err.splitlines()[-1].strip() == line
    (line,) = steps("index", out)
    assert line == f'path=sorted(glob("{out}/train-*")), index_path=sorted(glob("{out}/index-train-*"))'
    (line,) = steps("metadata", archives, "--out", tmp_path / "m.h5")
    assert line == f'ilsvrc_tfds.metadata.read("{tmp_path}/m.h5")'


def test_prepare_prints_the_load_with_its_data_directory(archives, tmp_path, capsys):
    assert main(["prepare", str(archives), "--data-dir", str(tmp_path / "d"), "--allow-incomplete"]) == 0
    out = capsys.readouterr().out.splitlines()[-1]
    assert out == f'tfds.load("ilsvrc2012/classification", data_dir="{tmp_path}/d")'


def test_alias_ends_with_the_load_that_code_for_imagenet2012_has(archives, tmp_path, steps, capsys):
    data = tmp_path / "my data"
    load = f'tfds.load("imagenet2012", data_dir="{data}", split="validation")'
    words = ["--data-dir", data, "--allow-incomplete", "--workers", "1"]
    alias = steps("prepare", archives, *words)[-1]
    assert alias == f"ilsvrc-tfds alias '{data}' --config classification"
    assert steps(*shlex.split(alias)[1:]) == [f"ilsvrc-tfds verify '{data}/imagenet2012/5.1.0'"]
    assert steps("prepare", archives, *words, "--alias", "--overwrite")[-1] == load
    assert len(list(eval(load, {"tfds": tfds}))) == 6
    assert main(["alias", str(data), "--as", "mine"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == load.replace("imagenet2012", "mine")


def test_prepare_says_before_the_work_that_there_can_be_no_alias(archives, tmp_path, capsys):
    (tmp_path / "data/imagenet2012/5.1.0").mkdir(parents=True)
    (tmp_path / "data/imagenet2012/5.1.0/imagenet2012-train.tfrecord-00000-of-01024").touch()
    (tmp_path / "two.txt").write_text("n01440764\nn01491361\n")
    subset = ["--classes", str(tmp_path / "two.txt"), "--relabel", "--name", "two", "--config", "raw256"]
    for words, message in (
        ([], "holds another data set, such as TFDS's own imagenet2012, and is not replaced"),
        (["--overwrite"], "holds another data set, such as TFDS's own imagenet2012, and is not replaced"),
        (["--config", "all"], "--alias is for one config, and --config all makes several."),
        (subset, "ilsvrc2012/two-raw256 is a subset whose classes are numbered anew"),
    ):
        words = [
            "prepare",
            str(archives),
            "--data-dir",
            str(tmp_path / "data"),
            "--allow-incomplete",
            "--alias",
            *words,
        ]
        assert main(words) == 1
        assert message in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["imagenet2012"]


def test_subset_numbered_anew_gets_no_step_that_fails(archives, tmp_path, steps):
    (tmp_path / "two.txt").write_text("n01440764\nn01491361\n")
    words = ["--data-dir", tmp_path, "--allow-incomplete", "--classes", tmp_path / "two.txt", "--relabel"]
    assert not [line for line in steps("prepare", archives, *words, "--name", "two") if "alias" in line]
    folder = tmp_path / "ilsvrc2012/two-classification/1.0.0"
    (folder / "metadata.h5").unlink()
    (step,) = make_again(folder)
    assert step.line == f"ilsvrc-tfds verify {folder}"  # --config has no such value


@pytest.mark.slow
def test_doctor_of_a_set_of_resized_images_ends_with_the_one_config_that_can_be_made(archives, tmp_path, steps):
    data, words = tmp_path / "data", ["--data-dir", tmp_path / "more"]
    steps("prepare", archives, "--data-dir", data, "--allow-incomplete", "--config", "raw256", "--workers", "1")
    folder = data / "ilsvrc2012/raw256/1.0.0"
    (line,) = steps("doctor", folder, *words)
    assert line == f"ilsvrc-tfds prepare {folder} --data-dir {tmp_path / 'more'} --config raw256"
    assert main(shlex.split(line)[1:]) == 0


def test_bench_that_could_not_measure_ends_with_the_same_measurement():
    line = "bench ilsvrc2012 --ops resnet_eval --split val --batch-size 64 --seconds 2"
    (step,) = after_bench(parse(line.split()), None)
    assert step.line == f"ilsvrc-tfds {line.replace('seconds 2', 'seconds 6')}"


@pytest.mark.slow
def test_doctor_with_problems_ends_with_itself_and_what_can_be_prepared(archives, tmp_path, capsys):
    assert main(["doctor", str(archives), "--data-dir", str(tmp_path), "--splits", "train,val"]) == 1
    said = capsys.readouterr()
    assert "Next:" not in said.out
    *_, again, _, prepare = said.err.splitlines()
    assert again == f"  ilsvrc-tfds doctor {archives} --data-dir {tmp_path} --splits train,val"
    assert prepare.startswith(f"  ilsvrc-tfds prepare {archives} --data-dir {tmp_path} --splits train,val --config ")
    assert prepare.endswith(" --allow-incomplete")
    assert main(shlex.split(prepare)[1:]) == 0


@pytest.mark.slow
def test_formats_that_are_not_read_here_get_no_step_that_fails(archives, tmp_path, steps):
    pytest.importorskip("array_record")
    words = ["--data-dir", tmp_path, "--allow-incomplete", "--file-format", "array_record"]
    folder = tmp_path / "ilsvrc2012/classification/1.0.0"
    load = f'tfds.data_source("ilsvrc2012/classification", data_dir="{tmp_path}")'
    assert steps("prepare", archives, *words) == [
        f"ilsvrc-tfds verify {folder}",
        f"ilsvrc-tfds doctor {folder} --decode",
        load,
        f"ilsvrc-tfds alias {tmp_path} --config classification",
    ]
    assert steps("verify", folder) == [f"ilsvrc-tfds doctor {folder} --decode", load]
    assert len(eval(load, {"tfds": tfds})["train"]) == 12
    assert main(["doctor", str(folder), "--decode"]) == 0


@pytest.mark.slow
def test_alias_of_a_set_without_val_ends_with_a_split_that_it_has(archives, tmp_path, steps):
    words = ["--data-dir", tmp_path, "--allow-incomplete", "--splits", "train", "--alias"]
    load = steps("prepare", archives, *words)[-1]
    assert load == f'tfds.load("imagenet2012", data_dir="{tmp_path}", split="train")'
    assert len(list(eval(load, {"tfds": tfds}))) == 12


def test_incomplete_set_is_made_again_with_the_permission(archives, tmp_path, steps):
    steps("prepare", archives, "--data-dir", tmp_path, "--allow-incomplete", "--workers", "1")
    (step,) = make_again(tmp_path / "ilsvrc2012/classification/1.0.0")
    assert step.line.endswith("--config classification --overwrite --allow-incomplete")


@pytest.mark.slow
def test_bench_of_few_images_ends_with_the_recipe_for_few_images(archives, tmp_path, steps):
    steps("prepare", archives, "--data-dir", tmp_path, "--allow-incomplete", "--config", "raw256")
    (step,) = after_bench(parse(["bench", "ilsvrc2012/raw256", "--data-dir", str(tmp_path)]), 900.0)
    assert " --model small " in step.line


@pytest.mark.parametrize(
    "name", ["plain", "my set", "it's", "-dash", "$HOME;ls", 'a"b', "back\\slash", "ü", "\udcff", "a\nb"]
)
def test_paths_are_quoted_for_a_shell_and_for_python(name, monkeypatch):
    (program, verb, path) = shlex.split(command("verify", Path(name)))
    assert (program, verb) == ("ilsvrc-tfds", "verify") and os.path.normpath(path) == name and not path.startswith("-")
    assert ast.literal_eval(re.fullmatch(r"f\((.*)\)", call("f", Path(name)), re.DOTALL)[1]) == name


def test_home_is_expanded_because_quotes_keep_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/user")
    assert command("verify", Path("~/x")) == "ilsvrc-tfds verify /home/user/x"
    assert call("f", Path("~/x")) == 'f("/home/user/x")'


def test_nothing_is_said_without_steps_or_where_nothing_can_be_written(monkeypatch, capsys):
    say_next([])
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys, "stderr", Full())
    say_next([Step("check", "ilsvrc-tfds verify x")])


class Full(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
