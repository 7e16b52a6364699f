"""Checks one record."""

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import ImageError, SourceError, counted
from ilsvrc_tfds.formats.example_in_place import Picture, parse_payload
from ilsvrc_tfds.formats.kinds import CLASSIC, IMAGENET2012, KINDS
from ilsvrc_tfds.images import Head
from ilsvrc_tfds.images.ops import needs_fix

# The class of a record if neither its file name nor its synset names one, as with images of the user's own.
UNKNOWN = -2

_CONSTANTS = {"image/channels": 3, "image/colorspace": b"RGB", "image/format": b"JPEG"}
_CORNERS = tuple(f"image/object/bbox/{corner}" for corner in ("xmin", "ymin", "xmax", "ymax"))
_LISTS = frozenset({*_CORNERS, "image/object/bbox/label"})
_TYPES = {"bytes": bytes, "float": float, "int64": int}
# The longest file name, in bytes, on every common file system.
_LONGEST_NAME = 255


@dataclasses.dataclass(frozen=True)
class Rules:
    """Rules that the records of a set must follow.

    Attributes:
      kind: `tfds`, `imagenet2012` or `classic`.
      keys: Keys of a record and their types: `bytes`, `int64` or `float`.
      exact: Whether each record must have all of the keys and no others. Otherwise the lists of bounding boxes may be
        missing, and other keys are ignored.
      shorter_side: Shorter side of each image in pixels; None allows any size.
      decode: Whether images are decoded. Otherwise only their heads and ends are checked.
    """

    kind: str
    keys: Mapping[str, str]
    exact: bool
    shorter_side: int | None = None
    decode: bool = False


def check_record(payload: bytes, rules: Rules, split: str) -> tuple[tuple[bytes, int, int, bool] | None, str]:
    """Returns the contents of a record, and what is wrong with it.

    >>> rules = Rules("tfds", KINDS["tfds"].keys, exact=True)
    >>> check_record(b"", rules, "val")
    (None, 'it has no file_name; it has no image; it has no label')

    Args:
      payload: Payload of the record, whose checksum has been compared already.
      rules: Rules of its set.
      split: `train`, `val` or `test`.

    Returns:
      row: File name, stored label, class index according to file name or synset (-1 in `test`, UNKNOWN if neither names
        a class), and whether the record has bounding boxes. None if the record has no valid name or label.
      problems: Everything that is wrong, in words; empty if nothing is.
    """
    name_key, image_key, label_key = KINDS[rules.kind].fields
    try:
        features, picture = parse_payload(payload, image_key, "its payload")
    except SourceError as error:
        return None, str(error)
    values, problems = _single_values(features, rules, image_key if picture is not None else None)
    name, label = values.get(name_key), values.get(label_key)
    if picture is not None:
        problems += _image_problems(picture, values, rules)
    if rules.kind == CLASSIC:
        problems += _constant_problems(values)
        problems += _class_problems(values, split)
        problems += _box_problems(features, label)
    if name is not None and rules.kind == IMAGENET2012:
        name = name.rpartition(b"/")[2]  # its test images are named by their paths in the archive
    if name is not None and not _is_file_name(name):
        problems.append(f"its {name_key} is {name[:40]!r}, which is not a file name")
        name = None
    boxed = rules.kind == CLASSIC and any(map(features.get, _LISTS))
    row = None if name is None or label is None else (name, label, _told(name, values, split), boxed)
    return row, "; ".join(problems)


def _single_values(features: Mapping[str, Sequence], rules: Rules, found: str | None) -> tuple[dict, list[str]]:
    """Returns the values of all keys with a single value, and what is wrong with keys and types.

    Args:
      features: Features of the record.
      rules: Rules of its set.
      found: Key that is known to have a value although it is not among the features, or None.
    """
    values: dict = {}
    problems: list[str] = []
    for key, kind in rules.keys.items():
        feature = features.get(key)
        if feature is None:
            if key != found and (rules.exact or key not in _LISTS):
                problems.append(f"it has no {key}")
        elif len(feature) == 1 and type(feature[0]) is _TYPES[kind]:
            values[key] = feature[0]
        elif key not in _LISTS or len(feature):
            problems += _feature_problems(key, kind, feature)
    if rules.exact and not features.keys() <= rules.keys.keys():
        problems += (f"it has the key {key!r:.80}, which is not expected" for key in features if key not in rules.keys)
    return values, problems


def _feature_problems(key: str, kind: str, feature: Sequence) -> Iterator[str]:
    if len(feature) != 1 and key not in _LISTS:
        yield f"its {key} has {len(feature):,} values, expected 1"
    elif type(feature[0]) is not _TYPES[kind]:
        yield f"its {key} is {_type_name(feature[0])}, expected {kind}"


def _type_name(value: bytes | float) -> str:
    return next(name for name, kind in _TYPES.items() if type(value) is kind)


def _image_problems(picture: Picture, values: Mapping, rules: Rules) -> Iterator[str]:
    try:
        head = picture.look()
        if needs_fix(head):
            components = counted(head.components, "component")
            yield f"its image is a {head.format} of {components}; expected a JPEG, in RGB or grey"
        if rules.decode:
            _require_decodable(picture.copy(), head)
    except ImageError as error:
        yield f"its image: {error}"
        return
    if rules.shorter_side is not None and min(head.height, head.width) != rules.shorter_side:
        yield f"its image has {_pixels(head)} pixels; expected a shorter side of {rules.shorter_side:,}"
    height, width = values.get("image/height", head.height), values.get("image/width", head.width)
    if (height, width) != (head.height, head.width):
        yield f"its image has {_pixels(head)} pixels, its image/width and image/height say {width:,} x {height:,}"


def _require_decodable(image: bytes, head: Head) -> None:
    from ilsvrc_tfds.images import pixels  # loads the codecs

    pixels.require_decodable(image, head)


def _pixels(head: Head) -> str:
    return f"{head.width:,} x {head.height:,}"


def _constant_problems(values: Mapping) -> Iterator[str]:
    for key, expected in _CONSTANTS.items():
        if values.get(key, expected) != expected:
            yield f"its {key} is {values[key]!r:.80}, expected {expected!r}"


def _class_problems(values: Mapping, split: str) -> Iterator[str]:
    """Yields what is wrong with synset and text. The label is compared with them later, when its offset is known."""
    wnid, text = values.get("image/class/synset"), values.get("image/class/text")
    if wnid is None:
        return
    if split == "test":
        if wnid or text:
            yield f"its image/class/synset and text are {wnid!r:.40} and {text!r:.80}, expected none in the split test"
        return
    index = _index_of(wnid)
    if index is None:
        yield f"its image/class/synset {wnid!r:.40} is not one of the 1000 classes"
        return
    told = synsets.label_of_name(values.get("image/filename", b""))
    if told not in (None, index):
        yield f"its image/class/synset is {wnid.decode()}, its file name says {synsets.wnids()[told]}"
    words = synsets.synsets()[index].words
    if text is not None and text.decode("ascii", "replace") != words:
        yield f"its image/class/text is {text!r:.80}; the words of {wnid.decode()} are {words!r}"


@functools.lru_cache(1 << 11)
def _index_of(wnid: bytes) -> int | None:
    text = wnid.decode("ascii", "replace")
    return synsets.index_of(text) if synsets.is_class(text) else None


def _box_problems(features: Mapping[str, Sequence], label: int | None) -> Iterator[str]:
    if not any(map(features.get, _LISTS)):
        return
    corners, labels = [features.get(key, ()) for key in _CORNERS], features.get("image/object/bbox/label", ())
    counts = [len(values) for values in (*corners, labels)]
    if len(set(counts)) > 1:
        yield f"its boxes have {', '.join(map(str, counts))} values of xmin, ymin, xmax, ymax, label; expected one each"
    for box in zip(*corners):
        xmin, ymin, xmax, ymax = (value if isinstance(value, float) else math.nan for value in box)
        if not (0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1):
            yield f"it has the box (xmin, ymin, xmax, ymax) = {box}; expected 0 <= min < max <= 1"
    if label is not None and any(value != label for value in labels):
        yield f"its boxes have the labels {sorted(set(labels))}, the image has {label}"


def _is_file_name(name: bytes) -> bool:
    return 0 < len(name) <= _LONGEST_NAME and b"/" not in name and b"\0" not in name


def _told(name: bytes, values: Mapping, split: str) -> int:
    """Returns the class index according to file name or synset: -1 in `test`, UNKNOWN if neither names a class."""
    if split == "test":
        return -1
    told = synsets.class_told(name, values.get("image/class/synset", b""))
    return UNKNOWN if told is None else told
