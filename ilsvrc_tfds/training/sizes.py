"""Train images whose size changes between epochs: a model that takes any size, and its batches."""

import functools
import re
from collections.abc import Callable

import keras
import tensorflow as tf

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.training.recipe import Recipe


def any_size(model: keras.Model, sides: list[int]) -> keras.Model:
    """Returns a model with the same layers and weights for images of any size, not compiled.

    Args:
      model: Model for images of one size.
      sides: Sides of images in pixels that the model must take.

    Raises OptionError if the model is made for one size, as those that flatten their features, or cannot take a side.

    >>> from ilsvrc_tfds import training
    >>> any_size(training.build_model("small"), [32, 48]).input_shape
    (None, None, None, 3)
    """
    try:
        flexible = _with_side(model, None, _flexible)
        for side in sides:
            one_size(flexible, side)  # only its shapes: layers that run out of pixels raise an error
    except ValueError as error:
        raise OptionError(
            f"{model.name} cannot be trained with images of {' and '.join(map(str, sides))} pixels (sizes): "
            f"{_cause(error)}"
        ) from error
    return flexible


def one_size(model: keras.Model, side: int) -> keras.Model:
    """Returns a model with the same layers and weights for images of one size, not compiled.

    Args:
      model: Model for images of any size.
      side: Side of the images in pixels.

    >>> from ilsvrc_tfds import training
    >>> one_size(any_size(training.build_model("small"), [32]), 64).input_shape
    (None, 64, 64, 3)
    """
    plain = keras.Model(model.input, model.output, name=model.name)  # of a compiled model, the copy would be compiled
    return _with_side(plain, side, lambda layer: layer)


def in_stages(
    recipe: Recipe, steps_per_epoch: int, start_step: int, stream: Callable[[int, int], tf.data.Dataset]
) -> tf.data.Dataset:
    """Returns the batches of a recipe with `sizes` from a step on. The side of a batch follows from its epoch alone.

    Args:
      recipe: Hyperparameters, with `sizes`.
      steps_per_epoch: Number of batches in an epoch.
      start_step: Number of the first batch.
      stream: Function of a side in pixels and the number of a batch that returns the endless batches from there on.

    >>> recipe = Recipe(epochs=3, sizes=((32, 0), (48, 1)))
    >>> numbers = in_stages(recipe, 2, 1, lambda side, step: tf.data.Dataset.range(step, 99).map(lambda n: (side, n)))
    >>> [(int(side), int(number)) for side, number in numbers.take(3)]
    [(32, 1), (48, 2), (48, 3)]
    """
    begins = [(side, first * steps_per_epoch) for side, first in recipe.sizes or ()]
    stages = []
    for (side, begin), end in zip(begins, [*(begin for _, begin in begins[1:]), None]):
        begin = max(begin, start_step)
        stage = stream(side, begin)
        # Stages that are over stay as empty ones. Without them the static shape would depend on the first step, and so
        # would TensorFlow's kernels and the rounding of a resumed training.
        stages.append(stage if end is None else stage.take(max(0, end - begin)))
    return functools.reduce(tf.data.Dataset.concatenate, stages)


def _flexible(layer: keras.layers.Layer) -> keras.layers.Layer:
    return _with_side(layer, None, _flexible) if isinstance(layer, keras.Model) else layer


def _with_side(model: keras.Model, side: int | None, clone: Callable) -> keras.Model:
    """Returns a model of the layers that `clone` returns, for images of another side."""
    image = model.inputs[0]
    images = keras.Input((side, side, image.shape[-1]), dtype=image.dtype, name=image.name)
    return keras.models.clone_model(model, input_tensors=images, clone_function=clone)


def _cause(error: ValueError) -> str:
    """Returns the line of Keras's message that says what is wrong, without its colours."""
    lines = [line for line in re.sub("\x1b\\[[0-9]+m", "", str(error)).splitlines() if line.strip()]
    return next(line for line in [*lines[lines[0].startswith("Exception encountered") :], *lines])
