"""The options of `train` that make its recipe."""

import argparse
import dataclasses
import logging
from collections.abc import Callable
from typing import Any

from ilsvrc_tfds.training.recipe import OPTIMIZERS, PRECISIONS, Recipe
from ilsvrc_tfds.training.recipes import PUBLISHED, RECIPES

_log = logging.getLogger(__name__)


def add_recipe(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--recipe",
        choices=list(RECIPES),
        help="recipe of a published training, of which other options replace values (default: the defaults below)",
    )
    for field in dataclasses.fields(Recipe):
        kind, metavar, text = _WORDS[field.name]
        default = "" if field.default is None else f" (default: {field.default})"
        options: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
        options = options if kind is bool else {"type": kind, "metavar": metavar}
        # The result has only the options that are given, because the others have the values of the recipe.
        word = f"--{field.name.replace('_', '-')}"
        command.add_argument(word, default=argparse.SUPPRESS, help=text + default, **options)


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Returns the recipe that is named, or the default one, with the values of the options that are given."""
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Recipe) if field.name in options}
    if options.recipe is None:
        return Recipe(**given)
    published = PUBLISHED[options.recipe]
    recipe = published.recipe.changed(**given)
    if recipe == published.recipe:
        _log.info(
            "%s: top-1 %.2f%% is published (%s); it was not run with this package, where %s.",
            *(options.recipe, published.top1, published.source, published.differs),
        )
    return recipe


def sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Returns the pairs (side in pixels, first epoch) that commas separate.

    >>> sizes("128:0,160:30")
    ((128, 0), (160, 30))
    """
    pairs = [part.split(":") for part in text.split(",")]
    if any(len(pair) != 2 or not all(number.isdecimal() for number in pair) for pair in pairs):
        raise argparse.ArgumentTypeError(f"expected PIXELS:EPOCH,… as in 128:0,160:30, got {text!r}")
    return tuple((int(side), int(first)) for side, first in pairs)


# Type, name of the value in the help text, and help text of each field.
_WORDS: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "model": (str, "MODEL", "model of keras.applications, in lower case, or small"),
    "image_size": (int, "N", "side of the input images in pixels (default: the model's)"),
    "epochs": (int, "N", "number of epochs"),
    "batch_size": (int, "N", "examples per batch"),
    "ops": (
        str,
        "PRESET",
        "augmentation of the train images: resnet_train, randaugment_train or torchvision_train",
    ),
    "scaled": (
        bool,
        "",
        "decode large crops at 1/2, 1/4 or 1/8 of their size: a little faster for originals at 128 pixels or fewer",
    ),
    "sizes": (
        sizes,
        "N:EPOCH,…",
        "sides of the train images in pixels, each with its first epoch, as in 128:0,160:30,192:60 (default: the "
        "model's)",
    ),
    "optimizer": (str, "NAME", f"optimizer: {' or '.join(OPTIMIZERS)}"),
    "learning_rate": (
        float,
        "RATE",
        "peak learning rate (default: 0.1 per 256 examples of a batch with sgd, 0.001 per 1024 with adamw)",
    ),
    "weight_decay": (
        float,
        "RATE",
        "weight decay of a step, multiplied by the learning rate (default: 0.001 with sgd, 0.05 with adamw)",
    ),
    "warmup_epochs": (
        int,
        "N",
        "epochs in which the learning rate rises (default: 5, but fewer than half of the epochs)",
    ),
    "label_smoothing": (float, "SHARE", "share of the label that is spread over all classes"),
    "ema": (float, "MOMENTUM", "evaluate and save a moving average of the weights with this momentum in each step"),
    "shuffle_buffer": (int, "N", "number of records in the shuffle buffer"),
    "seed": (int, "N", "seed of the weights, the order and the augmentation"),
    "shares": (
        int,
        "N",
        "shares of the examples, each with its own order; with one for each host, it reads only its own",
    ),
    "precision": (
        str,
        "TYPE",
        f"what the layers compute in: {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}; weights are float32 (default: "
        "float16 on GPUs, bfloat16 on TPUs, float32 on processors)",
    ),
}
