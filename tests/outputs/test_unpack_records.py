"""Records and metadata that cannot be unpacked: each a clear error."""

import functools
import json
import os
from pathlib import Path

import pytest
from unpacked_sets import GOLDFISH, TENCH, files, images_in, with_records

import ilsvrc_tfds
from ilsvrc_tfds.errors import IlsvrcError, SourceError
from ilsvrc_tfds.outputs import unpack as unpacking
from ilsvrc_tfds.outputs.unpack import unpack

HOSTILE = [
    b"../escaped.JPEG", b"../../../../../../../../../../tmp/escaped.JPEG", b"/tmp/escaped.JPEG", b"a/b.JPEG", b"a\\b.JPEG",
    b".", b"..", b"", b"a\0b.JPEG", b"a\nb.JPEG", b"\x1b[31mred.JPEG", b"a\x7f.JPEG", "Büffel.JPEG".encode(), b"\xff.JPEG",
    b"a" * 251 + b".JPEG",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_name_that_no_file_may_have_is_an_error(name, prepare, tmp_path):
    folder = with_records(prepare, (b"good.JPEG", b"image", 0), (name, b"image", 0))
    before = files(tmp_path)
    with pytest.raises(
        SourceError, match="train.tfrecord-00000-of-00001: record 1.* has (the )?file name .*ASCII"
    ) as error:
        unpack(folder, tmp_path / "below/out", workers=1)
    assert str(error.value).isprintable() and files(tmp_path) == before and not (tmp_path / "below").exists()


@pytest.mark.slow
def test_longest_name_and_odd_but_harmless_ones_are_files(prepare, tmp_path):
    names = [b"a" * 250 + b".JPEG", b"...JPEG", b"-rf *", b"metadata.h5", b".hidden", b"%2e%2e%2f"]
    folder = with_records(prepare, *((name, b"image", 0) for name in names))
    out = unpack(folder, tmp_path / "out", workers=1)
    assert sorted(os.listdir(out / "train" / TENCH)) == sorted(name.decode() for name in names)


@pytest.mark.slow
def test_name_that_comes_twice_in_a_class_is_an_error(prepare, tmp_path):
    twins = (b"b.JPEG", b"image", 0), (b"a.JPEG", b"1", 0), (b"a.JPEG", b"2", 1), (b"a.JPEG", b"3", 0)
    with pytest.raises(
        SourceError, match=rf": record 3 would be the same file as .*: record 1, train/{TENCH}/a.JPEG. Nothing"
    ):
        unpack(with_records(prepare, *twins), tmp_path / "out", workers=1)
    again = functools.partial(prepare, data_dir=tmp_path / "again")
    out = unpack(with_records(again, *twins[:3]), tmp_path / "out", workers=1)  # in two classes they are two files
    assert (out / "train" / TENCH / "a.JPEG").read_bytes() + (out / "train" / GOLDFISH / "a.JPEG").read_bytes() == b"12"


@pytest.mark.slow
@pytest.mark.parametrize("folds", [False, True])
def test_names_in_upper_and_lower_case_are_one_where_the_file_system_says_so(folds, prepare, tmp_path, monkeypatch):
    folder = with_records(prepare, (b"a.JPEG", b"1", 0), (b"A.jpeg", b"2", 0))
    monkeypatch.setattr(unpacking, "_folds_case", lambda folder: folds)  # no such file system is at hand
    if folds:
        with pytest.raises(
            SourceError, match="record 1 would be the same file as .* on this file system, which ignores case"
        ):
            unpack(folder, tmp_path / "out", workers=1)
        assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))
    else:
        assert len(images_in(unpack(folder, tmp_path / "out", workers=1) / "train")) == 2


def test_this_file_system_tells_upper_from_lower_case(tmp_path):
    (tmp_path / "files").mkdir()
    assert not unpacking._folds_case(tmp_path / "files")
    (tmp_path / "FILES").mkdir()
    assert unpacking._folds_case(tmp_path / "files")


@pytest.mark.parametrize("label", [-2, -1, 1000, 32_767])
def test_label_that_is_no_class_is_an_error(label, prepare, tmp_path):
    with pytest.raises(IlsvrcError, match=f"00000-of-00001: record 1.* label {label}; expected "):
        unpack(with_records(prepare, (b"a.JPEG", b"", 0), (b"b.JPEG", b"", label)), tmp_path / "out", workers=1)


def test_damaged_record_is_named(prepare, tmp_path):
    folder = prepare(num_shards={"train": 2}).data_path
    path = Path(folder, "ilsvrc2012-train.tfrecord-00001-of-00002")
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match=f"{path}: record 5, byte [0-9,]+: its data does not match the checksum"):
        unpack(folder, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize("split", ["train", "val"])
def test_split_without_records_is_an_error_and_not_left_out(split, prepare, tmp_path):
    with pytest.raises(SourceError, match=rf"ilsvrc2012-{split}.tfrecord-00000-of-00001 has no records"):
        unpack(with_records(prepare, split=split), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_export_and_other_formats_cannot_be_unpacked(archives, prepare, tmp_path):
    exported = ilsvrc_tfds.export(archives, tmp_path / "exported", workers=1, allow_incomplete=True)
    other = prepare(file_format="array_record").data_dir
    for folder, message in (
        (exported, "expected a prepared data set"),
        (other, "expected tfrecord"),
        (tmp_path, "no shards"),
    ):
        with pytest.raises(SourceError, match=message):
            unpack(folder, tmp_path / "out", workers=1)


# What became of the images.


@pytest.mark.slow
def test_without_a_manifest_tfds_metadata_tells_the_shorter_side(prepare, tmp_path):
    folder = prepare(config="raw256").data_path
    (folder / "manifest.json").unlink()
    assert (unpack(folder, tmp_path / "one", workers=1) / "train256").is_dir()
    (folder / "metadata.json").unlink()
    assert (unpack(folder, tmp_path / "two", workers=1) / "train").is_dir()


@pytest.mark.parametrize("side", ["../../escaped", "256", -1, 0, True, 256.0, None, 10**9])
def test_shorter_side_that_is_none_is_an_error(side, prepare, tmp_path):
    path = prepare().data_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"config": {"op": "Resized", "shorter_side": side}}))
    with pytest.raises(SourceError, match="said to have a shorter side of .* pixels"):
        unpack(path.parent, tmp_path / "out", workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "[]", "{", '{"images": 3}'])
def test_metadata_of_tfds_that_makes_no_sense(text, prepare, tmp_path):
    folder = prepare().data_path
    (folder / "manifest.json").unlink()
    (folder / "metadata.json").write_text(text)
    if text.endswith("}"):  # it says nothing of the images
        assert (unpack(folder, tmp_path / "out", workers=1) / "train").is_dir()
    else:
        with pytest.raises(SourceError, match="metadata.json makes no sense"):
            unpack(folder, tmp_path / "out", workers=1)
