"""A plain reference training and evaluation with Keras, fed by `pipeline`. Loads TensorFlow and Keras.

    training.train("/data/tfds/ilsvrc2012/raw256/1.0.0", "resnet50-run", training.Recipe(model="resnet50"))
    training.evaluate("/data/tfds/ilsvrc2012/raw256/1.0.0", "resnet50-run/model.keras")
"""

import os

# Before Keras loads HDF5: its backups need no file locks, and some file systems refuse them.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

from ilsvrc_tfds.recipe import Recipe  # noqa: E402
from ilsvrc_tfds.training.evaluating import Scores, evaluate  # noqa: E402
from ilsvrc_tfds.training.models import build_model, load_model, model_names  # noqa: E402
from ilsvrc_tfds.training.runs import read_log, train  # noqa: E402

__all__ = ["Recipe", "Scores", "build_model", "evaluate", "load_model", "model_names", "read_log", "train"]
