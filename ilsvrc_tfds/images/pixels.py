"""The codecs: from bytes to pixels and back. Loaded by the first image that is not copied as it is."""

import io
import re

import cykooz_resizer
import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.images.head import Head, plain_head, scan_ends
from ilsvrc_tfds.images.png import require_sound

# What libjpeg says of an early end: of the file, at an end marker, at an end marker in place of a restart marker.
_EARLY_ENDS = ("Premature end", "premature end", "found marker 0xd9 instead of RST")
# Its warning after which every pixel has been decoded. It keeps the first warning alone, so this one must be of the last thing
# that it meets. In front of another marker than that of the end, as between the scans of a progressive JPEG, bytes are left over
# where the decoder has lost its place: in 72 of 177 damaged images a bad Huffman code or a premature end followed.
_HARMLESS = re.compile(r"Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9")
# More compressed data than any scan needs: a decoder that wants more takes it for some.
_FILLER = bytes(range(1, 128))

_LANCZOS = cykooz_resizer.ResizeOptions(
    resize_alg=cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.lanczos3)
)
_PIXEL_TYPES = {1: cykooz_resizer.PixelType.U8, 3: cykooz_resizer.PixelType.U8x3}


def decode(data: bytes, head: Head) -> np.ndarray:
    """Returns an image's pixels, uint8 of shape (height, width, 1) where it is a grey JPEG, else (height, width, 3)."""
    if head.format == "PNG":
        return _decode_png(data)
    if head.components == 4:
        return _rgb_of_cmyk(_decode_jpeg(data, "CMYK"), head.adobe)
    return _decode_jpeg(data, "GRAY" if head.components == 1 else "RGB")


def require_decodable(data: bytes, head: Head) -> None:
    """Raises ImageError unless all pixels that an image's head promises can be decoded."""
    height, width = decode(data, head).shape[:2]
    if (height, width) != (head.height, head.width):
        raise ImageError(
            f"it is decoded to {width:,} x {height:,} pixels, its head says {head.width:,} x {head.height:,}"
        )


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns the pixels in another size, by Lanczos (a = 3); the same on every processor.

    Args:
      pixels: uint8 of shape (any height, any width, 1 or 3).
      height: pixels.
      width: pixels.
    """
    pixel_type = _PIXEL_TYPES[pixels.shape[2]]
    source = cykooz_resizer.ImageData(pixels.shape[1], pixels.shape[0], pixel_type, pixels.tobytes())
    target = cykooz_resizer.ImageData(width, height, pixel_type)
    cykooz_resizer.Resizer().resize(source, target, _LANCZOS)
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(height, width, pixels.shape[2])


def encode(pixels: np.ndarray, quality: int, subsampling: str) -> bytes:
    """Returns a JPEG, grey where there is one channel.

    Args:
      pixels: uint8 of shape (height, width, 1 or 3).
      quality: in [1, 100].
      subsampling: of the chroma, `444` or `420`.
    """
    if pixels.shape[2] == 1:
        return simplejpeg.encode_jpeg(pixels, quality, "GRAY", "Gray")
    return simplejpeg.encode_jpeg(pixels, quality, "RGB", subsampling)


def _rgb_of_cmyk(cmyk: np.ndarray, adobe: bool) -> np.ndarray:
    """Returns RGB as TensorFlow's decoder has it: `r = c * k / 255` of inverted values, rounded down."""
    inverted = cmyk.astype(np.uint16) if adobe else 255 - cmyk.astype(np.uint16)
    return (inverted[..., :3] * inverted[..., 3:] // 255).astype(np.uint8)


def _decode_jpeg(data: bytes, colorspace: str) -> np.ndarray:
    """Returns the pixels of a JPEG that libjpeg decodes to its end. Raises ImageError for any other: pixels would be missing."""
    try:
        return simplejpeg.decode_jpeg(data, colorspace)
    except ValueError:
        data = plain_head(data)  # TurboJPEG stops at warnings of the head
    try:
        return simplejpeg.decode_jpeg(data, colorspace)
    except ValueError as error:
        message = str(error)
    if _HARMLESS.fullmatch(message):
        # Of a fatal error, whenever it comes, the message would be that error's: lenient decoding cannot swallow one here.
        return simplejpeg.decode_jpeg(data, colorspace, strict=False)
    if not _is_head_known(data):
        return _decode_jpeg_with_pillow(data, colorspace)
    if any(sign in message for sign in _EARLY_ENDS):
        raise ImageError(f"the JPEG ends early ({message}). Get it again")
    raise ImageError(f"the JPEG is damaged ({message}). Get it again")


def _is_head_known(data: bytes) -> bool:
    """Returns whether TurboJPEG takes the head: it knows few kinds of chroma subsampling, and stops at warnings."""
    try:
        simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return False
    return True


def _decode_jpeg_with_pillow(data: bytes, colorspace: str) -> np.ndarray:
    """Returns the pixels of a JPEG as Pillow decodes it.

    Pillow raises libjpeg's errors up to the last line of pixels and keeps its warnings to itself. So what libjpeg would meet
    behind that line is looked at here; and a scan that ends early shows, for it takes bytes behind it for its own.
    """
    ends = scan_ends(data)
    pixels = _pillow_pixels(data)
    parts = [data[start:stop] for start, stop in zip([0, *ends], [*ends, len(data)], strict=True)]
    if not np.array_equal(pixels, _pillow_pixels(_FILLER.join(parts))):
        raise ImageError("the JPEG ends early (premature end of data segment). Get it again")
    # Pillow turns all CMYK round: it takes it to be Adobe's.
    return 255 - pixels if colorspace == "CMYK" else np.atleast_3d(pixels)


def _pillow_pixels(data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return np.asarray(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise _undecodable("JPEG", error) from error


def _decode_png(data: bytes) -> np.ndarray:
    require_sound(data)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.mode.startswith("I"):  # 16 bits of grey: the upper eight count
                grey = (np.asarray(image).astype(np.int32) >> 8).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            image.info.pop("transparency", None)  # alpha is dropped anyway, and Pillow would warn of a palette's
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _undecodable("PNG", error) from error


def _undecodable(kind: str, error: Exception) -> ImageError:
    # Of what it cannot identify Pillow names an object by its address, another one in each run.
    reason = "Pillow cannot read its head" if isinstance(error, UnidentifiedImageError) else error
    return ImageError(f"the {kind} cannot be decoded ({reason}). Get it again")
