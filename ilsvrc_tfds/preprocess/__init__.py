"""Operations ("ops") on one example or on a batch, for `tf.data`: decode, crop, augment, encode the label.

An op is a frozen dataclass, and a recipe is a tuple of ops; print the tuple to record what an experiment did. An
example is a dict:

    image    the bytes of a JPEG (scalar string); after a decoding op uint8 [h, w, 3]
    label    scalar int64; after `OneHot` float32 [classes]

Other keys stay as they are. Ops have no state, so equal seeds give equal results. Importing this package loads
TensorFlow.

    >>> from ilsvrc_tfds import preprocess
    >>> ops = preprocess.preset("resnet_train", size=160)
    >>> data = tf.data.Dataset.from_tensors({"image": jpeg, "label": 3})
    >>> data = data.map(lambda example: preprocess.apply(ops, example, seed=(0, 1)))
    >>> data.element_spec["image"]
    TensorSpec(shape=(160, 160, 3), dtype=tf.uint8, name=None)
"""

from ilsvrc_tfds.preprocess.colour import ColorJitter
from ilsvrc_tfds.preprocess.decoding import Decode, DecodeAndCenterCrop, DecodeAndRandomCrop
from ilsvrc_tfds.preprocess.erasing import RandomErasing
from ilsvrc_tfds.preprocess.geometry import CenterCrop, FlipLeftRight, ResizeShorterSide
from ilsvrc_tfds.preprocess.mixing import CutMix, MixUp, OneOf
from ilsvrc_tfds.preprocess.op import Op, apply, split
from ilsvrc_tfds.preprocess.presets import PRESETS, preset
from ilsvrc_tfds.preprocess.randaugment import RandAugment
from ilsvrc_tfds.preprocess.values import MEAN, STD, OneHot, Rescale, Standardize

__all__ = [
    "MEAN",
    "PRESETS",
    "STD",
    "CenterCrop",
    "ColorJitter",
    "CutMix",
    "Decode",
    "DecodeAndCenterCrop",
    "DecodeAndRandomCrop",
    "FlipLeftRight",
    "MixUp",
    "OneHot",
    "OneOf",
    "Op",
    "RandAugment",
    "RandomErasing",
    "Rescale",
    "ResizeShorterSide",
    "Standardize",
    "apply",
    "preset",
    "split",
]
