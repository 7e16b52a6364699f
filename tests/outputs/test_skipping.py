"""Damaged images in a source: a preparation or export stops at them, or skips them and says so everywhere."""

import json
import re
from pathlib import Path

import drawing
import pytest
import tensorflow_datasets as tfds

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import DestinationError, ImageError, OptionError
from ilsvrc_tfds.formats import hdf5, manifest

WNID = drawing.WNIDS[0]
DAMAGED = {f"{WNID}_14.JPEG": "the JPEG is damaged", f"{WNID}_15.JPEG": "the JPEG ends early"}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """24 train images, of which two are damaged, and 6 of val."""
    images = drawing.miniature(train=8)
    whole = drawing.jpeg(60, 50, progressive=True)
    images.train[WNID] |= dict(zip(DAMAGED, (whole[:-40] + b"\xff\x44" + whole[-38:], whole[:-40] + b"\xff\xd9")))
    return drawing.official_archives(tmp_path_factory.mktemp("damaged"), images)


@pytest.fixture
def prepare(source, tmp_path):
    def prepare_raw256(**options):
        options = {"config": "raw256", "workers": 1, "allow_incomplete": True, "num_shards": {"train": 12}, **options}
        return ilsvrc_tfds.prepare(source, tmp_path / "data", **options)

    return prepare_raw256


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_skipped_images_are_listed_and_nowhere_else(prepare, file_format, caplog):
    builder = prepare(on_error="skip", file_format=file_format)
    kept = (
        builder.as_data_source("train") if file_format == "array_record" else tfds.as_numpy(builder.as_dataset("train"))
    )
    names = {
        example["file_name"].decode() if hasattr(example["file_name"], "decode") else example["file_name"]
        for example in kept
    }
    assert len(names) == 22 and not names & DAMAGED.keys()
    assert builder.info.splits["train"].num_examples == 22
    in_metadata = {
        Path(name).name for name in hdf5.read(Path(builder.data_dir, "metadata.h5"))["train"].image_filenames
    }
    assert in_metadata == names
    skipped = json.loads(Path(builder.data_dir, "metadata.json").read_text())["skipped_images"]
    assert skipped == manifest.read(builder.data_dir).skipped and skipped["train"].keys() == DAMAGED.keys()
    assert all(skipped["train"][name].startswith(why) for name, why in DAMAGED.items())
    assert "Skipped 2 damaged images of the split train, which is now incomplete" in caplog.text


def test_set_without_skipped_images_counts_as_incomplete_and_is_sound(prepare):
    folder = prepare(on_error="skip").data_dir
    assert json.loads(Path(folder, "metadata.json").read_text())["complete"] is False
    report = ilsvrc_tfds.verify(folder, decode=True, workers=1)
    assert not report.problems
    assert any(line.startswith("train: 2 damaged images were skipped when it was made") for line in report.facts)
    assert report.left_out == 2


@pytest.mark.parametrize("with_manifest", [True, False])
def test_verify_ends_with_the_number_of_images_that_were_left_out(prepare, with_manifest, capsys):
    folder = Path(prepare(on_error="skip").data_dir)
    if not with_manifest:
        (folder / manifest.NAME).unlink()
    assert main(["verify", str(folder), "--workers", "1"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith("compared; 2 damaged images were left out when it was made")


def test_stop_is_the_default_and_names_the_image_and_the_way_on(prepare):
    name, why = list(DAMAGED.items())[1]
    with pytest.raises(ImageError, match=rf"train/{WNID}/{name}: {why} .* left out with --on-error skip"):
        prepare()
    with pytest.raises(OptionError, match="on_error must be 'stop' or 'skip', got 'ignore'"):
        prepare(on_error="ignore")


def test_skipping_continues_what_was_stopped_and_stopping_takes_no_shard_that_lacks_images(prepare, caplog):
    caplog.set_level("INFO", "ilsvrc_tfds")
    with pytest.raises(ImageError):
        prepare()
    caplog.clear()
    folder = Path(prepare(on_error="skip").data_dir)
    assert re.search(r"Continuing: .* finished already", caplog.text)
    with pytest.raises(
        DestinationError, match="made without damaged images .train: .*_1[45].JPEG.*, which --on-error skip"
    ):
        prepare()
    assert prepare(on_error="skip").data_dir == str(folder)
    with pytest.raises(ImageError):
        prepare(overwrite=True)
    assert folder.exists()


def test_shard_that_lacks_images_is_not_taken_over_by_a_run_that_stops(prepare, source, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ilsvrc_tfds.storage.staging.Staging.replacing", _interrupted)
        prepare(on_error="skip")
    assert list(tmp_path.glob("data/ilsvrc2012/raw256/.1.0.0.staging/*/*train*.json"))
    with pytest.raises(ImageError):
        prepare()


def _interrupted(self, **_):
    raise KeyboardInterrupt


def test_export_lists_what_it_skips(source, tmp_path):
    options = {"config": "raw256", "allow_incomplete": True, "workers": 1}
    with pytest.raises(ImageError, match="--on-error skip"):
        ilsvrc_tfds.export(source, tmp_path / "out", **options)
    out = ilsvrc_tfds.export(source, tmp_path / "out", **options, on_error="skip")
    made = manifest.read(out)
    assert made.skipped["train"].keys() == DAMAGED.keys()
    assert sum(entry.records for entry in made.shards["train"]) == 22
    assert not ilsvrc_tfds.verify(out, decode=True, workers=1).problems


def test_nothing_but_damaged_images_is_an_error(tmp_path):
    images = drawing.miniature(train=1, wnids=drawing.WNIDS[:1])
    images.train[WNID] = {name: data[:-40] + b"\xff\xd9" for name, data in images.train[WNID].items()}
    source = drawing.official_archives(tmp_path / "source", images)
    with pytest.raises(
        ImageError, match="None of the images of split 'train' can be used .1.: n01440764_9.JPEG: the JPEG ends early"
    ):
        ilsvrc_tfds.prepare(
            source, tmp_path / "data", config="raw256", allow_incomplete=True, workers=1, on_error="skip"
        )


def test_doctor_ends_with_the_command_that_skips(source, tmp_path, capsys):
    assert main(["doctor", str(source), "--data-dir", str(tmp_path), "--decode", "--workers", "1"]) == 1
    prepare = capsys.readouterr().err.splitlines()[-1]
    assert prepare.startswith("  ilsvrc-tfds prepare ") and prepare.endswith(" --allow-incomplete --on-error skip")
