"""An alias whose data set has changed or gone; and the commands, which follow an alias to its data set."""

import os
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import ilsvrc_tfds
from ilsvrc_tfds.errors import OptionError, SourceError
from ilsvrc_tfds.outputs.index import index_records


@pytest.fixture
def data(prepare) -> Path:
    """A data directory with `classification` in two shards of train, and its alias."""
    builder = prepare(num_shards={"train": 2})
    ilsvrc_tfds.alias(builder.data_dir)
    return Path(builder.data_dir).parents[2]


@pytest.fixture
def replace(data, prepare, tmp_path):
    """Replaces the data set behind the back of its alias by one made with other options."""

    def replace_set(**options):
        folder = data / "ilsvrc2012/classification/1.0.0"
        shutil.rmtree(folder)
        shutil.copytree(prepare(data_dir=tmp_path / "other", **options).data_dir, folder)

    return replace_set


STALE = r"which has changed since the alias was made: .* Run `ilsvrc-tfds alias .*data --config classification` again"


@pytest.mark.parametrize("options", [{"num_shards": {"train": 3}}, {"num_shards": {"train": 2}, "max_examples": 4}])
def test_stale_alias_is_an_error_of_tfds_and_of_every_command(options, data, replace, tmp_path):
    replace(**options)
    with pytest.raises((tf.errors.NotFoundError, tf.errors.FailedPreconditionError)):
        list(tfds.load("imagenet2012", data_dir=data, split="train"))
    folder, out = data / "imagenet2012/5.1.0", tmp_path / "out"
    for read in (
        ilsvrc_tfds.verify,
        ilsvrc_tfds.show,
        index_records,
        lambda path: ilsvrc_tfds.for_training(path, batch_size=2),
        lambda path: ilsvrc_tfds.for_evaluation(path, batch_size=2),
        lambda path: ilsvrc_tfds.for_training("imagenet2012", data_dir=path.parents[1], batch_size=2),
        lambda path: ilsvrc_tfds.unpack(path, out),
        lambda path: ilsvrc_tfds.export(path, out, workers=1),
        lambda path: ilsvrc_tfds.prepare(path, out, workers=1),
    ):
        with pytest.raises(SourceError, match=STALE):
            read(folder)
    ilsvrc_tfds.alias(data)
    assert ilsvrc_tfds.verify(folder, workers=1).problems == ()


def test_alias_with_fewer_records_than_the_set_is_an_error(data, replace, prepare, tmp_path):
    ilsvrc_tfds.prepare(
        tmp_path / "source",
        data,
        num_shards={"train": 2},
        max_examples=4,
        overwrite=True,
        workers=1,
        allow_incomplete=True,
    )
    replace(num_shards={"train": 2})
    with pytest.raises(tf.errors.FailedPreconditionError, match="expected to contain 4 elements but contained"):
        list(tfds.load("imagenet2012", data_dir=data, split="train"))
    with pytest.raises(
        SourceError, match="train is 12 examples in 2 shards of 16,450 bytes now, and was 4 examples in 2"
    ):
        ilsvrc_tfds.show(data / "imagenet2012/5.1.0")


def test_set_that_is_gone_is_named(data):
    shutil.rmtree(data / "ilsvrc2012/classification")
    with pytest.raises(SourceError, match=r"is an alias of .*classification/1.0.0, which is not a prepared data set"):
        ilsvrc_tfds.verify(data / "imagenet2012/5.1.0")
    with pytest.raises(tf.errors.NotFoundError):
        list(tfds.load("imagenet2012", data_dir=data, split="train"))


def test_preparing_the_set_again_makes_its_alias_again(data, prepare, caplog):
    prepare(num_shards={"train": 3}, max_examples=5, overwrite=True)
    assert len(list(tfds.load("imagenet2012", data_dir=data, split="train"))) == 5
    assert "is not all of imagenet2012: train has 5 of" in caplog.text
    caplog.clear()
    (data / "imagenet2012/5.0.0").mkdir()
    prepare(num_shards={"train": 1}, overwrite=True)
    assert "has changed since the alias was made: train is 12 examples in 1 shard" in caplog.text
    assert "It cannot be made now, and is removed:" in caplog.text and "holds 5.0.0" in caplog.text
    assert not (data / "imagenet2012/5.1.0").exists()


def test_alias_of_a_set_that_is_numbered_anew_is_removed_because_tfds_would_read_wrong_labels(prepare, caplog):
    part = {"classes": ["n01491361", "n01440764"], "name": "two"}
    folder = ilsvrc_tfds.alias(prepare(**part).data_dir)
    prepare(**part, relabel=True, overwrite=True)
    assert "is removed: " in caplog.text and "numbered anew" in caplog.text and not folder.exists()
    with pytest.raises(AssertionError, match="Dataset imagenet2012: could not find data"):
        tfds.load("imagenet2012", data_dir=folder.parents[1], split="train", download=False)


def test_stale_alias_does_not_matter_where_other_layouts_are_used(data, replace, archives, tmp_path):
    replace(num_shards={"train": 3})
    shutil.copytree(data / "imagenet2012", archives / "imagenet2012")
    assert ilsvrc_tfds.prepare(archives, tmp_path / "new", workers=1, allow_incomplete=True).is_prepared()


def test_commands_follow_an_alias(data, archives, tmp_path):
    folder, own = data / "imagenet2012/5.1.0", data / "ilsvrc2012/classification/1.0.0"
    report = ilsvrc_tfds.verify(folder, workers=1)
    assert report.facts[0] == f"{folder} is an alias of {own}" and not report.problems
    assert report.facts[1:] == ilsvrc_tfds.verify(own, workers=1).facts
    assert ilsvrc_tfds.show(folder) == ilsvrc_tfds.show(own)
    options = {"workers": 1, "allow_incomplete": True}
    exports = [ilsvrc_tfds.export(place, tmp_path / f"e{k}", **options) for k, place in enumerate((folder, own))]
    assert len({(out / "train-00003-of-00012").read_bytes() for out in exports}) == 1
    out = ilsvrc_tfds.unpack(folder, tmp_path / "files", workers=1)
    assert (out / "val/n01491361/ILSVRC2012_val_00002969.JPEG").is_file()
    for place in (folder, folder.parent):
        again = ilsvrc_tfds.prepare(place, tmp_path / place.name, **options, num_shards={"train": 2})
        shard = "ilsvrc2012-train.tfrecord-00001-of-00002"
        assert (Path(again.data_dir) / shard).read_bytes() == (own / shard).read_bytes()
    assert {path.parent for path in index_records(folder, workers=1)} == {own}
    assert sorted(path.name for path in folder.iterdir()) == ["dataset_info.json", "features.json", "label.labels.txt"]


def test_batches_follow_an_alias(data, tmp_path, monkeypatch):
    folder, own = data / "imagenet2012/5.1.0", data / "ilsvrc2012/classification/1.0.0"
    builder = tfds.builder("imagenet2012", data_dir=data)
    ways = [(own, {}), (folder, {}), ("imagenet2012", {"data_dir": data}), ("imagenet2012:5.1.0", {"data_dir": data})]
    streams = [ilsvrc_tfds.for_training(d, batch_size=4, epochs=1, seed=3, **o) for d, o in [*ways, (builder, {})]]
    first, *others = [[labels.numpy().tolist() for _, labels in stream] for stream in streams]
    assert all(other == first for other in others) and len(first) == 3
    val = ilsvrc_tfds.for_evaluation("imagenet2012", data_dir=data, batch_size=6)
    assert sorted(next(iter(val))[1].numpy().tolist()) == [0, 0, 1, 1, 3, 3]
    with pytest.raises(
        OptionError, match=r"'imagenet2012' stands for an alias .*, and there is no .*/none/imagenet2012"
    ):
        ilsvrc_tfds.for_training("imagenet2012", data_dir=tmp_path / "none", batch_size=2)
    (folder / "dataset_info.json").write_text("{}")
    with pytest.raises(OptionError, match=r"5.1.0 holds neither. Make an alias with `ilsvrc-tfds alias "):
        ilsvrc_tfds.for_training("imagenet2012", data_dir=data, batch_size=2)
    monkeypatch.chdir(tmp_path)
    os.mkdir("imagenet2012")
    (tmp_path / "imagenet2012/train-00000-of-00001").touch()
    with pytest.raises(OptionError, match=r"For the folder of that name, write ./imagenet2012"):
        ilsvrc_tfds.for_training("imagenet2012", data_dir=tmp_path / "none", batch_size=2)
