"""WebDataset shards as sources, made by the package webdataset."""

import json
import os
import shutil
import time
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.sources import find_layout, index_images

TRAIN = "imagenet1k-train-{:04d}.tar"
NAME, LABEL = "n01440764_9", b"0"
JPEG = drawing.jpeg()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one miniature as archives, as timm's shards and as a user's."""
    folder, images = tmp_path_factory.mktemp("made"), drawing.miniature()
    drawing.official_archives(folder / "archives", images)
    forms.webdataset(folder / "timm", images)
    forms.webdataset(folder / "own", images, like_timm=False)
    return folder


@pytest.fixture(scope="module")
def expected(made) -> dict[str, str]:
    return forms.results(made / "archives", made / "expected")


@pytest.fixture
def timm(made, tmp_path) -> Path:
    return Path(shutil.copytree(made / "timm", tmp_path / "timm"))


def index(source: Path):
    return index_images(find_layout([source]))


@pytest.mark.parametrize("name", ["timm", "own"])
def test_shards_give_what_the_archives_give(name, made, expected, tmp_path):
    assert index(made / name).layout == "WebDataset"
    assert forms.results(made / name, tmp_path / "out") == expected


def test_converted_images_are_recorded_and_others_are_not(tmp_path):
    train = {
        "n02105855": {"n02105855_2933.JPEG": drawing.jpeg()},
        "n01739381": {"n01739381_1309.JPEG": drawing.jpeg(mode="CMYK")},
    }
    val = {"ILSVRC2012_val_00000001.JPEG": drawing.jpeg()}
    found = index(forms.webdataset(tmp_path / "timm", drawing.Images(train, val, {})))
    assert found.repaired == {"train": ("n02105855_2933.JPEG",)}
    builder = ilsvrc_tfds.prepare(found, tmp_path / "out", **forms.PLAIN)
    provenance = json.loads((builder.data_path / "metadata.json").read_text())
    assert provenance["repaired_images"] == {"train": ["n02105855_2933.JPEG"]}


# What is refused.


@pytest.mark.parametrize("number, has_info", [(0, True), (1, False), (2, True)])
def test_missing_shard_is_named(number, has_info, tmp_path):
    source = forms.webdataset(tmp_path, drawing.miniature(), shards=3)
    if not has_info:
        (source / "_info.json").unlink()
    (source / TRAIN.format(number)).unlink()
    with pytest.raises(SourceError, match=f"1 shard of split 'train' is missing: {source}/{TRAIN.format(number)}. Get"):
        index(source)


def test_split_whose_shards_are_all_missing_is_named(timm):
    (timm / "imagenet1k-validation-0000.tar").unlink()
    with pytest.raises(SourceError, match="1 shard of split 'val' is missing: .*--splits"):
        index(timm)
    assert list(index_images(find_layout([timm]).only(["train"])).splits) == ["train"]


def test_shard_that_the_info_does_not_state_is_named(timm):
    shutil.copy(timm / TRAIN.format(1), timm / TRAIN.format(2))
    with pytest.raises(SourceError, match=f"_info.json does not state {TRAIN.format(2)}, so it is of another set"):
        index(timm)


SAMPLE = [(f"{NAME}.jpg", JPEG), (f"{NAME}.cls", b"0")]


@pytest.mark.parametrize("what", ["link", "folder", "pipe"])
def test_last_shard_that_is_no_file_is_an_error(what, tmp_path):
    (tmp_path / "train-000000.tar").write_bytes(drawing.tar(SAMPLE))
    path = tmp_path / "train-000001.tar"
    {"link": lambda: path.symlink_to("/no/such"), "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[what]()
    message = {"link": "is a link to /no/such", "folder": "Is a directory", "pipe": "is a pipe"}[what]
    with pytest.raises(SourceError, match=f"{path} .*{message}"):
        index(tmp_path)


@pytest.mark.parametrize("name", ["train-000001.tar.part", "train-000001.tar.crdownload", "train-000000.tar.aria2"])
def test_shard_that_has_not_arrived_is_an_error(name, tmp_path):
    (tmp_path / "train-000000.tar").write_bytes(drawing.tar(SAMPLE))
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(SourceError, match=f"{name}: the download of a shard of split 'train' has not ended.*--splits"):
        index(tmp_path)
    (tmp_path / name).rename(tmp_path / "other-000000.tar.part")
    (tmp_path / "train-000000.tar.part").write_bytes(b"")  # the shard itself is there
    assert len(index(tmp_path).splits["train"]) == 1


@pytest.mark.parametrize("stated", [{}, {"train": {"filenames": ["shard-0.tar"], "shard_lengths": [6]}}])
def test_shards_of_a_split_that_the_info_does_not_state_are_named(stated, timm):
    info = json.loads((timm / "_info.json").read_text())
    del info["splits"]["validation"]
    (timm / "_info.json").write_text(json.dumps({"splits": {**info["splits"], **stated}}))
    file = "imagenet1k-validation-0000.tar" if not stated else TRAIN.format(0)
    with pytest.raises(SourceError, match=f"_info.json does not state {file}"):
        index(timm)


def test_shards_in_the_folder_of_a_split_are_those_that_its_info_states(made, tmp_path):
    own = Path(shutil.copytree(made / "own", tmp_path / "own"))
    names = [f"shard-{k:06d}.tar" for k in range(3)]
    info = {"splits": {"train": {"filenames": names, "shard_lengths": [6, 6, 6]}}}
    (own / "train/_info.json").write_text(json.dumps(info))
    with pytest.raises(SourceError, match="1 shard of split 'train' is missing: .*train/shard-000002.tar"):
        index(own)


def test_image_of_another_kind_without_a_label_is_warned_of(tmp_path):
    members = [(f"{NAME}.jpg", JPEG), (f"{NAME}.cls", b"0"), ("logo.webp", b"")]
    (tmp_path / "train-000000.tar").write_bytes(drawing.tar(members))
    [warning] = index(tmp_path).warnings
    assert "1 image of a kind that is not read: logo.webp" in warning


def test_many_missing_shards_are_counted_at_once(tmp_path):
    sample = [("n01440764_9.jpg", drawing.jpeg()), ("n01440764_9.cls", b"0")]
    (tmp_path / "train-1999999.tar").write_bytes(drawing.tar(sample))
    with pytest.raises(
        SourceError, match="^1,999,999 shards of split 'train' are missing: .*/train-0000000.tar, .*-0000001"
    ):
        index(tmp_path)


@pytest.mark.parametrize("number", ["20240115", "240115", "2024", "256"])
@pytest.mark.parametrize("form", ["train", "val", "tree"])
def test_archive_with_a_date_is_read_as_what_it_is(form, number, tmp_path):
    images = drawing.miniature()
    archives = drawing.official_archives(tmp_path / "archives", images)
    tree = [(f"val/{name}", data) for name, data in images.val.items()]
    packed = drawing.tar(tree) if form == "tree" else (archives / f"ILSVRC2012_img_{form}.tar").read_bytes()
    path = tmp_path / f"source/{'imagenet-val' if form == 'tree' else form}_{number}.tar"
    path.parent.mkdir()
    path.write_bytes(packed)
    split = "train" if form == "train" else "val"
    for source in (path.parent, path):
        began = time.perf_counter()
        assert {split: len(members) for split, members in index(source).splits.items()} == {
            split: 12 if form == "train" else 6
        }
        assert time.perf_counter() - began < 5  # it took 29 s to count what would be missing
    path.write_bytes(packed[:-11_000])
    with pytest.raises(SourceError, match=f"{path}.* is cut short"):
        index(path.parent)


def test_two_archives_with_dates_are_refused(tmp_path):
    for number in (240115, 240312):
        (tmp_path / f"train_{number}.tar").write_bytes(drawing.tar([("n01440764/n01440764_9.JPEG", drawing.jpeg())]))
    with pytest.raises(SourceError, match="train_240115.tar, .*train_240312.tar may both be the split train"):
        index(tmp_path)


def test_samples_with_a_high_number_are_a_shard_of_a_set_that_lacks_others(tmp_path):
    sample = [("n01440764_9.jpg", drawing.jpeg()), ("n01440764_9.cls", b"0")]
    (tmp_path / "train-000005.tar").write_bytes(drawing.tar(sample))
    with pytest.raises(SourceError, match="5 shards of split 'train' are missing"):
        index(tmp_path)
    (tmp_path / "train-000000.tar").write_bytes(b"damaged")
    with pytest.raises(SourceError, match="4 shards of split 'train' are missing"):
        index(tmp_path)


def test_shard_that_is_there_twice_is_named(timm):
    shutil.copy(timm / TRAIN.format(0), timm / TRAIN.format(1))
    with pytest.raises(
        SourceError, match="images of split 'train' come twice: .*-0000.tar: train/n0.* and .*-0001.tar: "
    ):
        index(timm)


def test_number_that_is_there_twice_is_named(timm):
    shutil.copy(timm / TRAIN.format(1), timm / "imagenet1k-train-1.tar")
    with pytest.raises(SourceError, match="imagenet1k-train-0001.tar and imagenet1k-train-1.tar are the same shard"):
        index(timm)


def test_shards_of_two_sets_are_refused(timm):
    shutil.copy(timm / TRAIN.format(1), timm / "imagenet-train-000000.tar")
    with pytest.raises(
        SourceError, match="holds shards of several sets: imagenet-train-000000.tar, imagenet1k-train-0000.tar"
    ):
        index(timm)


def test_shard_of_another_length_is_named(timm):
    info = json.loads((timm / "_info.json").read_text())
    info["splits"]["train"]["shard_lengths"][1] += 1
    (timm / "_info.json").write_text(json.dumps(info))
    with pytest.raises(SourceError, match=f"{TRAIN.format(1)} has 6 samples, _info.json says 7"):
        index(timm)


def test_shard_of_another_split_is_named(timm):
    (timm / "_info.json").unlink()
    shutil.copy(timm / "imagenet1k-validation-0000.tar", timm / TRAIN.format(0))
    with pytest.raises(SourceError, match="6 images of split 'train' have the names of images of split 'val'"):
        index(timm)


def test_truncated_shard_is_named(timm):
    path = timm / TRAIN.format(1)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(SourceError, match=f"{path} is cut short"):
        index(timm)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"splits": {"train": 3}}', '{"splits": {"train": {"filenames": ["a"], "shard_lengths": []}}}']
)
def test_info_that_makes_no_sense_is_refused(text, timm):
    (timm / "_info.json").write_text(text)
    with pytest.raises(SourceError, match="_info.json makes no sense"):
        index(timm)


DESCRIBED = b'{"filename": "n01440764/n01440764_9.JPEG", "label": 0}'


@pytest.mark.parametrize(
    "members",
    [
        [(f"{NAME}.JPEG", JPEG), (f"{NAME}.cls", b"0\n")],
        [(f"n01440764/{NAME}.jpg", JPEG), (f"n01440764/{NAME}.cls", b"n01440764"), ("README", b"text"), ("a.txt", b"b")],
        [("00000000.jpg", JPEG), ("00000000.json", DESCRIBED)],
        [(f"{NAME}_n01440764.jpg", JPEG), (f"{NAME}_n01440764.cls", b"0")],
        [("00000000.jpg", JPEG), ("00000000.json", DESCRIBED.replace(b"JPEG", b"jpg"))],
        [(f"{NAME}.jpg", JPEG), (f"{NAME}.json", DESCRIBED.replace(b"JPEG", b"jpeg"))],
        [(f"train/n01440764/{NAME}.jpg", JPEG)],
        [(f"{NAME}.jpg", JPEG), (f"{NAME}.webp", b""), (f"{NAME}.cls", b"0")],
        [(f"{NAME}.jpg", JPEG), (f"{NAME}.json", b"\xef\xbb\xbf" + DESCRIBED), (f"{NAME}.cls", b"\xef\xbb\xbfN01440764\r\n")],
        [(f"train\\n01440764\\{NAME}.jpg", JPEG), (f"train\\n01440764\\{NAME}.cls", b"0")],
    ],
    ids=["plain", "folders", "name-in-json", "class-appended", "jpg-in-json", "both", "class-of-folder", "other-kind-too", "mark", "windows"],
)  # fmt: skip
def test_forms_that_are_read(members, tmp_path):
    (tmp_path / "train-000000.tar").write_bytes(drawing.tar(members))
    train = index(tmp_path).splits["train"]
    assert (train.name.tolist(), train.label.tolist()) == ([b"n01440764_9.JPEG"], [0])
    assert train.paths(official=True).tolist() == [b"train/n01440764/n01440764_9.JPEG"]


@pytest.mark.parametrize(
    "members, error, message",
    [
        ([(f"{NAME}.jpg", JPEG)], SourceError, "1 sample has no label, neither .cls nor `label` in .json: n01440764_9.JPEG"),
        ([("00000000.jpg", JPEG), ("00000000.cls", b"0")], SourceError, "no official file name, only '00000000'.*Without it no label"),
        ([("0.jpg", JPEG), ("0.json", b'{"filename": "a.JPEG", "label": 0}')], SourceError, "no official file name, only 'a.JPEG'"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.cls", b"5")], LabelError, "n01440764_9.JPEG has 5 by .cls, not 0"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.cls", b"1000")], LabelError, "n01440764_9.JPEG has no class by .cls, not 0"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.cls", b"1e3")], LabelError, "has no class by .cls"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.json", DESCRIBED.replace(b": 0", b": 1"))], LabelError, "has 1 by .json, not 0"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.json", DESCRIBED.replace(b"n01440764/", b"n01443537/"))], LabelError, "has 1 by its folder"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.json", DESCRIBED.replace(b"n01440764/", b"n00007846/"))], LabelError, "has no class by its folder in .json"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.json", DESCRIBED.replace(b"n01440764/", b"n01443537/x/"))], LabelError, "1 by its folder in .json"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.json", DESCRIBED.replace(b"n01440764/", b"n01443537\\\\"))], LabelError, "1 by its folder in .json"),
        ([(f"n01443537\\{NAME}.jpg", JPEG), (f"n01443537\\{NAME}.cls", b"0")], LabelError, "has 1 by its folder, not 0"),
        ([(f"n01443537/{NAME}.jpg", JPEG), (f"n01443537/{NAME}.cls", b"0")], LabelError, "n01440764_9.JPEG has 1 by its folder, not 0"),
        ([(f"train/n00007846/{NAME}.jpg", JPEG), (f"train/n00007846/{NAME}.cls", b"0")], LabelError, "has no class by its folder, not 0"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.cls", b"0"), (f"{NAME}.json", DESCRIBED.replace(b": 0", b": 1"))], LabelError, "has 1 by .json, not 0"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.json", DESCRIBED.replace(b"_9", b"_8")), (f"{NAME}.json", DESCRIBED)], SourceError, "name different images: n01440764_8.JPEG, n0"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.cls", b"0"), (f"{NAME}.cls", b"1")], LabelError, "has 1 by .cls, not 0"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.cls", b"")], LabelError, "has no class by .cls, not 0"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.cls", bytes(1))], LabelError, "has no class by .cls, not 0"),
        ([("0.jpg", JPEG), ("0.json", DESCRIBED.replace(b".JPEG", b"\\u0000.JPEG"))], SourceError, r"no official file name, only 'n01440764_9.x00.JPEG'"),
        ([("0.jpg", JPEG)], SourceError, "no official file name, only '0'"),
        ([(f"{NAME}.webp", JPEG), (f"{NAME}.cls", b"0")], SourceError, "n01440764_9.webp is an image of a kind that is not read.*keeps them"),
        ([(f"{NAME}.webp", JPEG)], SourceError, "holds no images that are read, but n01440764_9.webp"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.json", DESCRIBED.replace(b"_9", b"_8"))], SourceError, "the key and .json name different images"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.json", b'{"filename": "\\ud800/n01440764_9.JPEG"}')], SourceError, "json makes no sense .UnicodeEncode"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.json", b"{")], SourceError, f"train-000000.tar: {NAME}.json makes no sense"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.json", b"[" * 100_000)], SourceError, f"{NAME}.json makes no sense"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.json", bytes(2 << 20))], SourceError, f"{NAME}.json has 2,097,152 bytes, too many"),
        ([(f"{NAME}.cls", LABEL)], SourceError, "the sample has no image"),
        ([(f"{NAME}.jpg", JPEG), (f"{NAME}.png", JPEG), (f"{NAME}.cls", LABEL)], SourceError, "the sample has 2 images; expected one"),
        ([(f"{NAME}.jpg", JPEG), ("b.txt", b""), (f"{NAME}.cls", LABEL)], SourceError, "the sample has no image.*must follow each other"),
        ([("ILSVRC2012_val_00000293.jpg", JPEG), ("ILSVRC2012_val_00000293.cls", LABEL)], SourceError, "has the name of an image of split 'val'"),
        ([("n01440764.tar", b"")], SourceError, "holds no images that are read, but n01440764"),
    ],
)  # fmt: skip
def test_samples_that_make_no_sense(members, error, message, tmp_path):
    (tmp_path / "train-000000.tar").write_bytes(drawing.tar(members))
    with pytest.raises(error, match=message):
        index(tmp_path)


@pytest.fixture
def cache(tmp_path) -> Path:
    """The Hub's cache with timm's set in two versions, of which the older one is not whole."""
    repository = tmp_path / "hub/datasets--timm--imagenet-1k-wds"
    for below in ("refs", "blobs", "snapshots/b1", "snapshots/a0"):
        (repository / below).mkdir(parents=True)
    (repository / "refs/main").write_text("b1")
    for number, path in enumerate(sorted(forms.webdataset(tmp_path / "made", drawing.miniature()).iterdir())):
        (repository / "blobs" / f"{number:064x}").write_bytes(path.read_bytes())
        for version in ["b1", "a0"] if number else ["b1"]:
            (repository / "snapshots" / version / path.name).symlink_to(f"../../blobs/{number:064x}")
    return tmp_path / "hub"


@pytest.mark.parametrize("below", [".", "datasets--timm--imagenet-1k-wds"])
def test_cache_of_the_hub_is_read_in_the_version_of_its_main_branch(below, cache):
    layout = find_layout([cache / below])
    assert {place.path for place in layout.places} == {f"{cache}/datasets--timm--imagenet-1k-wds/snapshots/b1"}
    assert {split: len(own) for split, own in index_images(layout).splits.items()} == {"train": 12, "val": 6}


def test_original_images_in_the_cache_count_before_timm_s(cache, tmp_path):
    other = cache / "datasets--ILSVRC--imagenet-1k"
    forms.hugging_face(other / "snapshots/c2", drawing.miniature(), how="pyarrow")
    layout = find_layout([cache])
    assert {place.kind for place in layout.places} == {"parquet"} and len(layout.unused) == 2
    (cache / "datasets--timm--imagenet-1k-wds").rename(cache / "datasets--timm--imagenet-12k-wds")
    assert find_layout([cache]).unused == ()


def test_shard_in_the_cache_that_has_not_arrived_is_named(cache):
    blob = cache / "datasets--timm--imagenet-1k-wds/blobs" / f"{1:064x}"
    blob.rename(f"{blob}.incomplete")
    with pytest.raises(SourceError, match="imagenet1k-train-0000.tar is a link to .*, which does not exist"):
        index_images(find_layout([cache]))
