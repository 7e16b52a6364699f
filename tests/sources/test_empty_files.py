"""Files of a source that are empty: without bytes they are failed downloads; without images they are passed over."""

import gzip
import io
from pathlib import Path

import drawing
import forms
import pyarrow
import pyarrow.parquet
import pytest

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources import find_layout, index_images
from ilsvrc_tfds.sources.conflicts import conflicts

IMAGES = drawing.miniature(test=2)
_TAR = drawing.tar([])


def _without_rows(path: Path) -> bytes:
    buffer = io.BytesIO()
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).slice(0, 0), buffer)
    else:
        pyarrow.ipc.new_stream(buffer, pyarrow.ipc.open_stream(path.read_bytes()).schema).close()
    return buffer.getvalue()


def _inner(path: Path) -> bytes:
    second = drawing.WNIDS[1]
    own = {wnid: _TAR if wnid == second else drawing.tar(own.items()) for wnid, own in IMAGES.train.items()}
    return drawing.tar([(f"{wnid}.tar", data) for wnid, data in own.items()])


# A form, how it is made, a file of train in it, and what that file is without images.
FORMS = {
    "parquet": (lambda path: forms.hugging_face(path, IMAGES), "data/train-00000-of-00002.parquet", _without_rows),
    "arrow": (lambda path: forms.saved_to_disk(path, IMAGES), "train/data-00001-of-00002.arrow", _without_rows),
    "gzip": (
        lambda path: forms.hugging_face_archives(path, IMAGES),
        "data/train_images_2.tar.gz",
        lambda _: gzip.compress(_TAR),
    ),
    "webdataset": (
        lambda path: forms.webdataset(path, IMAGES, like_timm=False),
        "train/shard-000001.tar",
        lambda _: _TAR,
    ),
    "class archive": (
        lambda path: drawing.class_archives(path, IMAGES),
        f"train/{drawing.WNIDS[1]}.tar",
        lambda _: _TAR,
    ),
    "inner archive": (lambda path: drawing.official_archives(path, IMAGES), "ILSVRC2012_img_train.tar", _inner),
}


@pytest.mark.parametrize("form", FORMS)
def test_file_without_images_is_passed_over_with_a_note(form, tmp_path):
    make, name, empty = FORMS[form]
    source = make(tmp_path / "source")
    path = source / name
    path.write_bytes(empty(path))
    index = index_images(find_layout([source]))
    inner = f": {drawing.WNIDS[1]}.tar" if form == "inner archive" else ""
    assert f"1 file holds no images: {path}{inner}" in index.notes
    assert 0 < len(index.splits["train"]) < 12 and len(index.splits["val"]) == 6


@pytest.mark.parametrize("form", FORMS)
def test_file_without_bytes_is_a_failed_download(form, tmp_path):
    make, name, _ = FORMS[form]
    source = make(tmp_path / "source")
    (source / name).write_bytes(b"")
    expected = f"{source / name} is an empty file (0 bytes), as a download leaves it that failed or is not at its end"
    with pytest.raises(SourceError) as error:
        index_images(find_layout([source]))
    assert str(error.value) == f"{expected}. Get it again."
    assert sum(expected in line for line in conflicts(find_layout([source]))) == 1


@pytest.mark.parametrize("name", ["imagenet.zip", "imagenet.tar", "imagenet.tar.gz"])
def test_archive_of_all_splits_without_bytes_is_one_too(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(SourceError, match=r"is an empty file \(0 bytes\)"):
        find_layout([tmp_path])


def test_all_empty_files_are_listed(tmp_path):
    source = forms.hugging_face(tmp_path, IMAGES)
    for path in source.glob("data/train-*"):
        path.write_bytes(b"")
    assert sum("is an empty file (0 bytes)" in line for line in conflicts(find_layout([source]))) == 2
