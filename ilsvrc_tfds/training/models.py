"""Models by name: those of `keras.applications`, and a small one for trials. Each takes uint8 images and returns logits."""

import functools
import inspect
import os
import sys
import warnings
from collections.abc import Callable
from typing import TypeVar

import keras

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, SourceError
from ilsvrc_tfds.pipeline import standardize_layer
from ilsvrc_tfds.training.weights import load_weights

SMALL, IMAGENET = "small", "imagenet"
# In the folder of a training.
MODEL = "model.keras"

_Loaded = TypeVar("_Loaded")

# The side in pixels that a model was designed for, where it is not 224.
_SIZES = {
    SMALL: 64,
    "efficientnetb1": 240,
    "efficientnetb2": 260,
    "efficientnetb3": 300,
    "efficientnetb4": 380,
    "efficientnetb5": 456,
    "efficientnetb6": 528,
    "efficientnetb7": 600,
    "efficientnetv2b1": 240,
    "efficientnetv2b2": 260,
    "efficientnetv2b3": 300,
    "efficientnetv2s": 384,
    "efficientnetv2m": 480,
    "efficientnetv2l": 480,
    "inceptionresnetv2": 299,
    "inceptionv3": 299,
    "nasnetlarge": 331,
    "xception": 299,
}


def model_names() -> list[str]:
    """Returns the names that `build_model` takes."""
    return [SMALL, *sorted(_applications())]


def image_size_of(name: str) -> int:
    """Returns the side in pixels of the square images that a model was designed for. Raises OptionError for unknown names."""
    if name != SMALL and name not in _applications():
        raise OptionError(f"There is no model {name!r}; known are {', '.join(model_names())}.")
    return _SIZES.get(name, 224)


def build_model(
    name: str,
    *,
    image_size: int | None = None,
    num_classes: int = synsets.NUM_CLASSES,
    weights: str | os.PathLike | None = None,
) -> keras.Model:
    """Returns a model from images, uint8 [batch, image_size, image_size, 3], to logits, float32 [batch, num_classes].

    The preprocessing that the model's published weights want (each family has its own) is its first step.

    Args:
      name: of a function of `keras.applications` in small letters, as `resnet50`; or `small`, four convolutions.
      image_size: side in pixels; the one that the model was designed for where None.
      num_classes: outputs.
      weights: a file of weights of this model; `imagenet` for Keras's own, which it downloads; random where None.

    Raises:
      OptionError: there is no such model.
      SourceError: the weights cannot be read, or are another model's.
    """
    own_size = image_size_of(name)
    side = image_size or own_size
    images = keras.Input((side, side, 3), dtype="uint8", name="image")
    if name == SMALL:
        if weights == IMAGENET:
            raise OptionError(f"There are no published weights of {SMALL}. Give a file of weights.")
        logits = _small(images, num_classes)
    else:
        logits = _application(name, images, num_classes, IMAGENET if weights == IMAGENET else None)
    # float32 also where the rest is computed in half precision: the loss needs it.
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(logits)
    model = keras.Model(images, logits, name=name)
    if weights not in (None, IMAGENET):
        _read(weights, functools.partial(load_weights, model))
    return model


def load_model(model: str | os.PathLike, *, weights: str | os.PathLike | None = None) -> keras.Model:
    """Returns a model that has learnt: never one with random weights.

    Args:
      model: a `.keras` file, the folder of a training that has one, or a name of `model_names()`. A string that is a name is
        a name: `./resnet50` is a folder.
      weights: with a name, as of `build_model`; without, the file has them.

    Raises:
      OptionError: a name is unknown or has no weights, or a file has some besides.
      SourceError: model or weights cannot be read.
    """
    path = os.fspath(model)
    if isinstance(model, str) and model in model_names():  # also where a folder is called so: ./resnet50 is that
        if weights is None:
            raise OptionError(f"The name {path} needs weights: a file of them, or imagenet.{_hint(path)}")
        return build_model(path, weights=weights)
    path = os.path.join(path, MODEL) if os.path.isdir(path) else path
    if not path.endswith(".keras"):
        image_size_of(path)  # raises
    if weights is not None:
        raise OptionError(f"{path} has its weights. Leave the others out, or give them with the name of a model.")
    return _read(path, functools.partial(keras.saving.load_model, compile=False))


def _hint(name: str) -> str:
    path = os.path.join(".", name)
    return f" {path} is there: name it so, with the ./ before it." if os.path.isfile(os.path.join(path, MODEL)) else ""


def _read(path: str | os.PathLike, load: Callable[[str], _Loaded]) -> _Loaded:
    """Returns `load(path)`. What does not fit in every layer is refused: Keras warns, and leaves random weights in the rest."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            return load(os.fspath(path))
    except (OSError, ValueError, KeyError, TypeError, UserWarning) as error:
        cause = str(error).strip().partition("\n")[0]
        raise SourceError(
            f"{path} cannot be loaded: {cause} Name a file of this model, as Keras writes them."
        ) from error


def _application(name: str, images: keras.KerasTensor, num_classes: int, weights: str | None) -> keras.KerasTensor:
    application = _applications()[name]
    pixels = sys.modules[application.__module__].preprocess_input(keras.ops.cast(images, "float32"))
    try:
        network = application(
            weights=weights, input_shape=images.shape[1:], classes=num_classes, classifier_activation=None
        )
    except ValueError as error:
        raise OptionError(
            f"{name} cannot be built for {images.shape[1]} pixels and {num_classes} classes: {error}"
        ) from error
    except Exception as error:  # what Keras raises where a download fails
        if weights is None:
            raise
        raise SourceError(
            f"Keras cannot load its weights of {name}: {error}. Give a file of weights instead."
        ) from error
    return network(pixels)


@functools.cache
def _applications() -> dict[str, Callable[..., keras.Model]]:
    """Returns the functions of `keras.applications` that build models, by their names in small letters."""
    return {name.lower(): function for name, function in inspect.getmembers(keras.applications, inspect.isfunction)}


def _small(images: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
    """Returns the logits of four convolutions: 99 % on the demo's eight classes after 300 steps, 30 seconds on 2 cores."""
    features = standardize_layer()(images)
    for width in (32, 64, 128, 256):
        features = keras.layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(features)
        features = keras.layers.BatchNormalization()(features)
        features = keras.layers.ReLU()(features)
    return keras.layers.Dense(num_classes)(keras.layers.GlobalAveragePooling2D()(features))
