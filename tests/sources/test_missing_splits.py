"""A split is not lost in silence: other names are taken, and what is not taken is named where a split is missing."""

import gzip
import logging
import os
import shutil
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import IncompleteError, NotFoundError, OptionError, SourceError
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.naming import own_splits
from ilsvrc_tfds.sources import Index, find_layout, index_images
from ilsvrc_tfds.sources.names import split_hinted, split_of_archive, split_of_folder

IMAGES = drawing.miniature(train=2, val=1, test=2)
TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"


def indexed(source: Path) -> Index:
    return index_images(find_layout([source]))


def counts(source: Path) -> dict[str, int]:
    return {split: len(members) for split, members in indexed(source).splits.items()}


@pytest.fixture
def whole(monkeypatch):
    """Makes the miniature the official numbers of images."""
    for split, count in (("train", 6), ("val", 3), ("test", 2)):
        monkeypatch.setitem(ilsvrc_tfds.synsets.OFFICIAL_COUNTS, split, count)


# Other names.


@pytest.mark.parametrize(
    "name, split",
    [
        *dict.fromkeys(
            ["train", "Train", "training", "train_images", "Train-Images", "ILSVRC2012_img_train"], "train"
        ).items(),
        *dict.fromkeys(
            ["ilsvrc2012_train", "imagenet_train", "imagenet-1k-train", "trainset", "train_data"], "train"
        ).items(),
        *dict.fromkeys(
            ["val", "VAL", "valid", "Validate", "validation", "val_images", "val images", "dev"], "val"
        ).items(),
        *dict.fromkeys(["ILSVRC2012_img_val", "imagenet-val", "validation_set"], "val").items(),
        *dict.fromkeys(["Test", "testing", "test_images", "ILSVRC2012_img_test_v10102019"], "test").items(),
        *dict.fromkeys(
            ["trainval", "train256", "value", "devkit", "device", "latest", "trains", "train (1)", ""], None
        ).items(),
    ],
)
def test_other_names_of_a_split(name, split):
    assert split_of_folder(name) == split_of_archive(f"{name}.tar") == split_of_archive(f"{name}.TAR") == split
    assert split_of_archive(name) is None


@pytest.mark.parametrize(
    "name, split",
    [(f"{TRAIN}.part", "train"), ("my_val_old", "val"), ("Tests", "test"), ("value", None), ("cats", None)],
)
def test_names_remind_of_a_split(name, split):
    assert split_hinted(name) == split


@pytest.mark.parametrize(
    "train, val",
    [
        ("Train", "Val"),
        ("training", "valid"),
        ("train_images", "val_images"),
        ("train", "dev"),
        ("images/train", "images/val"),
    ],
)
def test_folders_of_other_names_are_taken(tmp_path, train, val):
    drawing.folders(tmp_path, IMAGES, train, val)
    assert counts(tmp_path) == {"train": 6, "val": 3, "test": 2}
    assert [note for note in indexed(tmp_path).notes if "not used" in note] == []


def test_archives_of_other_names_are_taken(tmp_path):
    drawing.official_archives(tmp_path, IMAGES)
    for name, other in ((TRAIN, "ilsvrc2012_IMG_train.TAR"), (VAL, "validation.tar")):
        os.rename(tmp_path / name, tmp_path / other)
    assert counts(tmp_path) == {"train": 6, "val": 3, "test": 2}
    assert counts(tmp_path / "validation.tar") == {"val": 3}


def test_folder_of_another_name_in_the_usual_one_is_entered(tmp_path):
    drawing.folders(tmp_path, IMAGES, "train/Train_Images", "Valid/val")
    assert counts(tmp_path) == {"train": 6, "val": 3, "test": 2}


@pytest.mark.parametrize("other", ["Train", "training", "images/train"])
def test_usual_name_counts_and_the_other_is_noted(tmp_path, other):
    source = drawing.folders(tmp_path, IMAGES)
    drawing.folders(tmp_path, drawing.Images(drawing.miniature(train=1).train, {}, {}), train=other)
    assert counts(source) == {"train": 6, "val": 3, "test": 2}
    assert f"{source}/{other} is not used: split train is read from another place" in indexed(source).notes


@pytest.mark.parametrize("usual, other", [("train", "TRAIN.tar"), (TRAIN, "train_images.tar")])
def test_usual_folder_comes_before_an_archive_of_another_name(tmp_path, usual, other):
    source = drawing.official_archives(tmp_path, IMAGES)
    os.rename(source / TRAIN, source / other)
    draw = drawing.official_archives if usual == TRAIN else drawing.folders
    draw(source, drawing.Images(drawing.miniature(train=3).train, {}, {}))
    assert counts(source)["train"] == 9
    assert f"{source}/{other} is not used: split train is read from another place" in indexed(source).notes


@pytest.mark.parametrize("names", [("Valid", "dev"), ("dev", "images/val"), ("VAL.tar", "valid.tar")])
def test_two_other_names_of_a_split_are_an_error(tmp_path, names):
    drawing.folders(tmp_path, drawing.Images(IMAGES.train, {}, {}))
    for name in names:
        if name.endswith(".tar"):
            (tmp_path / name).write_bytes(drawing.tar(IMAGES.val.items()))
        else:
            drawing.folders(tmp_path, drawing.Images({}, IMAGES.val, {}), val=name)
    first, second = sorted(names, key=lambda name: ("/" in name, name))
    with pytest.raises(
        SourceError, match=f"{first}, {tmp_path}/{second} may both be the split val. Rename the right one to val"
    ):
        find_layout([tmp_path])


def test_folder_that_only_sounds_like_a_split_is_none(tmp_path):
    drawing.folders(tmp_path, drawing.Images(IMAGES.train, {}, {}))
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/null.py").write_text("pass")
    (tmp_path / "validation_data").mkdir()
    assert list(counts(tmp_path)) == ["train"]


# What was seen.


def sights(source: Path, split: str) -> str:
    return indexed(source).missing[split]


def test_compressed_archive_says_why_it_is_not_read(tmp_path):
    source = drawing.official_archives(tmp_path, IMAGES)
    os.rename(source / TRAIN, source / f"{TRAIN}.gz")
    assert f"{TRAIN}.gz is damaged or cut short behind byte 0 of its content (Not a gzipped" in sights(source, "train")
    (source / f"{TRAIN}.gz").write_bytes(gzip.compress((source / f"{TRAIN}.gz").read_bytes()))
    assert len(indexed(source).splits["train"]) == 6
    tar = drawing.tar([(TRAIN, b"x")])  # one archive in another, and not class archives
    (source / f"{TRAIN}.gz").write_bytes(gzip.compress(tar))
    assert f"holds archives, which are not read in place inside of it: {TRAIN}" in sights(source, "train")


UNFINISHED = [f"{TRAIN}.part", f"{TRAIN}.crdownload", f"{TRAIN}.aria2", "Unconfirmed 12345.crdownload"]
_NOT_READ = "an archive of a name or kind that is not read"
STRANGE = {
    "ILSVRC2012_img_train_t3.tar": _NOT_READ,
    "ILSVRC2012_img_train (1).tar": f"a second download, or a copy: rename it to {TRAIN} if that is not there",
    "train.rar": "a compressed archive, which cannot be read in place: unpack it first, with unrar x",
}


@pytest.mark.parametrize("name", [*UNFINISHED, *STRANGE])
def test_archive_of_a_missing_split_is_named(tmp_path, name):
    source = drawing.official_archives(tmp_path, IMAGES)
    os.rename(source / TRAIN, source / name)
    kind = "an unfinished download" if name in UNFINISHED else STRANGE[name]
    assert sights(source, "train") == f"seen: {name} ({kind})"
    assert f"not used, because the names are not those of a split: {name} ({kind})" in indexed(source).notes


@pytest.mark.parametrize(
    "folder", ["pictures", "my_training_set", "data/train", "ilsvrc2012/pictures", "train256", TRAIN]
)
@pytest.mark.parametrize("draw, kind", [(drawing.folders, "class folders"), (drawing.class_archives, "class archives")])
def test_folder_of_a_missing_split_is_named(tmp_path, folder, draw, kind):
    source = drawing.folders(tmp_path, drawing.Images({}, IMAGES.val, {}))
    draw(source, drawing.Images(IMAGES.train, {}, {}), train=folder, val=f"unused/{folder}")
    advice = ", in a folder with the name of an archive: rename it to train/" if folder == TRAIN else ""
    assert sights(source, "train") == f"seen: {folder}/ ({kind}{advice})"


@pytest.mark.parametrize(
    "files, expected",
    [
        (["tfrecords/train-00000-of-01024", "tfrecords/train-00001-of-01024"], "seen: tfrecords/ (shards)"),
        (["my_train-00000-of-01024", "my_train-00001-of-01024"], "seen: my_train-00000-of-01024 (shards)"),
        (["other/train-00000-of-00294.parquet"], "seen: other/ (shards)"),
        (["n01440764/1.JPEG", "n01443537/2.JPEG"], "seen: ./ (class folders)"),
        (["n01440764.tar"], "seen: ./ (class archives)"),
        (["n01440764_1.JPEG"], "seen: ./ (images)"),
        (
            ["ILSVRC2012_bbox_train_v2.tar.gz", "LOC_train.csv"],
            "found: ILSVRC2012_bbox_train_v2.tar.gz, LOC_train.csv, val",
        ),
        (["bbox/n01440764/1.xml", ".train.tar", "train.txt"], "found: bbox, train.txt, val"),
    ],
)
def test_what_lies_in_place_of_a_split_is_named(tmp_path, files, expected):
    source = drawing.folders(tmp_path, drawing.Images({}, IMAGES.val, {}))
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"x")
    assert sights(source, "train") == expected


def test_folder_of_the_usual_name_without_images_is_an_error(tmp_path):
    source = drawing.folders(tmp_path, drawing.Images({}, IMAGES.val, {}))
    drawing.folders(source, drawing.Images(IMAGES.train, {}, {}), train="Train")
    (source / "train").mkdir()
    (source / "train/notes.txt").write_text("to be filled")
    with pytest.raises(SourceError, match="train holds no images that are read, but train/notes.txt"):
        indexed(source)


def test_sights_do_not_depend_on_what_may_not_be_read(tmp_path, permissions_count):
    source = drawing.folders(tmp_path, drawing.Images({}, IMAGES.val, {}))
    (source / "pictures").mkdir(mode=0)
    (source / "loop").symlink_to("loop")
    (source / "gone").symlink_to("/no/such/disk")
    try:
        assert sights(source, "train") == "found: gone, loop, pictures, val"
    finally:
        (source / "pictures").chmod(0o755)


def test_place_without_any_split_names_what_was_seen(tmp_path):
    (tmp_path / f"{TRAIN}.part").write_bytes(b"x")
    with pytest.raises(NotFoundError, match=rf"found {TRAIN}.part; seen {TRAIN}.part \(an unfinished download\)"):
        find_layout([tmp_path])


# The commands.

COMMANDS = {
    "prepare": ["--data-dir", "data"],
    "export": ["--out", "out"],
    "metadata": ["--out", "m.h5"],
}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command in a folder of its own; returns the status and what it said."""
    monkeypatch.chdir(tmp_path)

    def run_command(command, source, *words):
        status = main([command, str(source), *COMMANDS.get(command, []), *words, "--workers", "1"])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run_command


@pytest.mark.parametrize("missing, other", [("train", "val"), ("val", "train")])
def test_commands_stop_where_a_split_is_missing_and_say_how_to_go_on(tmp_path, run, whole, missing, other):
    source = drawing.official_archives(tmp_path / "source", drawing.Images(IMAGES.train, IMAGES.val, {}))
    archive = f"ILSVRC2012_img_{missing}.tar"
    os.rename(source / archive, source / f"{archive}.part")
    expected = f"{missing}: not there; seen: {archive}.part (an unfinished download)"
    for command, words in COMMANDS.items():
        status, text = run(command, source)
        assert (
            status == 1
            and expected in text
            and f"--splits {other} (splits=['{other}'])" in text
            and "--allow-incomplete" in text
        )
        assert not (tmp_path / words[1]).exists()
    status, text = run("doctor", source, "--data-dir", "data")
    assert (
        status == 1
        and f"PROBLEM {expected}; complete or rename it, or prepare the others with --splits {other}" in text
    )
    status, text = run("doctor", source, "--data-dir", "data", "--splits", other)
    assert f"PROBLEM {missing}" not in text and f"{missing}: not there" not in text
    status, text = run("doctor", source, "--data-dir", "data", "--splits", "train,val")
    assert status == 1 and f"PROBLEM {expected}" in text
    for command, words in COMMANDS.items():
        status, text = run(command, source, "--splits", other)
        assert status == 0 and "Incomplete" not in text
        assert (tmp_path / words[1]).exists()


def test_missing_split_that_is_allowed_is_a_warning(tmp_path, run, whole, caplog):
    source = drawing.official_archives(tmp_path / "source", drawing.Images({}, IMAGES.val, {}))
    for command in COMMANDS:
        caplog.clear()
        assert run(command, source, "--allow-incomplete")[0] == 0
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert warnings == [f"Incomplete, and allowed: the split train is not there; found: {VAL}."]


def test_tfds_way_stops_where_a_split_is_missing(tmp_path, whole):
    source = drawing.official_archives(tmp_path / "source", drawing.Images({}, IMAGES.val, {}))
    builder = ilsvrc_tfds.Ilsvrc2012(source=source, data_dir=tmp_path / "data", workers=1)
    with pytest.raises(IncompleteError, match=f"train: not there; found: {VAL}"):
        builder.download_and_prepare()
    assert not (tmp_path / "data").exists()
    chosen = ilsvrc_tfds.Ilsvrc2012(source=source, data_dir=tmp_path / "data", workers=1, splits=["val"])
    chosen.download_and_prepare()
    assert list(chosen.info.splits) == ["val"]


def test_test_split_stays_optional(tmp_path, run, whole):
    source = drawing.official_archives(tmp_path / "source", drawing.Images(IMAGES.train, IMAGES.val, {}))
    for command in COMMANDS:
        assert run(command, source)[0] == 0


@pytest.mark.parametrize("command", [*COMMANDS, "doctor"])
def test_named_split_that_is_missing_is_an_error_even_if_incomplete_is_allowed(tmp_path, run, command):
    source = drawing.official_archives(tmp_path / "source", drawing.Images({}, IMAGES.val, {}))
    allowed = [] if command == "doctor" else ["--allow-incomplete"]
    status, text = run(command, source, "--splits", "train,val", *allowed)
    assert status == 1 and ("PROBLEM train: not there" in text or "does not have the split train (found: " in text)


def test_only_the_named_splits_are_taken(tmp_path, run, whole):
    source = drawing.official_archives(tmp_path / "source", IMAGES)
    (source / VAL).write_bytes(b"not even an archive")  # of a split that is not taken it is not looked at
    assert run("prepare", source, "--splits", "test,train")[0] == 0
    info = ilsvrc_tfds.Ilsvrc2012(data_dir=tmp_path / "data").info
    assert list(info.splits) == ["train", "test"]
    assert (
        info.metadata["splits"] == ["train", "test"]
        and info.metadata["missing"] == {}
        and not info.metadata["complete"]
    )
    assert run("export", source, "--splits", "test,train")[0] == 0
    assert list(manifest.read(tmp_path / "out").shards) == ["train", "test"]
    assert run("metadata", source, "--splits", "train,test")[0] == 0
    assert list(ilsvrc_tfds.metadata.read(tmp_path / "m.h5")) == ["train"]


def test_whole_set_says_so(tmp_path, run, whole):
    source = drawing.official_archives(tmp_path / "source", IMAGES)
    assert (
        run("prepare", source)[0]
        == run("prepare", source, "--config", "raw256", "--splits", "train,validation")[0]
        == 0
    )
    made = [
        ilsvrc_tfds.Ilsvrc2012(data_dir=tmp_path / "data", config=name).info.metadata
        for name in ("classification", "raw256")
    ]
    assert [(info["splits"], info["complete"], info["missing"]) for info in made] == [
        (None, True, {}),
        (["train", "val"], True, {}),
    ]


def test_export_of_a_prepared_set_lacks_no_split_in_silence(tmp_path, whole, caplog):
    source = drawing.official_archives(tmp_path / "source", IMAGES)
    prepared = ilsvrc_tfds.prepare(source, tmp_path / "data", workers=1, splits=["val"]).data_dir
    ilsvrc_tfds.export(prepared, tmp_path / "asked", workers=1)
    assert "Incomplete, like the data set it was read from: the split train is not there" in caplog.text
    with pytest.raises(IncompleteError, match="does not have the split train, which was asked for; it has val"):
        ilsvrc_tfds.export(prepared, tmp_path / "out", workers=1, splits=["train"])
    assert ilsvrc_tfds.export(prepared, tmp_path / "out", workers=1, splits=["validation"]).exists()


def test_index_is_taken_as_a_source_is(tmp_path, whole):
    source = drawing.official_archives(tmp_path / "source", IMAGES)
    index = indexed(source)
    assert list(ilsvrc_tfds.prepare(index, tmp_path / "data", workers=1, splits=("val",)).info.splits) == ["val"]
    shutil.move(source / VAL, tmp_path)
    with pytest.raises(IncompleteError, match="does not have the split val, which was asked for; it has train, test"):
        ilsvrc_tfds.prepare(indexed(source), tmp_path / "other", workers=1, splits=["val"])


@pytest.mark.parametrize(
    "names, expected",
    [("val", ("val",)), (["validation", "train", "val"], ("train", "val")), (iter(["test"]), ("test",))],
)
def test_splits_have_either_name(names, expected):
    assert own_splits(names) == expected


@pytest.mark.parametrize(
    "names, message", [(["dev", "x"], "There is no split 'dev', 'x'; expected some of"), ([], "No splits are")]
)
def test_splits_that_are_none_are_an_error(names, message, prepare):
    with pytest.raises(OptionError, match=message):
        prepare(splits=names)
