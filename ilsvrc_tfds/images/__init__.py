"""One image, bytes to bytes: look at it, fix it, resize it.

look(data)                         format, size and components, read from the header only
Original()(data)                   the same bytes, except that CMYK JPEGs and PNGs become RGB JPEGs
Resized(shorter_side=256)(data)    a JPEG whose shorter side has this length
"""

from ilsvrc_tfds.images.head import MAX_PIXELS, Head, look
from ilsvrc_tfds.images.ops import CONFIGS, Original, Resized, Untouched, codec_versions, describe_op, op_in_words

__all__ = [
    "CONFIGS",
    "MAX_PIXELS",
    "Head",
    "Original",
    "Resized",
    "Untouched",
    "codec_versions",
    "describe_op",
    "look",
    "op_in_words",
]
