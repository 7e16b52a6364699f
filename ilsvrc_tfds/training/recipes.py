"""Recipes of published trainings, with the accuracy that their source states. None of them was run with this package.

The pieces are those of this package, so each entry says where it differs from its source. One difference is common to
all: Keras's ResNet-50 has the stride in the first convolution of a block, as the original. torchvision and Goyal et al.
have it in the second, which is more accurate by about half a point.
"""

import dataclasses

from ilsvrc_tfds.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Published:
    """A recipe, and what its source states. The accuracy was not measured with this package.

    Attributes:
      recipe: The hyperparameters, as far as they can be expressed here.
      top1: Accuracy on `val` in percent, at 224 pixels from one central crop of 0.875.
      source: Paper or article, and its table.
      differs: How the recipe differs from its source.

    >>> PUBLISHED["resnet50-90"].top1
    76.4
    """

    recipe: Recipe
    top1: float
    source: str
    differs: str


PUBLISHED = {
    "resnet50-90": Published(
        Recipe(model="resnet50", epochs=90, batch_size=256, warmup_epochs=5, label_smoothing=0.0),
        top1=76.4,
        source="Goyal et al. 2017, arXiv:1706.02677, table 1 (error 23.60 +- 0.12 %)",
        differs=(
            "the learning rate falls as a cosine, not in steps at the epochs 30, 60 and 80, and the last normalization "
            "of a block starts with 1, not 0"
        ),
    ),
    "resnet50-600": Published(
        Recipe(
            model="resnet50",
            epochs=600,
            batch_size=1024,
            ops="torchvision_train",
            sizes=((176, 0),),
            learning_rate=0.5,
            weight_decay=2e-4,  # 2e-5 through the gradient, with momentum 0.9
            warmup_epochs=5,
            label_smoothing=0.1,
            ema=0.999966,  # of a step; 1 - 2e-5 * (1024 * 32 / 600) of 32 steps
        ),
        top1=80.45,
        source=(
            "torchvision 2021, https://pytorch.org/blog/how-to-train-state-of-the-art-models-using-torchvision-latest-"
            'primitives/, row "+ EMA"'
        ),
        differs=(
            "RandAugment with torchvision's defaults replaces TrivialAugment, MixUp and CutMix draw a share for each "
            "example, not each batch, erased rectangles are noise, not the mean, and the average of the weights begins "
            "with the first step, not after the warm-up"
        ),
    ),
}

RECIPES: dict[str, Recipe] = {name: published.recipe for name, published in PUBLISHED.items()}
