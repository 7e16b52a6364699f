"""Tars of the CLS-LOC tree as sources, made with the command tar."""

import subprocess
import zipfile
from pathlib import Path

import drawing
import forms
import pytest

from ilsvrc_tfds.errors import LabelError, NotFoundError, SourceError
from ilsvrc_tfds.sources import find_layout, index_images

NAME = "ILSVRC2017_CLS-LOC.tar"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one miniature as archives, as Kaggle's tree, and as tar of that."""
    folder, images = tmp_path_factory.mktemp("made"), drawing.miniature(test=2)
    drawing.official_archives(folder / "archives", images)
    forms.kaggle_tree(folder / "tree", images)
    subprocess.run(["tar", "-cf", str(folder / NAME), "ILSVRC"], cwd=folder / "tree", check=True)
    return folder


def index(source: Path):
    return index_images(find_layout([source]))


def test_tar_gives_what_the_archives_give(made, tmp_path):
    (tmp_path / NAME).symlink_to(made / NAME)
    assert index(tmp_path).layout == "archive of all splits"
    expected = forms.results(made / "archives", tmp_path / "expected")
    assert forms.results(tmp_path / NAME, tmp_path / "out") == expected


@pytest.mark.parametrize(
    "name", [NAME, "imagenet_object_localization_patched2019.tar", "imagenet.tar", "my-ILSVRC.TAR"]
)
@pytest.mark.parametrize(
    "packed", [["./ILSVRC", "./LOC_val_solution.csv"], ["-C", "ILSVRC/Data/CLS-LOC", "train", "val"]]
)
def test_names_and_trees_that_are_known(name, packed, made, tmp_path):
    subprocess.run(["tar", "-cf", str(tmp_path / name), *packed], cwd=made / "tree", check=True)
    found = index(tmp_path)
    test = {} if packed[0] == "-C" else {"test": 2}
    assert {split: len(members) for split, members in found.splits.items()} == {"train": 12, "val": 6, **test}
    assert len(found.notes) == (packed[0] != "-C")


def test_archives_of_other_things_are_passed_over(tmp_path):
    drawing.folders(tmp_path, drawing.Images({}, drawing.miniature().val, {}))
    (tmp_path / "imagenet-models.tar").write_bytes(drawing.tar([("model/weights.bin", b"1")]))
    (tmp_path / "ILSVRC2012_bbox_train.tar").write_bytes(drawing.tar([("train/n01440764/1.xml", b"1")]))
    (tmp_path / "imagenet.tar").write_bytes(b"no tar")
    assert index(tmp_path).layout == "folders"
    with pytest.raises(
        NotFoundError, match="imagenet-models.tar: an archive that holds no images in folders.* but model/weights.bin"
    ):
        index(tmp_path / "imagenet-models.tar")


def test_truncated_tar_is_refused(made, tmp_path):
    (tmp_path / NAME).write_bytes((made / NAME).read_bytes()[:-20_000])
    with pytest.raises(SourceError, match=f"{tmp_path / NAME} is cut short"):
        index(tmp_path)


def test_labels_must_agree(tmp_path):
    members = [("ILSVRC/Data/CLS-LOC/train/n01443537/n01440764_9.JPEG", drawing.jpeg())]
    (tmp_path / NAME).write_bytes(drawing.tar(members))
    with pytest.raises(
        LabelError, match="lies in class n01443537 but its name says otherwise: n01440764_9.JPEG of n01440764"
    ):
        index(tmp_path)


ROOT = "ILSVRC/Data/CLS-LOC"
TENCH = ("n01440764_9.JPEG", drawing.jpeg())
VAL = ("ILSVRC2012_val_00000293.JPEG", drawing.jpeg())


def tar_with(path: Path, *more: tuple[str, bytes]) -> Path:
    members = [(f"{ROOT}/train/n01440764/{TENCH[0]}", TENCH[1]), (f"{ROOT}/val/{VAL[0]}", VAL[1])]
    path.write_bytes(drawing.tar([*members, *more]))
    return path


@pytest.mark.parametrize(
    "folder, is_named",
    [
        ("rejected", True),
        ("n01440764", True),
        (f"{ROOT}/val/@eaDir", False),
        (f"{ROOT}/.hidden/train", False),
        ("ILSVRC/Annotations/val", True),
        ("ILSVRC/Data/DET/val", True),
        (f"{ROOT}/train/n01440764/val", True),
    ],
)
def test_official_names_elsewhere_are_of_no_split(folder, is_named, tmp_path):
    others = [(f"{folder}/n01440764_8.JPEG", TENCH[1]), (f"{folder}/ILSVRC2012_val_00000236.JPEG", VAL[1])]
    found = index(tar_with(tmp_path / NAME, *others))
    assert {split: members.name.tolist() for split, members in found.splits.items()} == {
        "train": [TENCH[0].encode()],
        "val": [VAL[0].encode()],
    }
    assert any(f"2 images in 1 folder are not read: {folder} (2)" in line for line in found.warnings) == is_named


@pytest.mark.parametrize("name, folder", [("train.zip", "n01440764/"), ("train.zip", ""), ("train.zip", "train/")])
def test_archive_that_is_named_for_a_split_may_have_no_folder_of_it(name, folder, tmp_path):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr(f"{folder}{TENCH[0]}", TENCH[1])
    assert len(index(tmp_path).splits["train"]) == 1
    (tmp_path / name).rename(tmp_path / "imagenet.zip")
    assert [place.split for place in find_layout([tmp_path]).places] if folder == "train/" else True
    if folder != "train/":
        with pytest.raises(NotFoundError):
            find_layout([tmp_path])


@pytest.mark.parametrize("other", [f"{ROOT}/Train/n01440764", "rejected/train/n01440764", f"{ROOT}/training"])
def test_two_folders_of_a_split_are_refused(other, tmp_path):
    source = tar_with(tmp_path / NAME, (f"{other}/n01440764_8.JPEG", TENCH[1]))
    top = other.removesuffix("/n01440764")
    with pytest.raises(SourceError, match=f"{NAME}: .*{top}.* may both be the split train"):
        index(source)
    assert len(index_images(find_layout([source], ["val"]).only(["val"])).splits["val"]) == 1


def test_archives_inside_are_named(tmp_path):
    inner = [(f"{ROOT}/train/n01443537.tar", b""), ("ILSVRC2012_img_val.tar", b""), ("images/n01443537.tar.gz", b"")]
    warnings = index(tar_with(tmp_path / NAME, *inner)).warnings
    assert len(warnings) == 1 and "3 archives are not read: " in warnings[0] and "ILSVRC2012_img_val.tar" in warnings[0]
    warnings = index(tar_with(tmp_path / NAME, inner[0])).warnings
    assert warnings == (f"1 class archive is not read: {inner[0][0]}. Unpack it into folders <wnid>/",)


def test_every_table_is_compared(made, tmp_path):
    table = (made / "tree/LOC_val_solution.csv").read_bytes()
    wrong = table.replace(b"ILSVRC2012_val_00000001,n", b"ILSVRC2012_val_00000001,x")
    assert wrong != table
    for tables in ([wrong, table], [table, wrong]):
        source = tar_with(tmp_path / NAME, *((f"{k}/LOC_val_solution.csv", own) for k, own in enumerate(tables)))
        with pytest.raises(LabelError, match=f"{tables.index(wrong)}/LOC_val_solution.csv contradicts the official"):
            index(source)


def test_damaged_table_is_named(made, tmp_path):
    path = tmp_path / "imagenet.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"train/n01440764/{TENCH[0]}", TENCH[1])
        archive.writestr("tables/LOC_val_solution.csv", (made / "tree/LOC_val_solution.csv").read_bytes())
    path.write_bytes(path.read_bytes().replace(b"ILSVRC2012_val_00000001", b"ILSVRC2012_val_00000002", 1))
    with pytest.raises(SourceError, match="imagenet.zip: tables/LOC_val_solution.csv: its entry .* checksum does not"):
        index(tmp_path)
