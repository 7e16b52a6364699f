"""A prepared data set under the name `imagenet2012`, read by TFDS as code written for that reads it."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import drawing
import pytest
import tensorflow_datasets as tfds
import tfds_alias

import ilsvrc_tfds
from ilsvrc_tfds.errors import DestinationError, OptionError, SourceError

OWN = {"dataset_info.json", "features.json", "label.labels.txt"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data directory with `raw256` in several shards, with a test split, and its alias; and the images."""
    folder, images = tmp_path_factory.mktemp("alias"), drawing.miniature(test=2)
    source = drawing.official_archives(folder / "source", images)
    shards = {"train": 3, "val": 2, "test": 1}
    ilsvrc_tfds.prepare(
        source, folder / "data", config="raw256", num_shards=shards, workers=1, allow_incomplete=True, sync=False
    )
    ilsvrc_tfds.alias(folder / "data")
    return folder / "data", images


@pytest.fixture
def data(made, tmp_path) -> Path:
    """A copy of that data directory."""
    return Path(shutil.copytree(made[0], tmp_path / "data"))


def expected(data_dir, images) -> dict[str, list]:
    """Returns the rows of each split of `raw256` by its own name, after comparing the labels with those drawn."""
    own = {"train": "train", "val": "validation", "test": "test"}
    found = {}
    for split, name in own.items():
        found[name] = tfds_alias.rows(tfds.load("ilsvrc2012/raw256", data_dir=data_dir, split=split))
        assert {row[0]: row[1] for row in found[name]} == images.labels(split)
    return found


def check(found, data_dir, images):
    by_split = expected(data_dir, images)
    whole = [row for split in ("train", "validation", "test") for row in by_split[split]]
    for split, rows in by_split.items():
        for how in ("", ", from its folder", ", of any version 5"):
            assert found[split + how] == rows
    assert sorted(found["all"]) == sorted(found["None"]) == sorted(whole)
    assert found["even_splits"] == by_split["train"]
    assert found["validation[:50%]"] == by_split["validation"][:3]
    assert found["ids"] == [f"ilsvrc2012-val.tfrecord-0000{k}-of-00002__{n}" for k in range(2) for n in range(3)]
    assert found["supervised"] == sorted(row[1] for row in by_split["validation"])
    assert found["examples"] == found["examples, from its folder"] == {"train": 12, "validation": 6, "test": 2}
    assert found["classes"] == [[1000, "n01491361", 0]] * 2
    assert "ilsvrc2012/raw256/1.0.0" in found["description"] and "shorter side of 256 pixels" in found["description"]


def test_tfds_reads_the_right_records_without_this_package_also_after_a_move(made, tmp_path):
    data, images = made
    moved = tmp_path / "moved"
    shutil.copytree(data, moved / "data")
    command = [sys.executable, tfds_alias.__file__, str(moved / "data")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    check(json.loads(done.stdout), data, images)


def test_tfds_reads_the_right_records_with_this_package(made):
    data, images = made
    check(json.loads(json.dumps(tfds_alias.read(os.fspath(data)))), data, images)


def test_nothing_is_copied_or_linked(made):
    folder = made[0] / "imagenet2012/5.1.0"
    assert {path.name for path in folder.iterdir()} == OWN
    assert all(path.is_file() and not path.is_symlink() for path in folder.iterdir())
    assert os.listdir(folder.parent) == ["5.1.0"]
    assert json.loads((folder / "features.json").read_bytes()) == json.loads(
        (made[0] / "ilsvrc2012/raw256/1.0.0/features.json").read_bytes()
    )


def test_other_name_is_read_by_tfds(data):
    folder = ilsvrc_tfds.alias(data, name="my_imagenet")
    assert folder == data / "my_imagenet/5.1.0"
    rows = tfds_alias.rows(tfds.load("my_imagenet", data_dir=data, split="validation"))
    assert rows == tfds_alias.rows(tfds.load("imagenet2012", data_dir=data, split="validation"))
    assert ilsvrc_tfds.show(folder).splitlines()[0] == os.fspath(data / "ilsvrc2012/raw256/1.0.0")


@pytest.mark.parametrize(
    "name, message", [("mnist", "TFDS has another data set of the name mnist"), ("a/b", "letters")]
)
def test_name_of_another_data_set_is_refused(name, message, data):
    with pytest.raises(OptionError, match=message):
        ilsvrc_tfds.alias(data, name=name)


def test_name_of_the_data_set_itself_is_refused(data):
    with pytest.raises(OptionError, match="another data set of the name ilsvrc2012"):
        ilsvrc_tfds.alias(data, name="ilsvrc2012")


def test_folder_of_the_set_may_be_named_and_a_rerun_is_fine(data):
    before = (data / "imagenet2012/5.1.0/dataset_info.json").read_bytes()
    assert ilsvrc_tfds.alias(data / "ilsvrc2012/raw256/1.0.0") == data / "imagenet2012/5.1.0"
    assert (data / "imagenet2012/5.1.0/dataset_info.json").read_bytes() == before


def test_alias_moves_to_another_config_only_if_asked(data, prepare):
    prepare(data_dir=data)
    with pytest.raises(DestinationError, match="is an alias of ilsvrc2012/raw256, and a .* has one of each name"):
        ilsvrc_tfds.alias(data, config="classification")
    assert ilsvrc_tfds.alias(data)  # stays what it is
    assert ilsvrc_tfds.show(data / "imagenet2012/5.1.0").startswith(os.fspath(data / "ilsvrc2012/raw256"))
    ilsvrc_tfds.alias(data, config="classification", overwrite=True)
    assert ilsvrc_tfds.show(data / "imagenet2012/5.1.0").startswith(os.fspath(data / "ilsvrc2012/classification"))
    assert "test" not in tfds.builder("imagenet2012", data_dir=data).info.splits
    shutil.rmtree(data / "imagenet2012")
    with pytest.raises(OptionError, match="has the configs classification, raw256. Name one of them"):
        ilsvrc_tfds.alias(data)


def test_places_that_are_not_a_data_set_are_errors(data, tmp_path):
    with pytest.raises(SourceError, match=r"ilsvrc2012/<config> is not a prepared data set: there is nothing prepared"):
        ilsvrc_tfds.alias(tmp_path)
    with pytest.raises(SourceError, match=r"ilsvrc2012/raw160 is not a prepared data set: it has raw256"):
        ilsvrc_tfds.alias(data, config="raw160")
    with pytest.raises(OptionError, match=r"5.1.0 is an alias itself. Name the data directory, "):
        ilsvrc_tfds.alias(data / "imagenet2012/5.1.0")
    with pytest.raises(OptionError, match="has the config raw256, not classification"):
        ilsvrc_tfds.alias(data / "ilsvrc2012/raw256/1.0.0", config="classification")
    (data / "ilsvrc2012").rename(data / "other")
    with pytest.raises(OptionError, match=r"is not in a data directory: expected …/ilsvrc2012/<config>/1.0.0"):
        ilsvrc_tfds.alias(data / "other/raw256/1.0.0")


@pytest.mark.parametrize("url", ["gs://bucket/tfds", "s3://bucket/tfds"])
def test_bucket_is_refused_with_the_reason(url):
    with pytest.raises(OptionError, match=rf"{url} is a URL. An alias names its shards by paths with `..`"):
        ilsvrc_tfds.alias(url)


def test_incomplete_set_is_described_as_such_with_a_warning(data, caplog):
    ilsvrc_tfds.alias(data)
    assert "train has 12 of 1,281,167 images; validation has 6 of 50,000 images; test has 2 of" in caplog.text
    info = tfds.builder_from_directory(data / "imagenet2012/5.1.0").info
    assert "It is not all of ILSVRC2012: train has 12 of 1,281,167 images; " in info.description


def test_subset_with_its_own_labels_is_an_alias_with_a_warning_and_one_numbered_anew_is_refused(prepare, caplog):
    tiger_shark = {"classes": ["n01491361", "n01440764"], "config": "raw256"}
    part = prepare(name="two", **tiger_shark)
    ilsvrc_tfds.alias(part.data_dir)
    assert "is not all of imagenet2012: it is a subset: 2 classes (list with" in caplog.text
    data_dir = Path(part.data_dir).parents[2]
    labels = {row[1] for row in tfds_alias.rows(tfds.load("imagenet2012", data_dir=data_dir, split="validation"))}
    assert labels == {0, 3}
    anew = prepare(name="anew", relabel=True, **tiger_shark)
    with pytest.raises(SourceError, match="numbered anew .*so its labels are not those of imagenet2012"):
        ilsvrc_tfds.alias(anew.data_dir, overwrite=True)
    assert ilsvrc_tfds.show(data_dir / "imagenet2012/5.1.0").startswith(os.fspath(part.data_dir))


@pytest.mark.parametrize("file_format", ["array_record", "parquet"])
def test_other_file_formats_are_read_as_tfds_reads_them(file_format, prepare):
    pytest.importorskip(file_format if file_format == "array_record" else "pyarrow")
    data_dir = Path(prepare(file_format=file_format).data_dir).parents[2]
    ilsvrc_tfds.alias(data_dir)
    own = tfds.builder("ilsvrc2012", data_dir=data_dir).as_data_source("val")
    other = tfds.builder("imagenet2012", data_dir=data_dir).as_data_source("validation")
    pairs = [[(row["file_name"], row["label"]) for row in rows] for rows in (own, other)]
    assert pairs[0] == pairs[1] and len(pairs[0]) == 6


class TestWhatIsThereStays:
    """A folder under the name of the alias that is not an alias is never replaced."""

    @pytest.fixture
    def refused(self, data):
        shutil.rmtree(data / "imagenet2012")

        def is_refused(files: list[str], message: str) -> None:
            for name in files:
                path = data / "imagenet2012" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("theirs")
            with pytest.raises(DestinationError, match=message):
                ilsvrc_tfds.alias(data, overwrite=True)
            there = [path for path in (data / "imagenet2012").rglob("*") if path.is_file()]
            assert sorted(os.path.relpath(path, data / "imagenet2012") for path in there) == sorted(files)
            assert {path.read_text() for path in there} == {"theirs"}

        return is_refused

    def test_imagenet2012_of_tfds(self, refused):
        files = ["5.1.0/dataset_info.json", "5.1.0/imagenet2012-train.tfrecord-00000-of-00001"]
        refused(files, "holds another data set, such as TFDS's own imagenet2012, and is not replaced")

    def test_info_that_is_not_of_an_alias(self, refused):
        refused(["5.1.0/dataset_info.json"], "holds another data set")

    def test_other_version(self, refused):
        refused(["5.0.0/dataset_info.json"], "holds 5.0.0, a version of another data set")

    def test_preparation_that_tfds_has_not_finished(self, refused):
        name = "incomplete.ABC123_5.1.0/imagenet2012-train.tfrecord-00000-of-00001"
        refused([name], "holds incomplete.ABC123_5.1.0, a version of another data set, or one that is being prepared")


def test_rest_of_a_killed_run_is_removed(data):
    left = data / "imagenet2012/incomplete.abc123_5.1.0"
    left.mkdir()
    (left / "features.json").write_text("{}")
    ilsvrc_tfds.alias(data)  # which is there already
    assert os.listdir(data / "imagenet2012") == ["5.1.0"]


def test_failure_at_the_last_step_leaves_nothing_or_the_old_alias(data, monkeypatch):
    rename = Path.rename

    def full(path, target):
        if path.name.startswith("incomplete."):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    (data / "imagenet2012/5.1.0/features.json").write_text("{}")  # of an older version
    before = (data / "imagenet2012/5.1.0/dataset_info.json").read_bytes()
    with pytest.raises(DestinationError, match="The file system is full"):
        ilsvrc_tfds.alias(data)  # which is there already
    assert os.listdir(data / "imagenet2012") == ["5.1.0"]
    assert (data / "imagenet2012/5.1.0/dataset_info.json").read_bytes() == before
    shutil.rmtree(data / "imagenet2012")
    with pytest.raises(DestinationError, match="The file system is full"):
        ilsvrc_tfds.alias(data)
    assert not (data / "imagenet2012").exists()


KILLED = """
import os, sys
from pathlib import Path
import ilsvrc_tfds

rename = Path.rename
Path.rename = lambda path, to: os._exit(9) if path.name.startswith("incomplete.") else rename(path, to)
ilsvrc_tfds.alias(sys.argv[1])
"""


def test_run_after_a_killed_one_makes_the_alias(data):
    (data / "imagenet2012/5.1.0/features.json").write_text("{}")
    done = subprocess.run([sys.executable, "-c", KILLED, os.fspath(data)], capture_output=True, timeout=120)
    assert done.returncode == 9 and not (data / "imagenet2012/5.1.0").exists()
    assert ilsvrc_tfds.verify(ilsvrc_tfds.alias(data), workers=1).problems == ()
    assert os.listdir(data / "imagenet2012") == ["5.1.0"]


def test_link_from_which_the_paths_lead_elsewhere_is_refused(data, tmp_path):
    shutil.rmtree(data / "imagenet2012")
    (tmp_path / "other disk/imagenet2012").mkdir(parents=True)
    (data / "imagenet2012").symlink_to(tmp_path / "other disk/imagenet2012")
    with pytest.raises(
        DestinationError, match=r"leads to .*other disk/imagenet2012. The paths in an alias are relative"
    ):
        ilsvrc_tfds.alias(data)


def test_damaged_set_gets_no_alias(data):
    shutil.rmtree(data / "imagenet2012")
    shard = next((data / "ilsvrc2012/raw256/1.0.0").glob("*val*-00001-of-*"))
    shard.unlink()
    with pytest.raises(DestinationError, match=re.escape(shard.name) + " is missing"):
        ilsvrc_tfds.alias(data)
    assert not (data / "imagenet2012").exists()
