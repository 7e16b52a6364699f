"""The kinds of records: their keys, and which of them hold an image, its name and its label."""

from typing import NamedTuple

# A prepared data set; exported TFRecords.
KINDS = TFDS, CLASSIC = ("tfds", "classic")

# The keys of `encode_example`, and the list of `tf.train.Feature` that each has.
TFDS_KEYS = {"file_name": "bytes", "image": "bytes", "label": "int64"}

# Each key and its list of `tf.train.Feature`, in the order of a record.
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
    """Keys of a record's features."""

    file_name: str
    image: str
    label: str


FIELDS = {
    TFDS: Fields("file_name", "image", "label"),
    CLASSIC: Fields("image/filename", "image/encoded", "image/class/label"),
}
