"""A plain reference training and evaluation with Keras, fed by `pipeline`. TensorFlow and Keras are loaded by what
needs them: not by a recipe.

    training.train("/data/tfds/ilsvrc2012/raw256/1.0.0", "resnet50-run", training.Recipe(model="resnet50"))
    training.evaluate("/data/tfds/ilsvrc2012/raw256/1.0.0", "resnet50-run/model.keras")
"""

import importlib
from typing import Any

from ilsvrc_tfds.training.recipe import Recipe

_HOMES = {
    "Scores": "evaluating",
    "build_model": "models",
    "evaluate": "evaluating",
    "load_model": "models",
    "model_names": "models",
    "read_log": "runs",
    "train": "runs",
}
__all__ = ["Recipe", "Scores", "build_model", "evaluate", "load_model", "model_names", "read_log", "train"]


def __getattr__(name: str) -> Any:
    """Loads TensorFlow and Keras for what needs them."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"ilsvrc_tfds.training.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
