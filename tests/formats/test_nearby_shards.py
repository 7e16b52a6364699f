"""A folder without shards: the message names the folders near it that have some, or says what it is."""

import os

import pytest

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.nearby import kind_of_set

SHARDS = {
    "prepared": "ilsvrc2012/raw256/1.0.0/ilsvrc2012-val.tfrecord-00000-of-00001",
    "exported": "out/validation-00000-of-00001",
}


def made(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


@pytest.mark.parametrize("below", ["", "ilsvrc2012", "ilsvrc2012/raw256"])
def test_data_directory_names_the_data_set_in_it(below, tmp_path):
    folder = made(tmp_path / "data", SHARDS["prepared"]) / below
    expected = rf"{folder} holds no shards. .* There are some in {tmp_path}/data/ilsvrc2012/raw256/1.0.0: name that"
    with pytest.raises(SourceError, match=expected):
        find_output(folder)


def test_folder_above_a_data_directory_names_the_data_sets_in_it(tmp_path):
    made(tmp_path / "demo/data", SHARDS["prepared"], SHARDS["prepared"].replace("raw256", "classification"))
    with pytest.raises(
        SourceError, match="demo/data/ilsvrc2012/classification/1.0.0, .*raw256/1.0.0: name one of them"
    ):
        find_output(tmp_path / "demo")


def test_folder_above_an_export_names_it(tmp_path):
    with pytest.raises(SourceError, match=f"There are some in {tmp_path}/out: name that folder"):
        find_output(made(tmp_path, SHARDS["exported"]))


@pytest.mark.parametrize(
    "path, words",
    [
        (
            "ILSVRC2012_img_train.tar",
            "looks like the images themselves: make a data set of them with `ilsvrc-tfds prepare`",
        ),
        ("train/n01440764/1.JPEG", "looks like the images themselves"),
        ("unpacked.json", "image files that `unpack` wrote: name the prepared data set instead"),
    ],
)
def test_folder_of_something_else_says_what_it_is(path, words, tmp_path):
    with pytest.raises(SourceError, match=words):
        find_output(made(tmp_path, path))


def test_folder_of_nothing_known_gets_no_advice(tmp_path):
    with pytest.raises(SourceError, match="or train-00000-of-…, as exported.$"):
        find_output(made(tmp_path, "notes.txt", "other/notes.txt"))


def test_folder_that_cannot_be_read_is_nothing_known(tmp_path):
    assert kind_of_set(tmp_path / "missing") == ""
    os.symlink("loop", tmp_path / "loop")
    assert kind_of_set(tmp_path / "loop") == ""
