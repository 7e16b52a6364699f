"""Classic TFRecords: what is in them, that they are the same from wherever, and that nothing is lost."""

import dataclasses
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import drawing
import pytest
import tensorflow as tf

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import DestinationError, IncompleteError, InterruptedRun, OptionError, SourceError
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.images import Resized
from ilsvrc_tfds.storage.staging import Staging

SHARDS = {"train": 5, "validation": 2}


@pytest.fixture
def export(archives, tmp_path):
    """Exports the miniature in this process, incomplete as it is."""

    def export_miniature(source=archives, out=tmp_path / "out", **options):
        return ilsvrc_tfds.export(
            source, out, **{"workers": 1, "allow_incomplete": True, "num_shards": SHARDS, **options}
        )

    return export_miniature


def examples(folder: Path, split: str) -> list[tf.train.Example]:
    paths = sorted(str(path) for path in folder.glob(f"{split}-*"))
    return [tf.train.Example.FromString(record) for record in tf.data.TFRecordDataset(paths).as_numpy_iterator()]


def values(example: tf.train.Example, key: str) -> list:
    feature = example.features.feature[key]
    return list(getattr(feature, feature.WhichOneof("kind")).value)


def sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_files_have_the_names_that_readers_hard_code(export):
    assert sorted(os.listdir(export())) == [
        "manifest.json",
        *(f"train-0000{k}-of-00005" for k in range(5)),
        *(f"validation-0000{k}-of-00002" for k in range(2)),
    ]


def test_every_image_is_there_with_its_label_and_words(export, images):
    out = export()
    for split, name in (("train", "train"), ("val", "validation")):
        found = {
            values(e, "image/filename")[0].decode(): values(e, "image/class/label")[0] for e in examples(out, name)
        }
        assert found == {name: label + 1 for name, label in images.labels(split).items()}
    for example in examples(out, "train"):
        synset = synsets.synsets()[values(example, "image/class/label")[0] - 1]
        assert values(example, "image/class/synset") == [synset.wnid.encode()]
        assert values(example, "image/class/text") == [synset.words.encode()]


def test_shards_differ_by_one_record_at_most(export):
    lengths = [entry.records for entry in manifest.read(export(num_shards={"train": 7})).shards["train"]]
    assert sum(lengths) == 12 and max(lengths) - min(lengths) == 1


def test_default_is_a_shard_an_image_where_those_are_few(archives, tmp_path):
    made = manifest.read(ilsvrc_tfds.export(archives, tmp_path / "out", workers=1, allow_incomplete=True))
    assert {split: len(shards) for split, shards in made.shards.items()} == {"train": 12, "val": 6}


@pytest.mark.slow
@pytest.mark.parametrize("config", ["classification", "raw256"])
def test_source_and_prepared_set_make_the_same_bytes(config, archives, export, prepare, tmp_path):
    prepared = prepare(config=config, num_shards={"train": 3}).data_dir
    sides = [
        export(config=config, out=tmp_path / "one"),
        export(config=config, out=tmp_path / "two", workers=2),
        export(source=prepared, out=tmp_path / "three"),
        export(source=prepared, out=tmp_path / "four", workers=2),
    ]
    shards = [{name: value for name, value in sums(side).items() if name != "manifest.json"} for side in sides]
    assert shards[0] == shards[1] == shards[2] == shards[3] and len(shards[0]) == 7
    described = [manifest.read(side) for side in sides]
    assert described[0] == described[1] and described[2] == described[3]
    assert dataclasses.replace(described[2], made_of=described[0].made_of) == described[0] != described[2]


def test_size_is_that_of_the_bytes_that_are_written(export):
    for example in examples(export(config="raw256"), "train"):
        (data,) = values(example, "image/encoded")
        assert tf.io.decode_jpeg(data).shape[:2] == (
            values(example, "image/height")[0],
            values(example, "image/width")[0],
        )
        assert min(tf.io.decode_jpeg(data).shape[:2]) == 256


def test_own_operation(export):
    out = export(config=Resized(32, quality=80))
    assert manifest.read(out).config == {"op": "Resized", "shorter_side": 32, "quality": 80}
    assert all(min(values(e, "image/height") + values(e, "image/width")) == 32 for e in examples(out, "train"))


def test_label_offset_0_numbers_from_0_and_the_manifest_says_so(export, images):
    out = export(label_offset=0)
    found = {values(e, "image/filename")[0].decode(): values(e, "image/class/label")[0] for e in examples(out, "train")}
    assert found == images.labels("train")
    assert manifest.read(out).label_offset == 0


def test_test_split_has_label_minus_one_and_no_words(export, tmp_path):
    source = drawing.official_archives(tmp_path / "with-test", drawing.miniature(test=3))
    found = examples(export(source=source), "test")
    assert [values(e, "image/class/label") + values(e, "image/class/synset") for e in found] == [[-1, b""]] * 3


def test_splits_are_chosen_by_either_name(export):
    assert sorted(os.listdir(export(splits=["validation"], num_shards={}))) == [
        "manifest.json",
        *(f"validation-{k:05d}-of-00006" for k in range(6)),
    ]


def test_boxes_go_to_their_images(export, images, tmp_path):
    wnid = drawing.WNIDS[1]
    first, second, *_ = images.train[wnid]
    folder = tmp_path / "boxes" / wnid
    folder.mkdir(parents=True)
    box = "<xmin>{}</xmin><ymin>10</ymin><xmax>{}</xmax><ymax>30</ymax>"
    for name, corners in ((first, [(20, 60)]), (second, [(60, 20), (0, 200)])):
        objects = "".join(
            f"<object><name>{wnid}</name><bndbox>{box.format(*pair)}</bndbox></object>" for pair in corners
        )
        size = "<size><width>100</width><height>50</height></size>"
        (folder / name.replace(".JPEG", ".xml")).write_text(f"<annotation>{size}{objects}</annotation>")
    found = {
        values(e, "image/filename")[0].decode(): e for e in examples(export(bbox=[folder], config="raw256"), "train")
    }
    assert values(found[first], "image/object/bbox/xmin") == pytest.approx([0.2])
    assert values(found[second], "image/object/bbox/xmax") == pytest.approx([0.6, 1.0])
    assert values(found[second], "image/object/bbox/label") == [2, 2]
    assert sum(len(values(e, "image/object/bbox/ymin")) for e in found.values()) == 3


def test_boxes_in_pixels_of_the_original_are_right_for_resized_images(export, images, prepare, tmp_path):
    name = next(iter(images.train[drawing.WNIDS[1]]))  # 40 x 31 pixels
    table = tmp_path / "LOC_train_solution.csv"
    table.write_text(f"ImageId,PredictionString\n{name[:-5]},{drawing.WNIDS[1]} 10 0 20 31 \n")
    found = {
        values(e, "image/filename")[0].decode(): e for e in examples(export(bbox=[table], config="raw256"), "train")
    }
    corners = [values(found[name], f"image/object/bbox/{corner}")[0] for corner in ("xmin", "ymin", "xmax", "ymax")]
    assert corners == pytest.approx([0.25, 0, 0.5, 1])
    with pytest.raises(OptionError, match="in pixels of the original images"):
        export(source=prepare(config="raw256").data_dir, out=tmp_path / "other", bbox=[table])


def test_stopped_export_starts_anew_with_other_boxes(export, images, tmp_path, monkeypatch, caplog):
    first, second, *_ = images.train[drawing.WNIDS[1]]

    def table(name: str) -> Path:
        path = tmp_path / name[:-5] / "LOC_train_solution.csv"
        path.parent.mkdir()
        path.write_text(f"ImageId,PredictionString\n{name[:-5]},{drawing.WNIDS[1]} 10 0 20 31 \n")
        return path

    def stopped(*arguments, **options):
        raise InterruptedRun("Stopped.")

    with monkeypatch.context() as patched, pytest.raises(InterruptedRun):
        patched.setattr(Staging, "publish", stopped)
        export(bbox=[table(first)])
    out = export(bbox=[table(second)])
    boxed = [e for e in examples(out, "train") if values(e, "image/object/bbox/xmin")]
    assert [values(e, "image/filename") for e in boxed] == [[second.encode()]]
    assert "starting anew" in caplog.text


def test_boxes_of_other_images_are_an_error(export, tmp_path):
    table = tmp_path / "LOC_val_solution.csv"
    table.write_text("ImageId,PredictionString\nILSVRC2012_val_00050000,n02437616 10 0 20 31 \n")
    with pytest.raises(SourceError, match="none of the annotated images .1. is in the source"):
        export(bbox=[table])


@pytest.fixture
def boxes_of(tmp_path, images):
    """Writes annotations of the first images of a split, the first box outside of its image; returns the folder."""

    def annotations(split: str, count: int, outside: int = 0) -> Path:
        folder = tmp_path / f"boxes-{split}-{count}"
        folder.mkdir()
        for number, name in enumerate(list(images.labels(split))[:count]):
            corners = (200, 220) if number < outside else (20, 60)
            box = "<bndbox><xmin>{}</xmin><ymin>10</ymin><xmax>{}</xmax><ymax>30</ymax></bndbox>".format(*corners)
            size = "<size><width>100</width><height>50</height></size>"
            text = f"<annotation>{size}<object><name>thing</name>{box}</object></annotation>"
            (folder / name.replace(".JPEG", ".xml")).write_text(text)
        return folder

    return annotations


def test_share_of_images_with_boxes_is_logged_and_recorded_and_right(export, boxes_of, caplog):
    caplog.set_level(logging.INFO, "ilsvrc_tfds")
    out = export(bbox=[boxes_of("train", 5, outside=2), boxes_of("val", 6)])
    boxed = {
        split: sum(bool(values(e, "image/object/bbox/xmin")) for e in examples(out, name))
        for split, name in (("train", "train"), ("val", "validation"))
    }
    assert manifest.read(out).boxes == boxed == {"train": 3, "val": 6}
    assert "train: 3 of 12 images have bounding boxes, 25.0%" in caplog.messages
    assert "validation: 6 of 6 images have bounding boxes, 100.0%" in caplog.messages


def test_share_is_right_where_the_size_of_the_image_decides(export, images, tmp_path):
    inside, outside, *_ = images.train[drawing.WNIDS[1]]  # 40 x 31 pixels
    rows = "".join(f"{name[:-5]},{drawing.WNIDS[1]} {x} 0 {x + 9} 31 \n" for name, x in ((inside, 10), (outside, 50)))
    (tmp_path / "boxes.csv").write_text(f"ImageId,PredictionString\n{rows}")
    assert manifest.read(export(bbox=[tmp_path / "boxes.csv"], config="raw256")).boxes == {"train": 1, "val": 0}


def test_boxes_find_images_with_the_class_appended_to_their_names(export, images, tmp_path):
    wnid, files = next(iter(images.train.items()))
    names = [f"{name[:-5]}_{wnid}.JPEG" for name in files]
    source = drawing.folders(
        tmp_path / "named", drawing.Images({wnid: dict(zip(names, files.values()))}, images.val, {})
    )
    (tmp_path / "boxes.csv").write_text(f"ImageId,PredictionString\n{next(iter(files))[:-5]},{wnid} 1 2 30 20\n")
    assert manifest.read(export(source=source, bbox=[tmp_path / "boxes.csv"], num_shards={})).boxes == {
        "train": 1,
        "val": 0,
    }


@pytest.mark.parametrize("given, without", [("train", "val"), ("val", "train")])
def test_boxes_that_a_split_lacks_are_a_loud_warning(export, boxes_of, caplog, given, without):
    boxes = boxes_of(given, 2)
    out = export(bbox=[boxes])
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"No image of {without} will have bounding boxes: {boxes} has none of them." in warnings
    name, total = {"train": ("train", 12), "val": ("validation", 6)}[without]
    assert f"{name}: 0 of {total} images have bounding boxes, 0.0%" in warnings
    assert manifest.read(out).boxes == {given: 2, without: 0}


def test_split_that_is_not_exported_and_test_need_no_boxes(export, boxes_of, caplog, tmp_path):
    source = drawing.official_archives(tmp_path / "with-test", drawing.miniature(test=3))
    out = export(source=source, bbox=[boxes_of("val", 6)], splits=["val", "test"], num_shards={})
    assert manifest.read(out).boxes == {"val": 6}
    assert not any(
        "bounding boxes" in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    )


def test_boxes_that_were_not_asked_for_are_not_spoken_of(export, caplog):
    caplog.set_level(logging.INFO, "ilsvrc_tfds")
    out = export()
    assert manifest.read(out).boxes is None and "boxes" not in json.loads((out / "manifest.json").read_text())
    assert not any("bounding boxes" in message for message in caplog.messages)


def test_shards_of_a_version_that_did_not_count_boxes_are_written_again(export, boxes_of, tmp_path, monkeypatch):
    boxes = boxes_of("train", 5)
    monkeypatch.setattr(manifest, "write", lambda *_, **__: pytest.fail("stopped"))
    with pytest.raises(pytest.fail.Exception, match="stopped"):
        export(bbox=[boxes])
    monkeypatch.undo()
    for path in tmp_path.glob(".out.staging/*/*.json"):
        receipt = json.loads(path.read_text())
        path.write_text(json.dumps({key: value for key, value in receipt.items() if key != "boxed"}))
    assert manifest.read(export(bbox=[boxes])).boxes == {"train": 5, "val": 0}


def test_index_lies_beside_each_shard(export):
    out = export(index=True)
    for shard in out.glob("train-*"):
        spans = [tuple(map(int, line.split())) for line in (out / f"index-{shard.name}").read_text().splitlines()]
        assert sum(size for _, size in spans) == shard.stat().st_size
    assert len(list(out.glob("index-*"))) == 7


def test_manifest_describes_every_shard(export):
    out = export()
    made = manifest.read(out)
    entries = [entry for shards in made.shards.values() for entry in shards]
    assert {entry.name: entry.bytes for entry in entries} == {
        path.name: path.stat().st_size for path in out.iterdir() if path.name != "manifest.json"
    }
    assert (made.kind, made.config, made.label_offset) == ("classic", {"op": "Original"}, 1)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"config": "raw512"}, "config must be one of classification, raw256"),
        ({"label_offset": 2}, "label_offset must be 0 or 1"),
        ({"splits": ["dev"]}, "no split 'dev'"),
        ({"num_shards": {"test": 1}}, "no split test among those to export: train, val"),
        ({"num_shards": {"train": 13}}, r"num_shards must be in \[1, 12\]"),
        ({"out": "https://host/imagenet"}, "is a URL, and only local paths"),
    ],
)
def test_impossible_options_are_refused(options, message, export, tmp_path):
    with pytest.raises(OptionError, match=message):
        export(**options)
    assert not (tmp_path / "out").exists()


def test_config_for_a_prepared_set_is_refused(export, prepare):
    with pytest.raises(OptionError, match="its images are passed on as they are"):
        export(source=prepare().data_dir, config="raw256")


def test_shard_of_another_set_beside_a_prepared_one_is_refused(export, prepare, tmp_path):
    folder = Path(prepare(num_shards={"val": 1}).data_dir)
    shard = folder / "ilsvrc2012-val.tfrecord-00000-of-00001"
    shard.with_name("ilsvrc2012-val.tfrecord-00000-of-00009").write_bytes(shard.read_bytes())
    with pytest.raises(SourceError, match="shards of split val are not part of the set that manifest.json describes"):
        export(folder)
    with pytest.raises(IncompleteError, match="does not have the split test, which was asked for; it has train, val"):
        export(folder, splits=["test"])
    assert not (tmp_path / "out").exists()


def test_incomplete_source_is_refused(export, tmp_path):
    with pytest.raises(IncompleteError, match="train: 12 of 1,281,167 images"):
        export(allow_incomplete=None)
    assert not (tmp_path / "out").exists()


def test_what_other_splits_lack_does_not_matter(export, images, monkeypatch):
    monkeypatch.setitem(synsets.OFFICIAL_COUNTS, "val", len(images.val))
    out = export(splits=["validation"], num_shards={}, allow_incomplete=None)
    assert len(examples(out, "validation")) == 6


def test_source_with_a_manifest_of_its_own_is_a_source(export, archives):
    (archives / "manifest.json").write_text("{}")  # as web tools leave it beside the archives
    assert len(examples(export(), "train")) == 12


def test_folder_that_is_no_export_is_never_replaced(export, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("all of it")
    with pytest.raises(DestinationError, match="is not empty and does not hold an export"):
        export(overwrite=True)
    assert os.listdir(tmp_path / "out") == ["thesis.tex"]


def test_export_moved_aside_by_a_killed_run_comes_back_before_it_is_replaced(export):
    before = sums(out := export())
    out.rename(out.parent / ".out.replaced")
    assert export() == out and sums(out) == before
    out.rename(out.parent / ".out.replaced")
    assert sums(export(overwrite=True)) == before and not (out.parent / ".out.replaced").exists()


def test_earlier_export_is_replaced_only_where_that_is_wanted(export):
    before = sums(export())
    with pytest.raises(DestinationError, match="holds an export, made with .* 1, not 0. Replace it with --overwrite"):
        export(label_offset=0)
    assert sums(export(overwrite=True)) == before
    assert sums(export(overwrite=True, label_offset=0)) != before


def test_empty_folder_is_taken(export, tmp_path):
    (tmp_path / "out").mkdir()
    assert manifest.read(export()) is not None


@pytest.mark.slow
def test_killed_export_is_continued_to_the_same_bytes(tmp_path):
    source = drawing.official_archives(tmp_path / "source", drawing.miniature(train=60))
    whole = sums(ilsvrc_tfds.export(source, tmp_path / "whole", config="raw256", workers=1, allow_incomplete=True))
    out = tmp_path / "out"
    words = f"-m ilsvrc_tfds.cli export {source} --out {out} --config raw256 --workers 2 --allow-incomplete"
    process = subprocess.Popen([sys.executable, *words.split()], stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".out.staging/*/*.json")):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1)  # its workers notice within a fraction of a second
    # A shard without its receipt is written again: the kill came between the two renames.
    shards = [path.with_suffix("") for path in tmp_path.glob(".out.staging/*/*-of-*.json")]
    kept = {path.name: path.stat().st_mtime_ns for path in shards}
    assert not out.exists() and 0 < len(kept) < 186
    assert sums(ilsvrc_tfds.export(source, out, config="raw256", workers=2, allow_incomplete=True)) == whole
    assert all((out / name).stat().st_mtime_ns == time for name, time in kept.items())
    assert sorted(os.listdir(tmp_path)) == ["out", "source", "whole"]
