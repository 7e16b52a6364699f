"""Well-known recipes as tuples of ops. The images they give are uint8, so that the device can do the standardizing."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.preprocess.decoding import DecodeAndCenterCrop, DecodeAndRandomCrop
from ilsvrc_tfds.preprocess.erasing import RandomErasing
from ilsvrc_tfds.preprocess.geometry import FlipLeftRight
from ilsvrc_tfds.preprocess.mixing import CutMix, MixUp, OneOf
from ilsvrc_tfds.preprocess.op import Op
from ilsvrc_tfds.preprocess.randaugment import RandAugment
from ilsvrc_tfds.preprocess.values import OneHot

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PRESETS: dict[str, tuple[Op, ...]] = {
    # He et al. 2015 with Inception's crop, as is usual since then. Labels stay whole numbers.
    "resnet_train": (DecodeAndRandomCrop(), FlipLeftRight()),
    "resnet_eval": (DecodeAndCenterCrop(),),
    # DeiT (arXiv:2012.12877, table 9): rand-m9-mstd0.5, erasing 0.25, smoothing 0.1, mixup 0.8 or cutmix 1.0 for each
    # batch.
    "randaugment_train": (
        DecodeAndRandomCrop(),
        FlipLeftRight(),
        RandAugment(num_layers=2, magnitude=9, magnitude_std=0.5),
        RandomErasing(probability=0.25),
        OneHot(smoothing=0.1),
        OneOf((MixUp(0.8), CutMix(1.0))),
    ),
    # torchvision's newer recipe (training.PUBLISHED has its address) with RandAugment: torchvision's magnitude 9 of 30
    # is 3 of 10; erasing 0.1, smoothing 0.1, mixup 0.2 or cutmix 1.0 for each batch.
    "torchvision_train": (
        DecodeAndRandomCrop(),
        FlipLeftRight(),
        RandAugment(num_layers=2, magnitude=3, fill=0),
        RandomErasing(probability=0.1),
        OneHot(smoothing=0.1),
        OneOf((MixUp(0.2), CutMix(1.0))),
    ),
}


def preset(
    name: str, *, size: int | None = None, num_classes: int | None = None, scaled: bool | None = None
) -> tuple[Op, ...]:
    """Returns the ops of a preset.

    Args:
      name: One of PRESETS: resnet_train, resnet_eval, randaugment_train, torchvision_train.
      size: Height and width of the images, in pixels; the preset's own, 224, if None.
      num_classes: Number of classes; the preset's own, 1000, if None. Ignored by presets whose labels stay whole
        numbers.
      scaled: Whether `DecodeAndRandomCrop` decodes at 1/2, 1/4 or 1/8 of the size where it can; the preset's own,
        False, if None. Ignored by resnet_eval, whose pixels stay exact.

    Raises OptionError for an unknown name.

    >>> preset("resnet_eval", size=160)
    (DecodeAndCenterCrop(size=160, fraction=0.875, fast_dct=False),)
    """
    if name not in PRESETS:
        raise OptionError(f"There is no preset {name!r}; known are {', '.join(PRESETS)}.")
    wanted = {"size": size, "num_classes": num_classes, "scaled": scaled}
    return tuple(
        _with(op, {field: value for field, value in wanted.items() if value is not None}) for op in PRESETS[name]
    )


def _with(op: Op, values: Mapping[str, Any]) -> Op:
    """Returns the op with those of the values that it has fields for."""
    instance = cast("DataclassInstance", op)  # all ops of PRESETS are
    fields = {field.name for field in dataclasses.fields(instance)}
    return cast(Op, dataclasses.replace(instance, **{name: values[name] for name in values if name in fields}))
