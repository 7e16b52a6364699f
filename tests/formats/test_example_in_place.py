"""Payloads are read as protobuf reads them, whatever their form."""

import contextlib

import drawing
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ilsvrc_tfds.errors import ImageError, SourceError
from ilsvrc_tfds.formats import example_in_place
from ilsvrc_tfds.formats.example import (
    bytes_feature,
    encode_example,
    feature_entry,
    int64_feature,
    join_features,
    parse_example,
)
from ilsvrc_tfds.formats.example_in_place import Picture, parse_payload, parse_start
from ilsvrc_tfds.images import look

FEATURES = st.one_of(
    st.lists(st.binary(max_size=300), max_size=3).map(
        lambda v: tf.train.Feature(bytes_list=tf.train.BytesList(value=v))
    ),
    st.lists(st.floats(width=32), max_size=3).map(lambda v: tf.train.Feature(float_list=tf.train.FloatList(value=v))),
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=3).map(
        lambda v: tf.train.Feature(int64_list=tf.train.Int64List(value=v))
    ),
    st.just(tf.train.Feature()),
)
KEYS = st.one_of(st.sampled_from(["image", "image/a", "label", ""]), st.text(max_size=9))


@st.composite
def payloads(draw) -> bytes:
    """Returns a serialized example, or several behind each other, which are one as well; some with bytes that are changed."""
    payload = b""
    for _ in range(draw(st.integers(1, 2))):
        features = draw(st.dictionaries(KEYS, FEATURES, max_size=4))
        payload += tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    data = bytearray(payload)
    for _ in range(draw(st.integers(0, 2)) if data else 0):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


class CopiedError(Exception):
    """The image was copied."""


@pytest.fixture
def in_place(monkeypatch):
    """Makes the parser that copies the image, and takes every form, raise CopiedError."""

    def refuse(payload: bytes, where: str) -> None:
        raise CopiedError

    monkeypatch.setattr(example_in_place, "parse_example", refuse)


def together(features: dict, picture: Picture | None) -> dict:
    whole = {key: list(values) for key, values in features.items()}
    return whole if picture is None else {**whole, "image": [picture.copy()]}


def check(payload: bytes) -> None:
    """Compares what is read of a payload with what protobuf reads."""
    try:
        expected = {key: list(values) for key, values in parse_example(payload, "here").items()}
    except SourceError:
        with pytest.raises(SourceError, match="here is not a tf.train.Example"):
            parse_payload(payload, "image", "here")
        return
    features, picture = parse_payload(payload, "image", "here")
    assert repr(sorted(together(features, picture).items())) == repr(
        sorted(expected.items())
    )  # NaN differs from itself
    assert (picture is None) == ("image" in features or "image" not in expected)


@settings(max_examples=300, deadline=None)
@given(payloads())
def test_features_are_those_that_protobuf_reads(payload):
    check(payload)


def field(data: bytes) -> bytes:
    """Returns field 1 with these bytes, at most 127."""
    return b"\x0a" + bytes((len(data),)) + data


IMAGE = b"\x0a\x05image\x12\x05\x0a\x03\x0a\x01x"  # key and value of an entry
LABEL = b"\x0a\x0e\x0a\x05label\x12\x05\x1a\x03\x0a\x01\x05"
CRAFTED = {
    "whole": LABEL + field(IMAGE) + LABEL,
    "the features are the entry": IMAGE,
    "the image inside of another feature": field(
        b"\x0a\x01a\x12" + field(b"\x0a" + field(b"\x0a" + field(field(IMAGE))))
    ),
    "two images": field(IMAGE) + field(IMAGE.replace(b"x", b"y")),
    "the second image is none": field(IMAGE) + field(b"\x0a\x05image"),
    "size with another byte": LABEL + b"\x0a\x8e\x00" + IMAGE,
    "size that goes beyond": LABEL + b"\x0a\x7f" + IMAGE,
    "size that ends inside of the key": b"\x0a\x8e" + IMAGE,
    "two values": field(b"\x0a\x05image\x12\x08\x0a\x06\x0a\x01x\x0a\x01y"),
    "key behind the value": field(IMAGE[7:] + IMAGE[:7]),
    "ints that are not packed": field(IMAGE) + b"\x0a\x0d\x0a\x05label\x12\x04\x1a\x02\x08\x05",
    "bytes behind": field(IMAGE) + b"\x0a",
    "another field behind": field(IMAGE) + b"\x12\x00",
}


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_features_are_those_that_protobuf_reads(name):
    check(field(CRAFTED[name]))


@pytest.mark.parametrize("size", [0, 1, 100, 200, 20_000, 3_000_000])
def test_image_is_not_copied(size, in_place):
    payload = b"".join(encode_example(b"n01440764_9.JPEG", b"x" * size, 5))
    features, picture = parse_payload(payload, "image", "here")
    assert features == {"file_name": (b"n01440764_9.JPEG",), "label": (5,)}
    assert picture.data is payload and picture.copy() == b"x" * size


def test_image_beside_long_features_is_not_copied(in_place):
    text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x" * 300, b"y" * 300]))
    image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"z" * 70_000]))
    features = tf.train.Features(feature={"a": text, "image": image, "text": text})
    payload = tf.train.Example(features=features).SerializeToString(deterministic=True)
    features, picture = parse_payload(payload, "image", "here")
    assert features == {"a": (b"x" * 300, b"y" * 300), "text": (b"x" * 300, b"y" * 300)}
    assert picture.data is payload and picture.copy() == b"z" * 70_000


@pytest.mark.parametrize("length", range(1, 8))
def test_size_in_up_to_five_bytes_is_parsed_in_place(length, request):
    entries = field(IMAGE) + LABEL
    payload = b"\x0a" + bytes((len(entries) | 0x80,)) + b"\x80" * (length - 2) + b"\0" + entries
    if length == 1:
        payload = field(entries)
    check(payload)
    request.getfixturevalue("in_place")
    with pytest.raises(CopiedError) if length > 5 else contextlib.nullcontext():
        _, picture = parse_payload(payload, "image", "here")
        assert picture.copy() == b"x"


def test_features_before_an_image_are_read_from_the_first_bytes():
    features = {"image/class/label": int64_feature([-1]), "image/class/text": bytes_feature([b"tench"])}
    before = b"".join(feature_entry(key.encode(), value) for key, value in features.items())
    after = feature_entry(b"image/width", int64_feature([5]))
    example = join_features(before, b"image/encoded", b"x" * 5000, after)
    payload = b"".join(example)
    found = [parse_start(payload[:end], "image/encoded") for end in range(len(payload) + 1)]
    begin = next(end for end, start in enumerate(found) if start)
    assert payload[:begin].endswith(b"image/encoded") and begin < len(example.before)
    assert not any(found[:begin])
    whole = {"image/class/label": (-1,), "image/class/text": (b"tench",)}
    assert all({key: tuple(values) for key, values in start.items()} == whole for start in found[begin:])


def test_first_bytes_of_another_form_have_no_features():
    payload = b"".join(encode_example(b"n01440764_9.JPEG", b"x" * 100, 5))
    assert parse_start(payload, "image/encoded") == parse_start(b"", "image") == parse_start(b"\x0a", "image") == {}
    assert parse_start(b"\x08" + payload, "image") == {}


LARGE = drawing.jpeg(300, 200, quality=98)
IMAGES = {
    "small": drawing.jpeg(),
    "large": LARGE,
    "progressive": drawing.jpeg(400, 300, progressive=True, quality=98),
    "with a long head": drawing.jpeg(300, 200, quality=98, exif=b"Exif\0\0" + bytes(5000)),
    "whose head ends with the part": drawing.jpeg(300, 200, quality=98, exif=b"Exif\0\0" + bytes(4096 - 629)),
    "PNG": drawing.png(200, 100),
    "CMYK": drawing.jpeg(300, 200, "CMYK", quality=98),
    "without an end": LARGE[:-2],
    "cut in the head": LARGE[:300],
    "long text": b"<html>" * 2000,
    "nothing": b"",
}


@pytest.mark.parametrize("name", IMAGES)
def test_picture_is_looked_at_as_the_image_is(name):
    image = IMAGES[name]
    picture = Picture(b"\xff\xd8\xff" + image + b"\xff\xd9 behind it", 3, 3 + len(image))
    try:
        expected = look(image)
    except ImageError as error:
        with pytest.raises(ImageError) as raised:
            picture.look()
        assert str(raised.value) == str(error)
    else:
        assert picture.look() == expected


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 4300), st.integers(0, 255), st.integers(0, 5000))
def test_damaged_picture_is_looked_at_as_the_image_is(position, byte, length):
    image = bytearray(drawing.jpeg(300, 200, quality=98, exif=b"Exif\0\0" + bytes(length)))
    image[position] = byte
    test_picture = Picture(bytes(image), 0, len(image))
    assert outcome(test_picture.look) == outcome(lambda: look(bytes(image)))


def outcome(function) -> str:
    try:
        return repr(function())
    except ImageError as error:
        return str(error)
