"""Official names of images that are written in another way: they tell class and split as the official ones do."""

import os
import tracemalloc

import drawing
import pytest

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import IlsvrcError
from ilsvrc_tfds.formats.tfrecord import frame
from ilsvrc_tfds.images import Untouched
from ilsvrc_tfds.shards.encoders import ClassicExample, TfdsExample
from ilsvrc_tfds.sources.index import index_images
from ilsvrc_tfds.sources.scan import is_plain
from ilsvrc_tfds.sources.search import find_layout

SHARK, OWN = "n01491361", "n01443537"  # the second is that of validation image 236
VALIDATION = [
    "ILSVRC2012_val_236.JPEG",
    f"ILSVRC2012_val_236_{OWN}.JPEG",
    f"ILSVRC2012_val_00000236_{OWN}.JPEG",
    "ilsvrc2012_val_00000236.JPEG",
    f"ilsvrc2012_val_236_{OWN}.jpg",
    "ILSVRC2012_VAL_00000236.JPG",
]
TRAIN = [f"{OWN}_7.JPEG", f"{OWN}_7_{OWN}.JPEG", f"N{OWN[1:]}_7.JPEG"]


@pytest.mark.parametrize("name", [b"a", b" ", b"~", b"...a", b"a" * 255, b"n01440764_10026.JPEG"])
def test_plain_names(name):
    assert is_plain(name)


@pytest.mark.parametrize(
    "name",
    [b"", b".", b"..", b"." * 255, b"a/b", b"/", b"a\n", b"\n", b".\n", b"\x7f", b"\x1f", b"\x80", b"\0", b"a" * 256],
)
def test_names_that_are_not_plain(name):
    assert not is_plain(name)


def labels(tmp_path, split: str, wnid: str, name: str) -> list[int]:
    """Returns the labels of the images of a split of which one, in a class folder, has that name."""
    for folder, file_name in {f"train/{SHARK}": f"{SHARK}_1.JPEG", f"{split}/{wnid}": name}.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / file_name).write_bytes(drawing.jpeg())
    return index_images(find_layout([tmp_path])).splits[split].label.tolist()


@pytest.mark.parametrize("name", VALIDATION)
def test_validation_name_tells_class_and_split(name, tmp_path):
    assert synsets.label_of_name(name.encode()) == synsets.index_of(OWN)
    assert synsets.split_of_name(name.encode()) == "val"
    assert labels(tmp_path / "right", "val", OWN, name) == [synsets.index_of(OWN)]
    with pytest.raises(IlsvrcError, match=f"lies in class {SHARK} but its name says otherwise: .* of {OWN}"):
        labels(tmp_path / "wrong", "val", SHARK, name)
    with pytest.raises(IlsvrcError, match="image of split 'train' has the name of an image of split 'val'"):
        labels(tmp_path / "train", "train", OWN, name)


@pytest.mark.parametrize("name", TRAIN)
def test_train_name_tells_class_and_split(name, tmp_path):
    assert synsets.label_of_name(name.encode()) == synsets.index_of(OWN)
    assert synsets.split_of_name(name.encode()) == "train"
    with pytest.raises(IlsvrcError, match=f"lies in class {SHARK} but its name says otherwise: .* of {OWN}"):
        labels(tmp_path / "wrong", "train", SHARK, name)
    with pytest.raises(IlsvrcError, match="image of split 'val' has the name of an image of split 'train'"):
        labels(tmp_path / "val", "val", OWN, name)


def test_test_name_in_small_letters_is_none_of_another_split(tmp_path):
    with pytest.raises(IlsvrcError, match="image of split 'val' has the name of an image of split 'test'"):
        labels(tmp_path, "val", OWN, "ilsvrc2012_test_7.jpg")


def test_appended_class_in_capitals_is_refused(tmp_path):
    with pytest.raises(IlsvrcError, match=f"has a class in capitals appended. Rename it: _{OWN}"):
        labels(tmp_path, "val", OWN, f"ILSVRC2012_val_00000236_{OWN.upper()}.JPEG")


# In every layout.


ODD = [
    b"n01440764_1\n.JPEG",
    b"n01440764_\x1b[31m.JPEG",
    b"n01440764_\xc3\xa9.JPEG",
    b"n01440764_" + 300 * b"1" + b".JPEG",
]


def own_set(folder, name: bytes):
    """Writes a prepared data set of one image, whose name was not checked when it was made."""
    (folder / "metadata.json").write_text('{"images": {"op": "Original"}}')
    return folder / "ilsvrc2012-train.tfrecord-00000-of-00001", [TfdsExample(Untouched())(name, b"image", 0)]


def imagenet2012(folder, name: bytes):
    return folder / "imagenet2012-train.tfrecord-00000-of-00001", [TfdsExample(Untouched())(name, b"image", 0)]


def classic(folder, name: bytes):
    return folder / "train-00000-of-00001", [ClassicExample(label_offset=0)(name, drawing.jpeg(), 0)]


@pytest.mark.parametrize("form", [own_set, imagenet2012, classic])
def test_odd_name_in_a_record_is_refused_before_a_table_is_made(form, tmp_path):
    for name in (*ODD, b"../n01440764_1.JPEG"):
        path, records = form(tmp_path, name)
        path.write_bytes(b"".join(piece for record in records for piece in frame(record)))
        if name.startswith(b"..") and form is not own_set:  # other programs write folders before a name
            assert index_images(find_layout([tmp_path])).splits["train"].name.tolist() == [b"n01440764_1.JPEG"]
            continue
        with pytest.raises(IlsvrcError, match=f"{path}: record 0.* file name 'n01440764|file name '../n") as caught:
            index_images(find_layout([tmp_path]))
        assert str(caught.value).isprintable() and len(str(caught.value)) < 400 + len(str(tmp_path))


@pytest.mark.slow
def test_name_of_megabytes_takes_no_memory_for_every_row(tmp_path):
    names = [*(b"n01440764_%d.JPEG" % k for k in range(500)), b"n01440764_" + (1 << 20) * b"1" + b".JPEG"]
    path = own_set(tmp_path, b"")[0]
    path.write_bytes(b"".join(b"".join(frame(record)) for name in names for record in own_set(tmp_path, name)[1]))
    tracemalloc.start()
    try:
        with pytest.raises(IlsvrcError, match="record 500, byte .* has .*file name 'n01440764_11"):
            index_images(find_layout([tmp_path]))
        assert tracemalloc.get_traced_memory()[1] < 100 << 20  # with a table of these names it would be 500 MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ODD, ids=["line", "escape", "accent", "long"])
def test_odd_name_in_a_webdataset_is_refused(name, tmp_path):
    key = os.fsdecode(name.removesuffix(b".JPEG"))
    (tmp_path / "train-000000.tar").write_bytes(drawing.tar([(f"{key}.jpg", drawing.jpeg()), (f"{key}.cls", b"0")]))
    with pytest.raises(IlsvrcError, match="train-000000.tar.*(official file name|not printable ASCII)") as caught:
        index_images(find_layout([tmp_path]))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 800 + len(str(tmp_path))
