"""One image, bytes to bytes: look at it, fix it, resize it.

look(data)                         format, size and components, from the head alone
Original()(data)                   the same bytes, but for CMYK JPEGs and PNGs, which become RGB JPEGs
Resized(shorter_side=256)(data)    a JPEG of that shorter side
"""

from ilsvrc_tfds.images.head import MAX_PIXELS, Head, look
from ilsvrc_tfds.images.ops import CONFIGS, Original, Resized, Untouched, codec_versions, describe_op

__all__ = ["CONFIGS", "MAX_PIXELS", "Head", "Original", "Resized", "Untouched", "codec_versions", "describe_op", "look"]
