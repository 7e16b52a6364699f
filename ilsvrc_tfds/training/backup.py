"""The state of a training after an epoch, whole or not at all."""

import logging
import os
from pathlib import Path

import keras

from ilsvrc_tfds.destination import sync_file, sync_folder

_PARTIAL = "partial.weights.h5"
_SUFFIX = ".weights.h5"

_log = logging.getLogger(__name__)


class Backup(keras.callbacks.Callback):
    """Writes weights and optimizer after each epoch into one file, whose name is the number of epochs done.

    `keras.callbacks.BackupAndRestore` writes over the weights and then over the epoch's number: a kill between the two, or in the
    first epoch's weights, leaves what cannot be continued, or goes on with the wrong epoch.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self._folder = folder

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Called by Keras."""
        self._folder.mkdir(exist_ok=True)
        earlier = self._finished()
        self.model.save_weights(self._folder / _PARTIAL)
        sync_file(self._folder / _PARTIAL)
        os.replace(self._folder / _PARTIAL, self._folder / f"{epoch + 1:05d}{_SUFFIX}")
        sync_folder(self._folder)
        for path in earlier:
            path.unlink()

    @property
    def epochs_done(self) -> int:
        """Of the last backup; 0 where there is none."""
        return int(self._finished()[-1].name.removesuffix(_SUFFIX)) if self._finished() else 0

    def restore(self, model: keras.Model) -> int:
        """Gives a compiled model the state of the last backup, if there is one, and returns how many epochs are done."""
        if self.epochs_done:
            model.optimizer.build(model.trainable_variables)  # or its part of the file would be left out
            model.load_weights(self._finished()[-1])
            _log.info("Continuing after epoch %d.", self.epochs_done)
        return self.epochs_done

    def _finished(self) -> list[Path]:
        return sorted(path for path in self._folder.glob(f"*{_SUFFIX}") if path.name != _PARTIAL)
