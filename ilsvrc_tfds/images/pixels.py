"""The codecs: from bytes to pixels and back. Imported only when an image has to be decoded."""

import io
import re
from typing import TypeAlias

import cykooz_resizer
import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.images.head import Head, plain_head, scan_ends
from ilsvrc_tfds.images.png import require_sound

# Uint8 of shape (height, width, channels).
Pixels: TypeAlias = np.ndarray

# libjpeg's messages for an early end: of the file, at an end marker, and at an end marker in place of a restart marker.
_EARLY_ENDS = ("Premature end", "premature end", "found marker 0xd9 instead of RST")
# The only warning after which every pixel has been decoded. libjpeg keeps just its first warning, and here nothing
# follows it but the end marker. Extra bytes before another marker, as between the scans of a progressive JPEG, mean
# that the decoder lost its position: in 72 of 177 damaged images a bad Huffman code or a premature end followed.
_HARMLESS = re.compile(r"Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9")
# Bytes that are valid as compressed data. A scan that ends early continues into them, which changes its pixels.
_FILLER = bytes(range(1, 128))

_LANCZOS = cykooz_resizer.ResizeOptions(
    resize_alg=cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.lanczos3)
)
_PIXEL_TYPES = {1: cykooz_resizer.PixelType.U8, 3: cykooz_resizer.PixelType.U8x3}


def decode(data: bytes, head: Head) -> Pixels:
    """Returns an image's pixels, uint8 of shape (height, width, 1) for a grey JPEG and (height, width, 3) otherwise.

    Raises ImageError if the image is damaged.

    >>> decode(jpeg, look(jpeg)).shape
    (36, 48, 3)
    """
    if head.format == "PNG":
        return _decode_png(data)
    if head.components == 4:
        return _rgb_of_cmyk(_decode_jpeg(data, "CMYK"), head.adobe)
    return _decode_jpeg(data, "GRAY" if head.components == 1 else "RGB")


def require_decodable(data: bytes, head: Head) -> None:
    """Raises ImageError unless all pixels of an image can be decoded, in the size that its header states."""
    height, width = decode(data, head).shape[:2]
    if (height, width) != (head.height, head.width):
        raise ImageError(
            f"it is decoded to {width:,} x {height:,} pixels, but its header states {head.width:,} x {head.height:,}"
        )


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Returns the pixels in another size, with a Lanczos filter (a = 3). The result is the same on every processor.

    Args:
      pixels: Pixels of the image, uint8 of shape (any height, any width, 1 or 3).
      height: Height of the result, in pixels.
      width: Width of the result, in pixels.

    >>> resize(decode(jpeg, look(jpeg)), 18, 24).shape
    (18, 24, 3)
    """
    pixel_type = _PIXEL_TYPES[pixels.shape[2]]
    source = cykooz_resizer.ImageData(pixels.shape[1], pixels.shape[0], pixel_type, pixels.tobytes())
    target = cykooz_resizer.ImageData(width, height, pixel_type)
    cykooz_resizer.Resizer().resize(source, target, _LANCZOS)
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(height, width, pixels.shape[2])


def encode(pixels: Pixels, quality: int, subsampling: str) -> bytes:
    """Returns the pixels as a JPEG, which is grey if there is one channel.

    Args:
      pixels: Pixels of the image, uint8 of shape (height, width, 1 or 3).
      quality: Quality, in [1, 100].
      subsampling: Subsampling of the chroma, `444` or `420`.

    >>> look(encode(decode(jpeg, look(jpeg)), quality=90, subsampling="420")).components
    3
    """
    if pixels.shape[2] == 1:
        return simplejpeg.encode_jpeg(pixels, quality, "GRAY", "Gray")
    return simplejpeg.encode_jpeg(pixels, quality, "RGB", subsampling)


def _rgb_of_cmyk(cmyk: Pixels, adobe: bool) -> Pixels:
    """Returns RGB as TensorFlow's decoder computes it: `r = c * k / 255`, from inverted values and rounded down."""
    inverted = cmyk.astype(np.uint16) if adobe else 255 - cmyk.astype(np.uint16)
    return (inverted[..., :3] * inverted[..., 3:] // 255).astype(np.uint8)


def _decode_jpeg(data: bytes, colorspace: str) -> Pixels:
    """Returns the pixels of a JPEG. Raises ImageError unless libjpeg decodes it to the end: pixels would be missing."""
    try:
        return simplejpeg.decode_jpeg(data, colorspace)
    except ValueError:
        data = plain_head(data)  # TurboJPEG fails even if libjpeg only warns about the header
    try:
        return simplejpeg.decode_jpeg(data, colorspace)
    except ValueError as error:
        message = str(error)
    if _HARMLESS.fullmatch(message):
        # No fatal error can be hidden here: if there were one, the message would be that error's.
        return simplejpeg.decode_jpeg(data, colorspace, strict=False)
    if not _is_head_known(data):
        return _decode_jpeg_with_pillow(data, colorspace)
    if any(sign in message for sign in _EARLY_ENDS):
        raise ImageError(f"the JPEG ends early ({message}). Get it again")
    raise ImageError(f"the JPEG is damaged ({message}). Get it again")


def _is_head_known(data: bytes) -> bool:
    """Returns whether TurboJPEG reads the header: it supports few kinds of chroma subsampling and fails at warnings."""
    try:
        simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return False
    return True


def _decode_jpeg_with_pillow(data: bytes, colorspace: str) -> Pixels:
    """Returns the pixels of a JPEG as Pillow decodes it. Raises ImageError if it is damaged or a scan ends early.

    Pillow reports only libjpeg's errors up to the last line of pixels, and no warnings. So the markers are checked
    here, up to the end marker. To find a scan that ends early, the JPEG is decoded again with filler after each scan:
    only such a scan reads on into the filler, and then its pixels differ.
    """
    ends = scan_ends(data)
    pixels = _pillow_pixels(data)
    parts = [data[start:stop] for start, stop in zip([0, *ends], [*ends, len(data)], strict=True)]
    if not np.array_equal(pixels, _pillow_pixels(_FILLER.join(parts))):
        raise ImageError("the JPEG ends early (premature end of data segment). Get it again")
    # Pillow inverts all CMYK images, as if Adobe's marker were always there.
    return 255 - pixels if colorspace == "CMYK" else np.atleast_3d(pixels)


def _pillow_pixels(data: bytes) -> Pixels:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return np.asarray(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise _undecodable("JPEG", error) from error


def _decode_png(data: bytes) -> Pixels:
    require_sound(data)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.mode.startswith("I"):  # 16 bits of grey, of which the upper eight are used
                grey = (np.asarray(image).astype(np.int32) >> 8).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            image.info.pop("transparency", None)  # not used, and Pillow would warn about that of a palette
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _undecodable("PNG", error) from error


def _undecodable(kind: str, error: Exception) -> ImageError:
    # Pillow's own message would contain the address of an object, which differs in each run.
    reason = "Pillow cannot read its header" if isinstance(error, UnidentifiedImageError) else error
    return ImageError(f"the {kind} cannot be decoded ({reason}). Get it again")
