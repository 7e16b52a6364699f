"""A plain reference training and evaluation with Keras, fed by `pipeline`. Loads TensorFlow and Keras.

    training.train("/data/tfds/ilsvrc2012/raw256/1.0.0", "resnet50-run", training.Recipe(model="resnet50"))
    training.evaluate("/data/tfds/ilsvrc2012/raw256/1.0.0", "resnet50-run/model.keras")
"""

from ilsvrc_tfds.recipe import Recipe
from ilsvrc_tfds.training.evaluating import Scores, evaluate
from ilsvrc_tfds.training.models import build_model, load_model, model_names
from ilsvrc_tfds.training.runs import read_log, train

__all__ = ["Recipe", "Scores", "build_model", "evaluate", "load_model", "model_names", "read_log", "train"]
