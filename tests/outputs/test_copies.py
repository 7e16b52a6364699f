"""Compressed tars are decompressed once, while they are listed, and the results are those of the archives."""

import gzip
import os

import drawing
import forms
import pytest
from compressed_sources import KAGGLE, ONCE, PLAIN, left_in, shards

import ilsvrc_tfds
from ilsvrc_tfds.errors import IlsvrcError, ImageError, SourceError
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import copies, gzips, plain_copy
from ilsvrc_tfds.sources.spool_place import Spool


@pytest.mark.parametrize("name", ["hf", f"kaggle/{KAGGLE}", "classes"])
@pytest.mark.parametrize("scratch", [False, True])
def test_each_archive_is_decompressed_once(name, scratch, compressed, tmp_path, read_whole):
    options = {**PLAIN, "scratch": tmp_path / "scratch"} if scratch else PLAIN
    ilsvrc_tfds.prepare(compressed / name, tmp_path / "own", **options)
    assert read_whole and set(read_whole.values()) == {1}
    ilsvrc_tfds.prepare(compressed / "archives", tmp_path / "archives", **PLAIN)
    assert shards(tmp_path / "own") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == [] and not (tmp_path / "scratch").exists()


def test_export_decompresses_once_too(compressed, tmp_path, read_whole):
    for name in ("hf", "archives"):
        ilsvrc_tfds.export(compressed / name, tmp_path / name, **{**PLAIN, "num_shards": {"train": 2, "val": 1}})
    assert read_whole == ONCE
    assert shards(tmp_path / "hf") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == []


def test_all_configs_are_made_of_one_copy(compressed, tmp_path, read_whole):
    for name in ("hf", "archives"):
        ilsvrc_tfds.prepare_all(compressed / name, tmp_path / name, **PLAIN)
    assert read_whole == ONCE
    assert shards(tmp_path / "hf") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("scratch", [False, True])
def test_config_that_was_left_out_is_made_later(scratch, compressed, tmp_path):
    options = {**PLAIN, "scratch": tmp_path / "scratch"} if scratch else PLAIN
    ilsvrc_tfds.prepare_all(compressed / "archives", tmp_path / "archives", **PLAIN)
    ilsvrc_tfds.prepare(compressed / "archives", tmp_path / "own", **PLAIN, config="raw256")
    ilsvrc_tfds.prepare_all(compressed / "hf", tmp_path / "own", **options)
    assert shards(tmp_path / "own") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == [] and not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"config": "raw256"},
        {"max_examples": 2},
        {"classes": ["n01440764", "n01443537"], "name": "two"},
        {"images": ["n01440764_9.JPEG"], "name": "one"},
    ],
)
def test_what_needs_other_bytes_is_not_copied(options, compressed, tmp_path, monkeypatch):
    monkeypatch.setattr(plain_copy.Copy, "write", None)
    for name in ("hf", "archives"):
        ilsvrc_tfds.prepare(compressed / name, tmp_path / name, **{**forms.PLAIN, **options})
    assert shards(tmp_path / "hf") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == []


def test_tree_is_not_copied_for_one_split(compressed, tmp_path, monkeypatch):
    monkeypatch.setattr(plain_copy.Copy, "write", None)
    for name in ("kaggle", "archives"):
        ilsvrc_tfds.prepare(compressed / name, tmp_path / name, **forms.PLAIN, splits=["val"])
    assert shards(tmp_path / "kaggle") == shards(tmp_path / "archives")


def test_progress_of_decompressing_is_shown(compressed, tmp_path, monkeypatch):
    shown = []
    own = copies.progress
    monkeypatch.setattr(
        copies, "progress", lambda label, total, **options: shown.append((label, total)) or own(label, total, **options)
    )
    ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "hf", **PLAIN)
    assert shown == [("decompress", sum(path.stat().st_size for path in (compressed / "hf").rglob("*.gz")))]


@pytest.mark.parametrize("name", ["hf", "classes"])
def test_message_names_the_archive_and_not_its_copy(name, tmp_path):
    images = drawing.miniature()
    images.train["n01440764"]["n01440764_11.JPEG"] = images.train["n01440764"]["n01440764_11.JPEG"][:-50]
    if name == "hf":
        source = forms.hugging_face_archives(tmp_path / "source", images)
        (source / "data/test_images.tar.gz").unlink()
    else:
        source = drawing.class_archives(tmp_path / "source", images)
        for path in (source / "train").iterdir():
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    with pytest.raises(ImageError) as refused:
        ilsvrc_tfds.prepare(source, tmp_path / "own", **PLAIN)
    assert str(refused.value).startswith(f"{source}/") and ".tar.gz: train/n01440764" in str(refused.value)
    assert "staging" not in str(refused.value)


@pytest.mark.parametrize("zeros", [(1 << 20) - 1024, 1 << 20])
def test_copy_is_listed_as_the_archive_is(zeros, compressed, tmp_path):
    path = tmp_path / "val.tar.gz"
    content = gzip.decompress((compressed / "hf/data/val_images.tar.gz").read_bytes()).rstrip(b"\0")
    content += bytes(-len(content) % 512) + bytes(512 + zeros)
    path.write_bytes(gzip.compress(content))
    plain = tmp_path / "plain.tar"
    plain.write_bytes(content)
    outcomes = []
    for stream in (gzips.GzipStream(str(path)), gzips.ReadAhead(os.open(plain, os.O_RDONLY), 512)):
        try:
            outcomes.append(len(list(gzips.read_gzip_members(stream, "x"))))
        except SourceError as error:
            outcomes.append(str(error).partition(", but")[0])
    assert outcomes[0] == outcomes[1]


def test_damaged_images_are_skipped_as_those_of_archives(tmp_path):
    images = drawing.miniature()
    cut = images.train["n01440764"]["n01440764_11.JPEG"][:-50]
    images.train["n01440764"] |= {"n01440764_11.JPEG": cut, "n01440764_12.JPEG": b""}
    sources = {
        "hf": forms.hugging_face_archives(tmp_path / "source", images),
        "archives": drawing.official_archives(tmp_path / "archives", images),
    }
    (tmp_path / "source/data/test_images.tar.gz").unlink()
    for name, source in sources.items():
        ilsvrc_tfds.prepare(source, tmp_path / f"from {name}", **PLAIN, on_error="skip")
    assert shards(tmp_path / "from hf") == shards(tmp_path / "from archives")
    skipped = [ilsvrc_tfds.prepare(s, tmp_path / f"from {n}", **PLAIN, on_error="skip") for n, s in sources.items()]
    assert len({str(builder.info.metadata["skipped_images"]) for builder in skipped}) == 1


def test_nothing_is_copied_after_the_block(tmp_path):
    with LocalRunner(1) as runner:
        with pytest.raises(IlsvrcError), copies.keeping(Spool(tmp_path / "own"), None, runner):
            assert copies.of("/data/a.tar.gz", "1-1") is not None
            raise SourceError("It is refused.")
        assert copies.of("/data/a.tar.gz", "1-1") is None
    assert left_in(tmp_path) == []


def test_engine_of_the_user_spools_the_images_itself(compressed, tmp_path, monkeypatch):
    monkeypatch.setattr(plain_copy.Copy, "write", None)
    with LocalRunner(1) as engine:
        ilsvrc_tfds.prepare(compressed / "hf", tmp_path / "own", **PLAIN, runner=engine)
    ilsvrc_tfds.prepare(compressed / "archives", tmp_path / "archives", **PLAIN)
    assert shards(tmp_path / "own") == shards(tmp_path / "archives")
