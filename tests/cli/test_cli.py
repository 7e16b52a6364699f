import dataclasses
import functools
import importlib.metadata
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.cli import commands, main
from ilsvrc_tfds.cli.commands import trying
from ilsvrc_tfds.cli.parser import COMMANDS
from ilsvrc_tfds.training.recipe import Recipe


@pytest.fixture(autouse=True)
def one_core(monkeypatch):
    """Commands without `--workers` start no processes, which take most of the time of so little work."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")


@pytest.mark.slow
def test_prepare_makes_all_configs(archives, tmp_path, capsys):
    words = ["prepare", str(archives), "--data-dir", str(tmp_path), "--config", "all", "--allow-incomplete"]
    assert main([*words, "--num-shards", "train=2,val=3", "--workers", "2"]) == 0
    _, _, line, load = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path}/ilsvrc2012/raw256/1.0.0: 12 train, 6 val examples, ")
    assert load == f'tfds.load("ilsvrc2012/raw256", data_dir="{tmp_path}")'
    names = os.listdir(tmp_path / "ilsvrc2012/raw256/1.0.0")
    assert {"ilsvrc2012-train.tfrecord-00001-of-00002", "ilsvrc2012-val.tfrecord-00002-of-00003", "metadata.h5"} <= set(
        names
    )


def test_prepare_of_an_incomplete_source_says_what_to_do(archives, tmp_path, capsys):
    assert main(["prepare", str(archives), "--data-dir", str(tmp_path / "data")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("ilsvrc-tfds: ") and "--allow-incomplete" in lines[-1]


def test_prepare_of_a_missing_source_is_an_error(tmp_path, capsys):
    assert main(["prepare", str(tmp_path / "nowhere"), "--data-dir", str(tmp_path)]) == 1
    assert "nowhere: does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["prepare"], ["metadata", "x"], ["train"]])
def test_wrong_usage_exits_with_2(words):
    with pytest.raises(SystemExit, match="2"):
        main(words)


@pytest.mark.parametrize(
    "option, value, expected",
    [
        ("--num-shards", "train=0", "a whole number of at least 1, got '0'"),
        ("--num-shards", "train", "a whole number of at least 1, got ''"),
        ("--num-shards", "train:2", "train=N,val=N,test=N or some of them, got 'train:2'"),
        ("--num-shards", "validation=2", "train=N,val=N,test=N or some of them, got 'validation=2'"),
        ("--num-shards", "train=2,train=3", "each split once, got 'train=2,train=3'"),
        ("--data-dir", "", "a path, got ''"),
        ("--workers", "0", "a whole number of at least 1, got '0'"),
        ("--max-examples", "-3", "a whole number of at least 1, got '-3'"),
    ],
)
def test_impossible_numbers_are_wrong_usage(option, value, expected, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["prepare", "nowhere", f"{option}={value}"])
    assert f"argument {option}: expected {expected}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "export x --out out --num-shards train=2,train=3",
        "export x --out out --num-shards val=2,validation=3",
        "export x --out=",
        "export x --out out --bbox=",
        "show EMPTY",
        "prepare EMPTY",
        "train EMPTY",
        "train x --data-dir=",
        "metadata x --out=",
        "bench x --json=",
    ],
)
def test_splits_named_twice_and_empty_paths_are_wrong_usage(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["" if word == "EMPTY" else word for word in words.split()])
    assert re.search("expected (each split once|a path), got", capsys.readouterr().err)


def test_shards_of_a_split_that_is_not_made_are_an_error(archives, tmp_path, capsys):
    words = ["prepare", str(archives), "--data-dir", str(tmp_path / "data"), "--allow-incomplete"]
    for _ in range(2):  # where nothing is prepared, and where all is
        assert main([*words, "--num-shards", "train=2,test=4"]) == 1
        assert "num_shards names the split test, which is none of those to make: train, val" in capsys.readouterr().err
        assert main([*words, "--num-shards", "train=2"]) == 0


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_explains_every_option(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    entries = (
        capsys.readouterr().out.partition("positional arguments:\n")[2].replace("\n" + " " * 10, "  ").splitlines()
    )
    assert all(len(entry.split("  ")) > 2 for entry in entries if entry.startswith("  "))


def test_metadata_writes_the_file_alone(archives, tmp_path):
    out = tmp_path / "metadata.h5"
    assert main(["metadata", str(archives), "--out", str(out), "--image-root", "/data/ilsvrc2012"]) == 0
    paths = ilsvrc_tfds.metadata.read(out)["train"].image_filenames
    assert paths[0] == "/data/ilsvrc2012/train/n01440764/n01440764_10.JPEG"  # before _9: names are sorted as text
    assert sorted(os.listdir(tmp_path)) == ["metadata.h5", "source"]


def test_metadata_of_an_incomplete_source_says_what_is_missing(archives, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    assert main(["metadata", str(archives), "--out", str(tmp_path / "m.h5")]) == 0
    assert "Incomplete: train has 12 of 1,281,167 images, 997 classes missing." in caplog.messages


def test_metadata_of_unlabelled_images_is_an_error(tmp_path, images, capsys):
    source = drawing.official_archives(tmp_path / "source", drawing.Images({}, {}, drawing.miniature(test=2).test))
    assert main(["metadata", str(source), "--out", str(tmp_path / "m.h5"), "--splits", "test"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("ilsvrc-tfds: There is nothing to describe: ")
    assert os.listdir(tmp_path) == ["source"]


def test_home_is_expanded_in_paths(archives, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["metadata", str(archives), "--out=~/m.h5"]) == 0
    assert sorted(os.listdir(tmp_path)) == ["m.h5", "source"]


@pytest.mark.slow
def test_doctor_of_a_whole_split_finds_no_problems(tmp_path, capsys):
    members = [(f"ILSVRC2012_val_{number:08d}.JPEG", b"x") for number in range(1, 50_001)]
    (tmp_path / "val.tar").write_bytes(drawing.tar(members))
    assert main(["doctor", str(tmp_path), "--splits", "val", "--data-dir", str(tmp_path / "d")]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "READY"
    words = f"prepare {tmp_path} --data-dir {tmp_path}/d --splits val --config all"
    assert said.err.splitlines()[-1] == f"  ilsvrc-tfds {words}"
    assert main(["doctor", str(tmp_path)]) == 1
    *_, problem, _, verdict = capsys.readouterr().out.splitlines()
    assert problem.startswith("PROBLEM train: not there; found: val.tar; complete or rename it")
    assert verdict == "NOT READY: 1 problem"


def test_doctor_whose_output_nobody_reads_says_nothing(archives):
    command = [sys.executable, "-m", "ilsvrc_tfds.cli", "doctor", str(archives), "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert "BrokenPipe" not in process.stderr.read()
    assert process.returncode == 141


def test_doctor_exits_with_1_for_a_problem(archives, capsys):
    assert main(["doctor", str(archives)]) == 1
    assert "PROBLEM train: 12 of 1,281,167 images" in capsys.readouterr().out


def test_quiet_where_stderr_is_no_terminal(archives, tmp_path, capfd):
    main(["prepare", str(archives), "--data-dir", str(tmp_path), "--allow-incomplete", "--workers", "2"])
    assert "images/s" not in capfd.readouterr().err


def test_demo_below_a_file_is_an_error_of_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "file").touch()
    assert main(["demo", "~/file/demo"]) == 1
    assert capsys.readouterr().err.startswith(
        f"ilsvrc-tfds: {tmp_path}/file/demo/archives cannot be written: Not a directory"
    )


@pytest.fixture
def few_drawings(monkeypatch):
    monkeypatch.setattr(trying, "draw", functools.partial(trying.draw, train_per_class=1, val_per_class=1))


@pytest.mark.usefixtures("few_drawings")
def test_demo_leaves_real_data_sets_as_they_are(prepare, tmp_path, capsys):
    folder = Path(prepare(config="raw256", data_dir=tmp_path / "x/data").data_dir)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(["demo", str(tmp_path / "x")]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "raw256/1.0.0 exists already, and" in line and "The demo itself replaces nothing" in line
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not (tmp_path / "x/data/ilsvrc2012/classification").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("few_drawings")
def test_demo_can_be_run_twice(tmp_path):
    assert main(["demo", str(tmp_path / "x")]) == main(["demo", str(tmp_path / "x")]) == 0


@pytest.mark.slow
def test_demo_prepares_and_reads_back(tmp_path, capsys):
    assert main(["demo", str(tmp_path / "demo")]) == 0
    out = capsys.readouterr().out
    assert "Read      a batch: uint8 (8, 224, 224, 3)" in out
    assert (tmp_path / "demo/contact-sheet.png").read_bytes().startswith(b"\x89PNG")
    info = ilsvrc_tfds.Ilsvrc2012(data_dir=tmp_path / "demo/data").info
    assert not info.metadata["complete"] and info.metadata["changed_images"]["train"] == 2


def test_export_index_verify_and_show(archives, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["export", str(archives), "--out", str(out), "--num-shards", "train=2,validation=1", "--label-offset", "0"]
    assert main([*words, "--allow-incomplete", "--config", "raw256"]) == 0
    assert f"{out}: 12 train in 2 shards, 6 validation in 1 shard; labels 0 to 999" in capsys.readouterr().out
    assert main(["index", str(out)]) == 0
    assert (out / "index-validation-00000-of-00001").exists()
    assert main(["verify", str(out), "--decode"]) == 0
    assert capsys.readouterr().out.endswith("OK: 18 records in 3 shards, digests compared\n")
    assert main(["show", str(out), "--split", "validation", "--num", "2", "--out", str(tmp_path / "sheet.png")]) == 0
    assert "ILSVRC2012_val_" in capsys.readouterr().out and (tmp_path / "sheet.png").exists()


def test_export_says_how_many_images_have_boxes(archives, tmp_path, capsys):
    table, out = tmp_path / "boxes.csv", str(tmp_path / "out")
    table.write_text("ImageId,PredictionString\nn01440764_9,n01440764 1 2 30 20\n")
    assert (
        main(["export", str(archives), "--out", out, "--bbox", str(table), "--allow-incomplete", "--workers", "1"]) == 0
    )
    last = capsys.readouterr().out.splitlines()[-2]
    assert "12 train (1 of 12 images has bounding boxes, 8.3%) in 12 shards, 6 validation (0 of 6 images" in last
    assert main(["verify", out]) == 0
    said = capsys.readouterr().out
    assert (
        "train: 1 of 12 images has bounding boxes, 8.3%" in said
        and "val: 0 of 6 images have bounding boxes, 0.0%" in said
    )


def test_export_of_a_prepared_set_takes_its_splits(prepare, tmp_path, capsys):
    words = [
        "export",
        prepare().data_dir,
        "--out",
        str(tmp_path / "out"),
        "--splits",
        "validation",
        "--allow-incomplete",
    ]
    assert main([*words, "--index"]) == 0
    assert "out: 6 validation in 6 shards; labels 1 to 1000" in capsys.readouterr().out


@pytest.mark.parametrize(
    "package, words",
    [
        ("distributed", ["--runner", "dask", "--workers", "1"]),
        ("apache_beam", ["--runner", "beam", "--beam-options=--direct_running_mode=in_memory"]),
        (
            "apache_beam",
            ["--runner", "beam", "--beam-options", "--direct_running_mode=in_memory --direct_num_workers=1"],
        ),
    ],
)
@pytest.mark.slow
def test_other_runners_prepare_and_export(package, words, archives, tmp_path, capfd):
    pytest.importorskip(package)
    common = ["--allow-incomplete", "--num-shards", "train=2", *words]
    assert main(["prepare", str(archives), "--data-dir", str(tmp_path / "data"), *common]) == 0
    prepared = tmp_path / "data/ilsvrc2012/classification/1.0.0"
    assert main(["export", str(prepared), "--out", str(tmp_path / "out"), *common]) == 0
    assert main(["verify", str(prepared)]) == main(["verify", str(tmp_path / "out")]) == 0
    assert not re.search("INFO|WARNING|apache_beam|distributed", capfd.readouterr().err)


@pytest.mark.parametrize("command", [["prepare", "x"], ["export", "x", "--out", "y"]], ids=["prepare", "export"])
@pytest.mark.parametrize(
    "words, text",
    [
        (["--beam-options=--runner=FnApiRunner"], "--beam-options is for --runner beam, not --runner local."),
        (["--scheduler", "tcp://host:8786"], "--scheduler is for --runner dask, not --runner local."),
        (
            ["--runner", "beam", "--scheduler", "tcp://host:8786"],
            "--scheduler is for --runner dask, not --runner beam.",
        ),
    ],
)
def test_option_of_another_runner_is_refused(command, words, text, capsys):
    assert main([*command, *words]) == 1
    assert capsys.readouterr().err == f"ilsvrc-tfds: {text}\n"


def test_verify_exits_with_1_for_damage(prepare, capsys):
    folder = prepare(num_shards={"val": 1}).data_path
    (shard,) = folder.glob("*-val.tfrecord-*")
    data = bytearray(shard.read_bytes())
    data[-100] ^= 1
    shard.write_bytes(data)
    assert main(["verify", str(folder)]) == 1
    assert "PROBLEM ilsvrc2012-val.tfrecord-00000-of-00001: record 5, byte " in capsys.readouterr().out


def test_unpack_writes_files(prepare, tmp_path, capsys):
    assert main(["unpack", prepare().data_dir, "--out", str(tmp_path / "files")]) == 0
    assert str(tmp_path / "files") in capsys.readouterr().out
    assert len(list(tmp_path.glob("files/train/n01440764/*.JPEG"))) == 4


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [[], ["--recipe", "resnet50-600", "--sizes", "40:0", "--scaled"]], ids=str)
def test_train_and_evaluate_say_the_accuracy(recipe, prepare, tmp_path, capsys):
    folder, out = str(prepare(config="raw256").data_dir), str(tmp_path / "run")
    words = ["--model", "small", "--image-size", "32", "--epochs", "1", "--warmup-epochs", "0", "--batch-size", "4"]
    words += recipe
    assert main(["train", folder, "--out", out, *words, "--devices", "1", "--backup-every", "2"]) == 0
    assert re.search(
        r"model.keras: validation top-1 [\d.]+%, top-5 [\d.]+% at the end of epoch 1", capsys.readouterr().out
    )
    assert (
        main(["evaluate", "ilsvrc2012/raw256", "--data-dir", str(tmp_path / "data"), "--model", f"{out}/model.keras"])
        == 0
    )
    assert re.search(r"val +6 +[\d.]+% +[\d.]+% +[\d.]+ +[\d.]+%", capsys.readouterr().out)


@pytest.mark.slow
def test_more_devices_than_there_are_and_a_service_that_is_not_there_are_errors(prepare, tmp_path, capsys):
    folder, out = str(prepare(config="raw256").data_dir), str(tmp_path / "run")
    words = ["train", folder, "--out", out, "--model", "small", "--image-size", "32", "--batch-size", "4"]
    for more, message in [
        (["--devices", "64"], "64 devices are wanted, but there is 1 device: /device:CPU:0."),
        (["--service", "localhost"], "service must be grpc://HOST:PORT"),
    ]:
        assert main([*words, *more]) == 1
        assert message in capsys.readouterr().err
    assert not os.path.exists(out + "/model.keras")


def test_training_help_has_the_recipes_defaults(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for field in dataclasses.fields(Recipe):
        assert f"--{field.name.replace('_', '-')}" in text
        assert field.default is None or f"(default: {field.default})" in text
    assert "--recipe {resnet50-90,resnet50-600}" in text


@pytest.mark.parametrize(
    "words", [["--splits", "dev"], ["--num-shards", "dev=2"], ["--label-offset", "2"], ["--config", "raw512"]]
)
def test_export_refuses_what_it_does_not_know(words, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["export", "nowhere", "--out", str(tmp_path), *words])
    assert f"argument {words[0]}: " in capsys.readouterr().err


def test_interrupt_says_how_to_continue_only_where_that_is_so(monkeypatch, capsys, tmp_path):
    def interrupt(options):
        raise KeyboardInterrupt

    for command, text in (("verify", "Interrupted.\n"), ("export", "run the same command again to continue.\n")):
        monkeypatch.setattr(commands, command, interrupt)
        assert main([command, str(tmp_path), *(["--out", "y"] if command == "export" else [])]) == 130
        assert capsys.readouterr().err.endswith(text)


@pytest.mark.parametrize("module", ["ilsvrc_tfds", "ilsvrc_tfds.cli"])
def test_version_is_that_of_the_distribution(module):
    command = [sys.executable, "-m", module, "--version"]
    stated = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (
        stated
        == f"ilsvrc-tfds {ilsvrc_tfds.__version__}\n"
        == f"ilsvrc-tfds {importlib.metadata.version('ilsvrc-tfds')}\n"
    )


def test_dir_names_what_is_public():
    assert set(ilsvrc_tfds.__all__) < set(dir(ilsvrc_tfds))
    assert all(hasattr(ilsvrc_tfds, name) for name in dir(ilsvrc_tfds))


def test_missing_and_mistyped_commands_are_told_what_there_is(capsys):
    for words, text in (([], "draw a miniature ILSVRC2012"), (["prepar"], "Did you mean prepare?"), (["x"], "bench, ")):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2 and text in capsys.readouterr().err
