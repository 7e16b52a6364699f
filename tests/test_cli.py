import os

import pytest

import ilsvrc_tfds
from ilsvrc_tfds.cli import main


def test_prepare_makes_all_configs(archives, tmp_path, capsys):
    words = ["prepare", str(archives), "--data-dir", str(tmp_path), "--config", "all", "--allow-incomplete"]
    assert main([*words, "--num-shards", "train=2,val=3"]) == 0
    assert 'raw256/1.0.0: 12 train, 6 val examples; tfds.load("ilsvrc2012/raw256"' in capsys.readouterr().out
    names = os.listdir(tmp_path / "ilsvrc2012/raw256/1.0.0")
    assert {"ilsvrc2012-train.tfrecord-00001-of-00002", "ilsvrc2012-val.tfrecord-00002-of-00003", "metadata.h5"} <= set(names)


def test_prepare_of_an_incomplete_source_says_what_to_do(archives, tmp_path, capsys):
    assert main(["prepare", str(archives), "--data-dir", str(tmp_path / "data")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("ilsvrc-tfds: ") and "--allow-incomplete" in lines[-1]


def test_prepare_of_a_missing_source_is_an_error(tmp_path, capsys):
    assert main(["prepare", str(tmp_path / "nowhere"), "--data-dir", str(tmp_path)]) == 1
    assert "nowhere: does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["prepare"], ["prepare", "x", "--num-shards", "train:2"], ["metadata", "x"], ["train"]])
def test_wrong_usage_exits_with_2(words):
    with pytest.raises(SystemExit, match="2"):
        main(words)


def test_metadata_writes_the_file_alone(archives, tmp_path):
    out = tmp_path / "metadata.h5"
    assert main(["metadata", str(archives), "--out", str(out), "--image-root", "/data/ilsvrc2012"]) == 0
    paths = ilsvrc_tfds.metadata.read(out)["train"].image_filenames
    assert paths[0] == "/data/ilsvrc2012/train/n01440764/n01440764_10.JPEG"  # before _9: names are sorted as text
    assert sorted(os.listdir(tmp_path)) == ["metadata.h5", "source"]


def test_doctor_exits_with_1_for_a_problem(archives, capsys):
    assert main(["doctor", str(archives)]) == 1
    assert "PROBLEM train: 12 of 1,281,167 images" in capsys.readouterr().out


def test_quiet_where_stderr_is_no_terminal(archives, tmp_path, capfd):
    main(["prepare", str(archives), "--data-dir", str(tmp_path), "--allow-incomplete", "--workers", "2"])
    assert "images/s" not in capfd.readouterr().err


def test_demo_prepares_and_reads_back(tmp_path, capsys):
    assert main(["demo", str(tmp_path / "demo")]) == 0
    out = capsys.readouterr().out
    assert "Read back with tfds.load: uint8 (8, 224, 224, 3)" in out
    info = ilsvrc_tfds.Ilsvrc2012(data_dir=tmp_path / "demo/data").info
    assert not info.metadata["complete"] and info.metadata["changed_images"]["train"] == 2
