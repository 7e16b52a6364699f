"""Well-known recipes, each a tuple of ops. All leave the image uint8: standardizing belongs on the device."""

import dataclasses

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.preprocess.decoding import DecodeAndCenterCrop, DecodeAndRandomCrop
from ilsvrc_tfds.preprocess.erasing import RandomErasing
from ilsvrc_tfds.preprocess.geometry import FlipLeftRight
from ilsvrc_tfds.preprocess.mixing import CutMix, MixUp, OneOf
from ilsvrc_tfds.preprocess.op import Op
from ilsvrc_tfds.preprocess.randaugment import RandAugment
from ilsvrc_tfds.preprocess.values import OneHot

PRESETS: dict[str, tuple[Op, ...]] = {
    # He et al. 2015 with Inception's crop, as everybody since; labels stay whole numbers.
    "resnet_train": (DecodeAndRandomCrop(), FlipLeftRight()),
    "resnet_eval": (DecodeAndCenterCrop(),),
    # DeiT (arXiv:2012.12877, table 9): rand-m9-mstd0.5, erasing 0.25, smoothing 0.1, mixup 0.8 or cutmix 1.0, one a batch.
    "randaugment_train": (
        DecodeAndRandomCrop(),
        FlipLeftRight(),
        RandAugment(num_layers=2, magnitude=9, magnitude_std=0.5),
        RandomErasing(probability=0.25),
        OneHot(smoothing=0.1),
        OneOf((MixUp(0.8), CutMix(1.0))),
    ),
}


def preset(name: str, *, size: int | None = None, num_classes: int | None = None) -> tuple[Op, ...]:
    """Returns the ops of a preset, with another image size or number of classes where these are given.

    Raises OptionError, which lists the known names, for any other.
    """
    if name not in PRESETS:
        raise OptionError(f"There is no preset {name!r}; known are {', '.join(PRESETS)}.")
    wanted = {"size": size, "num_classes": num_classes}
    return tuple(
        _with(op, {field: value for field, value in wanted.items() if value is not None}) for op in PRESETS[name]
    )


def _with(op: Op, values: dict[str, int]) -> Op:
    fields = {field.name for field in dataclasses.fields(op)}
    return dataclasses.replace(op, **{name: value for name, value in values.items() if name in fields})
