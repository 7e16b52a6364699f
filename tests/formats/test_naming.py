"""The names of splits and shards."""

import pytest

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.formats import naming


@pytest.mark.parametrize(
    "names, expected",
    [
        ("val", ("val",)),
        ("validation", ("val",)),
        (["test", "val", "train"], ("train", "val", "test")),
        (("validation", "val", "train", "train"), ("train", "val")),
    ],
)
def test_splits_are_named_once_and_in_order(names, expected):
    assert naming.own_splits(names) == expected


@pytest.mark.parametrize(
    "names, message",
    [
        ([], r"^No splits are named; expected some of train, val \(or validation\), test\.$"),
        ("dev", "^There is no split 'dev'; expected some of train"),
        (["train", "dev", "Val"], "^There is no split 'dev', 'Val'; expected"),
    ],
)
def test_names_that_no_split_has_are_an_option_error(names, message):
    with pytest.raises(OptionError, match=message):
        naming.own_splits(names)


@pytest.mark.parametrize("kind", ["tfds", "classic"])
@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("index, count", [(0, 1), (41, 64), (1023, 1024)])
def test_name_of_a_shard_is_parsed_again(kind, split, index, count):
    name = naming.shard_name(kind, split, index, count)
    assert naming.parse_shard_name(name) == naming.ShardName(kind, split, index, count, "tfrecord")


def test_file_format_is_in_the_name_of_a_prepared_shard():
    name = naming.shard_name("tfds", "train", 3, 12, "array_record")
    assert name == "ilsvrc2012-train.array_record-00003-of-00012"
    assert naming.parse_shard_name(name).file_format == "array_record"


@pytest.mark.parametrize(
    "name",
    [
        "train-00000-of-00001.index", "xtrain-00000-of-00001", "val-00000-of-00001", "train-0000-of-00001",
        "ilsvrc2012-validation.tfrecord-00000-of-00001", "ilsvrc2012-train-00000-of-00001", "train-00000_of-00001",
        "ilsvrc2012-trainxtfrecord-00000-of-00001", "",
    ],
)  # fmt: skip
def test_other_names_are_not_those_of_shards(name):
    assert naming.parse_shard_name(name) is None
