"""A training that Ctrl-C stops, the comparison of two trainings, and a process in which Keras computes with JAX."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from ilsvrc_tfds import training


class StopAt(keras.callbacks.Callback):
    """Ctrl-C in the third step of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.wanted, self.epoch = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (self.wanted, 2):
            raise KeyboardInterrupt


def train_and_stop(data, out, recipe, epoch: int, **options) -> None:
    """Trains until the third step of an epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.callbacks, "LambdaCallback", lambda **_: StopAt(epoch))
        with pytest.raises(KeyboardInterrupt):
            training.train(data, out, recipe, **options)


def assert_equal_weights(*folders) -> None:
    """Compares the weights of the trained models in folders, bit by bit."""
    ours, theirs = (training.load_model(folder / "model.keras").get_weights() for folder in folders)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


def output_with_jax(code: str, module: str, *arguments) -> str:
    """Returns what a program prints that computes with JAX, and may import a test module and what is in this folder.

    Args:
      code: Program.
      module: Path of the test module.
      *arguments: Arguments of the program.
    """
    pytest.importorskip("jax")
    folders = [str(Path(module).parent), str(Path(__file__).parent)]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(folders)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
