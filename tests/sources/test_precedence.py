"""Several forms side by side: which one is read, and that the others are named."""

import shutil
from pathlib import Path

import drawing
import forms
import pytest

from ilsvrc_tfds.errors import IncompleteError, SourceError
from ilsvrc_tfds.sources import find_layout, index_images

IMAGES = drawing.miniature()
TEST = {f"ILSVRC2012_test_{k:08d}.JPEG": drawing.jpeg() for k in (1, 2)}


@pytest.fixture(scope="module")
def kaggle_zip(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("zip")
    return forms.zipped(forms.kaggle_tree(folder / "tree", IMAGES), folder / "imagenet.zip", "stored")


def put(form: str, folder: Path, kaggle_zip: Path) -> None:
    """Puts the miniature into a folder in a form."""
    if form == "records":
        forms.tpu_records(folder, IMAGES, in_folders=False)
    elif form == "webdataset":
        forms.webdataset(folder, IMAGES)
    elif form == "zip":
        shutil.copy(kaggle_zip, folder)
    elif form == "tree":
        members = [
            *(
                (f"ILSVRC/Data/CLS-LOC/train/{wnid}/{n}", d)
                for wnid, own in IMAGES.train.items()
                for n, d in own.items()
            ),
            *((f"ILSVRC/Data/CLS-LOC/val/{name}", data) for name, data in IMAGES.val.items()),
        ]
        (folder / "ILSVRC2017_CLS-LOC.tar").write_bytes(drawing.tar(members))
    elif form == "archives":
        drawing.official_archives(folder, IMAGES)
    else:
        train, val = form.split(",")
        drawing.folders(folder, IMAGES, train=train, val=val)


ORDER = ["archives", "train,val", "Train,valid", "images/train,images/val", "records", "webdataset", "zip", "tree"]


@pytest.mark.parametrize("first, second", [(a, b) for k, a in enumerate(ORDER) for b in ORDER[k + 1 :]])
def test_the_earlier_form_is_read_and_the_other_named(first, second, kaggle_zip, tmp_path):
    for form in (first, second):
        put(form, tmp_path, kaggle_zip)
    if (first, second) == ("Train,valid", "images/train,images/val"):
        with pytest.raises(SourceError, match="may both be the split (train|val). Rename the right one"):
            find_layout([tmp_path])
        return
    layout = find_layout([tmp_path])
    kinds = {"archives": "archive", "zip": "zip", "tree": "tree", "records": "records", "webdataset": "webdataset"}
    assert {place.split: place.kind for place in layout.places} == dict.fromkeys(
        ["train", "val"], kinds.get(first, "folder")
    )
    if "," in first:
        assert [place.folder for place in layout.places] == first.split(",")
    named = " ".join([*(note for note in index_images(layout).notes if "not used" in note)])
    told = {"records": "train-00000-of-00002 (records: 2 shards) is not used: split train"}
    told |= {"webdataset": "imagenet1k-train-0000.tar (webdataset: 2 shards) is not used: split train"}
    told |= {"zip": "not used: imagenet.zip (an archive that is not looked into, because the splits are found)"}
    told |= {"tree": "not used: ILSVRC2017_CLS-LOC.tar (an archive that is not looked into"}
    assert told.get(second, f"{tmp_path}/{second.partition(',')[0]} is not used: split train") in named


def test_archive_is_listed_if_a_wanted_split_is_in_it_alone(tmp_path):
    drawing.official_archives(tmp_path, IMAGES)
    members = [(f"ILSVRC/Data/CLS-LOC/test/{name}", data) for name, data in TEST.items()]
    (tmp_path / "cls-loc.tar").write_bytes(drawing.tar(members))
    found = index_images(find_layout([tmp_path]))
    assert list(found.splits) == ["train", "val"] and "cls-loc.tar (an archive that is not" in found.missing["test"]
    found = index_images(find_layout([tmp_path], ["train", "test"]).only(["train", "test"]))
    assert {split: len(members) for split, members in found.splits.items()} == {"train": 12, "test": 2}


@pytest.mark.parametrize("name", ["imagenet.zip", "ilsvrc.zip"])
def test_broken_archive_stops_no_run_that_needs_nothing_of_it(name, tmp_path):
    drawing.folders(tmp_path, drawing.Images({}, IMAGES.val, {}))
    (tmp_path / name).write_bytes(b"PK\3\4")
    wanted = index_images(find_layout([tmp_path], ["val"]).only(["val"]))
    assert len(wanted.splits["val"]) == 6
    layout = find_layout([tmp_path])
    assert f"{name} (an archive that cannot be read: {tmp_path / name} is cut short" in layout.missing()["train"]
    with pytest.raises(IncompleteError, match=f"{name} .an archive that cannot be read"):
        layout.only(["train"])
    with pytest.raises(SourceError, match=f"^{tmp_path / name} is cut short"):
        find_layout([tmp_path / name])
    shutil.rmtree(tmp_path / "val")
    with pytest.raises(SourceError, match=f"^{tmp_path / name} is cut short"):
        find_layout([tmp_path], ["val"])


@pytest.mark.parametrize("name", ["test-00000-of-00001", "test1.tar", "imagenet2012-test.tfrecord-00000-of-00001"])
def test_test_of_another_set_is_named_and_taken_only_if_asked_for(name, tmp_path):
    drawing.official_archives(tmp_path, IMAGES)
    (tmp_path / name).write_bytes(b"")
    found = index_images(find_layout([tmp_path]))
    assert list(found.splits) == ["train", "val"]
    assert [note for note in found.notes if f"not used: {name} (" in note and "--splits train,val,test" in note]
    assert f"seen: {name} (" in found.missing["test"]
    wanted = find_layout([tmp_path], ["val", "test"]).only(["val", "test"])
    assert [place.split for place in wanted.places] == ["val", "test"]


def test_archives_and_folders_are_one_set(tmp_path):
    drawing.official_archives(tmp_path, IMAGES)
    drawing.folders(tmp_path, drawing.Images({}, {}, TEST))
    assert list(index_images(find_layout([tmp_path])).splits) == ["train", "val", "test"]


def test_two_versions_are_not_mixed(tmp_path):
    for version, split in (("5.1.0", "train"), ("5.0.0", "validation")):
        (tmp_path / version).mkdir()
        (tmp_path / version / f"imagenet2012-{split}.tfrecord-00000-of-00001").write_bytes(b"")
    with pytest.raises(SourceError, match="train would be read from .*5.1.0, val from .*5.0.0: these are two sets"):
        find_layout([tmp_path])
    assert find_layout([tmp_path], ["train"]).places[0].path == f"{tmp_path}/5.1.0"


# Folders beside or with files that look like shards.


def test_folder_of_empty_classes_is_not_taken_for_shards(tmp_path):
    drawing.folders(tmp_path, IMAGES)
    for wnid in ("n00000001", "n00000002", "n00000003"):
        (tmp_path / "val" / wnid).mkdir()
    (tmp_path / "val/notes_1.tar").write_bytes(b"")
    for path in list((tmp_path / "val").glob("*.JPEG")):
        (tmp_path / "val/val").mkdir(exist_ok=True)
        path.rename(tmp_path / "val/val" / path.name)
    places = find_layout([tmp_path]).places
    assert [(place.split, place.kind) for place in places] == [("train", "folder"), ("val", "folder")]


def test_shards_of_val_in_the_folder_of_train_are_read(tmp_path):
    made = forms.webdataset(tmp_path / "made", IMAGES)
    (tmp_path / "train").mkdir()
    for path in made.glob("*.tar"):
        path.rename(tmp_path / "train" / path.name)
    found = index_images(find_layout([tmp_path]))
    assert {split: len(members) for split, members in found.splits.items()} == {"train": 12, "val": 6}
