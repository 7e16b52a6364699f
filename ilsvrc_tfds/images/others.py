"""Images of other formats than JPEG, which evaluation sets have under names that end in .jpg: PNG, WebP, GIF, BMP."""

import io

import numpy as np
from PIL import Image

from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.images.head import MAX_PIXELS
from ilsvrc_tfds.images.ops import Original

# The formats that Pillow may try here: other decoders would only widen what a hostile file can reach.
_FORMATS = ("WEBP", "GIF", "BMP")
_STARTS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8": "JPEG"}


def as_jpeg(data: bytes) -> bytes:
    """Returns the bytes of a JPEG unchanged, and an image of another format as an RGB JPEG of quality 100.

    Transparency is dropped, and the first picture of an animation is taken, as by `Image.convert("RGB")` of Pillow.
    Each value of the result differs from the original by a level or two, because a JPEG cannot keep it exactly.

    Raises ImageError if the image is damaged or too large, or in a format that is not read.

    >>> as_jpeg(jpeg) == jpeg
    True
    >>> as_jpeg(png)[:3]
    b'\\xff\\xd8\\xff'
    """
    kind = next((kind for start, kind in _STARTS.items() if data.startswith(start)), "")
    if kind == "JPEG":
        return data
    if kind == "PNG":
        return Original()(data)
    from ilsvrc_tfds.images import pixels

    return pixels.encode(_decoded(data), 100, "444")


def _decoded(data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"{image.width:,} x {image.height:,} pixels are over the limit of {MAX_PIXELS:,}")
            image.info.pop("transparency", None)  # not used, and Pillow would warn about that of a palette
            return np.asarray(image.convert("RGB"))
    except Image.UnidentifiedImageError as error:
        raise ImageError(
            f"not a JPEG, PNG, WebP, GIF or BMP, or damaged in its header: it begins with {data[:8]!r}"
        ) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"it cannot be decoded ({error}). Get it again") from error
