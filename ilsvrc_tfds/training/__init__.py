"""A reference training and evaluation with Keras, with batches from `pipeline`.

Importing this package, or making a recipe, loads neither TensorFlow nor Keras.

    training.train("/data/tfds/ilsvrc2012/raw256/1.0.0", "resnet50-run", training.Recipe(model="resnet50"))
    training.evaluate("/data/tfds/ilsvrc2012/raw256/1.0.0", "resnet50-run/model.keras")
"""

import importlib
from typing import Any

from ilsvrc_tfds.training.recipe import Recipe
from ilsvrc_tfds.training.recipes import PUBLISHED, RECIPES, Published

_HOMES = {
    "Predictions": "predictions",
    "Scores": "evaluating",
    "SetScores": "set_scores",
    "build_model": "models",
    "evaluate": "evaluating",
    "evaluate_on": "evaluation_sets",
    "load_model": "models",
    "model_names": "models",
    "predictions_of": "evaluating",
    "read_log": "folder",
    "train": "runs",
    "write_report": "evaluation_report",
}
__all__ = [
    "PUBLISHED",
    "RECIPES",
    "Predictions",
    "Published",
    "Recipe",
    "Scores",
    "SetScores",
    "build_model",
    "evaluate",
    "evaluate_on",
    "load_model",
    "model_names",
    "predictions_of",
    "read_log",
    "train",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Loads the modules that need TensorFlow and Keras when they are first used."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"ilsvrc_tfds.training.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
