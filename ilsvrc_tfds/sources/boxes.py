"""Bounding boxes of the official annotations, by image.

| source | files |
|---|---|
| official archives | `ILSVRC2012_bbox_train_v2.tar.gz`, `ILSVRC2012_bbox_val_v3.tgz`: one XML file per image |
| folders | the unpacked archives; Kaggle's `Annotations/CLS-LOC/{train/<wnid>,val}` |
| Kaggle's tables | `LOC_train_solution.csv`, `LOC_val_solution.csv`: corners in pixels |

The XML has the format of PASCAL VOC. It states the size of the picture that the annotator saw, and the corners are
pixels of that picture; the image itself may have another size. In some files `filename` is `%s`, so the file's own name
is used.
"""

import functools
import gzip
import math
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, NoReturn, cast

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, shown, unreadable
from ilsvrc_tfds.sources.tables import solutions_of, without_extension
from ilsvrc_tfds.sources.tar import BoundedHeader
from ilsvrc_tfds.storage.regular import open_regular

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# A real annotation has 500 bytes, and 300 more for each further box.
_MAX_XML_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_TAR_BLOCK = 512
_BUFFER = 1 << 20
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


Corners = tuple[float, float, float, float]  # xmin, ymin, xmax, ymax


class Boxes(NamedTuple):
    """The boxes of one image.

    Attributes:
      width: Width in pixels of the picture in which the corners were measured, or 0 if unknown (Kaggle's tables).
      height: Height of that picture, likewise.
      corners: The values xmin, ymin, xmax, ymax of each box in pixels, as in the source.

    >>> Boxes(500, 375, ((100, 75, 300, 225),)).relative()
    [(0.2, 0.2, 0.6, 0.6)]
    """

    width: float
    height: float
    corners: tuple[Corners, ...]

    @property
    def has_size(self) -> bool:
        """Whether the boxes state the size of their picture, so that `relative` needs no other."""
        return self.width > 0

    def relative(self, width: float = 0, height: float = 0) -> list[Corners]:
        """Returns the corners as fractions of the sides, in 0..1, with xmin < xmax and ymin < ymax.

        Reversed corners are swapped, values outside the picture are clamped, and boxes without an area are dropped.

        Args:
          width: Width of the original image in pixels. It is used, and needed, only if `has_size` is False.
          height: Height of the original image, likewise.
        """
        width, height = (self.width, self.height) if self.has_size else (width, height)
        boxes = []
        for x0, y0, x1, y1 in self.corners:
            xmin, xmax = sorted(min(max(x / width, 0.0), 1.0) for x in (x0, x1))
            ymin, ymax = sorted(min(max(y / height, 0.0), 1.0) for y in (y0, y1))
            if xmin < xmax and ymin < ymax:
                boxes.append((xmin, ymin, xmax, ymax))
        return boxes


def read_boxes(paths: Iterable[str | os.PathLike]) -> dict[bytes, Boxes]:
    """Returns the boxes of each image, by the `image_key` of its name.

    If two paths have boxes of one image, those of the later path count. Boxes of another class of the challenge than
    the image's own are left out.

    Raises SourceError for a file that cannot be read or is not an annotation, and for impossible sizes or corners.

    >>> read_boxes(["/data/LOC_train_solution.csv"])
    {b'n01440764_10026': Boxes(width=0.0, height=0.0, corners=((10.0, 20.0, 50.0, 60.0),))}

    Args:
      paths: Archives, folders of XML files, and Kaggle's tables.
    """
    boxes: dict[bytes, Boxes] = {}
    for path in map(Path, paths):
        found = dict(_read(path))
        if not found:
            raise SourceError(
                f"{path} holds no bounding boxes; expected XML annotations or Kaggle's LOC_*_solution.csv."
            )
        boxes |= found
    return boxes


def select(boxes: Mapping[bytes, Boxes], file_names: Iterable[bytes]) -> dict[bytes, Boxes]:
    """Returns the boxes of only these images, for a job that writes no others.

    >>> boxes = read_boxes(["/data/LOC_train_solution.csv"])
    >>> list(select(boxes, [b"n01440764_10026.JPEG", b"n01440764_18.JPEG"]))
    [b'n01440764_10026']
    """
    keys = map(image_key, file_names)
    return {key: boxes[key] for key in keys if key in boxes}


def image_key(file_name: bytes) -> bytes:
    """Returns the name of an image without its extension, which converted sources change. Annotations use this name.

    >>> image_key(b"n01440764_10026.JPEG")
    b'n01440764_10026'
    """
    return file_name.rpartition(b".")[0] or file_name


def _read(path: Path) -> Iterator[tuple[bytes, Boxes]]:
    try:
        if path.is_dir():
            yield from _read_folder(path)
        elif path.suffix.lower() == ".csv":
            yield from _read_table(path)
        else:
            yield from _read_archive(path)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno:  # gzip's errors about damage have none
            raise unreadable(path, error) from error
        raise SourceError(f"{path} cannot be read ({error}). Get it again, or check the path.") from error


def _read_folder(folder: Path) -> Iterator[tuple[bytes, Boxes]]:
    def refuse(error: OSError) -> NoReturn:
        raise error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted(filter(_is_annotation, names)):
            path = os.path.join(place, name)
            with open_regular(path, buffering=0) as file:
                yield _parse(name, file.read(_MAX_XML_BYTES + 1), shown(path))


def _read_archive(path: Path) -> Iterator[tuple[bytes, Boxes]]:
    with open_regular(path) as file:
        zipped = file.read(2) == _GZIP_MAGIC
    with (gzip.open if zipped else open)(path, "rb") as file:
        stream = _Remembering(cast(IO[bytes], file))
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|", tarinfo=BoundedHeader) as archive:
            while member := archive.next():
                # `tarfile` would keep 0.5 GB of them. The attribute is missing in its type stubs.
                archive.members = []  # type: ignore[attr-defined]
                name = member.name.rpartition("/")[2]
                if member.isreg() and _is_annotation(name):
                    content = cast(IO[bytes], archive.extractfile(member))  # never None for a regular file
                    data = content.read(_MAX_XML_BYTES + 1)
                    yield _parse(name, data, f"{path}: {shown(member.name)}")
        # tarfile does not notice that an archive was cut between two files or inside a header.
        if bytes(_TAR_BLOCK) not in stream.last:
            raise EOFError("it ends early")
        while stream.read(_BUFFER):  # at the end gzip compares its checksum
            pass


class _Remembering:
    """A file that keeps the last piece that was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.last = file, b""

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.last = data or self.last
        return data


def _is_annotation(name: str) -> bool:
    return name.endswith(".xml") and not name.startswith(".")  # macOS's tar adds a `._name` beside each file


def _read_table(path: Path) -> Iterator[tuple[bytes, Boxes]]:
    for number, name, text in solutions_of(path):
        where = f"{path}, line {number}"
        words = (text or "").split()
        if not name or text is None or len(words) % 5:
            raise SourceError(f"{where}: expected an ImageId, and a PredictionString of wnids with four corners each.")
        key = os.fsencode(name)
        groups = [(words[k], words[k + 1 : k + 5]) for k in range(0, len(words), 5)]
        yield key, Boxes(0.0, 0.0, _own(key, groups, where))


def _parse(file_name: str, data: bytes, where: str) -> tuple[bytes, Boxes]:
    """Returns the image's key and its boxes, from one XML file."""
    if len(data) > _MAX_XML_BYTES:
        raise SourceError(f"{where} has over {_MAX_XML_BYTES:,} bytes, so it is not an annotation.")
    # Loaded here, because each worker that writes shards loads this module.
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(data, forbid_dtd=True)  # so that no entity can be declared
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SourceError(f"{where} is not an annotation: {type(error).__name__} ({error!s:.100}).") from error
    key = os.fsencode(without_extension(file_name.removesuffix(".xml")))
    width, height = (_pixels(text, where) for text in _texts(root, "size", ("width", "height")))
    if width <= 0 or height <= 0:
        raise SourceError(f"{where}: the image's size is {width:g} x {height:g}; expected positive numbers.")
    groups = [(thing.findtext("name", "").strip(), _texts(thing, "bndbox", _CORNERS)) for thing in root.iter("object")]
    return key, Boxes(width, height, _own(key, groups, where))


def _texts(element: "Element", tag: str, children: tuple[str, ...]) -> list[str | None]:
    """Returns the texts of these children of the first child `tag`, and None for each one that does not exist."""
    parent = element.find(tag)
    return [None if parent is None else parent.findtext(child) for child in children]


def _own(key: bytes, groups: Iterable[tuple[str, Sequence[str | None]]], where: str) -> tuple[Corners, ...]:
    """Returns the corners of all boxes except those that name another class of the challenge than the image's."""
    wnid = _wnid(key)
    return tuple(
        _corners(texts, where)
        for named, texts in groups
        # Many dogs are annotated with the name of their breed instead of its wnid. Those boxes are kept.
        if named == wnid or wnid is None or not synsets.is_class(named)
    )


def _corners(texts: Sequence[str | None], where: str) -> Corners:
    xmin, ymin, xmax, ymax = (_pixels(text, where) for text in texts)
    return xmin, ymin, xmax, ymax


def _wnid(key: bytes) -> str | None:
    """Returns the wnid of an image's class according to its name, or None if the name does not state one."""
    number = synsets.validation_number(key + b".JPEG")
    if number is not None and 1 <= number <= synsets.NUM_VALIDATION:
        return synsets.wnids()[synsets.validation_labels()[number - 1]]
    wnid = key[:9].decode("ascii", errors="replace")
    return wnid if synsets.is_class(wnid) else None


def _pixels(text: str | None, where: str) -> float:
    number = _number(text)
    if number is None:
        raise SourceError(f"{where}: expected a number of pixels, got {f'{text!r:.40}' if text else 'nothing'}.")
    return number


@functools.lru_cache(maxsize=1 << 14)
def _number(text: str | None) -> float | None:
    """Returns a finite number, or None for any other text. Cached to save memory: 2.4 million corners, few values."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
