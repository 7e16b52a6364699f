"""What a source needs of one TFRecord: file name, image, class index, and whatever else states a class."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, shown
from ilsvrc_tfds.formats.example_in_place import Picture, parse_payload
from ilsvrc_tfds.formats.kinds import KINDS, TFDS

_SYNSET = "image/class/synset"


class RecordFields(NamedTuple):
    """What a source needs of a record.

    Attributes:
      name: File name of the image.
      image: The image within the payload.
      label: Class index, or -1.
      synset: Wnid that a classic record states; empty if it does not.
      folders: Class index of each wnid among the folders of the name, see `classes_of_folders`.
    """

    name: bytes
    image: Picture
    label: int
    synset: bytes
    folders: tuple[int | None, ...] = ()


def fields_of(
    payload: bytes,
    where: str,
    kind: str = TFDS,
    label_offset: int = 0,
    highest: int = synsets.NUM_CLASSES - 1,
    remedy: str = "",
) -> RecordFields:
    """Returns file name, image, class index and synset of a record. Raises SourceError or LabelError with `where`.

    Args:
      payload: Payload of the record.
      where: Place of the record, for messages.
      kind: Kind of the record.
      label_offset: Number that was added to the class index to make its label.
      highest: Highest class index that is accepted.
      remedy: What to do about a wrong name or label, for messages.

    >>> from ilsvrc_tfds.formats.example import encode_example
    >>> payload = b"".join(encode_example(b"n01440764_18.JPEG", b"image", 0))
    >>> fields = fields_of(payload, "record 0")
    >>> fields.name, fields.image.copy(), fields.label
    (b'n01440764_18.JPEG', b'image', 0)
    """
    keys = KINDS[kind].fields
    features, image = parse_payload(payload, keys.image, where)
    values = [features.get(key, ()) for key in (keys.file_name, keys.label)]
    if any(len(value) != 1 for value in values) or image is None and len(features.get(keys.image, ())) != 1:
        found = sorted({*features, *([keys.image] if image is not None else [])})
        raise SourceError(
            f"{where} has the keys {found}; expected {keys.file_name}, {keys.image} and {keys.label}, with one value "
            "each."
        )
    name, label = (value[0] for value in values)
    if not (isinstance(name, bytes) and image is not None and isinstance(label, int)):
        raise SourceError(
            f"{where} has values of wrong types; expected bytes for {keys.file_name} and {keys.image}, and an integer "
            f"for {keys.label}."
        )
    index = label - label_offset if label >= 0 else label  # -1 in the test split, whatever the offset
    if not name.isascii() or b"\0" in name:
        raise SourceError(
            f"{where} has the file name {ascii(os.fsdecode(name[:80]))}; expected ASCII. {remedy}".rstrip()
        )
    if not -1 <= index <= highest or label == 0 < label_offset:
        raise LabelError(
            f"{where}, {shown(os.fsdecode(name[:80]))}, has the label {label}; expected {label_offset} to "
            f"{highest + label_offset}, or -1 in the split test. {remedy}".rstrip()
        )
    return RecordFields(name, image, index, _synset(features))


def _synset(features: Mapping[str, Sequence[Any]]) -> bytes:
    value = next(iter(features.get(_SYNSET, ())), b"")
    return value if isinstance(value, bytes) else b""
