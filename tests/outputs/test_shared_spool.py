"""The spool of all configs holds the subset that is made, and its data sets are those that each config makes alone."""

import json
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import IncompleteError
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
