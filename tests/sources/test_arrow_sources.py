"""Arrow files as sources, written by the library `datasets`: saved to disk, and in its cache."""

import json
import shutil
from pathlib import Path

import datasets
import drawing
import forms
import pyarrow as pa
import pytest

from ilsvrc_tfds.errors import LabelError, NotFoundError, SourceError
from ilsvrc_tfds.sources import find_layout, index_images

NAME = "n01440764_9_n01440764.JPEG"
KIND = pa.struct({"bytes": pa.binary(), "path": pa.string()})


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one miniature as archives, saved to disk, and in the cache of `datasets`, made from parquet files."""
    folder, images = tmp_path_factory.mktemp("made"), drawing.miniature(test=2)
    drawing.official_archives(folder / "archives", images)
    forms.saved_to_disk(folder / "saved", images)
    hub = forms.hugging_face(folder / "imagenet-1k", images)
    own = datasets.load_dataset(str(hub), cache_dir=str(folder / "cache"))
    own["train"].map(lambda row: row, load_from_cache_file=False)  # leaves a cache-*.arrow there
    (folder / "cache/imagenet-1k").rename(folder / "cache/ILSVRC___imagenet-1k")  # as it is from the Hub
    return folder


@pytest.fixture
def saved(made, tmp_path) -> Path:
    return Path(shutil.copytree(made / "saved", tmp_path / "saved"))


def index(source: Path):
    return index_images(find_layout([source]))


def written(folder: Path, *images: dict, labels: list | None = None, kind: pa.DataType = KIND, **options) -> Path:
    """Writes an Arrow stream of images, one batch each. Returns the folder."""
    (folder / "train").mkdir(parents=True, exist_ok=True)
    schema = pa.schema({"image": kind, "label": pa.int64()})
    with pa.ipc.new_stream(folder / "train/data-00000-of-00001.arrow", schema, **options) as stream:
        for image, label in zip(images, labels or [0] * len(images)):
            stream.write(pa.record_batch([pa.array([image], kind), pa.array([label], pa.int64())], schema=schema))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["saved", "cache"])
def test_arrow_files_give_what_the_archives_give(name, made, tmp_path):
    assert index(made / name).layout == "Hugging Face Arrow files"
    found, expected = (forms.results(made / own, tmp_path / own) for own in (name, "archives"))
    assert found == expected


def test_cache_is_found_from_each_of_its_folders(made):
    [folder] = (made / "cache/ILSVRC___imagenet-1k/default/0.0.0").glob("*[0-9a-f]")
    assert list(folder.glob("cache-*.arrow"))
    for source in (made / "cache", made / "cache/ILSVRC___imagenet-1k", folder):
        assert {Path(place.path) for place in find_layout([source]).places} == {folder}


# What is refused.


@pytest.mark.parametrize("size", [5, -1, -8, -9, -2000])
def test_file_that_is_cut_short_is_named(saved, size):
    path = saved / "train/data-00001-of-00002.arrow"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SourceError, match=f"^{path} is cut short or no Arrow stream"):
        index(saved)


def test_damaged_batch_is_named(tmp_path):
    path = written(tmp_path, {"bytes": b"x" * 100, "path": NAME}) / "train/data-00000-of-00001.arrow"
    data = path.read_bytes()
    start = data.index(b"\xff\xff\xff\xff", 8)
    path.write_bytes(data[: start + 4] + b"\xff\xff\xff\x7f" + data[start + 8 :])
    with pytest.raises(SourceError, match=f"^{path} is damaged or cut short"):
        index(tmp_path)


def test_missing_shard_is_named(saved):
    path = saved / "train/data-00001-of-00002.arrow"
    path.unlink()
    with pytest.raises(SourceError, match=f"1 shard of split 'train' is missing: {path}."):
        index(saved)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"_data_files": [{"filename": "other.arrow"}]},
            "describes other files than are there: data-00000-of-00002.arr",
        ),
        ({"_data_files": 1}, "makes no sense"),
        ({"_indices_data_files": [{"filename": "indices.arrow"}]}, "describes a selection of the rows"),
    ],
)
def test_state_of_another_set_is_refused(saved, change, message):
    path = saved / "train/state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(SourceError, match=f"^{path} {message}"):
        index(saved)


@pytest.mark.parametrize(
    "image, label, error, message",
    [
        ({"bytes": None, "path": NAME}, 0, SourceError, f"has no image .* and only names the file {NAME}"),
        ({"bytes": None, "path": None}, 0, SourceError, "has no image"),
        (None, 0, SourceError, "has no image"),
        ({"bytes": b"jpeg", "path": None}, 0, SourceError, "has no file name"),
        ({"bytes": b"jpeg", "path": "1.png"}, 0, SourceError, "1.png is no official file name"),
        ({"bytes": b"jpeg", "path": NAME}, 1, LabelError, f"{NAME} has the label 1, expected 0"),
    ],
)
def test_row_that_contradicts_itself_is_named(tmp_path, image, label, error, message):
    written(tmp_path, {"bytes": b"a", "path": "n01440764_1.JPEG"}, image, labels=[0, label])
    with pytest.raises(error, match=f"data-00000-of-00001.arrow: record batch 1, row 0:? {message}"):
        index(tmp_path)


def test_compressed_images_are_refused(tmp_path):
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    written(tmp_path, {"bytes": bytes(10_000), "path": NAME}, options=options)
    with pytest.raises(SourceError, match="record batch 0, row 0: the images are compressed"):
        index(tmp_path)


def test_foreign_columns_are_refused(tmp_path):
    written(tmp_path, {"bytes": "text", "path": NAME}, kind=pa.struct({"bytes": pa.string(), "path": pa.string()}))
    with pytest.raises(SourceError, match="the column image is struct<bytes: string, path: string>; expected"):
        index(tmp_path)


def test_column_that_comes_twice_is_refused(tmp_path):
    (tmp_path / "train").mkdir()
    batch = pa.record_batch([pa.array([0]), pa.array([0]), pa.array([0])], names=["image", "image", "label"])
    with pa.ipc.new_stream(tmp_path / "train/data-00000-of-00001.arrow", batch.schema) as stream:
        stream.write(batch)
    with pytest.raises(SourceError, match="data-00000-of-00001.arrow is damaged or cut short"):
        index(tmp_path)


def test_files_of_computations_alone_are_no_source(tmp_path):
    written(tmp_path, {"bytes": b"a", "path": NAME})
    (tmp_path / "train/data-00000-of-00001.arrow").rename(tmp_path / "train/cache-0123456789abcdef.arrow")
    with pytest.raises((NotFoundError, SourceError)):
        index(tmp_path)
