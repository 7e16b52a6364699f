"""Records are compared with TensorFlow's own bytes, and parsed with the feature specs of the scripts that read them."""

import pickle

import drawing
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import ImageError, OptionError
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.kinds import CLASSIC, KINDS
from ilsvrc_tfds.images import Original, Resized
from ilsvrc_tfds.shards.encoders import ClassicExample
from ilsvrc_tfds.sources.boxes import Boxes

NAME = b"n01440764_10.JPEG"
JPEG = drawing.jpeg(50, 40)

# Inception's and slim's (image_processing.py, datasets/imagenet.py), which the TPU and MLPerf scripts took over.
SPEC = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string, default_value=""),
    "image/format": tf.io.FixedLenFeature([], tf.string, default_value="jpeg"),
    "image/class/label": tf.io.FixedLenFeature([], tf.int64, default_value=-7),
    "image/class/text": tf.io.FixedLenFeature([], tf.string, default_value="?"),
    **{f"image/object/bbox/{corner}": tf.io.VarLenFeature(tf.float32) for corner in ("xmin", "ymin", "xmax", "ymax")},
    "image/object/bbox/label": tf.io.VarLenFeature(tf.int64),
}


def reference(name: bytes, image: bytes, size: tuple[int, int], number: int, synset, boxes) -> bytes:
    """Returns the record as TensorFlow writes it; `size` is (height, width)."""
    ints = {"image/height": size[:1], "image/width": size[1:], "image/channels": [3], "image/class/label": [number]}
    texts = {
        "image/colorspace": b"RGB",
        "image/format": b"JPEG",
        "image/filename": name,
        "image/encoded": image,
        "image/class/synset": synset.wnid.encode() if synset else b"",
        "image/class/text": synset.words.encode() if synset else b"",
    }
    floats = {f"image/object/bbox/{corner}": [] for corner in ("xmin", "ymin", "xmax", "ymax")}
    for box in boxes:
        for values, value in zip(floats.values(), box):
            values.append(value)
    ints["image/object/bbox/label"] = [number] * len(boxes)
    features = {key: tf.train.Feature(int64_list=tf.train.Int64List(value=value)) for key, value in ints.items()}
    features |= {key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for key, value in texts.items()}
    features |= {key: tf.train.Feature(float_list=tf.train.FloatList(value=value)) for key, value in floats.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def record(encoder: ClassicExample, *image) -> bytes:
    return b"".join(encoder(*image))


NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=255).map(str.encode)
UNIT = st.floats(0, 1)


@settings(deadline=None)
@given(NAMES, st.integers(1, 300), st.integers(1, 300), st.integers(-1, 999), st.sampled_from([0, 1]), st.data())
def test_record_is_what_tensorflow_writes(name, height, width, label, offset, data):
    corners = data.draw(st.lists(st.tuples(UNIT, UNIT, UNIT, UNIT), max_size=3))
    found = Boxes(1.0, 1.0, tuple(corners))
    image = drawing.jpeg(width, height, quality=10)
    encoder = ClassicExample(label_offset=offset, boxes={name.rpartition(b".")[0] or name: found})
    synset = synsets.synsets()[label] if label >= 0 else None
    number = label + offset if label >= 0 else -1
    expected = reference(name, image, (height, width), number, synset, found.relative())
    assert record(encoder, name, image, label) == expected


@pytest.mark.parametrize("offset", [0, 1])
def test_every_class_has_its_number_wnid_and_words(offset):
    encoder = ClassicExample(label_offset=offset)
    for synset in synsets.synsets():
        expected = reference(NAME, JPEG, (40, 50), synset.index + offset, synset, [])
        assert record(encoder, NAME, JPEG, synset.index) == expected


def test_labels_begin_with_1_if_nothing_else_is_said():
    values = parse_example(record(ClassicExample(), NAME, JPEG, 0), "")
    assert values["image/class/label"] == [1] and values["image/class/synset"] == [b"n01440764"]
    assert values["image/class/text"] == [b"tench, Tinca tinca"]


@pytest.mark.parametrize("offset", [0, 1])
def test_test_split_has_label_minus_1_and_no_class(offset):
    values = parse_example(record(ClassicExample(label_offset=offset), b"ILSVRC2012_test_00000001.JPEG", JPEG, -1), "")
    assert values["image/class/label"] == [-1]
    assert values["image/class/synset"] == values["image/class/text"] == [b""]


def test_keys_and_types_are_the_fifteen():
    example = tf.train.Example.FromString(record(ClassicExample(), NAME, JPEG, 0))
    types = {key: feature.WhichOneof("kind").removesuffix("_list") for key, feature in example.features.feature.items()}
    keys = KINDS[CLASSIC].keys
    assert types == keys and len(types) == 15 and list(keys) == sorted(keys)


def test_classic_scripts_parse_it():
    found = Boxes(50, 40, ((10, 4, 30, 20), (0, 0, 50, 40)))
    encoder = ClassicExample(boxes={b"n01440764_10": found})
    parsed = tf.io.parse_single_example(record(encoder, NAME, JPEG, 3), SPEC)
    assert parsed["image/class/label"] == 4 and parsed["image/format"] == b"JPEG"
    assert parsed["image/class/text"] == synsets.synsets()[3].words.encode()
    corners = [parsed[f"image/object/bbox/{corner}"].values for corner in ("ymin", "xmin", "ymax", "xmax")]
    np.testing.assert_array_equal(np.stack(corners, 1), np.float32([[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1]]))
    assert parsed["image/object/bbox/label"].values.numpy().tolist() == [4, 4]
    # What Inception's distort_image makes of them.
    shape = tf.io.extract_jpeg_shape(parsed["image/encoded"])
    boxes = tf.stack(corners, 1)[None]
    begin, size, _ = tf.image.sample_distorted_bounding_box(shape, boxes, min_object_covered=0.1)
    assert tf.io.decode_and_crop_jpeg(parsed["image/encoded"], tf.concat([begin[:2], size[:2]], 0)).shape[2] == 3


def test_image_without_boxes_parses_to_empty_lists():
    for encoder in (ClassicExample(), ClassicExample(boxes={b"n01440764_10": Boxes(9, 9, ((1, 1, 1, 1),))})):
        parsed = tf.io.parse_single_example(record(encoder, NAME, JPEG, 3), SPEC)
        assert all(parsed[key].values.shape == (0,) for key in SPEC if "bbox" in key)


@pytest.mark.parametrize("extension", [b".JPEG", b".jpg", b".png", b""])
def test_boxes_are_found_whatever_the_extension(extension):
    encoder = ClassicExample(boxes={b"n01440764_10": Boxes(10, 10, ((1, 2, 3, 4),))})
    values = parse_example(record(encoder, b"n01440764_10" + extension, JPEG, 0), "")
    assert values["image/object/bbox/ymin"] == [pytest.approx(0.2)]


def test_boxes_without_a_size_are_measured_in_the_original_image():
    # As with `--config raw256` and Kaggle's table: 400 x 300 pixels become 341 x 256.
    original, found = drawing.jpeg(400, 300), Boxes(0, 0, ((40, 30, 200, 150),))
    encoder = ClassicExample(Resized(256), boxes={b"n01440764_10": found})
    values = parse_example(record(encoder, NAME, original, 0), "")
    assert (values["image/height"], values["image/width"]) == ([256], [341])
    corners = [values[f"image/object/bbox/{corner}"] for corner in ("xmin", "ymin", "xmax", "ymax")]
    np.testing.assert_array_equal(corners, np.float32([[0.1], [0.1], [0.5], [0.5]]))


ODD = {
    "CMYK": drawing.jpeg(50, 40, "CMYK"),
    "PNG": drawing.png(45, 35),
    "grey": drawing.jpeg(44, 33, "L"),
    "turned by its EXIF": drawing.jpeg_with_thumbnail(),
}


@pytest.mark.parametrize("op", [Original(), Resized(24)], ids=repr)
@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_size_is_that_of_the_image_that_is_written(op, data):
    example = ClassicExample(op)(NAME, data, 0)
    values = parse_example(b"".join(example), "")
    assert values["image/encoded"] == [example.image] == [op(data)]
    height, width, components = tf.io.decode_jpeg(example.image).shape
    assert (values["image/height"], values["image/width"]) == ([height], [width]) and components in (1, 3)


def test_image_that_stays_as_it_is_is_not_copied():
    assert ClassicExample()(NAME, JPEG, 0).image is JPEG


def test_encoder_is_a_value():
    encoder = ClassicExample(Resized(256), 0, {b"n01440764_10": Boxes(1, 1, ())})
    assert pickle.loads(pickle.dumps(encoder)) == encoder != ClassicExample(Resized(256), 1)
    assert "Resized(shorter_side=256, quality=95), label_offset=0" in repr(encoder)


@pytest.mark.parametrize("offset", [-1, 2])
def test_other_label_offset_is_an_option_error(offset):
    with pytest.raises(OptionError, match=f"label_offset must be 0 or 1, got {offset}"):
        ClassicExample(label_offset=offset)


def test_damaged_image_is_an_image_error():
    with pytest.raises(ImageError, match="the JPEG ends early"):
        ClassicExample()(NAME, JPEG[:-200], 0)
