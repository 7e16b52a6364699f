"""Encodes an image as a record, in the form of TFDS's `imagenet2012` or of the Inception, slim and TPU scripts.

Records of the second form are called classic here. Their keys are:

| key | type | content |
|---|---|---|
| image/encoded | bytes | RGB or grey JPEG |
| image/height, image/width | int64 | of that JPEG |
| image/channels, image/colorspace, image/format | int64, bytes, bytes | always 3, `RGB`, `JPEG` |
| image/filename | bytes | file name without folders |
| image/class/label | int64 | class index + offset; -1 in the test split |
| image/class/synset, image/class/text | bytes | wnid; words; empty in the test split |
| image/object/bbox/{xmin,xmax,ymin,ymax} | float list | 0..1, one value for each box; empty without boxes |
| image/object/bbox/label | int64 list | the label of the image, once for each box |
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, require_integers
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
from ilsvrc_tfds.formats.kinds import CLASSIC, KINDS
from ilsvrc_tfds.images import Original, look
from ilsvrc_tfds.sources.boxes import Boxes, image_key

_ENCODERS: Mapping[str, Callable[[Sequence], bytes]] = {
    "int64": int64_feature,
    "bytes": bytes_feature,
    "float": float_feature,
}


@dataclasses.dataclass(frozen=True)
class ClassicExample:
    """A function that encodes images as classic records.

    >>> from ilsvrc_tfds.sources import Reader, find_layout, index_images
    >>> val = index_images(find_layout(["/data/imagenet"])).splits["val"]
    >>> with Reader() as reader:
    ...     data = reader.read(val, row=0)
    >>> encode = ClassicExample(label_offset=1)
    >>> example = encode(val.name[0], data, int(val.label[0]))
    >>> example.image is data, b"image/class/label" in example.before, b"image/height" in example.after
    (True, True, True)

    Attributes:
      op: Operation that turns the bytes of the source image into those of the record.
      label_offset: Number added to the class index: 1 reserves label 0 for the background, 0 starts at 0.
      boxes: Bounding boxes, keyed by `boxes.image_key` of the file name. Boxes of images that are never encoded are
        ignored.
      new_labels: Number of each class index that is stored in its place; empty to store the index. The offset is added.
    """

    op: Callable[[bytes], bytes] = Original()
    label_offset: int = 1
    boxes: Mapping[bytes, Boxes] = dataclasses.field(default_factory=dict)
    new_labels: Mapping[int, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        require_integers(label_offset=self.label_offset)
        if self.label_offset not in (0, 1):
            raise OptionError(f"label_offset must be 0 or 1, got {self.label_offset}.")

    def __call__(self, file_name: bytes, data: bytes, label: int) -> Example:
        """Returns the example of an image.

        Args:
          file_name: File name of the image, ASCII.
          data: Bytes of the image in the source. Boxes given in pixels, without an image size, refer to this image.
          label: Class index in [0, 1000), or -1.

        Returns:
          The example. Its `image` is the same object as `data` if `op` did not change the bytes.

        Raises:
          ImageError: The image is damaged, or cannot be processed.
        """
        image = self.op(data)
        head = look(image)
        found = self.boxes.get(image_key(file_name))
        boxes = [] if found is None else _relative(found, data)
        number = _renumbered(label, self.new_labels) + self.label_offset if label >= 0 else -1
        after = (
            _entry("image/filename", (file_name,)),
            _FORMAT,
            _size("image/height", head.height),
            _bbox(boxes, number) if boxes else _NO_BOXES,
            _size("image/width", head.width),
        )
        example = join_features(_before(label, number), b"image/encoded", image, b"".join(after))
        return BoxedExample(*example) if boxes else example


def _relative(boxes: Boxes, data: bytes) -> list[tuple[float, float, float, float]]:
    if boxes.has_size:
        return boxes.relative()
    head = look(data)
    return boxes.relative(head.width, head.height)


def _renumbered(label: int, new_labels: Mapping[int, int]) -> int:
    return new_labels[label] if new_labels and label >= 0 else label


@functools.cache
def _before(label: int, number: int) -> bytes:
    """Returns the entries before the image, which are the same for all images of a class that has this number."""
    synset = synsets.synsets()[label] if label >= 0 else None
    values: dict[str, Sequence] = {
        "image/channels": [3],
        "image/class/label": [number],
        "image/class/synset": [synset.wnid.encode() if synset else b""],
        "image/class/text": [synset.words.encode() if synset else b""],
        "image/colorspace": [b"RGB"],
    }
    return b"".join(_entry(key, value) for key, value in values.items())


@functools.cache
def _size(key: str, pixels: int) -> bytes:
    return _entry(key, [pixels])


def _bbox(boxes: list[tuple[float, float, float, float]], number: int) -> bytes:
    """Returns the entries of the bounding boxes, which all have the same label."""
    xmin, ymin, xmax, ymax = zip(*boxes) if boxes else ((), (), (), ())
    values: dict[str, Sequence] = {
        "image/object/bbox/label": [number] * len(boxes),
        "image/object/bbox/xmax": xmax,
        "image/object/bbox/xmin": xmin,
        "image/object/bbox/ymax": ymax,
        "image/object/bbox/ymin": ymin,
    }
    return b"".join(_entry(key, value) for key, value in values.items())


def _entry(key: str, values: Sequence) -> bytes:
    return feature_entry(key.encode(), _ENCODERS[KINDS[CLASSIC].keys[key]](values))


_FORMAT = _entry("image/format", [b"JPEG"])
_NO_BOXES = _bbox([], 0)


@dataclasses.dataclass(frozen=True)
class TfdsExample:
    """A function that encodes images as the records of a prepared data set.

    >>> from ilsvrc_tfds.images import Original
    >>> from ilsvrc_tfds.sources import Reader, find_layout, index_images
    >>> val = index_images(find_layout(["/data/imagenet"])).splits["val"]
    >>> with Reader() as reader:
    ...     data = reader.read(val, row=0)
    >>> example = TfdsExample(Original())(val.name[0], data, int(val.label[0]))
    >>> example.image is data, b"file_name" in example.before, b"label" in example.after
    (True, True, True)

    Attributes:
      op: Operation that turns the bytes of the source image into those of the record.
      new_labels: Label of each class index; empty to store the index.
    """

    op: Callable[[bytes], bytes]
    new_labels: Mapping[int, int] = dataclasses.field(default_factory=dict)

    def __call__(self, file_name: bytes, data: bytes, label: int) -> Example:
        """Returns the example of an image. Raises ImageError. For the arguments see `ClassicExample`."""
        return encode_example(file_name, self.op(data), _renumbered(label, self.new_labels))
