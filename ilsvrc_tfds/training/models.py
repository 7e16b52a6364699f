"""Models by name, from uint8 images to logits: those of `keras.applications`, and a small one for experiments."""

import difflib
import functools
import inspect
import os
import sys
import warnings
from collections.abc import Callable
from typing import TypeVar

import keras
import tensorflow as tf

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, SourceError, counted
from ilsvrc_tfds.pipeline import standardize_layer
from ilsvrc_tfds.training.kept import ASKED, BACKUP, MODEL
from ilsvrc_tfds.training.weights import load_weights

SMALL, IMAGENET = "small", "imagenet"

_Loaded = TypeVar("_Loaded")

# Side in pixels of the images that a model was designed for, if it is not 224.
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
    """Returns the names that `build_model` takes.

    >>> from ilsvrc_tfds import training
    >>> {"small", "resnet50", "convnexttiny"} <= set(training.model_names())
    True
    """
    return [SMALL, *sorted(_applications())]


def image_size_of(name: str) -> int:
    """Returns the side in pixels of the images that a model was designed for. Raises OptionError for unknown names.

    >>> image_size_of("resnet50"), image_size_of("inceptionv3")
    (224, 299)
    """
    require_model(name)
    return _SIZES.get(name, 224)


def require_model(name: str, expected: str = "") -> None:
    """Raises OptionError for a name that is not among `model_names()`, with those that are like it, or else with all.

    >>> require_model("resnet5")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: Unknown model 'resnet5'. Did you mean resnet50 or ...?
    """
    if name not in model_names():
        like = difflib.get_close_matches(name.lower(), model_names())
        meant = f" Did you mean {' or '.join(like)}?" if like else ""
        other = f" Expected {expected}." if expected else ""
        # A path is not a name that was mistyped.
        known = "" if like or os.sep in name else f" Known models: {', '.join(model_names())}."
        raise OptionError(f"Unknown model {name!r}.{meant}{other}{known}")


def build_model(
    name: str,
    *,
    image_size: int | None = None,
    num_classes: int = synsets.NUM_CLASSES,
    weights: str | os.PathLike | None = None,
) -> keras.Model:
    """Returns a model from images, uint8 [batch, image_size, image_size, 3], to logits, float32 [batch, num_classes].

    Its first layers apply the preprocessing that its published weights expect: each family of models has its own.

    Args:
      name: Name of a function of `keras.applications` in lower case, such as `resnet50`, or `small` for four
        convolutions.
      image_size: Side of the images in pixels. If None, the side that the model was designed for.
      num_classes: Number of outputs.
      weights: File with weights of this model, or `imagenet` for Keras's own, which it downloads. If None, random
        weights.

    Raises:
      OptionError: There is no such model.
      SourceError: The weights cannot be read, or belong to another model.

    >>> from ilsvrc_tfds import training
    >>> model = training.build_model("small", num_classes=10)
    >>> model.input_shape, model.output_shape
    ((None, 64, 64, 3), (None, 10))
    """
    own_size = image_size_of(name)
    side = image_size or own_size
    images = keras.Input((side, side, 3), dtype="uint8", name="image")
    if name == SMALL:
        if weights == IMAGENET:
            raise OptionError(f"There are no published weights of {SMALL}. Name a file of weights.")
        logits = _small(images, num_classes)
    else:
        logits = _application(name, images, num_classes, IMAGENET if weights == IMAGENET else None)
    # The loss needs float32, even if the other layers compute in half precision.
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(logits)
    model = keras.Model(images, logits, name=name)
    if weights not in (None, IMAGENET):
        _read(weights, functools.partial(load_weights, model))
    return model


def load_model(model: str | os.PathLike, *, weights: str | os.PathLike | None = None) -> keras.Model:
    """Returns a trained model, never one with random weights.

    Args:
      model: A `.keras` file, the folder of a finished training, or a name from `model_names()`. A string that is a
        known name is taken as the name; write `./resnet50` for a folder of that name.
      weights: Weights for a model given by its name, in any form that `build_model` takes. A file has its own.

    Raises:
      OptionError: The name is unknown, a name has no weights, or weights are given for a file.
      SourceError: Model or weights cannot be read.

    >>> from ilsvrc_tfds import training
    >>> training.build_model("small").save("/data/model.keras")
    >>> training.load_model("/data/model.keras").name
    'small'
    """
    path = os.fspath(model)
    if isinstance(model, str) and model in model_names():  # even if a folder has that name
        if weights is None:
            raise OptionError(f"The name {path} needs weights: a file of weights, or imagenet.{_hint(path)}")
        return build_model(path, weights=weights)
    require_loadable(model)
    if os.path.isdir(path) and not os.path.exists(os.path.join(path, MODEL)):
        if any(os.path.exists(os.path.join(path, name)) for name in (ASKED, BACKUP)):
            raise SourceError(f"The training in {path} is not finished: it has no {MODEL} yet. Run it again.")
        raise SourceError(f"{path} has no {MODEL}. Name the folder of a finished training, or a .keras file.")
    path = os.path.join(path, MODEL) if os.path.isdir(path) else path
    if weights is not None:
        raise OptionError(
            f"{path} already has weights. Leave out `weights` (--weights), or name a model from `model_names()`."
        )
    return _read(path, functools.partial(keras.saving.load_model, compile=False))


def require_loadable(model: str | os.PathLike | keras.Model) -> None:
    """Raises OptionError at once for what `load_model` would take for a name, and is not one.

    >>> require_loadable("run/model.keras")
    >>> require_loadable("vgg")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: Unknown model 'vgg'. Did you mean vgg...
    """
    if not isinstance(model, keras.Model):
        path = os.fspath(model)
        if not path.endswith(".keras") and not os.path.isdir(path):
            require_model(path, "a .keras file, the folder of a training, or the name of a model")


def _hint(name: str) -> str:
    path = os.path.join(".", name)
    return f" To load the folder, name it {path}." if os.path.isfile(os.path.join(path, MODEL)) else ""


def _read(path: str | os.PathLike, load: Callable[[str], _Loaded]) -> _Loaded:
    """Returns `load(path)`. A layer that does not fit is an error; Keras would warn, and leave its weights random."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            return load(os.fspath(path))
    except (OSError, ValueError, KeyError, TypeError, UserWarning) as error:
        cause = str(error).strip().partition("\n")[0]
        raise SourceError(
            f"{path} cannot be loaded: {cause} Name a file that Keras has saved for this model."
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
            f"{name} cannot be built for {images.shape[1]} pixels and {counted(num_classes, 'class', 'classes')}: "
            f"{error}"
        ) from error
    except Exception as error:  # Keras raises this if a download fails
        if weights is None:
            raise
        raise SourceError(
            f"Keras cannot load its weights of {name}: {error}. Name a file of weights instead."
        ) from error
    return network(pixels)


@functools.cache
def _applications() -> dict[str, Callable[..., keras.Model]]:
    """Returns the functions of `keras.applications` that build models, by their names in lower case."""
    return {name.lower(): function for name, function in inspect.getmembers(keras.applications, inspect.isfunction)}


def _small(images: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
    """Returns the logits of four convolutions. 300 steps, 30 s on 2 cores, reach 99 % on the demo's eight classes."""
    # JAX normalizes over the batches of all devices anyway.
    several = keras.backend.backend() == "tensorflow" and tf.distribute.get_strategy().num_replicas_in_sync > 1
    features = standardize_layer()(images)
    for width in (32, 64, 128, 256):
        features = keras.layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(features)
        features = keras.layers.BatchNormalization(synchronized=several)(features)
        features = keras.layers.ReLU()(features)
    return keras.layers.Dense(num_classes)(keras.layers.GlobalAveragePooling2D()(features))
