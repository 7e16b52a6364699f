"""Hugging Face's parquet files as sources, written by the library `datasets` and by pyarrow: what is read."""

import os
import re
import shutil
from pathlib import Path

import drawing
import forms
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.sources import Reader, find_layout, index_images

TRAIN, VAL = "train-0000{}-of-00002.parquet", "validation-00000-of-00001.parquet"
COMMIT = "49e2ee26f3810fb5a7536bbf732a7b07389a47b5"
NAME = "n01440764_9_n01440764.JPEG"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one miniature as archives, as `datasets` writes it, and in small row groups, all compressed."""
    folder, images = tmp_path_factory.mktemp("made"), drawing.miniature(test=2)
    drawing.official_archives(folder / "archives", images)
    forms.hugging_face(folder / "hf", images)
    forms.hugging_face(folder / "old", images, how="pyarrow", row_group_size=2, compression="snappy")
    forms.hugging_face(folder / "zstd", images, how="pyarrow", row_group_size=5, compression="zstd")
    return folder


@pytest.fixture(scope="module")
def expected(made) -> dict[str, str]:
    return forms.results(made / "archives", made / "expected")


@pytest.fixture
def data(made, tmp_path) -> Path:
    """A copy of the parquet files."""
    return Path(shutil.copytree(made / "hf/data", tmp_path / "hf/data"))


def test_folder_whose_name_is_no_text_is_read(data):
    odd = data.parent.with_name(os.fsdecode(b"caf\xe9"))
    data.parent.rename(odd)
    found = index(odd)
    with Reader() as reader:
        assert reader.read(found.splits["val"], 0).startswith(b"\xff\xd8")


def index(source: Path):
    return index_images(find_layout([source]))


def labels(index) -> dict[str, dict[bytes, int]]:
    return {split: dict(zip(own.name.tolist(), own.label.tolist())) for split, own in index.splits.items()}


def hub_cache(cache: Path, data: Path, commit: str = COMMIT, main: str = COMMIT) -> Path:
    """Lays files out as the Hub's client does. Returns the cache."""
    repository = cache / "datasets--ILSVRC--imagenet-1k"
    (repository / "snapshots" / commit / "data").mkdir(parents=True)
    for folder in ("blobs", "refs"):
        (repository / folder).mkdir(exist_ok=True)
    (repository / "refs/main").write_text(main)
    for number, path in enumerate(sorted(data.iterdir())):
        blob = repository / "blobs" / f"{commit[:4]}{number:060x}"
        shutil.copy(path, blob)
        (repository / "snapshots" / commit / "data" / path.name).symlink_to(f"../../../blobs/{blob.name}")
    return cache


def table(name: str = NAME, label: int | None = 0, image: bytes | None = b"jpeg", **other) -> pa.Table:
    """Returns a table of one image, or of other columns."""
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    columns = {"image": pa.array([{"bytes": image, "path": name}], kind), "label": pa.array([label], pa.int64())}
    return pa.table({**columns, **other})


def written(folder: Path, table: pa.Table, name: str = "train-00000-of-00001.parquet", **options) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / name, **options)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hf", "old", "zstd"])
def test_parquet_gives_what_the_archives_give(name, made, expected, tmp_path):
    assert index(made / name).layout == "Hugging Face parquet"
    assert forms.results(made / name, tmp_path / "out") == expected


def test_names_alone_give_the_labels_of_the_archives(made):
    for name in ("hf", "hf/data", "old"):
        found = index(made / name)
        assert labels(found) == labels(index(made / "archives"))
        assert found.notes[0] == "train: file names have the class appended; the official names are used"


def test_hub_cache_is_read_where_main_points(made, data, tmp_path):
    cache = hub_cache(tmp_path / "hub", made / "hf/data")
    hub_cache(cache, made / "old/data", commit="0" * 40)
    repository = cache / "datasets--ILSVRC--imagenet-1k"
    for source in (cache, tmp_path, repository, repository / "snapshots" / COMMIT):
        layout = find_layout([source])
        assert {f"snapshots/{COMMIT}/data" in place.path for place in layout.places} == {True}
        assert labels(index_images(layout)) == labels(index(made / "archives"))


def test_fingerprinted_names_and_those_of_the_automatic_branch_are_read(made, data, tmp_path):
    for number, path in enumerate(sorted(data.iterdir())):
        path.rename(path.with_name(f"{path.stem}-{number:016x}.parquet"))
        split = path.name.partition("-")[0]
        below = tmp_path / "branch/default" / split
        below.mkdir(parents=True, exist_ok=True)
        shutil.copy(made / "hf/data" / path.name, below / f"000{len(list(below.iterdir()))}.parquet")
    assert labels(index(data.parent)) == labels(index(tmp_path / "branch")) == labels(index(made / "archives"))


def test_single_images_are_read_too(made):
    own, archives = index(made / "old").splits["train"], index(made / "archives").splits["train"]
    with Reader() as reader:
        images = {own.name[row]: reader.read(own, row) for row in range(len(own))}
        assert images == {archives.name[row]: reader.read(archives, row) for row in range(len(archives))}


def test_doctor_states_the_room_for_the_images_in_between(made, tmp_path):
    report = examine(made / "old", tmp_path, deep=True, workers=1)
    assert any("room needed for raw256 while it is made: about 0.9 MB more, because" in fact for fact in report.facts)
    assert "train: 9 RGB JPEG, 1 CMYK JPEG, 1 PNG, 1 grey JPEG" in report.facts


# What is refused: files.


def test_missing_shard_is_named(data):
    (data / TRAIN.format(1)).unlink()
    with pytest.raises(SourceError, match=f"1 shard of split 'train' is missing: {data / TRAIN.format(1)}. .*--splits"):
        index(data)


@pytest.mark.parametrize(
    "source, target, message",
    [
        (TRAIN.format(0), "train-00000-of-00003.parquet", "holds shards of split 'train' of two downloads"),
        (TRAIN.format(0), f"{TRAIN.format(0)[:-8]}-{7:016x}.parquet", "holds shards of split 'train' of two downloads"),
        (TRAIN.format(0), "train-00002-of-00002.parquet", "train-00002-of-00002.parquet cannot be one of 2 shards"),
    ],
    ids=["count", "mark", "beyond"],
)
def test_shards_of_two_downloads_are_refused(data, source, target, message):
    shutil.copy(data / source, data / target)
    with pytest.raises(SourceError, match=message):
        index(data)


def test_shard_that_is_there_twice_is_refused(data):
    for number, name in enumerate((TRAIN.format(0), TRAIN.format(1), TRAIN.format(1))):
        shutil.copy(data / name, data / f"{name[:-8]}-{number:016x}.parquet")
    for name in (TRAIN.format(0), TRAIN.format(1)):
        (data / name).unlink()
    with pytest.raises(SourceError, match=r"train-00001-of-00002-0\S+1.parquet and \S+2.parquet are the same shard"):
        index(data)


def test_unfinished_download_in_the_cache_is_refused(made, tmp_path):
    cache = hub_cache(tmp_path / "hub", made / "hf/data")
    path = next((cache / "datasets--ILSVRC--imagenet-1k/snapshots" / COMMIT / "data").glob("train*"))
    blob = path.resolve()
    blob.rename(f"{blob}.incomplete")
    with pytest.raises(
        SourceError, match=f"1 shard is not there, because the download has not ended: {path} is a link"
    ):
        index(cache)


def test_part_that_the_hub_converts_is_refused(made, tmp_path):
    shutil.copytree(made / "hf/data", tmp_path / "default/partial-train")
    with pytest.raises(SourceError, match="default/partial-train holds the first 5 GB only of split 'train'"):
        index(tmp_path)


def test_train_and_val_of_two_versions_are_refused(made, tmp_path):
    cache = hub_cache(tmp_path / "hub", made / "hf/data")
    hub_cache(cache, made / "old/data", commit="0" * 40)
    snapshots = cache / "datasets--ILSVRC--imagenet-1k/snapshots"
    (snapshots / COMMIT / "data" / VAL).unlink()
    with pytest.raises(SourceError, match="train would be read from .*: these are two sets"):
        index(cache)


@pytest.mark.parametrize("size", [3, 100, -1, -1000])
def test_file_that_is_cut_short_is_named(data, size):
    path = data / TRAIN.format(1)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SourceError, match=f"^{path} is damaged or cut short .* Get it again, for example with `hf d"):
        index(data)


def test_same_image_in_two_shards_is_refused(data):
    shutil.copy(data / TRAIN.format(0), data / TRAIN.format(1))
    with pytest.raises(SourceError, match=f"6 images of split 'train' come twice: {data / TRAIN.format(0)}: train/"):
        index(data)


# What is refused: rows and columns.


@pytest.mark.parametrize(
    "row, error, message",
    [
        ({"name": None}, SourceError, r"has no file name \(`image.path` is null\)"),
        ({"name": "0001.jpg"}, SourceError, "0001.jpg is no official file name of split 'train'"),
        ({"name": "n00007846_1.JPEG"}, SourceError, "n00007846_1.JPEG is no official file name"),
        ({"name": "ILSVRC2012_val_00000293.JPEG"}, SourceError, "is of split 'val', not 'train'"),
        ({"label": 1}, LabelError, f"{NAME} has the label 1, expected 0"),
        ({"label": 1000}, LabelError, f"{NAME} has the label 1000, expected 0"),
        ({"label": None}, LabelError, f"{NAME} has the label None, expected 0"),
        ({"name": "n01440764_9_n01443537.JPEG"}, LabelError, "is of class 0 by its name, and has n01443537 appended"),
    ],
    ids=lambda value: str(next(iter(value.items()))) if isinstance(value, dict) else None,
)
def test_row_that_contradicts_itself_is_named(tmp_path, row, error, message):
    rows = pa.concat_tables([table("n01440764_1.JPEG"), table("n01440764_2.JPEG"), table("n01440764_3.JPEG")])
    written(tmp_path, pa.concat_tables([rows, table(**row)]), row_group_size=2)
    with pytest.raises(error, match=f"train-00000-of-00001.parquet: row group 1, row 1:? .*{message}"):
        index(tmp_path)


@pytest.mark.parametrize(
    "row, message",
    [({}, f"only names the file {NAME}"), ({"name": "/home/me/n01440764_9.JPEG"}, "only names the file /home/me/n0")],
)
@pytest.mark.parametrize("has_statistics", [True, False])
def test_row_without_bytes_is_named(tmp_path, row, message, has_statistics):
    rows = pa.concat_tables([table("n01440764_1.JPEG"), table(image=None, **row)])
    source = written(tmp_path, rows, write_statistics=has_statistics)
    with pytest.raises(SourceError, match=rf"row group 0, row 1 has no image .*`image.bytes` is null.*{message}"):
        members = index(source).splits["train"]
        assert not has_statistics  # without them it is found out when the images are read
        with Reader() as reader:
            reader.read(members, 1)


@pytest.mark.parametrize(
    "columns, message",
    [
        ({"image": [b"jpeg"], "label": [0]}, "has the columns image: binary, label: int64; expected image: struct"),
        ({"image": [{"path": "a"}], "label": [0]}, "the column image is struct<path: string>; expected struct<bytes"),
        ({"jpg": [b"jpeg"], "json": ["{}"]}, "has the columns jpg: binary, json: string; expected image"),
        ({"image": [{"bytes": b"", "path": "a"}], "label": ["tench"]}, "the column label is string; expected int64"),
    ],
)
def test_foreign_table_is_refused(tmp_path, columns, message):
    with pytest.raises(SourceError, match=re.escape(message)):
        index(written(tmp_path, pa.table(columns)))


@pytest.mark.parametrize("kind", ["swapped", "few", "wnids", "words"])
def test_class_names_in_another_order_are_refused(tmp_path, kind):
    import datasets

    names = list(synsets.wnids() if kind == "wnids" else synsets.class_names())
    if kind == "swapped":
        names[7], names[9] = names[9], names[7]
    label = datasets.ClassLabel(names=names[:100] if kind == "few" else names)
    features = datasets.Features({"image": datasets.Image(), "label": label})
    source = written(tmp_path, table().replace_schema_metadata(features.arrow_schema.metadata))
    if kind in ("wnids", "words"):
        assert len(index(source).splits["train"]) == 1
        return
    message = "2 classes under other numbers .*7 is ostrich" if kind == "swapped" else "numbers 100 classes, not 1,000"
    with pytest.raises(LabelError, match=message):
        index(source)
