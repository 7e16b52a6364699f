"""TFDS's `dataset_info.json`: what is said if it cannot be read, and the other formats that `tfds convert_format` puts beside."""

import itertools
import json
import os
import tempfile
from pathlib import Path

import forms
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats.info import read_info

pytestmark = pytest.mark.slow


def commands(folder, source) -> dict[str, list[str]]:
    """Returns the commands that read a prepared set, by their names."""
    out = str(folder.parents[3] / "out")
    return {
        "prepare": ["prepare", str(source), "--data-dir", str(folder.parents[2]), "--allow-incomplete"],
        "show": ["show", str(folder)],
        "index": ["index", str(folder)],
        "unpack": ["unpack", str(folder), "--out", out],
        "export": ["export", str(folder), "--out", out, "--allow-incomplete"],
        "train": ["train", str(folder), "--model", "small", "--out", out],
        "evaluate": ["evaluate", str(folder), "--model", "small"],
    }


def test_info_that_may_not_be_read_is_no_reason_to_prepare_again(prepare, archives, capsys, permissions_count):
    folder = Path(prepare().data_path)
    (folder / "dataset_info.json").chmod(0)
    capsys.readouterr()
    for name, words in commands(folder, archives).items():
        assert main(words) == 1, name
        expected = "dataset_info.json cannot be read: Permission denied. Check the permissions of it and of each folder above it.\n"
        assert capsys.readouterr().err.endswith(expected), name
    assert main(["verify", str(folder), "--workers", "1"]) == 1
    assert "PROBLEM" in (out := capsys.readouterr().out) and "Check the permissions" in out and "again" not in out


def test_folder_that_may_not_be_read_is_no_reason_to_prepare_again(prepare, archives, capsys, permissions_count):
    folder = Path(prepare().data_path)
    folder.chmod(0)
    capsys.readouterr()
    for name, words in {**commands(folder, archives), "verify": ["verify", str(folder)]}.items():
        assert main(words) == 1, name
        err = capsys.readouterr().err
        assert err.startswith(f"ilsvrc-tfds: {folder}") and "Permission denied. Check the permissions of it" in err, (
            name
        )


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


DAMAGE = {
    "no JSON": (lambda path: path.write_text("{"), "makes no sense .*prepare the data set again"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe"), "makes no sense .*prepare the data set again"),
    "empty": (lambda path: path.write_bytes(b""), "makes no sense .*prepare the data set again"),
    "a list": (lambda path: path.write_text("[]"), "makes no sense .*prepare the data set again"),
    "deep": (lambda path: path.write_text('{"a":' * 100_000), "makes no sense .*prepare the data set again"),
    "too large": (lambda path: os.truncate(path, (64 << 20) + 1), "makes no sense .*it has more than 67,108,864 bytes"),
    "another version": (lambda path: path.write_text('{"name": "ilsvrc2012", "version": "2.0.0"}'), "makes no sense"),
    "a folder": (replace_by_folder, "cannot be read: Is a directory. It is a folder, and a file is expected"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_info_is_a_source_error(damage, prepare, archives):
    data_path, (do, message) = prepare().data_path, DAMAGE[damage]
    do(data_path / "dataset_info.json")
    with pytest.raises(SourceError, match=f"dataset_info.json {message}"):
        prepare()
    with pytest.raises(SourceError, match=f"dataset_info.json {message.partition(' .')[0]}"):
        read_info(data_path)


WAYS = {
    "dataset_info.json": ilsvrc_tfds.show,
    "metadata.json": lambda folder: ilsvrc_tfds.unpack(folder, folder.parents[3] / "files", workers=1),
    "manifest.json": ilsvrc_tfds.show,
    "ilsvrc2012-train.tfrecord-00000-of-00001": lambda folder: ilsvrc_tfds.unpack(
        folder, folder.parents[3] / "files", workers=1
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_way_that_a_message_names_works(name, prepare, tmp_path):
    folder, read = Path(prepare().data_path), WAYS[name]
    if name == "metadata.json":
        (folder / "manifest.json").unlink()
    (folder / name).write_bytes(b"{" * 20)
    with pytest.raises(SourceError) as caught:
        read(folder)
    message = str(caught.value)
    if "Move its folder away and prepare the data set again." in message:
        assert name.partition(".")[0] in ("dataset_info", "metadata") and f"{name} makes no sense" in message
        folder.rename(tmp_path / "away")
        prepare()
    else:
        assert name in message and "again with --overwrite" in message
        prepare(overwrite=True)
    read(folder)
    assert ilsvrc_tfds.verify(folder, workers=1).problems == ()


@pytest.mark.parametrize("text", ["", "{", '{"a":' * 100_000])
def test_damaged_provenance_is_a_source_error_and_can_be_overwritten(text, prepare):
    (prepare().data_path / "metadata.json").write_text(text)
    with pytest.raises(SourceError, match="metadata.json makes no sense .*prepare the data set again"):
        prepare()
    assert prepare(overwrite=True).info.metadata["images"] == {"op": "Original"}


def test_provenance_that_may_not_be_read_is_no_reason_to_prepare_again(prepare, permissions_count):
    Path(prepare().data_path / "metadata.json").chmod(0)
    with pytest.raises(
        SourceError, match="metadata.json cannot be read: Permission denied. Check the permissions of it and"
    ):
        prepare()


def test_info_that_is_read_later_is_a_source_error(prepare, tmp_path):
    early = ilsvrc_tfds.Ilsvrc2012(data_dir=tmp_path / "data")
    (prepare().data_path / "dataset_info.json").write_text("{")
    with pytest.raises(SourceError, match="dataset_info.json makes no sense"):
        early.is_prepared()


@pytest.fixture
def converted(prepare):
    """A prepared set with array_record beside its shards, by TFDS's own command."""
    pytest.importorskip("apache_beam")
    pytest.importorskip("array_record")
    utils = pytest.importorskip("tensorflow_datasets.scripts.cli.convert_format_utils")
    folder = prepare(num_shards={"train": 3, "val": 2}).data_path
    utils.convert_dataset(
        out_dir=None, out_file_format="array_record", dataset_version_dir=os.fspath(folder), num_workers=1
    )
    assert json.loads((folder / "dataset_info.json").read_text())["alternativeFileFormats"] == ["array_record"]
    return folder


def test_other_format_is_read_as_tfds_alone_reads_it(converted):
    data_dir = converted.parents[2]
    alone = tfds.builder_from_directory(converted).as_data_source("train")
    ours = (
        tfds.data_source("ilsvrc2012", data_dir=data_dir, split="train"),
        tfds.builder("ilsvrc2012", data_dir=data_dir).as_data_source("train"),
        ilsvrc_tfds.Ilsvrc2012(data_dir=data_dir).as_data_source("train"),
    )
    wanted = [(example["file_name"], example["label"], example["image"].tobytes()) for example in alone]
    assert len(wanted) == 12
    for source in ours:
        assert [(e["file_name"], e["label"], e["image"].tobytes()) for e in source] == wanted
    assert len(list(tfds.load("ilsvrc2012", data_dir=data_dir, split="val"))) == 6  # the TFRecords, as before


def test_commands_take_the_set_with_another_format_as_before(converted, tmp_path, capsys):
    assert main(["verify", str(converted), "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "the same in the format array_record: " in out and "bytes in 5 shards, of which only names and sizes" in out
    assert main(["show", str(converted), "--num", "1"]) == 0
    assert "12 examples in     3 shards" in capsys.readouterr().out
    assert main(["unpack", str(converted), "--out", str(tmp_path / "files"), "--workers", "1"]) == 0
    assert sum(len(images) for images, _ in ilsvrc_tfds.for_evaluation(converted, batch_size=3)) == 6


@pytest.fixture
def converted_to_tfrecord(prepare, monkeypatch):
    """A set prepared as array_record with TFRecords beside, by TFDS's own command."""
    pytest.importorskip("apache_beam")
    array_record = pytest.importorskip("array_record.python.array_record_data_source")
    utils = pytest.importorskip("tensorflow_datasets.scripts.cli.convert_format_utils")
    folder = prepare(config="raw256", file_format="array_record", num_shards={"train": 3, "val": 2}).data_path

    def records(cls, filename, buffer_size=None):
        source = array_record.ArrayRecordDataSource(os.fspath(filename))
        return tf.data.Dataset.from_tensor_slices(source.__getitems__(range(len(source))))

    # TFDS 4.9.10 converts from TFRecord alone: its converter reads by `make_tf_data`, which array_record does not have.
    adapter = "tensorflow_datasets.core.file_adapters.ArrayRecordFileAdapter.make_tf_data"
    monkeypatch.setattr(adapter, classmethod(records))
    utils.convert_dataset(
        out_dir=None, out_file_format="tfrecord", dataset_version_dir=os.fspath(folder), num_workers=1
    )
    assert json.loads((folder / "dataset_info.json").read_text())["alternativeFileFormats"] == ["tfrecord"]
    return folder


def test_tfrecords_beside_another_format_are_read_by_everything(converted_to_tfrecord, prepare, tmp_path, capsys):
    folder, alone = converted_to_tfrecord, prepare(config="raw256", data_dir=tmp_path / "alone").data_path
    capsys.readouterr()
    assert main(["show", str(folder), "--num", "1"]) == 0
    out = capsys.readouterr().out
    assert (
        "12 examples in     3 shards" in out
        and "images: shorter side 256" in out
        and "ilsvrc2012-train.tfrecord-" in out
    )
    assert ilsvrc_tfds.verify(folder, workers=1).problems == ()
    assert main(["index", str(folder), "--workers", "1"]) == 0
    batches = [list(ilsvrc_tfds.for_evaluation(data, batch_size=6)) for data in (folder, alone)]
    assert len(batches[0]) == 1 and all(map(np.array_equal, *map(itertools.chain.from_iterable, batches)))
    subset = ilsvrc_tfds.for_training(folder, batch_size=2, seed=0, classes=["n01443537"], epochs=1)
    assert [set(labels.numpy().tolist()) for _, labels in subset] == [{1}, {1}]
    files = [ilsvrc_tfds.unpack(data, tmp_path / f"files-{k}", workers=1) for k, data in enumerate((folder, alone))]
    images = [{path.relative_to(out): path.read_bytes() for path in out.rglob("*.JPEG")} for out in files]
    assert (
        images[0] == images[1]
        and len(images[0]) == 18
        and {path.parts[0] for path in images[0]} == {"train256", "val256"}
    )
    options = {"config": "raw256", "workers": 1, "allow_incomplete": True}
    again = ilsvrc_tfds.prepare(folder, tmp_path / "again", num_shards={"train": 3, "val": 2}, **options)
    shards = [
        {path.name: path.read_bytes() for path in data.glob("ilsvrc2012-*.tfrecord-*")}
        for data in (folder, again.data_path)
    ]
    assert len(shards[0]) == 5 and shards[0] == shards[1]
    exports = [
        ilsvrc_tfds.export(
            data, tmp_path / f"out-{k}", num_shards={"train": 2, "val": 1}, workers=1, allow_incomplete=True
        )
        for k, data in enumerate((folder, alone))
    ]
    contents = [{path.name: path.read_bytes() for path in out.iterdir()} for out in exports]
    first, second = (forms.manifest_without_source(files.pop("manifest.json")) for files in contents)
    assert contents[0] == contents[1] and first == second


def test_set_without_tfrecords_is_refused_with_the_formats_that_it_has(prepare):
    pytest.importorskip("array_record")
    folder = prepare(file_format="array_record").data_path
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps({**info, "alternativeFileFormats": ["riegeli"]}))
    for read in (ilsvrc_tfds.show, lambda folder: ilsvrc_tfds.for_evaluation(folder, batch_size=1)):
        with pytest.raises(
            SourceError, match="is in the format array_record, riegeli; expected tfrecord. Prepare it as tfrecord: `ils"
        ):
            read(folder)


def test_overwritten_set_has_no_other_formats(converted, prepare):
    assert prepare(num_shards={"train": 3, "val": 2}, overwrite=True).info.alternative_file_formats == []
    assert "alternativeFileFormats" not in json.loads((converted / "dataset_info.json").read_text())
    assert ilsvrc_tfds.verify(converted, workers=1).problems == ()


def test_builder_leaves_no_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path))
    tfds.builder("ilsvrc2012", data_dir=tmp_path / "data")
    assert os.listdir(tmp_path) == []
