"""Subsets as data sets of their own: prepared, exported, read with TFDS alone, verified, and used as sources."""

import json
from pathlib import Path

import drawing
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import ilsvrc_tfds
from ilsvrc_tfds import Ilsvrc2012Config, synsets
from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import DestinationError, ImageError, IncompleteError, LabelError, OptionError, SourceError
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.tfrecord import read_records

TENCH, GOLDFISH, SHARK = drawing.WNIDS
TWO = {"classes": [SHARK, TENCH], "name": "two"}
RENUMBERED = {3: 0, 0: 1}
SHARDS = {"train": 2, "val": 1}


def records(folder, split="train"):
    """Returns the payloads of a split, by the file names that TFDS or TensorFlow read in them."""
    found = {}
    for path in sorted(Path(folder).glob(f"*{split}*-of-*")):
        for record in read_records(str(path)):
            features = tf.train.Example.FromString(record.payload).features.feature
            name = features["file_name"] if "file_name" in features else features["image/filename"]
            found[name.bytes_list.value[0].decode()] = record.payload
    return found


def labels(builder, split):
    """Returns the label of each file name as TFDS reads it, without this package's builder."""
    alone = tfds.builder_from_directory(builder.data_dir)
    assert not isinstance(alone, ilsvrc_tfds.Ilsvrc2012)
    return {e["file_name"].decode(): int(e["label"]) for e in tfds.as_numpy(alone.as_dataset(split=split))}


@pytest.mark.slow
def test_records_are_those_of_the_whole_set(prepare):
    whole, part = records(prepare().data_dir), records(prepare(**TWO).data_dir)
    assert part == {name: payload for name, payload in whole.items() if name[:9] in (SHARK, TENCH)}
    assert len(part) == 8


@pytest.mark.slow
def test_labels_and_names_of_a_relabelled_set_with_tfds_alone(prepare, images):
    builder = prepare(**TWO, relabel=True)
    for split in ("train", "val"):
        true = {name: RENUMBERED[index] for name, index in images.labels(split).items() if index in RENUMBERED}
        assert labels(builder, split) == true
    label = tfds.builder_from_directory(builder.data_dir).info.features["label"]
    assert (label.num_classes, [label.int2str(k) for k in range(2)]) == (2, [SHARK, TENCH])
    assert ilsvrc_tfds.metadata.read(f"{builder.data_dir}/metadata.h5")["val"].classes.tolist() == [SHARK, TENCH]
    images_of = {name: payload.split(b"label")[0] for name, payload in records(builder.data_dir).items()}
    assert images_of == {
        name: payload.split(b"label")[0] for name, payload in records(prepare(**TWO, overwrite=True).data_dir).items()
    }


def test_labels_of_a_subset_stay_unless_it_is_relabelled(prepare, images):
    builder = prepare(**TWO)
    assert set(labels(builder, "val").values()) == {0, 3}
    assert builder.info.features["label"].num_classes == 1000


def test_load_finds_the_subset_by_its_name(prepare, tmp_path):
    prepare(**TWO, config="raw256", relabel=True)
    data, info = tfds.load("ilsvrc2012/two-raw256", data_dir=tmp_path / "data", split="val", with_info=True)
    assert info.features["label"].num_classes == 2
    assert len(list(data)) == 4


def test_list_of_images_and_list_of_classes(prepare, tmp_path):
    wanted = [f"{TENCH}_9", f"{GOLDFISH}_10.JPEG", f"{SHARK}_12"]
    part = prepare(images=wanted, name="few")
    assert sorted(records(part.data_dir)) == sorted(f"{name[:12].rstrip('.')}.JPEG" for name in wanted)
    assert len(records(part.data_dir, "val")) == 6
    both = prepare(images=wanted, classes=[GOLDFISH], name="both")
    assert list(records(both.data_dir)) == [f"{GOLDFISH}_10.JPEG"]


def test_provenance_tells_a_subset_from_the_whole(prepare, images):
    names = [*(name for own in images.train.values() for name in own), *images.val]
    builder = prepare(images=names, name="all", allow_incomplete=False)
    made = json.loads(Path(builder.data_dir, "metadata.json").read_text())
    assert made["complete"] and made["missing"] == {}
    assert made["subset"] == manifest.read(builder.data_dir).subset
    assert made["subset"]["images"]["listed"] == 18
    assert "subset" not in json.loads(Path(prepare().data_dir, "metadata.json").read_text())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": [TENCH, SHARK]}, "list of classes 2 with xxh3_128"),
        ({"classes": [SHARK, TENCH], "relabel": True}, "relabel False, not True"),
        ({"classes": [SHARK, TENCH], "images": [f"{TENCH}_9"]}, "without list of images"),
    ],
)
def test_other_lists_under_the_same_name_are_refused(options, message, prepare):
    prepare(**TWO)
    assert prepare(**TWO).info.splits["train"].num_examples == 8
    with pytest.raises(DestinationError, match=message):
        prepare(name="two", **options)


@pytest.mark.slow
def test_other_order_replaces_a_relabelled_set(prepare):
    prepare(**TWO, relabel=True)
    other = {"classes": [TENCH, SHARK], "name": "two", "relabel": True}
    with pytest.raises(DestinationError, match="list of classes"):
        prepare(**other)
    builder = prepare(**other, overwrite=True)
    assert builder.info.features["label"].names == [TENCH, SHARK]
    assert set(labels(builder, "train").items()) >= {(f"{TENCH}_9.JPEG", 0), (f"{SHARK}_9.JPEG", 1)}
    assert ilsvrc_tfds.verify(builder.data_dir, workers=1).problems == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"classes": [TENCH]},
            "needs a name of its own.*--name imagenet100 makes ilsvrc2012/imagenet100-classification",
        ),
        ({"name": "two"}, "name is for a subset"),
        ({"classes": [TENCH], "name": "../two"}, "letters, digits"),
        ({"classes": [TENCH], "name": "two", "splits": ["train", "test"]}, "Leave test out"),
        ({"relabel": True, "name": "two"}, "Name the list"),
        ({"classes": [TENCH], "config": Ilsvrc2012Config(name="own", classes=[SHARK])}, "a subset of its own"),
    ],
)
def test_invalid_subset_is_an_error(options, message, prepare, tmp_path):
    with pytest.raises(OptionError, match=message):
        prepare(**options)
    assert not (tmp_path / "data").exists()


def test_config_of_the_users_own_has_lists_too(prepare, tmp_path):
    config = Ilsvrc2012Config(name="sharks", shorter_side=32, classes=[SHARK], relabel=True)
    assert set(labels(prepare(config=config), "train").values()) == {0}
    sharks = ilsvrc_tfds.Ilsvrc2012(config=config, data_dir=tmp_path / "data")
    assert sharks.info.features["label"].names == [SHARK]


def test_verify_understands_a_relabelled_set(prepare, tmp_path):
    builder = prepare(**TWO, relabel=True)
    report = ilsvrc_tfds.verify(builder.data_dir, workers=1)
    assert report.problems == ()
    assert any("this is a subset: 2 classes, numbered 0 to 1" in fact for fact in report.facts)
    made, names = manifest.read(builder.data_dir), Path(builder.data_dir, "label.labels.txt")
    names.write_text(f"{TENCH}\n{SHARK}\n")
    [problem] = ilsvrc_tfds.verify(builder.data_dir, workers=1).problems
    assert problem == "label.labels.txt: the names of labels are not the classes in the order of manifest.json"
    swapped = {**json.loads(Path(builder.data_dir, "manifest.json").read_text()), "wnids": [TENCH, SHARK]}
    swapped["classes"] = manifest.classes_digest((TENCH, SHARK))
    Path(builder.data_dir, "manifest.json").write_text(json.dumps(swapped))
    problems = ilsvrc_tfds.verify(builder.data_dir, workers=1).problems
    assert sum("has the label" in problem for problem in problems) == 12
    with pytest.raises(LabelError):
        ilsvrc_tfds.for_training(builder.data_dir, batch_size=2)
    del swapped["wnids"]
    Path(builder.data_dir, "manifest.json").write_text(json.dumps(swapped))
    with pytest.raises(SourceError, match=r"classes \(the digest of ILSVRC2012's 1000\)"):  # as version 1.1 says it
        manifest.read(builder.data_dir)
    assert made.num_classes == 2


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False], ids=["manifest", "no manifest"])
def test_pipeline_reads_a_relabelled_set(kept, prepare):
    folder = Path(prepare(**TWO, relabel=True, config="raw256").data_dir)
    if not kept:
        (folder / "manifest.json").unlink()
    [(_, found)] = ilsvrc_tfds.for_training(folder, batch_size=8, epochs=1)
    assert sorted(found.numpy()) == [0] * 4 + [1] * 4
    assert ilsvrc_tfds.for_training(folder, batch_size=2, ops="randaugment_train").element_spec[1].shape == (2, 2)
    with pytest.raises(OptionError, match="made with relabel: its 2 classes have the numbers 0 to 1"):
        ilsvrc_tfds.for_training(folder, batch_size=2, classes=[0])


@pytest.mark.slow
def test_subset_is_a_source_with_the_official_labels(prepare, tmp_path, archives):
    builder = prepare(**TWO, relabel=True)
    again = prepare(source=builder.data_dir, data_dir=tmp_path / "again", **TWO)
    assert labels(again, "train") == labels(prepare(data_dir=tmp_path / "straight", **TWO), "train")
    report = examine(builder.data_dir, tmp_path, workers=1)
    assert any("is a subset: 2 classes" in fact for fact in report.facts)
    assert not any("classes missing" in problem for problem in report.problems)
    assert "val: 4 of 100 images of the subset that the set is (as when the set was made)" in report.facts
    with pytest.raises(IncompleteError, match="train: 8 of 1,281,167.*It is a subset: 2 classes"):
        prepare(source=builder.data_dir, data_dir=tmp_path / "third", allow_incomplete=False)
    ilsvrc_tfds.unpack(builder.data_dir, tmp_path / "files", workers=1)
    assert len(list((tmp_path / "files/train" / SHARK).iterdir())) == 4


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0, 1])
def test_export_of_a_subset(offset, archives, prepare, tmp_path, images):
    options = {"workers": 1, "allow_incomplete": True, "num_shards": SHARDS, "label_offset": offset}
    whole = ilsvrc_tfds.export(archives, tmp_path / "whole", **options)
    part = ilsvrc_tfds.export(archives, tmp_path / "part", classes=[SHARK, TENCH], **options)
    anew = ilsvrc_tfds.export(archives, tmp_path / "anew", classes=[SHARK, TENCH], relabel=True, **options)
    of_set = ilsvrc_tfds.export(prepare(**TWO, relabel=True).data_dir, tmp_path / "of-set", **options)
    assert records(part) == {name: own for name, own in records(whole).items() if name[:9] in (SHARK, TENCH)}
    assert records(anew) == records(of_set)  # a prepared set keeps its numbering
    for name, payload in records(anew).items():
        features = tf.train.Example.FromString(payload).features.feature
        assert features["image/class/label"].int64_list.value[0] == (SHARK, TENCH).index(name[:9]) + offset
        assert features["image/class/synset"].bytes_list.value[0].decode() == name[:9]
    for folder, count in ((part, 1000), (anew, 2), (of_set, 2)):
        assert (manifest.read(folder).num_classes, ilsvrc_tfds.verify(folder, workers=1).problems) == (count, ())
        assert manifest.read(folder).subset["classes"]["listed"] == 2
    [(_, found)] = ilsvrc_tfds.for_training(anew, batch_size=8, epochs=1)
    assert sorted(found.numpy()) == [0] * 4 + [1] * 4
    if offset == 0:
        assert "label  1: class 0, n01440764" in ilsvrc_tfds.show(anew, num=8)


def test_export_of_a_whole_subset_needs_no_permission(prepare, images, tmp_path):
    names = [*(name for own in images.train.values() for name in own), *images.val]
    whole = prepare(images=names, name="all", allow_incomplete=False)
    assert examine(whole.data_dir, tmp_path, workers=1).problems == ()
    out = ilsvrc_tfds.export(whole.data_dir, tmp_path / "out", num_shards=SHARDS, workers=1)
    assert manifest.read(out).subset["images"]["listed"] == 18


EXPORTED = {"workers": 1, "allow_incomplete": True, "num_shards": SHARDS}
LISTED = [f"{TENCH}_9.JPEG", f"{SHARK}_10.JPEG"]


@pytest.fixture(params=["prepared", "without its manifest", "folder above", "export"])
def renumbered(request, prepare, tmp_path):
    """Places of a set whose classes are numbered anew."""
    folder = Path(prepare(**TWO, relabel=True).data_dir)
    if request.param == "without its manifest":
        (folder / "manifest.json").unlink()
    if request.param == "export":
        return ilsvrc_tfds.export(folder, tmp_path / "first", **EXPORTED)
    return folder.parent if request.param == "folder above" else folder


@pytest.mark.parametrize(
    "taken", [{}, {"images": LISTED}, {"classes": [SHARK, TENCH]}], ids=["all", "images", "classes"]
)
def test_export_of_a_part_of_a_relabelled_set_keeps_its_labels(taken, renumbered, archives, tmp_path):
    lists = {"classes": [SHARK, TENCH], "relabel": True}
    straight = ilsvrc_tfds.export(archives, tmp_path / "straight", **{**taken, **lists}, **EXPORTED)
    part = ilsvrc_tfds.export(renumbered, tmp_path / "part", **taken, **EXPORTED)
    for split in ("train", "val"):
        assert records(part, split) == records(straight, split)
    made, expected = manifest.read(part), manifest.read(straight)
    assert (made.shards, made.subset, made.wnids) == (expected.shards, expected.subset, expected.wnids)


def test_export_of_one_class_of_a_relabelled_set_keeps_its_number(renumbered, archives, tmp_path):
    one = ilsvrc_tfds.export(renumbered, tmp_path / "one", classes=[TENCH], **EXPORTED)
    straight = ilsvrc_tfds.export(archives, tmp_path / "two", classes=[SHARK, TENCH], relabel=True, **EXPORTED)
    assert records(one) == {name: own for name, own in records(straight).items() if name[:9] == TENCH}
    made = manifest.read(one)
    assert made.wnids == (SHARK, TENCH) and made.subset["of"] == manifest.read(straight).subset
    report = ilsvrc_tfds.verify(one, workers=1)
    assert report.problems == ()
    assert any(") of a subset: 2 classes, numbered 0 to 1 (list" in fact for fact in report.facts)
    anew = ilsvrc_tfds.export(renumbered, tmp_path / "anew", classes=[TENCH], relabel=True, **EXPORTED)
    assert manifest.read(anew).wnids == (TENCH,)
    assert ilsvrc_tfds.verify(anew, workers=1).problems == ()


def test_splits_with_different_numbers_of_classes_are_exported_with_the_official_ones(prepare, tmp_path, caplog):
    (tmp_path / "both").mkdir()
    for source, split in ((prepare(**TWO, relabel=True), "train"), (prepare(), "val")):
        options = {**EXPORTED, "num_shards": {split: 1}, "splits": [split]}
        ilsvrc_tfds.export(source.data_dir, tmp_path / "both" / split, **options)
    out = ilsvrc_tfds.export(tmp_path / "both", tmp_path / "out", **EXPORTED)
    assert "different numbers for the same classes" in caplog.text
    assert manifest.read(out).wnids is None
    assert ilsvrc_tfds.verify(out, workers=1).problems == ()


def test_part_of_a_whole_subset_needs_no_permission(prepare, images, tmp_path):
    names = [*(name for own in images.train.values() for name in own), *images.val]
    whole = prepare(images=names, name="all", allow_incomplete=False)
    options = {**EXPORTED, "allow_incomplete": False}
    made = manifest.read(ilsvrc_tfds.export(whole.data_dir, tmp_path / "out", images=LISTED, **options))
    assert [sum(shard.records for shard in made.shards[split]) for split in ("train", "val")] == [2, 6]
    assert [made.subset["images"]["listed"], made.subset["of"]["images"]["listed"]] == [2, 18]


@pytest.mark.slow
def test_commands_make_subsets(archives, tmp_path, capsys):
    (tmp_path / "list").write_text(f"{SHARK}\n{TENCH}\n")
    common = ["--classes", str(tmp_path / "list"), "--relabel", "--allow-incomplete", "--workers", "1"]
    words = [
        "prepare",
        str(archives),
        "--data-dir",
        str(tmp_path / "data"),
        "--config",
        "all",
        "--name",
        "two",
        *common,
    ]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "8 train, 4 val examples, " in out and 'tfds.load("ilsvrc2012/two-raw256", data_dir=' in out
    assert sorted(path.name for path in (tmp_path / "data/ilsvrc2012").iterdir() if path.name[0] != ".") == [
        "two-classification",
        "two-raw256",
    ]
    assert main(words) == 0  # both are there
    words = ["export", str(archives), "--out", str(tmp_path / "out"), "--num-shards", "train=1,validation=1", *common]
    assert main(words) == 0
    assert "labels 1 to 2" in capsys.readouterr().out


@pytest.mark.slow
def test_training_of_a_relabelled_set_has_its_number_of_outputs(prepare, tmp_path):
    from ilsvrc_tfds import training

    folder = prepare(**TWO, relabel=True, config="raw256").data_dir
    recipe = training.Recipe(model="small", image_size=32, epochs=1, batch_size=4)
    model = training.train(folder, tmp_path / "run", recipe)
    assert training.load_model(model).output_shape == (None, 2)
    assert training.evaluate(folder, model).examples == 4
    with pytest.raises(OptionError, match="A model with 2 outputs is expected"):
        training.evaluate(folder, training.build_model("small", image_size=32))


def test_numbers_of_the_official_classes_stay(prepare):
    made = manifest.read(prepare().data_dir)
    assert (made.wnids, made.subset, made.num_classes) == (None, {}, synsets.NUM_CLASSES)
    assert np.array_equal(
        ilsvrc_tfds.metadata.read(f"{prepare().data_dir}/metadata.h5")["val"].classes, synsets.wnids()
    )


def test_stopped_run_starts_anew_with_another_order(prepare, images, tmp_path):
    broken = {**images.val, max(images.val): b"no image"}
    options = {"name": "two", "relabel": True, "num_shards": 1}
    source = drawing.official_archives(tmp_path / "source", drawing.Images(images.train, broken, {}))
    with pytest.raises(ImageError):
        prepare(source=source, classes=[SHARK, GOLDFISH, TENCH], **options)
    drawing.official_archives(source, images)
    builder = prepare(source=source, classes=[TENCH, GOLDFISH, SHARK], **options)
    assert labels(builder, "train")[f"{SHARK}_9.JPEG"] == 2
