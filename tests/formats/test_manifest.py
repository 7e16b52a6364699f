"""Manifests are written, read again, and damaged in every way that JSON can be."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import DestinationError, SourceError
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.kinds import CLASSIC, KINDS, TFDS
from ilsvrc_tfds.formats.manifest import Manifest, ShardEntry
from ilsvrc_tfds.shards import writer

CLASSIC = Manifest(
    kind="classic",
    file_format="tfrecord",
    config={"name": "raw256", "op": "Resized", "shorter_side": 256, "quality": 95},
    keys=KINDS[CLASSIC].keys,
    label_offset=1,
    shards={
        "train": (
            ShardEntry("train-00000-of-00002", 6, 12_345, "0123456789abcdef"),
            ShardEntry("train-00001-of-00002", 6, 12_346, "0123456789abcde0"),
        ),
        "val": (ShardEntry("validation-00000-of-00001", 0, 0, "0" * 16),),
    },
)
PREPARED = dataclasses.replace(
    CLASSIC,
    kind="tfds",
    keys=KINDS[TFDS].keys,
    label_offset=0,
    shards={"test": (ShardEntry("ilsvrc2012-test.array_record-00000-of-00001", 5, 99, "f" * 16),)},
)


@pytest.mark.parametrize("described", [CLASSIC, PREPARED], ids=["classic", "tfds"])
def test_manifest_is_read_as_it_was_written(tmp_path, described):
    assert manifest.write(described, tmp_path) == tmp_path / "manifest.json"
    assert manifest.read(tmp_path) == manifest.read(str(tmp_path)) == described
    assert os.listdir(tmp_path) == ["manifest.json"]


def test_same_manifest_has_the_same_bytes(tmp_path):
    texts = {manifest.write(CLASSIC, tmp_path).read_bytes() for _ in range(2)}
    assert len(texts) == 1


def test_manifest_says_what_a_reader_needs(tmp_path):
    values = json.loads(manifest.write(CLASSIC, tmp_path).read_text())
    assert values["format"] == 1 and values["kind"] == "classic" and values["label_offset"] == 1
    assert values["keys"]["image/object/bbox/xmin"] == "float"
    assert values["shards"]["train"][0] == {
        "name": "train-00000-of-00002", "records": 6, "bytes": 12_345, "xxh3_64": "0123456789abcdef"
    }  # fmt: skip
    lines = "".join(f"{synset.wnid}\n" for synset in sorted(synsets.synsets(), key=lambda synset: synset.index))
    assert values["classes"] == hashlib.sha256(lines.encode()).hexdigest()


def test_boxes_are_in_the_file_only_where_they_were_asked_for(tmp_path):
    assert "boxes" not in json.loads(manifest.write(CLASSIC, tmp_path).read_text())
    with_boxes = dataclasses.replace(CLASSIC, boxes={"train": 12, "val": 0})
    assert json.loads(manifest.write(with_boxes, tmp_path).read_text())["boxes"] == {"train": 12, "val": 0}
    assert manifest.read(tmp_path) == with_boxes


def test_every_shard_needs_its_receipt():
    entries = CLASSIC.shards["train"]
    receipts = [writer.Receipt("train", k, 6, 0, entry.bytes, entry.xxh3_64, 0, 0) for k, entry in enumerate(entries)]
    assert manifest.shard_entries([entry.name for entry in entries], receipts) == entries
    for names, own in ((["a", "b", "c"], receipts), (["a"], receipts)):
        with pytest.raises(ValueError, match="zip"):
            manifest.shard_entries(names, own)


def test_folder_without_a_manifest_has_none(tmp_path):
    assert manifest.read(tmp_path) is None and manifest.read(tmp_path / "nothing") is None


def test_fields_of_a_later_version_are_passed_over(tmp_path):
    path = manifest.write(CLASSIC, tmp_path)
    values = json.loads(path.read_text())
    values["new"], values["shards"]["train"][0]["new"] = 1, [2]
    path.write_text(json.dumps(values))
    assert manifest.read(tmp_path) == CLASSIC


def changed(*keys, value=None):
    """Returns the JSON of a manifest with one value changed, or removed where it is `...`."""
    values = json.loads(json.dumps({"format": 1, **dataclasses.asdict(CLASSIC)}))
    target = values
    for key in keys[:-1]:
        target = target[key]
    if value is ...:
        del target[keys[-1]]
    else:
        target[keys[-1]] = value
    return json.dumps(values).encode()


SHARD = ("shards", "train", 0)
BAD = {
    "nothing": (b"", "Expecting value"),
    "cut short": (changed("format", value=1)[:200], "Expecting|Unterminated"),
    "no text": (b"\xff\xfe\0", "codec can't decode"),
    "a list": (b"[1, 2]", "list indices must be"),
    "a number": (b"7", "not subscriptable"),
    "null": (b"null", "not subscriptable"),
    "a deep list": (b"[" * 100_000, "recursion"),
    "a long number": (
        changed("format", value=1).replace(b'"format": 1', b'"format": ' + b"9" * 5000),
        "Exceeds the limit",
    ),
    "no format": (changed("format", value=...), "'format' is missing"),
    "another format": (changed("format", value=2), "it has format 2, but this version reads format 1; use the version"),
    "a format of a thousand letters": (changed("format", value="x" * 1000), "it has format 'x{39}, but"),
    "no kind": (changed("kind", value=...), "'kind' is missing"),
    "another kind": (changed("kind", value="webdataset"), "kind cannot be 'webdataset'"),
    "a kind that is a list": (changed("kind", value=[]), r"kind cannot be \[\]"),
    "no file format": (changed("file_format", value=None), "file_format cannot be None"),
    "a config that is a list": (changed("config", value=[]), r"config cannot be \[\]"),
    "keys that are a list": (changed("keys", value=["image"]), "keys cannot be"),
    "a key of another type": (changed("keys", "image/width", value="int32"), "keys cannot be"),
    "a key of a type that is a list": (changed("keys", "image/width", value=["int64"]), "keys cannot be"),
    "another offset": (changed("label_offset", value=2), "label_offset cannot be 2"),
    "an offset that is text": (changed("label_offset", value="1"), "label_offset cannot be '1'"),
    "an offset that is true": (changed("label_offset", value=True), "label_offset cannot be True"),
    "other classes": (changed("classes", value="0" * 64), "classes .* cannot be '000"),
    "classes of a greater digest": (changed("classes", value="f" * 64), "classes .* cannot be 'fff"),
    "no classes": (changed("classes", value=...), "'classes' is missing"),
    "boxes that are a number": (changed("boxes", value=3), "no attribute 'items'"),
    "boxes of another split": (changed("boxes", value={"validation": 1}), "boxes of validation cannot be 1"),
    "more boxes than records": (changed("boxes", value={"train": 13}), "boxes of train cannot be 13"),
    "half a box": (changed("boxes", value={"train": 0.5}), "boxes of train cannot be 0.5"),
    "no shards": (changed("shards", value=...), "'shards' is missing"),
    "shards that are a list": (changed("shards", value=[]), "no attribute 'items'"),
    "no splits": (changed("shards", value={}), r"the splits cannot be \[\]"),
    "another split": (changed("shards", "validation", value=[]), "the splits cannot be"),
    "a split that is a number": (changed("shards", "train", value=1), "not iterable"),
    "a shard that is text": (changed(*SHARD, value="train"), "string indices must be"),
    "a shard without a name": (changed(*SHARD, "name", value=...), "'name' is missing"),
    "a shard that comes twice": (changed(*SHARD, "name", value="train-00001-of-00002"), "one occurs twice"),
    "a shard in two splits": (changed(*SHARD, "name", value="validation-00000-of-00001"), "one occurs twice"),
    "records below 0": (changed(*SHARD, "records", value=-1), "records of train-00000-of-00002 cannot be -1"),
    "half a record": (changed(*SHARD, "records", value=0.5), "records of train-00000-of-00002 cannot be 0.5"),
    "records that are NaN": (changed(*SHARD, "records", value=float("nan")), "NaN is not valid JSON"),
    "infinite records": (changed(*SHARD, "records", value=8).replace(b": 8", b": 1e999"), "cannot be inf"),
    "no bytes": (changed(*SHARD, "bytes", value=None), "bytes of train-00000-of-00002 cannot be None"),
    "a short digest": (changed(*SHARD, "xxh3_64", value="abc"), "xxh3_64 of train-00000-of-00002 cannot be 'abc'"),
    "a digest with a line end": (changed(*SHARD, "xxh3_64", value="0" * 16 + "\n"), "xxh3_64 of"),
    "a digest that is a number": (changed(*SHARD, "xxh3_64", value=12), "xxh3_64 of"),
}


@pytest.mark.parametrize("data, message", BAD.values(), ids=BAD)
def test_manifest_that_makes_no_sense_is_a_source_error(tmp_path, data, message):
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(
        SourceError, match=f"manifest.json cannot be used: .*({message}).* Make the data again"
    ) as caught:
        manifest.read(tmp_path)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


NAMES = [
    "../train",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    ".hidden",
    "-rf",
    "é",
    "\ud800",
    "a" * 256,
]
NAMES += [7, None]


@pytest.mark.parametrize("name", NAMES)
def test_shard_outside_of_the_folder_is_a_source_error(tmp_path, name):
    (tmp_path / "manifest.json").write_bytes(changed(*SHARD, "name", value=name))
    with pytest.raises(SourceError, match="a shard's name cannot be"):
        manifest.read(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=6,
)
PLACES = [("shards",), ("shards", "train"), SHARD, *((*SHARD, field.name) for field in dataclasses.fields(ShardEntry))]
PLACES += [(field.name,) for field in dataclasses.fields(Manifest)]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_any_json_is_a_manifest_or_a_source_error(tmp_path_factory, place, value):
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "manifest.json").write_bytes(changed(*place, value=value))
    try:
        described = manifest.read(folder)
    except SourceError:
        return
    assert manifest.read(manifest.write(described, folder).parent) == described


def test_manifest_that_is_a_folder_is_a_source_error(tmp_path):
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(SourceError, match="manifest.json cannot be read: Is a directory. It is a folder"):
        manifest.read(tmp_path)


def test_manifest_of_a_terabyte_is_not_read_whole(tmp_path):
    (tmp_path / "manifest.json").touch()
    os.truncate(tmp_path / "manifest.json", 1 << 40)
    with pytest.raises(SourceError, match="manifest.json cannot be used"):
        manifest.read(tmp_path)


def test_folder_that_cannot_be_written_is_a_destination_error(tmp_path):
    with pytest.raises(
        DestinationError,
        match="manifest.json cannot be written: No such file or directory. A folder of this path does not exist",
    ):
        manifest.write(CLASSIC, tmp_path / "nothing")


@pytest.mark.slow
def test_full_disk_leaves_nothing(tmp_path):
    code = f"""
import resource
from ilsvrc_tfds import errors
from ilsvrc_tfds.formats import manifest
from test_manifest import CLASSIC
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    manifest.write(CLASSIC, {str(tmp_path)!r})
except errors.DestinationError as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "manifest.json cannot be written: File too large" in run.stdout and os.listdir(tmp_path) == []
