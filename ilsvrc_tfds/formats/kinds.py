"""The kinds of records: how their shards are named, and which keys they have.

A kind is added by a value here, a line in `KINDS`, and an encoder in `shards/encoders.py` if this package writes it.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

# Records of a prepared data set, of TFDS's own `imagenet2012`, and of exported TFRecords.
TFDS, IMAGENET2012, CLASSIC = "tfds", "imagenet2012", "classic"

# The remedy for damaged or missing shards. Without the option, an existing data set is not made again.
ANEW = "Make the data set again with --overwrite (overwrite=True)."


class Fields(NamedTuple):
    """Keys of the features of a record that every kind has.

    Attributes:
      file_name: Key of the image's file name.
      image: Key of the image's bytes.
      label: Key of the label.

    >>> KINDS["classic"].fields.image
    'image/encoded'
    """

    file_name: str
    image: str
    label: str


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of records.

    >>> KINDS["classic"].splits["val"]
    'validation'

    Attributes:
      words: What a folder of such records is, in words.
      template: Template of the file names of shards, with `{split}`, `{index}` and `{count}`, and `{file_format}` if
        shards may be other files than TFRecords.
      splits: Name of each split in the file names, by the data set's own name.
      keys: Keys of a record, in the order of their bytes, and the type of the list in each `tf.train.Feature`: `bytes`,
        `int64` or `float`.
      fields: Keys of the file name, the image and the label.
      label_offset: Label of the first class if it is always the same, or None if each set states its own.
      salts: Name of each split from which the order of its records follows, see `naming.disk_order`, by the data set's
        own name; without the splits whose order is not known.
      remedy: What to do about shards that are damaged or missing.
    """

    words: str
    template: str
    splits: Mapping[str, str]
    keys: Mapping[str, str]
    fields: Fields
    label_offset: int | None
    salts: Mapping[str, str]
    remedy: str = ANEW


_OWN_SPLITS = {"train": "train", "val": "val", "test": "test"}
# The form that `encode_example` writes.
_PREPARED = Kind(
    words="a prepared data set",
    template="ilsvrc2012-{split}.{file_format}-{index}-of-{count}",
    splits=_OWN_SPLITS,
    keys={"file_name": "bytes", "image": "bytes", "label": "int64"},
    fields=Fields("file_name", "image", "label"),
    label_offset=0,
    salts=_OWN_SPLITS,
)

KINDS = {
    TFDS: _PREPARED,
    # The form that TFDS's builder of that name writes: https://www.tensorflow.org/datasets/catalog/imagenet2012
    # It orders the test images by their paths in the archive, which differ between archives.
    IMAGENET2012: dataclasses.replace(
        _PREPARED,
        words="TFDS's imagenet2012",
        template="imagenet2012-{split}.{file_format}-{index}-of-{count}",
        splits={"train": "train", "val": "validation", "test": "test"},
        salts={"train": "train", "val": "validation"},
        remedy="Make the data set again with TFDS.",
    ),
    # The form of the Inception, slim and TPU scripts.
    CLASSIC: Kind(
        words="classic TFRecords",
        template="{split}-{index}-of-{count}",
        splits={"train": "train", "val": "validation", "test": "test"},
        keys={
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
        },
        fields=Fields("image/filename", "image/encoded", "image/class/label"),
        label_offset=None,
        salts=_OWN_SPLITS,
    ),
}
