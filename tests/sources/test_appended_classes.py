"""Names of Hugging Face's copy, `<official name>_<wnid>.JPEG`: they confirm the label, and the data set is the same."""

import dataclasses
import os
from pathlib import Path

import drawing
import numpy as np
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.sources import Index, Reader, find_layout, index_images

IMAGES = drawing.miniature()
VAL_LABELS = IMAGES.labels("val")
TENCH, GOLDFISH, SHARK = drawing.WNIDS


def appended(name: str, wnid: str, extension: str = "") -> str:
    stem, _, own = name.rpartition(".")
    return f"{stem}_{wnid}.{extension or own}"


def wnid_of(name: str) -> str:
    return synsets.wnids()[VAL_LABELS[name]]


TRAIN = {wnid: {appended(name, wnid): data for name, data in files.items()} for wnid, files in IMAGES.train.items()}
VAL = {appended(name, wnid_of(name)): data for name, data in IMAGES.val.items()}


def indexed(source: Path) -> Index:
    return index_images(find_layout([source]))


def official_archives(folder: Path) -> Path:
    return drawing.official_archives(folder, drawing.Images(TRAIN, VAL, {}))


def class_archives(folder: Path) -> Path:
    return drawing.class_archives(folder, drawing.Images(TRAIN, VAL, {}))


def folders(folder: Path) -> Path:
    drawing.folders(folder, drawing.Images(TRAIN, {}, {}))
    (folder / "val").mkdir()
    for name, data in VAL.items():
        (folder / "val" / name).write_bytes(data)
    return folder


def class_folders(folder: Path) -> Path:
    drawing.folders(folder, drawing.Images(TRAIN, {}, {}))
    for name, data in VAL.items():
        (folder / "val" / name[-14:-5]).mkdir(parents=True, exist_ok=True)
        (folder / "val" / name[-14:-5] / name).write_bytes(data)
    return folder


def flat_folders(folder: Path) -> Path:
    """As Hugging Face's archives unpack."""
    for split, files in (
        ("train", {name: data for each in TRAIN.values() for name, data in each.items()}),
        ("val", VAL),
    ):
        (folder / split).mkdir(parents=True)
        for name, data in files.items():
            (folder / split / name).write_bytes(data)
    return folder


def half_renamed(folder: Path) -> Path:
    drawing.folders(folder, IMAGES, val_in_classes=True)
    for path in sorted(folder.glob("*/n*/*.JPEG"))[::2]:
        path.rename(path.with_name(appended(path.name, path.parent.name)))
    return folder


LAYOUTS = [official_archives, class_archives, folders, class_folders, flat_folders, half_renamed]


@pytest.mark.parametrize("draw", LAYOUTS)
def test_images_are_found_under_their_official_names(tmp_path, draw):
    index = indexed(draw(tmp_path / "source"))
    for split, drawn in (
        ("train", {n: d for files in IMAGES.train.values() for n, d in files.items()}),
        ("val", IMAGES.val),
    ):
        members = index.splits[split]
        names = [name.decode() for name in members.name.tolist()]
        assert dict(zip(names, members.label.tolist())) == IMAGES.labels(split)
        with Reader() as reader:
            assert {name: reader.read(members, row) for row, name in enumerate(names)} == drawn
        rows = np.random.default_rng(0).permutation(len(members))
        assert members.take(rows).paths().tolist() == members.paths()[rows].tolist()
    count = 12 if draw is not half_renamed else 6
    assert f"train: {count} file names have the class appended; the official names are used" in index.notes


@pytest.mark.parametrize("draw", LAYOUTS)
@pytest.mark.parametrize("config", ["classification", "raw256"])
def test_data_set_is_that_of_the_official_archives(tmp_path, draw, config):
    options = {"workers": 1, "allow_incomplete": True, "config": config, "num_shards": {"train": 3}}
    made = [
        ilsvrc_tfds.prepare(source, tmp_path / f"data{number}", **options).data_path
        for number, source in enumerate(
            (drawing.official_archives(tmp_path / "official", IMAGES), draw(tmp_path / "source"))
        )
    ]
    names = [path.name for path in sorted(made[0].glob("*tfrecord*"))]
    assert len(names) == 4 and all((made[0] / name).read_bytes() == (made[1] / name).read_bytes() for name in names)
    assert ilsvrc_tfds.verify(made[1], workers=1).problems == ()
    tables = [ilsvrc_tfds.metadata.read(folder / "metadata.h5")["val"] for folder in made]
    assert [sorted(map(os.path.basename, table.image_filenames)) for table in tables] == [sorted(IMAGES.val)] * 2


def test_paths_of_the_metadata_alone_are_those_of_the_files(tmp_path):
    source = half_renamed(tmp_path / "source")
    out = tmp_path / "m.h5"
    assert main(["metadata", str(source), "--out", str(out), "--image-root", str(source), "--workers=1"]) == 0
    for split, table in ilsvrc_tfds.metadata.read(out).items():
        assert len(table.image_filenames) == len(IMAGES.labels(split))
        assert all(os.path.isfile(path) for path in table.image_filenames)


@pytest.mark.parametrize("extension", ["jpg", "JPG", "jpeg", "png"])
def test_every_extension_that_is_taken_is_kept(tmp_path, extension):
    drawing.folders(tmp_path, drawing.Images({TENCH: {appended("n01440764_9.JPEG", TENCH, extension): b"x"}}, {}, {}))
    members = indexed(tmp_path).splits["train"]
    assert members.name.tolist() == [f"n01440764_9.{extension}".encode()]
    assert members.place(0) == f"{tmp_path}/train/{TENCH}/n01440764_9_n01440764.{extension}"


@pytest.mark.parametrize(
    "name",
    [
        "tench_n01440764.JPEG",
        "n01440764_mine_n01440764.JPEG",
        "n01440764_9_n01440764_n01440764.JPEG",
        "n01440764_9_n0144076.JPEG",
    ],
)
def test_own_names_that_end_alike_stay_as_they_are(tmp_path, name):
    drawing.folders(tmp_path, drawing.Images({TENCH: {name: b"x"}}, {}, {}))
    index = indexed(tmp_path)
    assert index.splits["train"].name.tolist() == [name.encode()] and index.notes == ()


# What contradicts.

NUMBER_1731 = "ILSVRC2012_val_00001731.JPEG"  # of n02782093


def write(source: Path, place: str) -> Path:
    """Writes an image into a folder, or into the archive that comes before `:`."""
    archive, colon, name = place.rpartition(":")
    path = source / (archive if colon else place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(drawing.tar([(name, b"x")]) if colon else b"x")
    return source


@pytest.mark.parametrize(
    "place, message",
    [
        # The folder contradicts name and suffix; the suffix contradicts the number; it contradicts folder and name.
        (
            f"val/{TENCH}/{appended(NUMBER_1731, 'n02782093')}",
            f"lies in class {TENCH} but its name says .* of n02782093",
        ),
        (f"val/{appended(NUMBER_1731, TENCH)}", f"{NUMBER_1731} is of n02782093, and has {TENCH} appended"),
        (f"val/n02782093/{appended(NUMBER_1731, TENCH)}", f"{NUMBER_1731} is of n02782093, and has {TENCH} appended"),
        (
            f"train/{TENCH}/{appended('n01440764_9.JPEG', SHARK)}",
            f"n01440764_9.JPEG is of {TENCH}, and has {SHARK} appended",
        ),
        (f"train/{appended('n01440764_9.JPEG', SHARK)}", f"n01440764_9.JPEG is of {TENCH}, and has {SHARK} appended"),
        (
            f"train/{SHARK}/{appended('n01440764_9.JPEG', SHARK)}",
            f"lies in class {SHARK} but its name says .* of {TENCH}",
        ),
        (
            f"train/{TENCH}.tar:{appended('n01440764_9.JPEG', SHARK)}",
            f"n01440764_9.JPEG is of {TENCH}, and has {SHARK} appended",
        ),
        (
            f"ILSVRC2012_img_val.tar:{appended(NUMBER_1731, SHARK)}",
            f"{NUMBER_1731} is of n02782093, and has {SHARK} appended",
        ),
        (
            f"ILSVRC2012_img_val.tar:val/{SHARK}/{appended(NUMBER_1731, 'n02782093')}",
            f"lies in class {SHARK} but its name says",
        ),
    ],
)
def test_second_witness_that_contradicts_is_an_error(tmp_path, place, message):
    with pytest.raises(LabelError, match=f": 1 image .*{message}"):
        indexed(write(tmp_path, place))


def test_appended_class_that_is_none_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="'n99999999' is not one of the 1000 classes"):
        indexed(write(tmp_path, f"val/{appended(NUMBER_1731, 'n99999999')}"))


def test_image_of_another_split_is_refused(tmp_path):
    with pytest.raises(
        SourceError, match="1 image of split 'train' has the name of an image of split 'val': ILSVRC2012_val_"
    ):
        indexed(write(tmp_path, f"train/n02782093/{appended(NUMBER_1731, 'n02782093')}"))


@pytest.mark.parametrize(
    "first, second",
    [
        (f"val/{NUMBER_1731}", f"val/{appended(NUMBER_1731, 'n02782093')}"),
        (f"val/{NUMBER_1731}", f"val/n02782093/{appended(NUMBER_1731, 'n02782093', 'jpg')}"),
        (f"train/{TENCH}/n01440764_9.JPEG", f"train/{TENCH}/n01440764_9_n01440764.JPEG"),
    ],
)
def test_image_under_both_names_comes_twice(tmp_path, first, second):
    write(write(tmp_path, first), second)
    places = sorted([f"{tmp_path}/{first}", f"{tmp_path}/{second}"])
    with pytest.raises(SourceError, match="1 image of split '.*' comes twice: .* Remove one of each") as caught:
        indexed(tmp_path)
    assert all(place in str(caught.value) for place in places)


# Records that version 1.0, or others, made.


@pytest.mark.parametrize(
    "name, expected",
    [
        (b"ILSVRC2012_val_00001731_n02782093.JPEG", "n02782093"),
        (b"ILSVRC2012_val_00001731_n01440764.JPEG", "n02782093"),
        (b"n01440764_10026_n01440764.JPEG", "n01440764"),
        (b"ILSVRC2012_val_00050001_n01440764.JPEG", None),
        (b"mine_n01440764.JPEG", None),
    ],
)
def test_label_of_a_name_with_a_class_appended(name, expected):
    label = synsets.label_of_name(name)
    assert label is None if expected is None else synsets.wnids()[label] == expected


def test_wrong_label_of_such_a_name_is_found_in_records(tmp_path, archives, prepare):
    index = index_images(find_layout([archives]))
    val = index.splits["val"]
    renamed = [f"ILSVRC2012_val_{1731 + row:08d}_n01440764.JPEG".encode() for row in range(len(val))]
    wrong = dataclasses.replace(val, name=np.array(renamed, np.bytes_), label=np.zeros(len(val), np.int16))
    folder = prepare(source=dataclasses.replace(index, splits={"train": index.splits["train"], "val": wrong})).data_path
    problems = ilsvrc_tfds.verify(folder, workers=1).problems
    assert any("ILSVRC2012_val_00001731_n01440764.JPEG has the label 0, expected" in line for line in problems)
