"""A data set that is there already is compared with what its source has now."""

import dataclasses
import json
import logging
import os
import shutil
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import Ilsvrc2012
from ilsvrc_tfds.errors import DestinationError, SourceError
from ilsvrc_tfds.sources import find_layout, index_images

IMAGES = drawing.miniature(test=3)
CLASSES = IMAGES.train
VAL = "ILSVRC2012_img_val.tar"


@pytest.fixture(params=["1.1", "1.0"])
def version(request):
    """The version that the data set was made by: 1.0 did not record its source's images."""
    return request.param


@pytest.fixture
def make(tmp_path, version):
    """Prepares a source, as the version does."""

    def prepare(source, **options):
        builder = ilsvrc_tfds.prepare(source, tmp_path / "data", workers=1, **{"allow_incomplete": True, **options})
        if version == "1.0":
            path = Path(builder.data_dir, "metadata.json")
            recorded = json.loads(path.read_text())
            path.write_text(json.dumps({k: v for k, v in recorded.items() if k not in ("source_images", "splits")}))
        return builder

    return prepare


@pytest.fixture
def again(tmp_path):
    """Prepares a source into the same data directory again."""

    def prepare(source, **options):
        return ilsvrc_tfds.prepare(source, tmp_path / "data", workers=1, **{"allow_incomplete": True, **options})

    return prepare


def archives(folder: Path, **changes) -> Path:
    """Draws the miniature with some of its splits changed, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    return drawing.official_archives(folder, dataclasses.replace(IMAGES, **changes))


def other_name(images: drawing.Images) -> dict[str, dict[str, bytes]]:
    first, *others = images.train.items()
    return {first[0]: {f"{first[0]}_{k}.JPEG": data for k, data in enumerate(first[1].values(), 77)}, **dict(others)}


GROWN = {wnid: {**files, f"{wnid}_99.JPEG": drawing.jpeg()} for wnid, files in CLASSES.items()}
SHRUNK = {wnid: dict(list(files.items())[:-1]) for wnid, files in CLASSES.items()}


@pytest.mark.parametrize(
    "then, now, message",
    [
        ({"train": {}}, {}, r"train: 12 images now, none then\)"),
        ({"val": {}}, {}, r"val: 6 images now, none then\)"),
        ({"test": {}}, {}, r"test: 3 images now, none then\)"),
        (
            {},
            {"train": GROWN},
            r"train: 15 images now, 12 then, new: n01440764_99.JPEG, n01443537_99.JPEG, n01491361_99.JPEG\)",
        ),
        ({}, {"train": SHRUNK}, r"train: 9 images now, 12 then, gone: n01440764_12.JPEG, .*\)"),
        (
            {},
            {"train": other_name(IMAGES)},
            r"train: new: n01440764_77.JPEG, .* and 1 more, gone: n01440764_10.JPEG, .*\)",
        ),
        (
            {},
            {"train": drawing.miniature(wnids=("n01484850", "n01494475")).train, "val": drawing.miniature(val=1).val},
            r"train: 8 images now, 12 then, new: .*; val: 3 images now, 6 then, gone: .*\)",
        ),
    ],
    ids=[
        "train arrives",
        "val arrives",
        "test arrives",
        "more images",
        "fewer images",
        "other names",
        "another source",
    ],
)
def test_source_that_has_other_images_now_is_an_error(tmp_path, make, again, then, now, message):
    there = Path(make(archives(tmp_path / "source", **then)).data_dir)
    before = {path.name: path.read_bytes() for path in there.iterdir()}
    source = archives(tmp_path / "source", **now)
    expected = f"{there} exists already, and was made of other images than {source} has now .{message}. Replace it with"
    with pytest.raises(DestinationError, match=expected):
        again(source)
    assert {path.name: path.read_bytes() for path in there.iterdir()} == before
    assert again(source, overwrite=True).info.splits["train"].num_examples != 0
    again(source)  # it is what the source has now


def test_image_of_another_size_is_another_image(tmp_path, again):
    again(archives(tmp_path / "source"))
    name, *_ = IMAGES.val
    source = archives(tmp_path / "source", val={**IMAGES.val, name: drawing.jpeg(61, 45)})
    with pytest.raises(DestinationError, match=r"val: other images, by name, label or size\)"):
        again(source)


def test_image_that_has_moved_to_another_class_is_another_image(tmp_path, make, again):
    source = drawing.folders(tmp_path / "source", drawing.miniature())
    first, second, _ = drawing.WNIDS
    (source / "train" / first / "mine.JPEG").write_bytes(drawing.jpeg())
    make(source)
    os.rename(source / "train" / first / "mine.JPEG", source / "train" / second / "mine.JPEG")
    with pytest.raises(DestinationError, match=r"train: of another class: mine.JPEG\)"):
        again(source)


def test_split_that_arrives_may_be_left_out(tmp_path, make, again):
    make(archives(tmp_path / "source", test={}))
    source = archives(tmp_path / "source")
    with pytest.raises(DestinationError, match="Or, to leave the new ones out, --splits train,val"):
        again(source)
    assert list(again(source, splits=["train", "val"]).info.splits) == ["train", "val"]


def test_other_splits_are_another_option(tmp_path, make, again):
    source = archives(tmp_path / "source")
    make(source)
    with pytest.raises(DestinationError, match="made with splits test,train,val, not val"):
        again(source, splits=["val"])


def test_set_of_chosen_splits_is_not_all_that_the_source_has(tmp_path, make, again):
    source = archives(tmp_path / "source")
    make(source, splits=["val"])
    assert list(again(source, splits=["val"]).info.splits) == ["val"]
    with pytest.raises(DestinationError, match="train: 12 images now, none then; test: 3 images now, none then"):
        again(source)
    shutil.rmtree(source)
    with pytest.raises(DestinationError, match="with missing images .train: all images; val: 6 of 50,000 images"):
        again(source, allow_incomplete=False)


@pytest.mark.parametrize("draw", [drawing.class_archives, drawing.folders, drawing.kaggle])
def test_layout_does_not_matter(tmp_path, make, again, draw):
    images = dataclasses.replace(IMAGES, test={})
    make(archives(tmp_path / "source", test={}))
    again(draw(tmp_path / "other", images))


def test_fixed_images_do_not_matter(tmp_path, make, again):
    source = archives(tmp_path / "source")
    assert make(source).info.metadata["changed_images"] == {"train": 2, "val": 0, "test": 0}
    again(source)


def test_skipped_images_are_the_sources_too(tmp_path, again):
    (name, data), *others = IMAGES.val.items()
    damaged = {name: data[:-40], **dict(others)}
    source = archives(tmp_path / "source", val=damaged)
    assert again(source, on_error="skip").info.splits["val"].num_examples == 5
    again(source, on_error="skip")
    with pytest.raises(DestinationError, match=r"train: 15 images now, 12 then, new: n01440764_99.JPEG, .*\)"):
        again(archives(tmp_path / "source", val=damaged, train=GROWN), on_error="skip")
    with pytest.raises(DestinationError, match=r"\(val: other images, by name, label or size\)"):
        again(archives(tmp_path / "source"), on_error="skip")  # the image is mended


def test_trial_is_compared_with_the_whole_source(tmp_path, make, again, version):
    source = archives(tmp_path / "source", test={})
    make(source, max_examples=3)
    again(source, max_examples=3)
    # Version 1.0 knows of the three alone.
    now = GROWN if version == "1.1" else drawing.miniature(wnids=("n01484850",)).train
    with pytest.raises(DestinationError, match="train: "):
        again(archives(tmp_path / "source", test={}, train=now), max_examples=3)


def test_source_that_is_gone_is_a_loud_warning(tmp_path, make, again, caplog):
    source = archives(tmp_path / "source")
    there = make(source).data_dir
    for remains in (True, False):
        for path in source.iterdir() if remains else ():
            path.unlink()
        if not remains:
            source.rmdir()
        caplog.clear()
        again(source)
        [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert warning == f"The images of {there} are no longer in {source}: they were not compared."


def test_split_that_is_gone_is_a_loud_warning_and_the_others_are_compared(tmp_path, make, again, caplog):
    source = archives(tmp_path / "source")
    make(source)
    os.unlink(source / VAL)
    caplog.clear()
    again(source)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"The split val is no longer in {source}: it was not compared."]
    with pytest.raises(DestinationError, match="train: 15 images now, 12 then"):
        again(archives(tmp_path / "source", val={}, train=GROWN))


def test_named_split_that_is_gone_is_a_loud_warning(tmp_path, make, again, caplog):
    source = archives(tmp_path / "source")
    make(source, splits=["train", "val"])
    os.unlink(source / VAL)
    caplog.clear()
    again(source, splits=["train", "val"])
    assert f"The split val is no longer in {source}: it was not compared." in caplog.messages


def test_source_that_cannot_be_read_is_an_error(tmp_path, make, again):
    source = archives(tmp_path / "source")
    make(source)
    (source / VAL).write_bytes(b"x" * 5000)
    with pytest.raises(SourceError, match="is not a tar archive"):
        again(source)


def test_line_before_the_index_says_what_is_being_done(tmp_path, make, again, caplog):
    source = archives(tmp_path / "source")
    there = make(source).data_dir
    caplog.set_level(logging.INFO, "ilsvrc_tfds")
    caplog.clear()
    again(source)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("ilsvrc_tfds")]
    assert said[0] == f"Comparing {source} with the images that {there} was made of."


def test_index_is_compared_as_a_source_is(tmp_path, make, again):
    make(archives(tmp_path / "source"))
    again(index_images(find_layout([tmp_path / "source"])))
    again(index_images(find_layout([archives(tmp_path / "less", test={})])))
    with pytest.raises(DestinationError, match="train: 15 images now, 12 then"):
        again(index_images(find_layout([archives(tmp_path / "more", train=GROWN)])))


def test_damaged_metadata_are_no_obstacle(tmp_path, make, again, caplog, version):
    source = archives(tmp_path / "source")
    Path(make(source).data_dir, "metadata.h5").write_bytes(b"damaged")
    caplog.clear()
    again(source)
    assert any("Names and labels are not compared: " in message for message in caplog.messages) == (version == "1.0")
    with pytest.raises(DestinationError, match=r"train: 15 images now, 12 then\)"):
        again(archives(tmp_path / "source", train=GROWN))


@pytest.mark.parametrize("recorded", [7, [], {"train": 12}, {"train": {"images": "12"}}, {"train": {}}])
def test_record_that_makes_no_sense_is_none(tmp_path, again, recorded):
    source = archives(tmp_path / "source")
    path = Path(again(source).data_dir, "metadata.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "source_images": recorded}))
    again(source)  # as of a set that version 1.0 made
    with pytest.raises(DestinationError, match="train: 15 images now, 12 then"):
        again(archives(tmp_path / "source", train=GROWN))


def test_prepare_all_compares_both_with_one_index(tmp_path, caplog):
    source = archives(tmp_path / "source", test={})
    options = {"workers": 1, "allow_incomplete": True}
    ilsvrc_tfds.prepare_all(source, tmp_path / "data", **options)
    caplog.set_level(logging.INFO, "ilsvrc_tfds")
    caplog.clear()
    ilsvrc_tfds.prepare_all(source, tmp_path / "data", **options)
    assert sum("12 train, 6 val images" in message for message in caplog.messages) == 1
    source = archives(tmp_path / "source")
    with pytest.raises(DestinationError, match="classification/1.0.0 exists already, .*test: 3 images now, none then"):
        ilsvrc_tfds.prepare_all(source, tmp_path / "data", **options)
    shutil.rmtree(tmp_path / "data/ilsvrc2012/raw256")
    builders = ilsvrc_tfds.prepare_all(source, tmp_path / "data", splits=iter(["train", "val"]), **options)
    assert [list(builder.info.splits) for builder in builders.values()] == [["train", "val"]] * 2


def test_tfds_way_returns_at_once(tmp_path):
    source = archives(tmp_path / "source", test={})
    ilsvrc_tfds.prepare(source, tmp_path / "data", workers=1, allow_incomplete=True)
    builder = Ilsvrc2012(source=archives(tmp_path / "source"), data_dir=tmp_path / "data", allow_incomplete=True)
    builder.download_and_prepare()  # as every builder of TFDS does
    assert list(builder.info.splits) == ["train", "val"]


@pytest.mark.parametrize("options, key", [({}, "digest"), ({"max_examples": 2}, "digest_of_taken")])
def test_source_images_are_recorded_and_do_not_depend_on_the_layout(options, key, tmp_path):
    made = []
    for number, draw in enumerate((drawing.official_archives, drawing.folders)):
        source = draw(tmp_path / f"source{number}", IMAGES)
        made.append(ilsvrc_tfds.prepare(source, tmp_path / f"data{number}", **{**forms.PLAIN, **options}))
    first, second = (builder.info.metadata["source_images"] for builder in made)
    assert first == second and all(entry.keys() == {"images", key} for entry in first.values())
    assert {split: entry["images"] for split, entry in first.items()} == {"train": 12, "val": 6, "test": 3}
