"""Records are compared with TensorFlow's own message: its bytes when written, its values when read."""

import subprocess
import sys

import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats.example import (
    encode_example,
    feature_entry,
    float_feature,
    int64_feature,
    join_features,
    parse_example,
)
from ilsvrc_tfds.shards.encoders import TfdsExample


def reference(name: bytes, image: bytes, label: int) -> bytes:
    """Returns the example as protobuf writes it."""
    features = {
        "file_name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[name])),
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return serialized(features)


def serialized(features: dict[str, tf.train.Feature]) -> bytes:
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=255).map(str.encode)


@settings(deadline=None)
@given(NAMES, st.binary(max_size=600), st.integers(-1, 999))
def test_example_is_what_protobuf_writes(name, image, label):
    example = encode_example(name, image, label)
    assert b"".join(example) == reference(name, image, label)
    assert example.size == len(reference(name, image, label))


@pytest.mark.parametrize("label", [-1, 0, 127, 128, 999])
@pytest.mark.parametrize("power", [7, 14, 21])  # a length takes one byte more from 2**7, 2**14 and 2**21 on
def test_example_is_what_protobuf_writes_where_lengths_grow(power, label):
    # An enclosing message reaches the limit up to some 30 bytes before the image does.
    for size in range(2**power - 60, 2**power + 2, 1 if power < 21 else 6):
        image = bytes(size)
        assert b"".join(encode_example(b"n01440764_10.JPEG", image, label)) == reference(
            b"n01440764_10.JPEG", image, label
        )


def test_example_does_not_copy_the_image():
    image = bytes(1000)
    assert encode_example(b"a.JPEG", image, 1).image is image


def test_lists_are_what_protobuf_writes():
    image, floats, ints = b"image", [0.0, 0.1, 1.0], [-1, 0, 2**40]
    before = feature_entry(b"a", float_feature(floats)) + feature_entry(b"b", float_feature([]))
    after = feature_entry(b"d", int64_feature(ints)) + feature_entry(b"e", int64_feature([]))
    theirs = {
        "a": tf.train.Feature(float_list=tf.train.FloatList(value=floats)),
        "b": tf.train.Feature(float_list=tf.train.FloatList()),
        "c": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "d": tf.train.Feature(int64_list=tf.train.Int64List(value=ints)),
        "e": tf.train.Feature(int64_list=tf.train.Int64List()),
    }
    assert b"".join(join_features(before, b"c", image, after)) == serialized(theirs)


FEATURES = st.one_of(
    st.lists(st.binary(max_size=50), max_size=4).map(
        lambda values: (values, tf.train.Feature(bytes_list=tf.train.BytesList(value=values)))
    ),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4).map(
        lambda values: (values, tf.train.Feature(int64_list=tf.train.Int64List(value=values)))
    ),
    st.lists(st.floats(width=32, allow_nan=False), max_size=4).map(
        lambda values: (values, tf.train.Feature(float_list=tf.train.FloatList(value=values)))
    ),
    st.just(([], tf.train.Feature())),
)


def test_tfds_example_hands_an_unchanged_image_on_without_a_copy():
    data = b"as it is"
    assert TfdsExample(lambda image: image)(b"a.JPEG", data, 3).image is data
    assert TfdsExample(bytes.upper)(b"a.JPEG", data, 3) == encode_example(b"a.JPEG", b"AS IT IS", 3)


@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=20), FEATURES, max_size=6))
def test_parsed_example_has_the_values_that_protobuf_was_given(features):
    payload = serialized({key: feature for key, (_, feature) in features.items()})
    assert parse_example(payload, "here") == {key: values for key, (values, _) in features.items()}


@settings(deadline=None)
@given(NAMES, st.binary(max_size=600), st.integers(-1, 999))
def test_parsed_example_is_what_was_encoded(name, image, label):
    payload = b"".join(encode_example(name, image, label))
    assert parse_example(payload, "here") == {"file_name": [name], "image": [image], "label": [label]}


ENCODED = b"".join(encode_example(b"n01440764_10.JPEG", b"image", 7))
CHANGED = st.tuples(st.integers(0, len(ENCODED)), st.integers(0, 8), st.binary(max_size=8)).map(
    lambda change: ENCODED[: change[0]] + change[2] + ENCODED[change[0] + change[1] :]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=100), CHANGED))
def test_parsing_what_is_no_example_is_a_source_error(payload):
    try:
        theirs = tf.train.Example.FromString(payload).features.feature
    except DecodeError:
        with pytest.raises(SourceError, match=r"^shard: record 3 is not a tf.train.Example \(.*\)\.$"):
            parse_example(payload, "shard: record 3")
    else:  # as text, for NaN is not NaN
        assert repr(sorted(parse_example(payload, "").items())) == repr(
            sorted((key, _values(value)) for key, value in theirs.items())
        )


def test_parsing_loads_no_tensorflow():
    code = "import sys; from ilsvrc_tfds.formats.example import parse_example; parse_example(b'', ''); print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def _values(feature) -> list:
    return [*feature.bytes_list.value, *feature.int64_list.value, *feature.float_list.value]
