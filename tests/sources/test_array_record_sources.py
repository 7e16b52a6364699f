"""Sets of array_record as sources: TFDS's `imagenet2012` and prepared data sets, written by TFDS's writer."""

import importlib.util
import json
import os
import shutil
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.errors import OptionError, SourceError
from ilsvrc_tfds.sources import Reader, find_layout, index_images

array_record = pytest.importorskip("array_record.python.array_record_module")

TRAIN = "ilsvrc2012-train.array_record-00001-of-00002"
SHARDS = {"train": 2, "val": 1}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one miniature as archives, as TFDS's set, and as prepared sets of both configs."""
    folder = tmp_path_factory.mktemp("made")
    archives = drawing.official_archives(folder / "archives", forms.consecutive())
    forms.imagenet2012(folder / "theirs", archives, file_format="array_record")
    options = {**forms.PLAIN, "num_shards": SHARDS, "file_format": "array_record"}
    ilsvrc_tfds.prepare_all(archives, folder / "ours", **options)
    return folder


@pytest.fixture(scope="module")
def expected(made) -> dict[str, str]:
    return forms.results(made / "archives", made / "expected")


@pytest.fixture
def ours(made, tmp_path) -> Path:
    """A copy of the prepared set, of which something may be changed."""
    return Path(shutil.copytree(made / "ours/ilsvrc2012/classification/1.0.0", tmp_path / "1.0.0"))


def index(source: Path):
    return index_images(find_layout([source]))


@pytest.mark.parametrize(
    "name, words",
    [
        ("theirs/imagenet2012/5.1.0", "TFDS imagenet2012 5.1.0"),
        ("ours/ilsvrc2012/classification/1.0.0", "prepared data"),
    ],
)
def test_sets_give_what_the_archives_give(name, words, made, expected, tmp_path):
    source = made / name
    assert index(source).layout.startswith(words) and index(source).layout.endswith(" in array_record")
    assert forms.results(source, tmp_path / "out") == expected
    assert not list(tmp_path.rglob("*.staging"))


def test_resized_set_is_a_source_of_its_own_config_alone(made, tmp_path):
    source = made / "ours/ilsvrc2012/raw256/1.0.0"
    builder = ilsvrc_tfds.prepare(source, tmp_path, config="raw256", **forms.PLAIN)
    first = ilsvrc_tfds.prepare(made / "archives", tmp_path / "first", config="raw256", **forms.PLAIN)
    names = [name for name in os.listdir(first.data_dir) if ".tfrecord-" in name]
    assert len(names) == 3
    for name in names:
        assert Path(builder.data_dir, name).read_bytes() == Path(first.data_dir, name).read_bytes()
    with pytest.raises(OptionError, match="cannot be made of them, because pixels are lost"):
        ilsvrc_tfds.prepare(source, tmp_path, **forms.PLAIN)
    own, records = (
        ilsvrc_tfds.export(data, tmp_path / name, num_shards={"train": 1, "val": 1}, **forms.PLAIN)
        for data, name in ((source, "own"), (first.data_dir, "records"))
    )
    names = ["train-00000-of-00001", "validation-00000-of-00001"]
    assert all((own / name).read_bytes() == (records / name).read_bytes() for name in names)
    first, second = (forms.manifest_without_source((out / "manifest.json").read_bytes()) for out in (own, records))
    assert first == second


def test_single_images_are_read_in_any_order(made, ours):
    own, archives = index(ours).splits["train"], index(made / "archives").splits["train"]
    with Reader() as reader:
        wanted = {archives.name[row]: reader.read(archives, row) for row in range(12)}
        assert all(reader.read(own, row) == wanted[own.name[row]] for row in (5, 0, 11, 3, 3))


def test_doctor_looks_at_each_image_and_states_the_room(ours, tmp_path):
    report = examine(ours, tmp_path, deep=True, workers=1)
    assert any(fact.startswith("train: 1") and "RGB JPEG" in fact for fact in report.facts)
    assert any("because prepared data set in array_record has no random access" in fact for fact in report.facts)


def test_without_the_package_the_error_says_how_to_install_it(ours, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "array_record" else found(name))
    with pytest.raises(SourceError, match=r'in the format array_record, .* -m pip install "ilsvrc-tfds\[array_record'):
        index(ours)


@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize("damage", ["cut", "short", "flipped", "noise", "missing", "another"])
def test_damaged_shard_is_named(damage, described, ours):
    path = ours / TRAIN
    if not described:
        (ours / "manifest.json").unlink()
    data = path.read_bytes()
    path.unlink()
    other = next(ours.glob("*train*00000-of*")).read_bytes()
    flipped = data[:300] + bytes([data[300] ^ 255]) + data[301:]
    if damage != "missing":
        changed = {"cut": data[: len(data) // 2], "short": data[:1000], "flipped": flipped, "noise": bytes(100_000)}
        path.write_bytes({**changed, "another": other}[damage])
    message = "1 shard of split 'train' is missing" if damage == "missing" else f"{path} is damaged or cut short"
    if damage == "another":
        message = (
            "manifest.json says" if described else r"6 images of split 'train' come twice.* Get these shards again"
        )
    with pytest.raises(SourceError, match=message):
        index(ours)


def test_records_without_a_file_are_not_lost(ours):
    """A shard of no records is as long as others, and its end is a footer too."""
    writer = array_record.ArrayRecordWriter(str(ours / TRAIN), "group_size:1")
    writer.close()
    with pytest.raises(SourceError, match=f"{TRAIN} has 0 records, manifest.json says 6"):
        index(ours)


def test_shard_that_is_replaced_while_it_is_spooled_is_noticed(ours, tmp_path):
    found = index(ours)
    path, other = ours / TRAIN, next(ours.glob("*val.array*"))
    os.replace(other, path)
    with pytest.raises(SourceError, match="has changed since it was indexed"):
        ilsvrc_tfds.prepare(found, tmp_path / "out", **forms.PLAIN)


def test_shard_alone_does_not_tell_how_its_images_were_made(ours, tmp_path):
    (tmp_path / "bare").mkdir()
    shutil.copy(
        ours / TRAIN.replace("00001-of", "00000-of"),
        tmp_path / "bare" / TRAIN.replace("00001-of-00002", "00000-of-00001"),
    )
    with pytest.raises(SourceError, match="nothing records whether its images are resized"):
        index(tmp_path / "bare")


def test_images_are_not_in_the_files_as_they_are(ours):
    """So they cannot be read in place."""
    data = b"".join(path.read_bytes() for path in ours.glob("*array_record*"))
    images = [image for own in forms.consecutive().train.values() for image in own.values()]
    assert sum(image in data for image in images) < len(images)


def test_other_formats_are_still_refused(ours):
    for path in ours.glob("*.array_record-*"):
        path.rename(path.with_name(path.name.replace("array_record", "riegeli")))
    for name in ("manifest.json", "dataset_info.json"):
        text = json.dumps(json.loads((ours / name).read_text())).replace("array_record", "riegeli")
        (ours / name).write_text(text)
    with pytest.raises(SourceError, match="is in the format riegeli; expected tfrecord"):
        index(ours)
