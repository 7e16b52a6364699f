"""Saves and loads a model's weights as HDF5 without HDF5's file locks, which some file systems refuse.

HDF5 locks a file that it opens by its path, as it does for `save_weights` and `load_weights`. Only an environment
variable prevents that. HDF5 reads it when it is loaded, which may have happened before this module is imported. Keras
handles the weights inside a `.keras` archive in memory, without a lock.
"""

import io
import os
import tempfile
import zipfile
from pathlib import Path

import keras

from ilsvrc_tfds.training.hosts import on_this_host_alone
from ilsvrc_tfds.training.kept import SUFFIX

_IN_ARCHIVE = "model.weights.h5"


def weights_of(model: keras.Model, folder: Path) -> io.BytesIO:
    """Returns the content of the file that `model.save_weights` would write. Raises the errors of Keras.

    Args:
      model: Model, with its optimizer if it is compiled.
      folder: Folder for a temporary file.

    >>> from ilsvrc_tfds import training
    >>> weights_of(training.build_model("small"), Path("/data/tfds")).getvalue()[1:4]
    b'HDF'
    """
    path = folder / "partial.keras"
    try:
        with on_this_host_alone():
            model.save(path)
        with zipfile.ZipFile(path) as archive:
            return io.BytesIO(archive.read(_IN_ARCHIVE))
    finally:
        path.unlink(missing_ok=True)


def load_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Loads weights as `model.load_weights(path)` does, and raises the same errors.

    Args:
      model: Model to change.
      path: File of weights. Without the suffix `.weights.h5`, as in older versions of Keras, HDF5 locks it.

    >>> from ilsvrc_tfds import training
    >>> model = training.build_model("small")
    >>> model.save_weights("/data/a.weights.h5")
    >>> load_weights(model, "/data/a.weights.h5")
    """
    if not os.fspath(path).endswith(SUFFIX):
        model.load_weights(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "weights.keras")
        with zipfile.ZipFile(copy, "w") as archive:
            archive.write(path, _IN_ARCHIVE)
        model.load_weights(copy)
