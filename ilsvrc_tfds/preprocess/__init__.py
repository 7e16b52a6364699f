"""Ops on one example, or on a batch of them, for `tf.data`: decode, crop, augment, label.

    ops = preprocess.preset("resnet_train")
    data = data.map(lambda example, seed: preprocess.apply(ops, example, seed))

An op is a frozen value and a tuple of them composes; printing it is the experiment's record. An example is a dict: `image` is a
JPEG's bytes (scalar string), after a decoding op uint8 [h, w, 3]; `label` an int64 scalar, after `OneHot` float32 [classes];
other keys pass through. Equal seeds give equal results: no op has a state. Loads TensorFlow.
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
