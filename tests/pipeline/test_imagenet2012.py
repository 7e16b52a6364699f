"""The data set that TFDS's own builder `imagenet2012` has made is read where it lies, as one of this package's own."""

import dataclasses
import json
import shutil
from pathlib import Path

import drawing
import forms
import numpy as np
import pytest
import tensorflow_datasets as tfds

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, preprocess, training
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import LabelError, OptionError, SourceError
from ilsvrc_tfds.formats.data_sets import folder_of
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.tfrecord import read_spans

pytestmark = pytest.mark.slow

OPS = preprocess.preset("resnet_eval", size=32)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A data directory with `imagenet2012`, made by TFDS of a miniature with all three splits."""
    root = tmp_path_factory.mktemp("made")
    forms.imagenet2012(root / "data", drawing.official_archives(root / "archives", forms.consecutive()))
    return root / "data"


@pytest.fixture
def copied(made, tmp_path) -> Path:
    """A copy of the folder of the data set, to be damaged."""
    return shutil.copytree(made / "imagenet2012/5.1.0", tmp_path / "imagenet2012/5.1.0")


def names_and_labels(made: Path, split: str) -> list[tuple[str, int]]:
    """What TFDS reads, in its order."""
    data = tfds.as_numpy(tfds.load("imagenet2012", data_dir=made, split=split))
    return [(example["file_name"].decode(), int(example["label"])) for example in data]


def test_records_are_those_that_tfds_reads(made):
    for split, own in (("train", "train"), ("validation", "val")):
        data = ilsvrc_tfds.for_evaluation("imagenet2012", data_dir=made, split=own, batch_size=64, ops=OPS)
        [(_, labels)] = data.as_numpy_iterator()
        assert labels.tolist() == [label for _, label in names_and_labels(made, split)]


@pytest.mark.parametrize(
    "way", ["name", "name and version", "data directory", "folder of versions", "folder", "builder"]
)
def test_all_ways_to_name_it_lead_to_it(way, made):
    folder = made / "imagenet2012/5.1.0"
    data, options = {
        "name": ("imagenet2012", {"data_dir": made}),
        "name and version": ("imagenet2012:5.1.0", {"data_dir": made}),
        "data directory": (made, {}),
        "folder of versions": (folder.parent, {}),
        "folder": (folder, {}),
        "builder": (tfds.builder("imagenet2012", data_dir=made), {}),
    }[way]
    assert folder_of(data, **options) == folder
    batches = ilsvrc_tfds.for_training(data, **options, batch_size=12, epochs=1, ops=OPS)
    assert sorted(next(iter(batches))[1].numpy().tolist()) == sorted(
        label for _, label in names_and_labels(made, "train")
    )


def test_latest_version_is_taken_if_there_is_no_5_1_0(copied):
    older = copied.rename(copied.with_name("5.0.0"))
    assert folder_of("imagenet2012", copied.parents[1]) == older
    with pytest.raises(OptionError, match=r"'imagenet2012:5.1.0' stands for .* and there is no .*/imagenet2012/5.1.0"):
        folder_of("imagenet2012:5.1.0", copied.parents[1])


def test_data_directory_with_other_sets_stands_for_those(copied, tmp_path):
    ilsvrc_tfds.prepare(copied, tmp_path, config="raw256", workers=1, allow_incomplete=True)
    assert folder_of(tmp_path) == tmp_path / "ilsvrc2012/raw256/1.0.0"
    assert folder_of("imagenet2012", tmp_path) == folder_of(copied.parent) == copied


def test_exchanged_shards_are_found(copied, capsys):
    first, second = sorted(copied.glob("imagenet2012-train.*"))
    first.rename(copied / "other")
    second.rename(first)
    (copied / "other").rename(second)
    info = json.loads((copied / "dataset_info.json").read_text())
    for split in info["splits"]:
        split["shardLengths"] = split["shardLengths"][:: -1 if split["name"] == "train" else 1]
    (copied / "dataset_info.json").write_text(json.dumps(info))
    assert main(["verify", str(copied)]) == 1
    assert "does not belong after" in capsys.readouterr().out


def test_it_needs_no_alias(copied, tmp_path):
    with pytest.raises(OptionError, match="5.1.0 is TFDS's imagenet2012 already"):
        ilsvrc_tfds.alias("imagenet2012", data_dir=tmp_path)
    moved = shutil.copytree(copied, tmp_path / "other/ilsvrc2012/classification/1.0.0")
    with pytest.raises(OptionError, match="is TFDS's imagenet2012 already"):
        ilsvrc_tfds.alias(moved)
    with pytest.raises(SourceError, match="is not a prepared data set: it is TFDS's imagenet2012"):
        ilsvrc_tfds.alias(tmp_path / "other", config="classification")


def test_subsets_have_the_right_images(made):
    own = [pair for pair in names_and_labels(made, "train") if pair[1] == 3]
    batches = ilsvrc_tfds.for_training(
        "imagenet2012", data_dir=made, batch_size=len(own), epochs=1, ops=OPS, classes=["n01491361"], relabel=True
    )
    assert next(iter(batches))[1].numpy().tolist() == [0] * len(own) and own


def test_verify_reads_every_record(made, copied, capsys):
    assert main(["verify", "imagenet2012", "--data-dir", str(made), "--decode"]) == 0
    assert "OK: 20 records in 6 shards" in capsys.readouterr().out
    shard = copied / "imagenet2012-validation.tfrecord-00000-of-00002"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert main(["verify", str(copied)]) == 1
    assert "PROBLEM imagenet2012-validation.tfrecord-00000-of-00002: " in capsys.readouterr().out


def test_labels_that_tfds_shifted_are_found(tmp_path, capsys):
    """TFDS labels a validation image by its position in the archive, so those behind a missing one are wrong."""
    images = forms.consecutive()
    del images.val["ILSVRC2012_val_00000003.JPEG"]
    folder = forms.imagenet2012(tmp_path / "data", drawing.official_archives(tmp_path / "archives", images))
    assert main(["verify", str(folder)]) == 1
    out = capsys.readouterr().out
    assert out.endswith("\nNOT OK: 3 problems\n")
    assert "ILSVRC2012_val_00000006.JPEG has the label 516, expected 57 (n01735189)" in out


@pytest.mark.parametrize("missing", [2, 60, 110])
def test_shifted_labels_are_refused_before_any_batch(missing, tmp_path):
    names = [f"ILSVRC2012_val_{k:08d}.JPEG" for k in range(1, 121) if k != missing]
    val = {name: drawing.jpeg(20, 16, seed=k) for k, name in enumerate(names)}
    images = dataclasses.replace(forms.consecutive(), val=val)
    archives = drawing.official_archives(tmp_path / "archives", images)
    folder = forms.imagenet2012(tmp_path / "data", archives)
    for read in (ilsvrc_tfds.for_evaluation, ilsvrc_tfds.for_training):
        with pytest.raises(
            LabelError, match=f"has the label .* TFDS labels .* `ilsvrc-tfds verify {folder}` lists them"
        ):
            read(folder, split="val", batch_size=2)
    ilsvrc_tfds.for_training(folder, batch_size=2)


@pytest.mark.parametrize("change", ["fewer stated", "a record twice", "another split's shard"])
def test_other_counts_than_stated_are_refused(change, copied):
    shard = copied / "imagenet2012-validation.tfrecord-00000-of-00002"
    if change == "fewer stated":
        info = json.loads((copied / "dataset_info.json").read_text())
        [val] = (split for split in info["splits"] if split["name"] == "validation")
        val["shardLengths"][0] = str(int(val["shardLengths"][0]) - 1)
        (copied / "dataset_info.json").write_text(json.dumps(info))
    elif change == "a record twice":
        size = read_spans(shard)[0][1]
        shard.write_bytes(shard.read_bytes() + shard.read_bytes()[:size])
    else:
        shutil.copy(copied / "imagenet2012-train.tfrecord-00000-of-00002", shard)
    with pytest.raises(SourceError, match="00000-of-00002 has . records, dataset_info.json says .*with TFDS"):
        ilsvrc_tfds.for_evaluation(copied, batch_size=2)
    assert main(["verify", str(copied)]) == 1


def test_train_images_in_val_are_a_problem(copied, capsys):
    shutil.copy(
        copied / "imagenet2012-train.tfrecord-00000-of-00002",
        copied / "imagenet2012-validation.tfrecord-00000-of-00002",
    )
    info = json.loads((copied / "dataset_info.json").read_text())
    lengths = {split["name"]: split["shardLengths"] for split in info["splits"]}
    lengths["validation"][0] = lengths["train"][0]
    (copied / "dataset_info.json").write_text(json.dumps(info))
    assert main(["verify", str(copied)]) == 1
    assert "another split" in capsys.readouterr().out


def test_other_list_of_labels_is_a_problem(copied, capsys):
    path = copied / "label.labels.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[1], lines[0], *lines[2:]]) + "\n")
    assert main(["verify", str(copied)]) == 1
    out = capsys.readouterr().out
    assert "label.labels.txt: it is not the list of the 1000 classes" in out and "NOT OK: 1 problem" in out


def test_folder_of_an_interrupted_run_is_refused(copied, capsys):
    folder = copied.rename(copied.with_name("incomplete.9BUFA3_5.1.0"))
    (folder / "dataset_info.json").unlink()
    for command in (["verify", folder], ["show", folder], ["prepare", folder, "--data-dir", copied.parents[2] / "out"]):
        assert main(list(map(str, command))) == 1
        assert (
            "is what an interrupted run of TFDS has left of 5.1.0. Make that with TFDS again" in capsys.readouterr().err
        )
    assert main(["verify", str(folder.parent)]) == 1
    assert "incomplete" not in capsys.readouterr().err


def test_name_and_folder_lead_to_the_same_set(copied, tmp_path):
    older = tmp_path / "data/imagenet2012/5.0.0"
    ilsvrc_tfds.prepare(copied, tmp_path / "data", config="raw256", workers=1, allow_incomplete=True)
    ilsvrc_tfds.alias(tmp_path / "data", config="raw256")
    shutil.move(copied, older)
    tmp_path = tmp_path / "data"
    assert folder_of("imagenet2012", tmp_path) == folder_of(older.parent) == older.with_name("5.1.0")
    assert folder_of("imagenet2012:5.0.0", tmp_path) == older


def test_array_record_is_not_called_ok_unread(tmp_path, capsys):
    pytest.importorskip("array_record")
    archives = drawing.official_archives(tmp_path / "archives", forms.consecutive())
    folder = forms.imagenet2012(tmp_path / "data", archives, file_format="array_record")
    assert main(["verify", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "nothing could be compared: records in array_record are not read" in out and "doctor" in out


def test_counts_of_info_are_compared(copied, capsys):
    path = copied / "dataset_info.json"
    info = json.loads(path.read_text())
    info["splits"][0]["shardLengths"][0] = str(int(info["splits"][0]["shardLengths"][0]) + 1)
    path.write_text(json.dumps(info))
    assert main(["verify", str(copied)]) == 1
    assert "dataset_info.json" in capsys.readouterr().out


def test_missing_shard_is_named(copied):
    (copied / "imagenet2012-train.tfrecord-00001-of-00002").unlink()
    with pytest.raises(
        SourceError,
        match="1 shard of split 'train' is missing: .*imagenet2012-train.*-00001.* Make the data set again with TFDS",
    ):
        ilsvrc_tfds.for_training(copied, batch_size=4)


def test_shards_without_info_are_read_by_their_names(copied):
    for path in copied.glob("*.*"):
        if ".tfrecord-" not in path.name:
            path.unlink()
    output = find_output(copied)
    assert (output.kind, output.label_offset) == ("imagenet2012", 0)
    assert {split: len(names) for split, names in output.shards.items()} == {"train": 2, "val": 2, "test": 2}
    assert len(pipeline.find_split(copied, "val").lengths) == 2


def test_training_evaluation_and_other_results_are_made_of_it(made, tmp_path, capsys):
    recipe = training.Recipe(model="small", image_size=32, epochs=1, batch_size=4, shuffle_buffer=8)
    model = training.train("imagenet2012", tmp_path / "run", recipe, data_dir=made)
    assert training.evaluate(made, model).examples == 6
    folder = made / "imagenet2012/5.1.0"
    ilsvrc_tfds.unpack(folder, tmp_path / "unpacked", workers=1)
    found = {path.name: path.read_bytes() for path in (tmp_path / "unpacked").rglob("*.JPEG")}
    records = [e for split in ("train", "validation", "test") for e in _raw(made, split)]
    assert found == {name.rpartition("/")[2]: data for name, data in records}
    assert main(["show", str(folder), "--num", "1", "--split", "val"]) == 0
    assert "ILSVRC2012_val_" in capsys.readouterr().out
    assert len(ilsvrc_tfds.index_records(folder, out=tmp_path / "index", workers=1)) == 6


def _raw(made: Path, split: str) -> list[tuple[str, bytes]]:
    undecoded = {"image": tfds.decode.SkipDecoding()}
    data = tfds.as_numpy(tfds.load("imagenet2012", data_dir=made, split=split, decoders=undecoded))
    return [(example["file_name"].decode(), bytes(np.asarray(example["image"]).item())) for example in data]
