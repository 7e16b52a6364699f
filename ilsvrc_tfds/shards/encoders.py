"""From an image to its record: as TFDS's `imagenet2012` has it, or as the Inception, slim and TPU scripts have it.

The keys of the classic records, the latter:

| key | type | content |
|---|---|---|
| image/encoded | bytes | RGB or grey JPEG |
| image/height, image/width | int64 | of that JPEG |
| image/channels, image/colorspace, image/format | int64, bytes, bytes | always 3, `RGB`, `JPEG` |
| image/filename | bytes | base name |
| image/class/label | int64 | class index + offset; -1 in the test split |
| image/class/synset, image/class/text | bytes | wnid; words; empty in the test split |
| image/object/bbox/{xmin,xmax,ymin,ymax} | float list | 0..1, one a box, may be empty |
| image/object/bbox/label | int64 list | the image's label, once a box |
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, require_whole
from ilsvrc_tfds.formats.example import (
    BoxedExample,
    Example,
    bytes_feature,
    encode_example,
    feature_entry,
    float_feature,
    int64_feature,
    join_features,
)
from ilsvrc_tfds.formats.kinds import CLASSIC_KEYS
from ilsvrc_tfds.images import Original, look
from ilsvrc_tfds.sources.boxes import Boxes, image_key

_ENCODERS = {"int64": int64_feature, "bytes": bytes_feature, "float": float_feature}


@dataclasses.dataclass(frozen=True)
class ClassicExample:
    """Encodes records; a value, as the operations on images are.

    Attributes:
      op: from an image's bytes to those of the record.
      label_offset: added to the class index: 1 leaves 0 for the background, 0 numbers from 0.
      boxes: of images, by `boxes.image_key` of the file name; those of other images do no harm.
    """

    op: Callable[[bytes], bytes] = Original()
    label_offset: int = 1
    boxes: Mapping[bytes, Boxes] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        require_whole(label_offset=self.label_offset)
        if self.label_offset not in (0, 1):
            raise OptionError(f"label_offset must be 0 or 1, got {self.label_offset}.")

    def __call__(self, file_name: bytes, data: bytes, label: int) -> Example:
        """Returns the example of an image; its `image` is `data` itself where `op` leaves it as it is. Raises ImageError.

        Args:
          file_name: of the image, ASCII.
          data: its bytes in the source: boxes without a size of their own are measured in that image.
          label: class index in [0, 1000), or -1.
        """
        image = self.op(data)
        head = look(image)
        found = self.boxes.get(image_key(file_name))
        boxes = [] if found is None else _relative(found, data)
        after = (
            _entry("image/filename", (file_name,)),
            _FORMAT,
            _size("image/height", head.height),
            _bbox(boxes, _number(label, self.label_offset)) if boxes else _NO_BOXES,
            _size("image/width", head.width),
        )
        example = join_features(_before(label, self.label_offset), b"image/encoded", image, b"".join(after))
        return BoxedExample(*example) if boxes else example


def _relative(boxes: Boxes, data: bytes) -> list[tuple[float, float, float, float]]:
    if boxes.has_size:
        return boxes.relative()
    head = look(data)
    return boxes.relative(head.width, head.height)


def _number(label: int, label_offset: int) -> int:
    return label + label_offset if label >= 0 else -1


@functools.cache
def _before(label: int, label_offset: int) -> bytes:
    """Returns the entries in front of the image's, which are the same for a whole class."""
    synset = synsets.synsets()[label] if label >= 0 else None
    values = {
        "image/channels": [3],
        "image/class/label": [_number(label, label_offset)],
        "image/class/synset": [synset.wnid.encode() if synset else b""],
        "image/class/text": [synset.words.encode() if synset else b""],
        "image/colorspace": [b"RGB"],
    }
    return b"".join(_entry(key, value) for key, value in values.items())


@functools.cache
def _size(key: str, pixels: int) -> bytes:
    return _entry(key, [pixels])


def _bbox(boxes: list[tuple[float, float, float, float]], number: int) -> bytes:
    """Returns the entries of the boxes, which have one label."""
    xmin, ymin, xmax, ymax = zip(*boxes) if boxes else ((), (), (), ())
    values = {
        "image/object/bbox/label": [number] * len(boxes),
        "image/object/bbox/xmax": xmax,
        "image/object/bbox/xmin": xmin,
        "image/object/bbox/ymax": ymax,
        "image/object/bbox/ymin": ymin,
    }
    return b"".join(_entry(key, value) for key, value in values.items())


def _entry(key: str, values: Sequence) -> bytes:
    return feature_entry(key.encode(), _ENCODERS[CLASSIC_KEYS[key]](values))


_FORMAT = _entry("image/format", [b"JPEG"])
_NO_BOXES = _bbox([], 0)


@dataclasses.dataclass(frozen=True)
class TfdsExample:
    """Encodes the records of a prepared data set; a value.

    Attributes:
      op: from an image's bytes to those of the record.
    """

    op: Callable[[bytes], bytes]

    def __call__(self, file_name: bytes, data: bytes, label: int) -> Example:
        """Returns the example of an image; its `image` is `data` itself where `op` leaves it as it is. Raises ImageError."""
        return encode_example(file_name, self.op(data), label)
