import os
from pathlib import Path

import drawing
import pytest
import tensorflow_datasets as tfds

import ilsvrc_tfds
from ilsvrc_tfds import Ilsvrc2012, Ilsvrc2012Config
from ilsvrc_tfds.errors import DestinationError, OptionError
from ilsvrc_tfds.sources import find_layout, index_images
from ilsvrc_tfds.storage import space


def test_second_call_does_nothing(prepare):
    folder = Path(prepare().data_dir)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert prepare().info.splits["train"].num_examples == 12
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("options", [{"max_examples": 3}, {"num_shards": 2}, {"file_format": "array_record"}])
def test_other_options_for_prepared_data_are_refused(options, prepare):
    prepare()
    with pytest.raises(DestinationError, match=next(iter(options))):
        prepare(**options)


def test_overwrite_replaces_the_data(prepare):
    prepare(max_examples=3)
    assert prepare(overwrite=True).info.splits["train"].num_examples == 12


def test_failed_overwrite_keeps_what_was_there(prepare, images, tmp_path):
    there = prepare().data_path
    before = {path.name: path.read_bytes() for path in there.iterdir()}
    broken = {**images.val, next(iter(images.val)): b"no image"}
    source = drawing.official_archives(tmp_path / "broken", drawing.Images(images.train, broken, {}))
    with pytest.raises(
        ilsvrc_tfds.errors.ImageError, match=r"ILSVRC2012_img_val.tar: val/ILSVRC2012_val_\d+.JPEG: neither"
    ):
        prepare(source=source, overwrite=True)
    assert {path.name: path.read_bytes() for path in there.iterdir()} == before


@pytest.mark.parametrize(
    "options",
    [
        {"num_shards": {"train": 13}},
        {"num_shards": {"trian": 2}},
        {"num_shards": 0},
        {"max_examples": 0},
        {"workers": 0},
        {"file_format": "foo"},
    ],
)
def test_impossible_options_are_refused(options, prepare, tmp_path):
    with pytest.raises(OptionError, match=next(iter(options))):
        prepare(**options)
    assert not (tmp_path / "data").exists()


def test_prepare_all_makes_both_configs(archives, tmp_path):
    builders = ilsvrc_tfds.prepare_all(archives, tmp_path, workers=2, allow_incomplete=True)
    assert list(builders) == ["classification", "raw256"]
    assert all(builder.info.splits["train"].num_examples == 12 for builder in builders.values())


def test_prepare_all_needs_no_source_where_all_is_there(archives, tmp_path):
    ilsvrc_tfds.prepare_all(archives, tmp_path / "data", workers=1, allow_incomplete=True)
    builders = ilsvrc_tfds.prepare_all(tmp_path / "gone", tmp_path / "data", workers=1, allow_incomplete=True)
    assert [builder.info.splits["val"].num_examples for builder in builders.values()] == [6, 6]


def test_prepare_all_compares_what_is_there_before_it_makes_the_rest(prepare, archives, tmp_path):
    prepare(config="raw256", max_examples=3)
    with pytest.raises(DestinationError, match="raw256/1.0.0 exists already, made with max_examples 3, not without"):
        ilsvrc_tfds.prepare_all(archives, tmp_path / "data", workers=1, allow_incomplete=True)
    assert not (tmp_path / "data/ilsvrc2012/classification").exists()


def test_prepare_all_wants_room_for_all_before_it_begins(archives, tmp_path, monkeypatch):
    # 18 images of 2 KB would fit, but they need 18 times 44 KB for raw256 as well.
    monkeypatch.setattr(space, "free_bytes", lambda folder: (64 << 20) + 500_000)
    with pytest.raises(DestinationError, match="Too little room at .*: about [0-9.]+ MB are needed"):
        ilsvrc_tfds.prepare_all(archives, tmp_path / "data", workers=1, allow_incomplete=True)
    assert not (tmp_path / "data").exists()


def test_other_config_of_the_same_name_is_refused(prepare):
    prepare(config=Ilsvrc2012Config(name="small", shorter_side=32))
    with pytest.raises(DestinationError, match="images shorter side 32.*, not shorter side 48"):
        prepare(config=Ilsvrc2012Config(name="small", shorter_side=48))


def test_incomplete_data_is_refused_where_it_is_not_allowed(prepare):
    prepare()
    with pytest.raises(DestinationError, match="with missing images .train: 12 of 1,281,167 images"):
        prepare(allow_incomplete=None)


def test_overwrite_changes_the_file_format(prepare, images):
    prepare(file_format="array_record", max_examples=3)
    builder = prepare(overwrite=True)  # back to the usual format
    assert builder.info.file_format.value == "tfrecord" and builder.info.metadata["max_examples_per_split"] is None
    examples = tfds.as_numpy(tfds.builder_from_directory(builder.data_path).as_dataset(split="train"))
    assert {example["file_name"].decode(): example["label"] for example in examples} == images.labels("train")
    assert not list(builder.data_path.glob("*array_record*"))
    assert sorted(os.listdir(builder.data_path.parent)) == ["1.0.0"]


def test_overwrite_through_tfds_changes_the_file_format(archives, prepare):
    prepare()
    builder = Ilsvrc2012(source=archives, data_dir=archives.parent / "data", workers=1, allow_incomplete=True)
    config = tfds.download.DownloadConfig(download_mode=tfds.GenerateMode.REUSE_CACHE_IF_EXISTS)
    builder.download_and_prepare(download_config=config, file_format="array_record")
    assert len(builder.as_data_source(split="train")) == 12


def test_overwrite_that_fails_at_the_end_keeps_what_was_there(prepare, monkeypatch):
    there = prepare(max_examples=3).data_path
    before = {path.name: path.read_bytes() for path in there.iterdir()}

    def full(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(DestinationError, match="No space left on device"):
        prepare(overwrite=True)
    assert {path.name: path.read_bytes() for path in there.iterdir()} == before
    monkeypatch.undo()
    assert prepare(overwrite=True).info.splits["train"].num_examples == 12  # from the shards in staging
    assert sorted(os.listdir(there.parent)) == ["1.0.0"]


def test_data_of_a_run_killed_while_replacing_it_comes_back(prepare):
    there = Path(prepare().data_dir)
    there.rename(there.parent / ".1.0.0.replaced")
    (there.parent / "incomplete.ABCDEF_1.0.0").mkdir()
    assert prepare().info.splits["train"].num_examples == 12
    assert sorted(os.listdir(there.parent)) == ["1.0.0"]


def test_data_of_a_run_killed_after_replacing_it_is_removed(prepare):
    there = Path(prepare().data_dir)
    (there.parent / ".1.0.0.replaced").mkdir()
    assert prepare().info.splits["train"].num_examples == 12
    assert sorted(os.listdir(there.parent)) == ["1.0.0"]


def test_folder_without_a_data_set_is_no_prepared_data(prepare, tmp_path):
    (tmp_path / "data/ilsvrc2012/classification/1.0.0").mkdir(parents=True)
    with pytest.raises(
        DestinationError, match="1.0.0 exists, but holds no finished data set: it has no dataset_info.json"
    ):
        prepare()


def test_data_finished_by_another_run_meanwhile_is_kept(archives, prepare, monkeypatch):
    index = index_images(find_layout([archives]))
    builder = Ilsvrc2012(source=index, data_dir=archives.parent / "data", workers=1, allow_incomplete=True)
    monkeypatch.setattr(builder, "is_prepared", lambda: False)  # it looked before the other run had finished
    prepare()
    with pytest.raises(DestinationError, match="has been written by another run in the meantime"):
        builder.download_and_prepare()


def test_home_is_expanded_in_data_dir(archives, prepare, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert prepare(data_dir="~/mine").data_dir == f"{tmp_path}/mine/ilsvrc2012/classification/1.0.0"
    assert (tmp_path / "mine/ilsvrc2012/classification/1.0.0/metadata.h5").exists()


def test_data_dir_may_be_relative(prepare, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert prepare(data_dir="here", workers=2).data_dir.startswith(str(tmp_path))


@pytest.mark.parametrize("name", ["data_dir", "out"])
def test_empty_paths_are_refused(name, archives, prepare):
    with pytest.raises(OptionError, match="A path is empty"):
        prepare(data_dir="") if name == "data_dir" else ilsvrc_tfds.export(archives, "")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"source": "gs://bucket/imagenet"}, "gs://bucket/imagenet is a URL, and images are read at a million places"),
        ({"data_dir": "https://host/data"}, "https://host/data is a URL, and only local paths"),
    ],
)
def test_urls_are_refused(options, text, prepare):
    with pytest.raises(OptionError, match=text):
        prepare(**options)


def test_source_with_test_images_alone_has_no_metadata(prepare, tmp_path):
    source = drawing.official_archives(tmp_path / "tests", drawing.Images({}, {}, drawing.miniature(test=3).test))
    builder = prepare(source=source)
    assert builder.info.splits["test"].num_examples == 3 and not builder.info.metadata["complete"]
    assert not (builder.data_path / "metadata.h5").exists()


def test_splits_that_are_not_there_are_recorded(prepare, images, tmp_path):
    source = drawing.official_archives(tmp_path / "val", drawing.Images({}, images.val, {}))
    metadata = prepare(source=source).info.metadata
    assert metadata["missing"]["train"] == "all images" and not metadata["complete"]
