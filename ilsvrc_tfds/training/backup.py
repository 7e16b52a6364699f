"""Backups of the state of a training after each epoch, written atomically."""

import logging
import os
from pathlib import Path

import h5py
import keras

from ilsvrc_tfds.storage.files import sync_file, sync_folder
from ilsvrc_tfds.training.weights import SUFFIX, load_weights, weights_of

_PARTIAL = f"partial{SUFFIX}"
# Group of the file that holds a data set for each state, named by its number.
_STATES = "seed_generators"

_log = logging.getLogger(__name__)


class Backup(keras.callbacks.Callback):
    """A callback that backs up weights, optimizer and random states in a file named after the epochs done.

    `keras.callbacks.BackupAndRestore` overwrites the weights and then the number of the epoch. A kill between the two,
    or during the first epoch's weights, leaves a backup that cannot be resumed, or resumes at the wrong epoch.

    >>> from ilsvrc_tfds import training
    >>> backup = Backup(Path("/data/run/backup"))
    >>> backup.epochs_done, backup.restore(training.build_model("small"))
    (0, 0)
    """

    def __init__(self, folder: Path):
        """Constructs the callback.

        Args:
          folder: Folder of the backups. It is created with the first one.
        """
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
        # Not `getbuffer`: CPython 3.12.0 and 3.12.1 crash if it is collected with the traceback of a failed write.
        (self._folder / _PARTIAL).write_bytes(content.getvalue())
        sync_file(self._folder / _PARTIAL)
        os.replace(self._folder / _PARTIAL, self._folder / f"{epoch + 1:05d}{SUFFIX}")
        sync_folder(self._folder)
        for path in earlier:
            path.unlink()

    @property
    def epochs_done(self) -> int:
        """Number of epochs in the last backup, or 0 if there is none."""
        return int(self._finished()[-1].name.removesuffix(SUFFIX)) if self._finished() else 0

    def restore(self, model: keras.Model) -> int:
        """Loads the last backup, if there is one, into a compiled model, and returns the number of epochs done."""
        if self.epochs_done:
            model.optimizer.build(model.trainable_variables)  # otherwise Keras skips the optimizer's part of the file
            load_weights(model, self._finished()[-1])
            _restore_states(model, self._finished()[-1])
            _log.info("Resuming after epoch %d.", self.epochs_done)
        return self.epochs_done

    def _finished(self) -> list[Path]:
        return sorted(path for path in self._folder.glob(f"*{SUFFIX}") if path.name != _PARTIAL)


def _states(model: keras.Model) -> list[keras.Variable]:
    """Returns the variables that steps change and `save_weights` omits: the states of dropout's random numbers.

    Metrics are omitted too, because each epoch resets them.
    """
    others = {id(variable) for variable in (*model.weights, *model.metrics_variables)}
    return [variable for variable in model.non_trainable_variables if id(variable) not in others]


def _restore_states(model: keras.Model, path: Path) -> None:
    states = _states(model)
    with open(path, "rb") as binary, h5py.File(binary, "r") as file:  # by a file object, because HDF5 would lock a path
        saved = [file[f"{_STATES}/{number}"][()] for number in range(len(file.get(_STATES, ())))]
    if len(saved) != len(states):
        _log.warning("%s has no random states: dropout will differ from that of a run without a stop.", path)
        return
    for state, value in zip(states, saved):
        state.assign(value)
