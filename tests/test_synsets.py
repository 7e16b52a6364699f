"""The class table and the validation labels: guarded by sums, compared with TFDS's own lists."""

import hashlib
import importlib.resources

import numpy as np
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError


def packaged(name: str) -> bytes:
    return importlib.resources.files("ilsvrc_tfds.data").joinpath(name).read_bytes()


def tfds_lines(name: str) -> list[str]:
    """Lines of a list that TFDS ships with its `imagenet2012`."""
    folder = importlib.resources.files("tensorflow_datasets").joinpath("datasets/imagenet2012")
    return folder.joinpath(name).read_text().split()


@pytest.mark.parametrize(
    "name, digest",
    [
        ("synsets.tsv", "04208fba83bb7dfce688cfb9821471aea149bd6e32846099f9cfc177a3c32b11"),
        ("validation_labels.u2", "f5350687a5a78da7e645040d352767bc06c1c99d9dfb34f1623b2d1a1d046b76"),
    ],
)
def test_data_is_what_was_checked_once(name, digest):
    assert hashlib.sha256(packaged(name)).hexdigest() == digest


def test_wordnet_licence_is_there():
    assert b"WordNet 3.0 Copyright 2006 by Princeton University" in packaged("WORDNET-LICENSE.txt")


def test_wnids_are_those_of_tfds():
    assert list(synsets.wnids()) == tfds_lines("labels.txt")


def test_class_names_are_the_words_and_each_comes_once():
    names = ilsvrc_tfds.class_names()
    assert len(set(names)) == 1000 and not set(map(type, names)) - {str}
    assert [name for name, synset in zip(names, synsets.synsets()) if name != synset.words] == [
        "crane (n02012849)",
        "crane (n03126707)",
    ]
    assert (
        names[134] == "crane (n02012849)" and synsets.wnids()[517] == "n03126707" and names[0] == "tench, Tinca tinca"
    )


def test_validation_labels_are_those_of_tfds():
    theirs = tfds_lines("validation_labels.txt")
    assert [synsets.wnids()[label] for label in synsets.validation_labels()] == theirs


def test_validation_labels_have_50_of_each_class_and_cannot_be_changed():
    labels = synsets.validation_labels()
    assert labels.dtype == np.uint16 and labels.shape == (50_000,)
    assert (np.bincount(labels) == np.full(1000, synsets.VALIDATION_PER_CLASS)).all()
    with pytest.raises(ValueError, match="read-only"):
        labels[0] = 0


def test_validation_labels_begin_as_the_development_kit():
    numbers = [synsets.synsets()[label].ilsvrc2012_id for label in synsets.validation_labels()[:5]]
    assert numbers == [490, 361, 171, 822, 297]


def test_three_numberings_go_round():
    assert len(synsets.synsets()) == synsets.NUM_CLASSES
    assert list(synsets.wnids()) == sorted(synsets.wnids())
    for index, synset in enumerate(synsets.synsets()):
        assert synset.index == synsets.index_of(synset.wnid) == index
        assert synsets.from_ilsvrc2012_id(synset.ilsvrc2012_id) is synset
    assert sorted(synset.ilsvrc2012_id for synset in synsets.synsets()) == list(range(1, 1001))


# Kit fox is the first of the development kit, dumbbell its last; tench is the first of ours.
@pytest.mark.parametrize("wnid, index, id", [("n02119789", 278, 1), ("n03255030", 543, 1000), ("n01440764", 0, 449)])
def test_known_classes_have_their_numbers(wnid, index, id):
    assert synsets.index_of(wnid) == index
    assert synsets.from_ilsvrc2012_id(id).wnid == wnid


def test_texts_are_ascii_and_as_long_as_the_metadata_has_room():
    assert max(len(synset.words) for synset in synsets.synsets()) == 121
    assert max(len(synset.gloss) for synset in synsets.synsets()) == 255
    assert all((synset.words + synset.gloss).isascii() for synset in synsets.synsets())
    assert all(synset.words and synset.gloss for synset in synsets.synsets())


@pytest.mark.parametrize("word, wnids", [("crane", "n02012849 n03126707"), ("maillot", "n03710637 n03710721")])
def test_words_are_no_keys(word, wnids):
    assert [synset.wnid for synset in synsets.synsets() if synset.words.split(", ")[0] == word] == wnids.split()


@pytest.mark.parametrize("wnid", ["n99999999", "tench", "", "n1440764"])
def test_unknown_wnid_is_an_error(wnid):
    assert not synsets.is_class(wnid)
    with pytest.raises(OptionError, match="not one of the 1000 classes of ILSVRC2012"):
        synsets.index_of(wnid)


@pytest.mark.parametrize("number", [0, 1001, -1])
def test_unknown_ilsvrc2012_id_is_an_error(number):
    with pytest.raises(OptionError, match=rf"ILSVRC2012_ID is in \[1, 1000\], got {number}"):
        synsets.from_ilsvrc2012_id(number)


@pytest.mark.parametrize(
    "name, number",
    [
        (b"ILSVRC2012_val_00000001.JPEG", 1),
        (b"ILSVRC2012_val_00050000.jpg", 50_000),
        (b"ILSVRC2012_val_7.png", 7),
        (b"ILSVRC2012_val_00000000.JPEG", 0),  # whether there is such an image is somebody else's question
        (b"ILSVRC2012_val_.JPEG", None),
        (b"ILSVRC2012_val_00000001", None),
        (b"ILSVRC2012_val_00000001_n01751748.JPEG", None),  # Hugging Face's
        (b"ILSVRC2012_val_00000001 (1).JPEG", None),
        (b"ILSVRC2012_test_00000001.JPEG", None),
        (b"ILSVRC2012_val_" + 5000 * b"1" + b".JPEG", None),  # Python refuses to make an int of so many digits
    ],
)
def test_validation_number_is_read_from_the_name(name, number):
    assert synsets.validation_number(name) == number


@pytest.mark.parametrize("text, is_one", [("n01440764", True), ("n99999999", True), ("n0144076", False), ("", False)])
def test_wnid_is_known_by_its_form(text, is_one):
    assert synsets.is_wnid(text) == is_one


@pytest.mark.parametrize(
    "name, label",
    [
        (b"n01440764_10026.JPEG", 0),
        (b"ILSVRC2012_val_00000001.JPEG", 65),
        (b"ILSVRC2012_val_00050001.JPEG", None),
        (b"ILSVRC2012_test_00000001.JPEG", None),
        (b"n00000000_1.JPEG", None),
        (b"n01440764", None),
        (b"\xff_1.JPEG", None),
    ],
)
def test_label_of_name(name, label):
    assert synsets.label_of_name(name) == label
