"""TFRecords as sources: TFDS's `imagenet2012`, prepared data sets, and classic ones, made by their own tools."""

import json
import os
import shutil
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.errors import LabelError, OptionError, SourceError
from ilsvrc_tfds.formats.example import bytes_feature, encode_example, feature_entry, int64_feature, join_features
from ilsvrc_tfds.formats.tfrecord import frame
from ilsvrc_tfds.sources import Reader, find_layout, index_images, record_scan, sample_scan

SHARD = "imagenet2012-{}.tfrecord-0000{}-of-00002"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one miniature as archives, as TFDS's imagenet2012, as TPU's and slim's TFRecords, and what archives give."""
    folder, images = tmp_path_factory.mktemp("made"), forms.consecutive()
    archives = drawing.official_archives(folder / "archives", images)
    forms.imagenet2012(folder / "tfds", archives)
    forms.tpu_records(folder / "tpu", images)
    forms.tpu_records(folder / "slim", images, label_offset=0, in_folders=False)
    (folder / "expected.json").write_text(json.dumps(forms.results(archives, folder / "expected")))
    return folder


@pytest.fixture
def imagenet2012(made, tmp_path) -> Path:
    """A copy of the miniature as TFDS's imagenet2012."""
    return Path(shutil.copytree(made / "tfds/imagenet2012/5.1.0", tmp_path / "imagenet2012/5.1.0"))


def expected(made: Path) -> dict[str, str]:
    return json.loads((made / "expected.json").read_text())


def index(source: Path):
    return index_images(find_layout([source]))


@pytest.mark.parametrize("named", ["tfds/imagenet2012/5.1.0", "tfds/imagenet2012", "tfds"])
def test_imagenet2012_gives_what_the_archives_give(named, made, tmp_path):
    assert index(made / named).layout == "TFDS imagenet2012 5.1.0"
    if named == "tfds/imagenet2012":
        assert forms.results(made / named, tmp_path / "out") == expected(made)


@pytest.mark.slow
def test_prepared_data_set_gives_what_the_archives_give(made, tmp_path):
    source = made / "expected/ilsvrc2012/classification/1.0.0"
    options = {**forms.PLAIN, "workers": 2}
    for config in ("classification", "raw256"):
        ilsvrc_tfds.prepare(source, tmp_path / "out", config=config, **options)
    found = {
        str(p.relative_to(tmp_path / "out")): forms._digest(p) for p in (tmp_path / "out").rglob("*") if p.is_file()
    }
    assert found.items() <= expected(made).items() and len(found) == 19


def test_raw256_of_raw256_is_the_same(made, tmp_path):
    source = made / "expected/ilsvrc2012/raw256/1.0.0"
    builder = ilsvrc_tfds.prepare(source, tmp_path, config="raw256", **forms.PLAIN)
    same = ["manifest.json", "metadata.h5", "dataset_info.json", *(p.name for p in source.glob("*tfrecord*"))]
    assert [(builder.data_path / name).read_bytes() for name in same] == [(source / name).read_bytes() for name in same]
    provenance = json.loads((builder.data_path / "metadata.json").read_text())
    assert provenance["images"]["op"] == "Resized" and provenance["source_layout"] == "prepared data set"


@pytest.mark.parametrize(
    "config", ["classification", ilsvrc_tfds.Ilsvrc2012Config(name="raw128", shorter_side=128)], ids=["full", "smaller"]
)
@pytest.mark.parametrize("described", ["manifest", "metadata", "info"])
def test_lost_pixels_do_not_come_back(config, described, made, tmp_path):
    source = Path(shutil.copytree(made / "expected/ilsvrc2012/raw256/1.0.0", tmp_path / "set"))
    for name in {"manifest": (), "metadata": ("manifest.json",), "info": ("manifest.json", "metadata.json")}[described]:
        (source / name).unlink()
    message = r"images of train were made with shorter side 256, quality 95.*pixels are lost\. Take the archives"
    with pytest.raises(OptionError, match=message):
        ilsvrc_tfds.prepare(source, tmp_path / "out", config=config, **forms.PLAIN)
    assert {path.parent for path in tmp_path.rglob("ilsvrc2012-*")} == {source}


def test_set_of_unknown_processing_is_refused(made, tmp_path):
    source = Path(shutil.copytree(made / "expected/ilsvrc2012/raw256/1.0.0", tmp_path / "set"))
    for name in ("manifest.json", "metadata.json", "dataset_info.json"):
        (source / name).unlink()
    with pytest.raises(SourceError, match=f"{source}: nothing records whether its images are resized"):
        index(source)


@pytest.mark.parametrize("name, label_offset", [("tpu", 1), ("slim", 0)])
def test_classic_records_give_what_the_archives_give(name, label_offset, made, tmp_path):
    labelled = drawing.official_archives(tmp_path / "archives", drawing.Images(*_without_test(forms.consecutive())))
    assert index(made / name).layout == "classic TFRecords"
    assert forms.results(made / name, tmp_path / "out") == forms.results(labelled, tmp_path / "expected")


def _without_test(images: drawing.Images):
    return images.train, images.val, {}


def test_export_of_ours_is_a_source(made, tmp_path):
    assert index(made / "expected/exported").layout == "exported TFRecords"
    builder = ilsvrc_tfds.prepare(made / "expected/exported", tmp_path / "out", **forms.PLAIN)
    name = "ilsvrc2012-val.tfrecord-00000-of-00001"
    assert (builder.data_path / name).read_bytes() == (
        made / "expected/ilsvrc2012/classification/1.0.0" / name
    ).read_bytes()
    again = ilsvrc_tfds.export(made / "expected/exported", tmp_path / "again", label_offset=0, **forms.PLAIN)
    assert ilsvrc_tfds.verify(again).problems == ()


def test_doctor_reads_them(made, tmp_path):
    report = examine(made / "tfds", tmp_path, deep=True, workers=1)
    assert report.facts[0] == f"TFDS imagenet2012 5.1.0 in {made / 'tfds'}"
    assert "train: 11 RGB JPEG, 1 grey JPEG" in report.facts
    assert not [
        line
        for line in report.problems
        if "of 1,281,167 images" not in line and "of 50,000" not in line and "of 100,000" not in line
    ]


def test_doctor_says_that_images_are_resized(made, tmp_path):
    facts = examine(made / "expected/ilsvrc2012/raw256/1.0.0", tmp_path, workers=1).facts
    told = "the images were made with shorter side 256, quality 95; no other config can be made of them"
    assert f"train: {told}" in facts and f"val: {told}" in facts


def test_repaired_images_are_recorded(tmp_path):
    png = {"n02105855_2933.JPEG": drawing.png(45, 35), "n02105855_1.JPEG": drawing.jpeg()}
    images = drawing.Images(
        {"n02105855": png},
        {"ILSVRC2012_val_00000001.JPEG": drawing.jpeg()},
        {"ILSVRC2012_test_00000001.JPEG": drawing.jpeg()},
    )
    archives = drawing.official_archives(tmp_path / "archives", images)
    source = forms.imagenet2012(tmp_path / "tfds", archives, num_shards=1)
    found = index(source)
    assert found.notes == (
        "train: 1 image is a CMYK JPEG or PNG in the archives and an RGB JPEG here, which is used as it is: n02105855_2933.JPEG",
    )
    builder = ilsvrc_tfds.prepare(found, tmp_path / "out", **forms.PLAIN)
    provenance = json.loads((builder.data_path / "metadata.json").read_text())
    assert provenance["repaired_images"] == {"train": ["n02105855_2933.JPEG"]}
    assert provenance["changed_images"] == {"train": 0, "val": 0, "test": 0}


# What is refused.


def test_labels_that_tfds_took_from_positions_are_refused(tmp_path):
    images = drawing.miniature(test=2)  # its validation images are not those with the first numbers
    source = forms.imagenet2012(tmp_path / "tfds", drawing.official_archives(tmp_path / "archives", images))
    with pytest.raises(
        LabelError, match="records are mislabelled: ILSVRC2012_val_0.* has label [0-9]+, not [0-9]+.*Get the set"
    ):
        index(source)


def test_missing_shard_is_named(imagenet2012):
    (imagenet2012 / SHARD.format("train", 1)).unlink()
    with pytest.raises(SourceError, match="1 shard of split 'train' is missing: .*train.tfrecord-00001-of-00002"):
        index(imagenet2012)


def test_shard_that_is_there_twice_is_named(imagenet2012):
    (imagenet2012 / "dataset_info.json").unlink()
    shutil.copy(imagenet2012 / SHARD.format("train", 0), imagenet2012 / SHARD.format("train", 1))
    with pytest.raises(
        SourceError, match="images of split 'train' come twice: .*-00000-of-00002: train/n0.* and .*-00001-of-0"
    ):
        index(imagenet2012)


def test_shard_of_another_number_of_records_is_named(imagenet2012):
    shutil.copy(imagenet2012 / SHARD.format("validation", 0), imagenet2012 / SHARD.format("train", 0))
    with pytest.raises(SourceError, match="records are not of the split train: ILSVRC2012_val_0"):
        index(imagenet2012)


def test_shards_of_two_sets_are_refused(imagenet2012):
    shutil.copy(imagenet2012 / SHARD.format("train", 0), imagenet2012 / "imagenet2012-train.tfrecord-00000-of-00003")
    with pytest.raises(SourceError, match="several sets: those of split train state different numbers of shards. Keep"):
        index(imagenet2012)


def test_damage_and_truncation_are_named(imagenet2012):
    path = imagenet2012 / SHARD.format("train", 0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(
        SourceError, match=f"{path}: record [0-9]+, byte [0-9,]+: the file ends inside .*Get the set again"
    ):
        index(imagenet2012)
    path.write_bytes(bytes([*whole[:2000], whole[2000] ^ 1, *whole[2001:]]))
    with pytest.raises(SourceError, match="its data does not match the checksum"):
        index(imagenet2012)


def test_other_data_sets_of_tfds_are_refused(imagenet2012):
    for path in list(imagenet2012.iterdir()):
        path.rename(path.with_name(path.name.replace("imagenet2012", "imagenet_resized")))
    with pytest.raises(
        SourceError, match="is TFDS's data set 'imagenet_resized'.*imagenet2012 and ilsvrc2012 can be read"
    ):
        index(imagenet2012)


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "imagenet2012"}', '{"name": "imagenet2012", "splits": 3}'])
def test_info_that_makes_no_sense_is_refused(text, imagenet2012):
    (imagenet2012 / "dataset_info.json").write_text(text)
    with pytest.raises(SourceError, match="dataset_info.json makes no sense"):
        index(imagenet2012)


def _classic(name: bytes, label: int, wnid: bytes = b"") -> bytes:
    after = feature_entry(b"image/filename", bytes_feature([name]))
    before = feature_entry(b"image/class/label", int64_feature([label]))
    before += feature_entry(b"image/class/synset", bytes_feature([wnid])) if wnid else b""
    return b"".join(frame(join_features(before, b"image/encoded", drawing.jpeg(), after)))


@pytest.mark.parametrize(
    "records, error, message",
    [
        ([_classic(b"n01440764_9.JPEG", 1), _classic(b"n01440764_10.JPEG", 0)], LabelError, "record 1, .*, n01440764_10.JPEG, has the label 0; expected 1 to 1000, or -1 in.*Get the set again"),
        ([_classic(b"n01440764_9.JPEG", 0), _classic(b"n01443537_1.JPEG", 2)], LabelError, "has label 2, not 1"),
        ([_classic(b"n01440764_9.JPEG", 5)], LabelError, "the first record, n01440764_9.JPEG, has the label 5; expected 0 or 1"),
        ([_classic(b"n01440764_9.JPEG", 1, b"n01443537")], LabelError, "n01440764_9.JPEG, has the label 1 and the synset 'n01443537', which is not that"),
        ([_classic(b"n01443537/n01440764_9.JPEG", 0)], LabelError, "n01440764_9.JPEG has label 0 and lies in the folder of n01443537"),
        ([_classic(b"train/n01443537/x/n01440764_9.JPEG", 1)], LabelError, "has label 1 and lies in the folder of n01443537"),
        ([_classic(b"D:\\n01443537\\n01440764_9.JPEG", 0)], LabelError, "lies in the folder of n01443537"),
        ([_classic(b"n00007846/n01440764_9.JPEG", 0)], LabelError, "lies in the folder of none of the 1000 classes"),
        ([_classic(b"a.jpg", 1)], SourceError, "neither the file name 'a.jpg' of the first record nor a synset states its class"),
        ([_classic(b"a.jpg", 1, b"n01440764")], SourceError, "1 of 1 record does not have the official file name of an image: a.jpg"),
        ([b"".join(frame(encode_example(b"n01440764_9.JPEG", b"image", 0)))], SourceError, "has the keys .*; expected image/filename"),
        ([], SourceError, "train-00000-of-00001 has no records"),
        ([b"\x1f\x8b\x08" + bytes(100)], SourceError, "is compressed with gzip.*gunzip"),
    ],
)  # fmt: skip
def test_classic_records_that_make_no_sense(records, error, message, tmp_path):
    (tmp_path / "train-00000-of-00001").write_bytes(b"".join(records))
    with pytest.raises(error, match=message):
        index(tmp_path)


def test_folders_and_classes_in_a_name_are_removed(tmp_path):
    records = _classic(b"val/n01440764/ILSVRC2012_val_00000293.jpg", 1)
    records += _classic(b"ILSVRC2012_val_00000236_n01443537.JPEG", 2)
    (tmp_path / "validation-00000-of-00001").write_bytes(records)
    found = index(tmp_path)
    assert found.splits["val"].name.tolist() == [b"ILSVRC2012_val_00000293.JPEG", b"ILSVRC2012_val_00000236.JPEG"]
    assert found.notes == ("val: 1 file name has the class appended; the official names are used",)


# Sets that are mixed up, or of which a split is gone.


@pytest.fixture
def ours(made, tmp_path) -> Path:
    """A copy of the miniature as our prepared data set, without the split test."""
    source = shutil.copytree(made / "archives", tmp_path / "archives")
    (source / "ILSVRC2012_img_test_v10102019.tar").unlink()
    return Path(ilsvrc_tfds.prepare(source, tmp_path, **forms.PLAIN).data_path)


def test_shards_that_a_set_does_not_state_are_named(made, ours):
    for name in ("ilsvrc2012-test.tfrecord-00000-of-00001", "ilsvrc2012-train.tfrecord-00000-of-00009"):
        shutil.copy(
            made / "expected/ilsvrc2012/classification/1.0.0/ilsvrc2012-test.tfrecord-00000-of-00001", ours / name
        )
        split = name[11:].partition(".")[0]
        for described in ("manifest.json", "dataset_info.json"):
            with pytest.raises(
                SourceError, match=f"of split {split} are not part of the set that {described} describes: {name}"
            ):
                index_images(find_layout([ours]).only([split]))
            if described == "manifest.json":
                (ours / "manifest.json").rename(ours / "away")
        (ours / "away").rename(ours / "manifest.json")
    with pytest.raises(SourceError, match="are not part of the set"):
        index(ours)
    (ours / "ilsvrc2012-train.tfrecord-00000-of-00009").unlink()
    assert list(index_images(find_layout([ours]).only(["train", "val"])).splits) == ["train", "val"]


def test_split_in_another_format_is_named(imagenet2012):
    for name in ("dataset_info.json", SHARD.format("test", 1)):
        (imagenet2012 / name).unlink()
    test = imagenet2012 / SHARD.format("test", 0)
    test.rename(imagenet2012 / test.name.replace("tfrecord", "array_record"))
    with pytest.raises(
        SourceError, match="split test are not part of the set that is there in the format tfrecord: .*array"
    ):
        index(imagenet2012)


def test_two_sets_in_one_folder_are_refused(imagenet2012, ours):
    shutil.copy(imagenet2012 / SHARD.format("train", 0), ours)
    with pytest.raises(
        SourceError, match=f"{ours} holds shards of several sets: of TFDS's imagenet2012, and ilsvrc2012-"
    ):
        index(ours)


@pytest.mark.parametrize("described", ["manifest.json", "dataset_info.json"])
def test_split_whose_shards_are_all_missing_is_named(described, ours):
    for path in (*ours.glob("ilsvrc2012-val*"), *(ours / name for name in {"manifest.json"} - {described})):
        path.unlink()
    with pytest.raises(SourceError, match="1 shard of split 'val' is missing: .*val.tfrecord.*--splits"):
        index(ours)
    assert list(index_images(find_layout([ours]).only(["train"])).splits) == ["train"]


def test_split_that_imagenet2012_states_and_whose_shards_are_all_missing_is_named(imagenet2012):
    for path in imagenet2012.glob("imagenet2012-test*"):
        path.unlink()
    with pytest.raises(SourceError, match="2 shards of split 'test' are missing"):
        index(imagenet2012)


# Files that change while they are listed.


@pytest.mark.parametrize("form", ["records", "webdataset"])
def test_shard_that_is_replaced_while_it_is_listed_is_never_read_by_the_old_list(form, made, tmp_path, monkeypatch):
    """The new file has the same size, and other bytes at the positions of the old list."""
    if form == "records":
        source, module, name = imagenet2012_of(made, tmp_path), record_scan, "read_records"
    else:
        source, module, name = forms.webdataset(tmp_path / "wds", forms.consecutive()), sample_scan, "read_members"
    path = min(source.glob("*train*"))
    list_shard = getattr(module, name)

    def list_and_replace(*arguments):
        yield from list_shard(*arguments)
        if os.fspath(path) in map(os.fspath, filter(lambda argument: isinstance(argument, str | Path), arguments)):
            path.with_name("new").write_bytes(path.read_bytes()[::-1])
            os.utime(path.with_name("new"), ns=(1, 1))
            path.with_name("new").replace(path)

    monkeypatch.setattr(module, name, list_and_replace)
    with pytest.raises(
        SourceError, match=f"{path} has changed (while it was listed|since it was indexed). Run the com"
    ):
        found = index(source)
        with Reader() as reader:
            reader.read(found.splits["train"], 0)


def imagenet2012_of(made: Path, folder: Path) -> Path:
    return Path(shutil.copytree(made / "tfds/imagenet2012/5.1.0", folder / "imagenet2012/5.1.0"))
