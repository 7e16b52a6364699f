"""The kinds of records: their keys, and the keys of the image, its file name and its label."""

from typing import NamedTuple

# Records of a prepared data set, and of exported TFRecords.
KINDS = TFDS, CLASSIC = ("tfds", "classic")

# The keys of `encode_example`, and the type of the list in each `tf.train.Feature`.
TFDS_KEYS = {"file_name": "bytes", "image": "bytes", "label": "int64"}

# The same of a classic record, in the order of its features.
CLASSIC_KEYS = {
    "image/channels": "int64",
    "image/class/label": "int64",
    "image/class/synset": "bytes",
    "image/class/text": "bytes",
    "image/colorspace": "bytes",
    "image/encoded": "bytes",
    "image/filename": "bytes",
    "image/format": "bytes",
    "image/height": "int64",
    "image/object/bbox/label": "int64",
    "image/object/bbox/xmax": "float",
    "image/object/bbox/xmin": "float",
    "image/object/bbox/ymax": "float",
    "image/object/bbox/ymin": "float",
    "image/width": "int64",
}


class Fields(NamedTuple):
    """Keys of the features of a record that every kind has.

    Attributes:
      file_name: Key of the image's file name.
      image: Key of the image's bytes.
      label: Key of the label.

    >>> FIELDS[CLASSIC].image
    'image/encoded'
    """

    file_name: str
    image: str
    label: str


FIELDS = {
    TFDS: Fields("file_name", "image", "label"),
    CLASSIC: Fields("image/filename", "image/encoded", "image/class/label"),
}
