"""The state of a training after an epoch, whole or not at all."""

import logging
import os
from pathlib import Path

import h5py
import keras

from ilsvrc_tfds.storage.files import sync_file, sync_folder
from ilsvrc_tfds.training.weights import SUFFIX, load_weights, weights_of

_PARTIAL = f"partial{SUFFIX}"
# In the file, a data set for each state, by its number.
_STATES = "seed_generators"

_log = logging.getLogger(__name__)


class Backup(keras.callbacks.Callback):
    """Writes weights, optimizer and the states of random numbers after each epoch into one file, named after the epochs done.

    `keras.callbacks.BackupAndRestore` writes over the weights and then over the epoch's number: a kill between the two, or in the
    first epoch's weights, leaves what cannot be continued, or goes on with the wrong epoch.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self._folder = folder

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Called by Keras."""
        self._folder.mkdir(exist_ok=True)
        earlier = self._finished()
        content = weights_of(self.model, self._folder)
        with h5py.File(content, "r+") as file:
            for number, state in enumerate(_states(self.model)):
                file[f"{_STATES}/{number}"] = keras.ops.convert_to_numpy(state)
        (self._folder / _PARTIAL).write_bytes(content.getbuffer())
        sync_file(self._folder / _PARTIAL)
        os.replace(self._folder / _PARTIAL, self._folder / f"{epoch + 1:05d}{SUFFIX}")
        sync_folder(self._folder)
        for path in earlier:
            path.unlink()

    @property
    def epochs_done(self) -> int:
        """Of the last backup; 0 where there is none."""
        return int(self._finished()[-1].name.removesuffix(SUFFIX)) if self._finished() else 0

    def restore(self, model: keras.Model) -> int:
        """Gives a compiled model the state of the last backup, if there is one, and returns how many epochs are done."""
        if self.epochs_done:
            model.optimizer.build(model.trainable_variables)  # or its part of the file would be left out
            load_weights(model, self._finished()[-1])
            _restore_states(model, self._finished()[-1])
            _log.info("Continuing after epoch %d.", self.epochs_done)
        return self.epochs_done

    def _finished(self) -> list[Path]:
        return sorted(path for path in self._folder.glob(f"*{SUFFIX}") if path.name != _PARTIAL)


def _states(model: keras.Model) -> list[keras.Variable]:
    """Returns the variables that steps change and `save_weights` leaves out: what dropout draws its random numbers from.

    Metrics are left out by both, for an epoch begins with new ones.
    """
    others = {id(variable) for variable in (*model.weights, *model.metrics_variables)}
    return [variable for variable in model.non_trainable_variables if id(variable) not in others]


def _restore_states(model: keras.Model, path: Path) -> None:
    states = _states(model)
    with open(path, "rb") as binary, h5py.File(binary, "r") as file:  # not by its path, which HDF5 would lock
        saved = [file[f"{_STATES}/{number}"][()] for number in range(len(file.get(_STATES, ())))]
    if len(saved) != len(states):
        _log.warning(
            "%s has no states of random numbers: dropout goes on with others than in a run without a stop.", path
        )
        return
    for state, value in zip(states, saved):
        state.assign(value)
