"""Files again. What the records hold is read with TFDS, the metadata with h5py, the images with Pillow."""

import hashlib
import io
import json
import os
from pathlib import Path

import drawing
import h5py
import pytest
from PIL import Image
from unpacked_sets import BESIDE, TENCH, files, images_in, records

import ilsvrc_tfds
from ilsvrc_tfds import Ilsvrc2012Config, synsets
from ilsvrc_tfds.outputs.unpack import unpack


@pytest.mark.parametrize(
    "config, suffix",
    [("classification", ""), ("raw256", "256"), (Ilsvrc2012Config(name="raw40", shorter_side=40), "40")],
    ids=str,
)
def test_files_have_the_bytes_of_the_records(config, suffix, miniature_archives, prepare, tmp_path):
    folder = prepare(source=miniature_archives, config=config).data_dir
    expected = {}
    for split in ("train", "val", "test"):
        for record in records(folder, split):
            wnid = "" if split == "test" else f"{synsets.wnids()[record['label']]}/"
            expected[f"{split}{suffix}/{wnid}{record['file_name'].decode()}"] = record["image"]
    out = unpack(folder, tmp_path / "out", workers=1)
    assert out == tmp_path / "out" and images_in(out) == expected and len(expected) == 12 + 6 + 3
    assert set(os.listdir(out)) == {"train" + suffix, "val" + suffix, "test" + suffix, *BESIDE}
    assert ".out.staging" not in os.listdir(tmp_path)


@pytest.mark.slow
def test_classification_gives_the_source_back(prepare, images, tmp_path):
    found = images_in(unpack(prepare().data_dir, tmp_path / "out", workers=1))
    fixed = list(images.train[TENCH])[:2]  # a CMYK JPEG and a PNG
    for wnid, named in images.train.items():
        for name, data in named.items():
            assert (found[f"train/{wnid}/{name}"] == data) == (name not in fixed)
    for name, label in images.labels("val").items():
        assert found[f"val/{synsets.wnids()[label]}/{name}"] == images.val[name]


@pytest.mark.slow
def test_metadata_points_at_images_of_the_class(prepared, images, tmp_path):
    out = unpack(prepared, tmp_path / "out", workers=1)
    truth = {name: synsets.wnids()[label] for split in ("train", "val") for name, label in images.labels(split).items()}
    with h5py.File(out / "metadata.h5") as file:
        assert sorted(file) == ["train", "val"]
        for split, group in file.items():
            paths = [bytes(row).rstrip(b"\0").decode() for row in group["image_filenames"]]
            classes = [bytes(row).rstrip(b"\0").decode() for row in group["classes"]]
            assert paths and [row for row, _ in group["object_ids"]] == list(range(len(paths)))
            for path, (_, label) in zip(paths, group["object_ids"]):
                assert (
                    Path(path).parts[:2] == (f"{split}256", classes[label]) and truth[Path(path).name] == classes[label]
                )
                with Image.open(out / path) as image:
                    image.load()
                    assert min(image.size) == 256 and image.format == "JPEG"
            assert sorted(paths) == sorted(name for name in images_in(out) if name.startswith(split))


@pytest.mark.slow
def test_metadata_is_the_prepared_data_sets_but_for_the_paths(prepared, tmp_path):
    there = ilsvrc_tfds.metadata.read(prepared / "metadata.h5")
    for split, group in ilsvrc_tfds.metadata.read(
        unpack(prepared, tmp_path / "out", workers=1) / "metadata.h5"
    ).items():
        assert (group.object_ids == there[split].object_ids).all()
        assert [Path(path).name for path in group.image_filenames] == [
            Path(path).name for path in there[split].image_filenames
        ]


@pytest.mark.slow
def test_unpacked_classification_is_a_source_of_the_same_records(prepare, tmp_path):
    first = prepare(num_shards={"train": 3}).data_path
    out = unpack(first, tmp_path / "out", workers=1)
    second = prepare(source=out, data_dir=tmp_path / "again", num_shards={"train": 3}).data_path
    shards = [path.name for path in first.glob("*.tfrecord-*")]
    assert len(shards) == 4 and all((first / name).read_bytes() == (second / name).read_bytes() for name in shards)


@pytest.mark.slow
def test_two_workers_write_the_same_tree(prepared, tmp_path):
    one, two = (files(unpack(prepared, tmp_path / str(workers), workers=workers)) for workers in (1, 2))
    assert one == two and BESIDE < set(one)


def test_test_split_alone_has_no_metadata(prepare, tmp_path):
    tests = drawing.miniature(test=3).test
    folder = prepare(source=drawing.official_archives(tmp_path / "tests", drawing.Images({}, {}, tests))).data_dir
    for overwrite in (False, True):  # the mark is there all the same
        out = unpack(folder, tmp_path / "out", workers=1, overwrite=overwrite)
    assert images_in(out) == {f"test/{name}": data for name, data in tests.items()}
    assert set(os.listdir(out)) == {"test", "unpacked.json"}


@pytest.mark.slow
def test_mark_says_what_is_there(prepared, tmp_path):
    mark = json.loads((unpack(prepared, tmp_path / "out", workers=1) / "unpacked.json").read_text())
    assert len(mark.pop("made_of")["shards"]) == 32
    folders = {name: (tmp_path / "out" / name).rglob("*.JPEG") for name in ("train256", "val256", "test256")}
    assert mark.pop("bytes") == {name: sum(path.stat().st_size for path in paths) for name, paths in folders.items()}
    assert mark == {
        "format": 1,
        "images": {"op": "Resized", "shorter_side": 256, "quality": 95},
        "files": {"train256": 12, "val256": 6, "test256": 3},
    }


@pytest.mark.slow
def test_prepared_data_set_is_left_as_it_was(prepared, tmp_path):
    before = {name: hashlib.sha256(data).hexdigest() for name, data in files(prepared).items()}
    unpack(prepared, tmp_path / "out", workers=2)
    assert {name: hashlib.sha256(data).hexdigest() for name, data in files(prepared).items()} == before


@pytest.mark.slow
def test_unpacked_images_decode_as_the_source(prepare, images, tmp_path):
    out = unpack(prepare().data_dir, tmp_path / "out", workers=1)
    cmyk = next(iter(images.train[TENCH]))
    with Image.open(out / "train" / TENCH / cmyk) as fixed, Image.open(io.BytesIO(images.train[TENCH][cmyk])) as drawn:
        assert (fixed.mode, drawn.mode) == ("RGB", "CMYK") and fixed.size == drawn.size
