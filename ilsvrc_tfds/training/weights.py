"""A model's weights to and from HDF5 without its file locks, which some file systems refuse.

HDF5 locks what it opens by a path, as `save_weights` and `load_weights` have it do. It is told otherwise by an environment variable
alone, which it reads when it is loaded, and somebody else may have loaded it. What Keras has in a `.keras` archive goes through
memory.
"""

import io
import os
import tempfile
import zipfile
from pathlib import Path

import keras

SUFFIX = ".weights.h5"
_IN_ARCHIVE = "model.weights.h5"


def weights_of(model: keras.Model, folder: Path) -> io.BytesIO:
    """Returns what `model.save_weights` would write. Writes and removes a file in the folder; raises what Keras raises."""
    path = folder / "partial.keras"
    try:
        model.save(path)
        with zipfile.ZipFile(path) as archive:
            return io.BytesIO(archive.read(_IN_ARCHIVE))
    finally:
        path.unlink(missing_ok=True)


def load_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Does what `model.load_weights(path)` does, and raises what it raises. Of Keras's older `.h5` files HDF5 is asked for a lock."""
    if not os.fspath(path).endswith(SUFFIX):
        model.load_weights(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "weights.keras")
        with zipfile.ZipFile(copy, "w") as archive:
            archive.write(path, _IN_ARCHIVE)
        model.load_weights(copy)
