"""The spool of all configs holds the subset that is made, and its data sets are those that each config makes alone."""

import json
from contextlib import nullcontext
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import DestinationError, IncompleteError
from ilsvrc_tfds.sources import find_layout, index_images, spooling

TENCH, GOLDFISH, SHARK = drawing.WNIDS
CONFIGS = ["two-classification", "two-raw256"]


@pytest.fixture(scope="module")
def parquet(tmp_path_factory) -> Path:
    """The miniature as parquet files."""
    return forms.hugging_face(tmp_path_factory.mktemp("made"), drawing.miniature(), how="pyarrow", row_group_size=5)


@pytest.fixture
def spooled_images(monkeypatch) -> list[int]:
    """The number of images in each spool that is filled."""
    counts, fill = [], spooling._filled

    def filled(tasks, runner, folder):
        counts.append(sum(len(task.members) for task in tasks))
        return fill(tasks, runner, folder)

    monkeypatch.setattr(spooling, "_filled", filled)
    return counts


def files(data_dir: Path) -> dict[str, bytes]:
    """Returns the bytes of each file of the data sets."""
    return {f"{path.relative_to(data_dir)}": path.read_bytes() for path in data_dir.rglob("*") if path.is_file()}


def listed(parquet: Path) -> list[str]:
    """Returns the names of two images of train in two files, and of all of val."""
    splits = index_images(find_layout([parquet])).splits
    names = [f"{TENCH}_10.JPEG", f"{SHARK}_12.JPEG", *map(bytes.decode, splits["val"].name.tolist())]
    assert len(names) == 8
    return names


def made_both_ways(parquet: Path, tmp_path: Path, **options) -> dict[str, dict]:
    """Makes all configs at once, and each alone; returns the provenance of each config."""
    options = {"name": "two", "workers": 1, "sync": False, "num_shards": {"train": 2, "val": 1}, **options}
    assert list(ilsvrc_tfds.prepare_all(parquet, tmp_path / "all", **options)) == CONFIGS
    for config in ("classification", "raw256"):
        ilsvrc_tfds.prepare(parquet, tmp_path / "alone", config=config, **options)
    all_files = files(tmp_path / "all")
    assert all_files == files(tmp_path / "alone")
    return {name: json.loads(all_files[f"ilsvrc2012/{name}/1.0.0/metadata.json"]) for name in CONFIGS}


def test_subset_of_images_is_whole_and_only_its_images_are_spooled(parquet, tmp_path, spooled_images):
    made = made_both_ways(parquet, tmp_path, images=listed(parquet), allow_incomplete=False)
    assert spooled_images == [8, 8, 8]  # all configs, and each alone
    assert all(own["complete"] and own["missing"] == {} for own in made.values())


def test_incomplete_subset_of_classes_is_recorded_as_such(parquet, tmp_path, spooled_images):
    options = {"classes": [SHARK, TENCH], "relabel": True, "allow_incomplete": True}
    made = made_both_ways(parquet, tmp_path, **options)
    assert spooled_images == [12, 12, 12]
    for own in made.values():
        assert not own["complete"]
        assert own["missing"] == {"train": "8 of at least 1,464 images", "val": "4 of 100 images"}
    options |= {"name": "two", "workers": 1, "num_shards": {"train": 2, "val": 1}}
    ilsvrc_tfds.prepare_all(parquet, tmp_path / "all", **options)  # compared with what is there


def test_incomplete_subset_is_refused_before_it_is_spooled(parquet, tmp_path, spooled_images):
    with pytest.raises(IncompleteError, match=r"not the whole of the subset \(train: 8 of at least 1,464 images"):
        ilsvrc_tfds.prepare_all(parquet, tmp_path, classes=[SHARK, TENCH], name="two", allow_incomplete=False)
    assert spooled_images == []


@pytest.mark.slow
@pytest.mark.parametrize("form", ["hugging_face", "hugging_face_archives"])
def test_of_a_limited_data_set_only_its_images_are_spooled(form, tmp_path, spooled_images):
    images = drawing.miniature(test=6)
    source = getattr(forms, form)(tmp_path / form, images)
    archives = drawing.official_archives(tmp_path / "archives", images)
    options = {**forms.PLAIN, "sync": False, "max_examples": 5}
    ilsvrc_tfds.prepare_all(source, tmp_path / "all", **options)
    ilsvrc_tfds.prepare_all(archives, tmp_path / "first", **options)
    for config in ("classification", "raw256"):
        ilsvrc_tfds.prepare(source, tmp_path / "alone", config=config, **options)
    assert spooled_images == [15, 15, 15]  # 5 of each split: all configs, and each alone
    made = {name: files(tmp_path / name) for name in ("all", "alone", "first")}
    for own in made.values():
        for name in ("classification", "raw256"):
            path = f"ilsvrc2012/{name}/1.0.0/metadata.json"
            own[path] = {key: value for key, value in json.loads(own[path]).items() if key != "source_layout"}
            assert own[path]["source_images"]["train"]["images"] == 12
    assert made["all"] == made["alone"] == made["first"]
    for again in (archives, source):  # the source is compared
        ilsvrc_tfds.prepare_all(again, tmp_path / "all", **options)
    assert len(spooled_images) == 3


def test_limited_data_set_is_compared_with_the_images_that_it_took(archives, tmp_path, images):
    options = {**forms.PLAIN, "max_examples": 2}
    builder = ilsvrc_tfds.prepare(archives, tmp_path / "data", **options)
    paths = ilsvrc_tfds.metadata.read(Path(builder.data_dir, "metadata.h5"))["train"].image_filenames.tolist()
    taken = [path.rpartition("/")[2] for path in paths]
    other = next(name for own in images.train.values() for name in own if name not in taken)
    for name, is_refused in ((other, False), (taken[0], True)):
        train = {
            wnid: {**own, **({name: drawing.jpeg(77, 55)} if name in own else {})} for wnid, own in images.train.items()
        }
        source = drawing.official_archives(tmp_path / name, drawing.Images(train, images.val, images.test))
        with pytest.raises(DestinationError, match="train: other images, by") if is_refused else nullcontext():
            ilsvrc_tfds.prepare(source, tmp_path / "data", **options)
