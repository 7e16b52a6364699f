"""The stages of a pipeline: which there are, that they make the same images, and what is said of their times."""

import json

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, preprocess
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import OptionError, SourceError
from ilsvrc_tfds.pipeline import bench

pytestmark = pytest.mark.slow

BATCH = 4
SMALL = (preprocess.DecodeAndRandomCrop(size=8), preprocess.FlipLeftRight(), preprocess.OneHot(), preprocess.MixUp())
REPORT = bench.Report(
    folder="/data",
    split="train",
    ops=SMALL,
    batch_size=128,
    images=2560,
    rounds=5,
    cores=2,
    load=2.0,
    agreeing=1.0,
    stages=(
        bench.Stage("read", 0.04, 0.04, 0.038, 0.05),
        bench.Stage("parse", 0.08, 0.04, 0.08, 0.1),
        bench.Stage("Decode", 2.0, 1.92, 1.6, 2.1),
    ),
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A prepared data set of 24 images of train and 6 of val."""
    root = tmp_path_factory.mktemp("stages")
    source = drawing.official_archives(root / "source", drawing.miniature(train=8))
    return ilsvrc_tfds.prepare(
        source, root / "data", workers=1, allow_incomplete=True, num_shards={"train": 3}
    ).data_dir


def column(folder, split, ops=SMALL) -> list:
    return bench.stages_of(pipeline.find_split(folder, split), ops, BATCH)


def ordered_labels(windows, count: int) -> list[int]:
    """Returns the labels of so many examples that come in windows."""
    return [int(label) for window in windows.take(-(-count // BATCH)) for label in window["label"]][:count]


def test_stages_stand_in_the_order_in_which_an_image_comes_through(prepared):
    expected = ["read", "parse", "DecodeAndRandomCrop", "FlipLeftRight", "OneHot", "batch", "MixUp"]
    assert [name for name, _ in column(prepared, "train")] == expected


@pytest.mark.parametrize("name", preprocess.PRESETS)
def test_every_op_of_a_preset_is_a_stage(prepared, name):
    ops, batch_ops = preprocess.split(preprocess.PRESETS[name])
    expected = ["read", "parse", *(type(op).__name__ for op in ops), "batch", *(type(op).__name__ for op in batch_ops)]
    assert [stage for stage, _ in column(prepared, "train", preprocess.PRESETS[name])] == expected


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_element_of_every_stage_is_a_batch_of_images(prepared, split):
    for name, data in column(prepared, split):
        for element in data.take(9):  # beyond the end of an epoch
            images = element["image"] if isinstance(element, dict) else element[-1]
            assert len(images) == BATCH, name


def test_stages_take_the_images_of_a_training_in_its_order(prepared):
    parsed = dict(column(prepared, "train", SMALL[:2]))
    batches = pipeline.for_training(prepared, batch_size=BATCH, ops=SMALL[:2], shuffle_buffer=3).take(12)
    expected = [int(label) for _, labels in batches for label in labels]
    assert ordered_labels(parsed["parse"], 48) == ordered_labels(parsed["FlipLeftRight"], 48) == expected
    assert [int(label) for batch in parsed["batch"].take(12) for label in batch["label"]] == expected


def test_last_stage_makes_the_batches_of_a_training(prepared):
    last = column(prepared, "train")[-1][1]
    batches = pipeline.for_training(prepared, batch_size=BATCH, ops=SMALL, shuffle_buffer=3)
    for ours, (image, label) in zip(last.take(8), batches):
        assert (ours["image"].numpy() == image.numpy()).all() and (ours["label"].numpy() == label.numpy()).all()


def test_stages_of_an_evaluation_take_the_images_in_the_order_on_disk(prepared):
    expected = [int(label) for _, labels in pipeline.for_evaluation(prepared, batch_size=6) for label in labels]
    assert ordered_labels(dict(column(prepared, "val"))["parse"], 12) == expected * 2


def test_measured_stages_add_up(prepared):
    report = bench.measure(prepared, batch_size=BATCH, ops=SMALL, seconds=0.05, rounds=2)
    assert [stage.name for stage in report.stages] == [name for name, _ in column(prepared, "train")]
    assert report.images % BATCH == 0 < report.images and report.ops == SMALL
    assert all(stage.ms > 0 for stage in report.stages)
    assert sum(stage.marginal_ms for stage in report.stages) == pytest.approx(report.stages[-1].ms)


def test_each_split_has_its_preset(prepared):
    for split, name in {"train": "resnet_train", "validation": "resnet_eval"}.items():
        report = bench.measure(prepared, batch_size=BATCH, split=split, seconds=0.01, rounds=1)
        assert report.ops == preprocess.PRESETS[name]


def test_report_says_what_bounds_the_job():
    lines = str(REPORT).splitlines()
    assert lines[:2] == [
        "/data, train",
        "2,560 images in batches of 128, 5 rounds, 2 cores, records in the page cache",
    ]
    assert [line.split() for line in lines[3:-1]] == [
        ["read", "25,000", "20,000–26,316", "0.040", "0.040", "2%"],
        ["+", "parse", "12,500", "10,000–12,500", "0.080", "0.040", "2%"],
        ["+", "Decode", "500", "476–625", "2.000", "1.920", "96%", 19 * "█"],
    ]
    assert lines[-1].startswith("Decode limits the pipeline: 1.920 of the 2.000 ms that an image takes, 96%. ")
    assert "In all 500 images/s; more with more cores, " in lines[-1]


def test_bench_prints_a_table_and_writes_json(prepared, tmp_path, capsys):
    words = ["bench", str(prepared), "--split", "val", "--batch-size", "2", "--seconds", "0.05"]
    assert main([*words, "--json", str(tmp_path / "b.json"), "--chart", str(tmp_path / "b.png")]) == 0
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((tmp_path / "b.json").read_text())
    assert [stage["name"] for stage in report["stages"]] == ["read", "parse", "DecodeAndCenterCrop", "batch"]
    assert report["split"] == "val" and report["batch_size"] == 2
    assert report["ops"] == ["DecodeAndCenterCrop(size=224, fraction=0.875, fast_dct=False)"]
    said = capsys.readouterr()
    assert f"{tmp_path}/b.png: the chart" in said.out and f"{tmp_path}/b.json: " in said.out
    assert f"{report['bound']} limits the pipeline" in said.out or not report["sure"]
    assert "ilsvrc-tfds train" in said.err if report["steady"] else "ilsvrc-tfds bench" in said.err


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["--ops", "resnet"],
            "There is no preset 'resnet'; known are resnet_train, resnet_eval, randaugment_train, torchvision_train.",
        ),
        (["--split", "test"], "There is no split 'test' in "),
        (["--seconds", "nan"], "seconds must be above 0 and rounds at least 1, got nan and 9."),
    ],
)
def test_bench_says_what_is_wrong_in_a_line(prepared, words, message, capsys):
    assert main(["bench", str(prepared), *words]) == 1
    assert capsys.readouterr().err.startswith(f"ilsvrc-tfds: {message}")


def test_what_cannot_be_measured_is_refused(prepared, tmp_path):
    with pytest.raises(SourceError, match="is not a folder. Prepare the data set first"):
        bench.measure(tmp_path / "nowhere")
    with pytest.raises(OptionError, match="seconds must be above 0 and rounds at least 1, got 0 and 9"):
        bench.measure(prepared, seconds=0)
    with pytest.raises(OptionError, match="batch_size must be at least 1, got 0"):
        bench.measure(prepared, batch_size=0)
