"""Image folders: readers that number the folders get the official class indices, by their own rules."""

import os
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.outputs.unpack import unpack

GOLDFISH = drawing.WNIDS[1]


def torchvision_labels(folder: Path, allow_empty: bool) -> dict[str, int]:
    """Returns the label of each file by the rule of torchvision's ImageFolder: all folders in sorted order."""
    numbers = {name: k for k, name in enumerate(sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()))}
    empty = [name for name in numbers if not os.listdir(folder / name)]
    if empty and not allow_empty:
        raise FileNotFoundError(f"Found no valid file for the classes {', '.join(empty)}.")
    return {path.name: numbers[path.parent.name] for path in folder.glob("*/*")}


def timm_labels(folder: Path, class_map: Path | None) -> dict[str, int]:
    """Returns the label of each file by timm's rule: lines of a class map, or sorted folders that have images."""
    names = sorted({path.parent.name for path in folder.glob("*/*")})
    if class_map is not None:
        names = class_map.read_text().splitlines()
    return {path.name: names.index(path.parent.name) for path in folder.glob("*/*")}


@pytest.fixture(scope="module")
def uneven(tmp_path_factory) -> tuple[Path, drawing.Images]:
    """A prepared set of which val lacks classes that train has, and train one that val has."""
    full = drawing.miniature(train=2, val=2, wnids=(*drawing.WNIDS, "n15075141"))
    train = {wnid: named for wnid, named in full.train.items() if wnid != GOLDFISH}
    labels = full.labels("val")
    images = drawing.Images(
        train, {name: data for name, data in full.val.items() if labels[name] in (1, 999)}, full.test
    )
    source = drawing.official_archives(tmp_path_factory.mktemp("uneven"), images)
    options = {"config": "raw256", "workers": 1, "allow_incomplete": True}
    return Path(ilsvrc_tfds.prepare(source, tmp_path_factory.mktemp("uneven-data"), **options).data_dir), images


@pytest.mark.slow
def test_readers_of_image_folders_get_the_class_indices_of_an_incomplete_set(uneven, tmp_path, caplog):
    prepared, images = uneven
    out = unpack(prepared, tmp_path / "out", workers=1)
    for split, classes in (("train", 3), ("val", 2)):
        folder, truth = out / f"{split}256", images.labels(split)
        assert torchvision_labels(folder, allow_empty=True) == timm_labels(folder, out / "classes.txt") == truth
        with pytest.raises(FileNotFoundError):  # loudly, as torchvision does
            torchvision_labels(folder, allow_empty=False)
        assert timm_labels(folder, None) != truth  # what the warning is for
        assert (
            f"{folder}: the folders of {1000 - classes} of the 1000 classes are empty, because there are no images of them: n0"
            in caplog.text
        )
    assert f"ImageFolder allow_empty=True, and timm --class-map {out / 'classes.txt'}." in caplog.text
    assert (out / "classes.txt").read_text().split() == list(synsets.wnids())


def test_each_labelled_split_that_is_there_has_a_folder_for_each_class(prepare, tmp_path):
    images = drawing.miniature(test=2)
    source = drawing.official_archives(tmp_path / "val and test", drawing.Images({}, images.val, images.test))
    out = unpack(prepare(source=source).data_dir, tmp_path / "out", workers=1)
    assert sorted(os.listdir(out)) == ["classes.txt", "metadata.h5", "test", "unpacked.json", "val"]
    assert sorted(os.listdir(out / "val")) == list(synsets.wnids())
    assert sorted(os.listdir(out / "test")) == sorted(images.test)


@pytest.mark.slow
def test_split_of_all_classes_is_no_reason_to_warn(prepare, tmp_path, caplog):
    picture = drawing.jpeg(8, 8)
    train = {wnid: {f"{wnid}_1.JPEG": picture} for wnid in synsets.wnids()}
    source = drawing.official_archives(tmp_path / "all", drawing.Images(train, {}, {}))
    out = unpack(prepare(source=source, num_shards=2).data_dir, tmp_path / "out", workers=1)
    assert "are empty" not in caplog.text
    assert torchvision_labels(out / "train", allow_empty=False) == timm_labels(out / "train", None)


@pytest.mark.slow
def test_folder_of_an_older_version_is_replaced(uneven, tmp_path):
    prepared, _ = uneven
    out = unpack(prepared, tmp_path / "out", workers=1)
    whole = sorted(out.rglob("*"))
    (out / "classes.txt").unlink()
    for folder in out.glob("*/*"):
        if folder.is_dir() and not os.listdir(folder):
            folder.rmdir()
    with pytest.raises(
        DestinationError, match="holds unpacked images, .*classes.txt, which is missing.* Replace them with --overwrite"
    ):
        unpack(prepared, out, workers=1)
    assert sorted(unpack(prepared, out, workers=1, overwrite=True).rglob("*")) == whole
