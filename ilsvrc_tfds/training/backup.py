"""Backups of the state of a training after each epoch, and within epochs if wanted, written atomically."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from ilsvrc_tfds.errors import DestinationError, OptionError, require_integers
from ilsvrc_tfds.storage.files import sync_file, sync_folder
from ilsvrc_tfds.training.kept import SUFFIX, Progress, backups_in, name_of
from ilsvrc_tfds.training.weights import load_weights, weights_of

_PARTIAL = f"partial{SUFFIX}"
# Groups of the file: a data set for each random state, named by its number, and one for each metric, by its name.
_STATES, _METRICS = "seed_generators", "metrics"

_log = logging.getLogger(__name__)


class Backup(keras.callbacks.Callback):
    """A callback that backs up weights, optimizer and random states in a file named after the epochs and steps done.

    Within an epoch it backs up the metrics too, so that the log has those of the whole epoch.

    `keras.callbacks.BackupAndRestore` overwrites the weights and then the number of the epoch. A kill between the two,
    or during the first epoch's weights, leaves a backup that cannot be resumed, or resumes at the wrong epoch.

    >>> from ilsvrc_tfds import training
    >>> backup = Backup(Path("/data/run/backup"))
    >>> backup.progress, backup.restore(training.build_model("small"))
    (Progress(epochs=0, steps=0), Progress(epochs=0, steps=0))
    """

    def __init__(self, folder: Path, every: int | None = None):
        """Constructs the callback.

        Args:
          folder: Folder of the backups. It is created with the first one.
          every: Number of steps between backups within an epoch. If None, there is one at the end of each epoch.

        Raises OptionError if `every` is not a whole number of at least 1.
        """
        super().__init__()
        if every is not None:
            require_integers(backup_every=every)
            if every < 1:
                raise OptionError(f"backup_every must be at least 1, got {every}.")
        self._folder, self._every = folder, every
        self._resumed, self._metrics = Progress(), dict[str, list[np.ndarray]]()
        self._epoch, self._earlier_steps = 0, 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Called by Keras, which has reset the metrics."""
        self._epoch, self._earlier_steps = epoch, 0
        if self._resumed.steps and epoch == self._resumed.epochs:
            self._earlier_steps = self._resumed.steps
            _restore_metrics(self.model, self._metrics)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Called by Keras."""
        steps = self._earlier_steps + batch + 1
        if self._every is not None and not steps % self._every and batch + 1 < self.params["steps"]:
            earlier = [path for progress, path in self._finished() if progress.steps]
            self._write(Progress(self._epoch, steps), earlier)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Called by Keras."""
        self._write(Progress(epoch + 1), [path for _, path in self._finished()])

    def _write(self, progress: Progress, earlier: list[Path]) -> None:
        self._folder.mkdir(exist_ok=True)
        content = weights_of(self.model, self._folder)
        with h5py.File(content, "r+") as file:
            for number, state in enumerate(_states(self.model)):
                file[f"{_STATES}/{number}"] = keras.ops.convert_to_numpy(state)
            metrics = {metric.name: metric for metric in _metrics(self.model)} if progress.steps else {}
            for name, metric in metrics.items():
                for number, variable in enumerate(metric.variables):
                    file[f"{_METRICS}/{name}/{number}"] = keras.ops.convert_to_numpy(variable)
        # Not `getbuffer`: CPython 3.12.0 and 3.12.1 crash if it is collected with the traceback of a failed write.
        (self._folder / _PARTIAL).write_bytes(content.getvalue())
        sync_file(self._folder / _PARTIAL)
        path = self._path(progress)
        os.replace(self._folder / _PARTIAL, path)
        sync_folder(self._folder)
        for other in earlier:
            if other != path:
                other.unlink()

    @property
    def progress(self) -> Progress:
        """What the last backup has."""
        return max((progress for progress, _ in self._finished()), default=Progress())

    def restore(self, model: keras.Model, progress: Progress | None = None) -> Progress:
        """Loads a backup, if there is one, into a compiled model, and returns what is done.

        Args:
          model: Model of the same recipe.
          progress: Name of the backup. If None, the last one.

        Raises DestinationError if the backup has the state of another optimizer.
        """
        progress = self.progress if progress is None else progress
        self._resumed = progress
        if progress > Progress():
            path = self._path(progress)
            model.optimizer.build(model.trainable_variables)  # otherwise Keras skips the optimizer's part of the file
            with _whole_optimizer(path):
                load_weights(model, path)
            _restore_states(model, path)
            self._metrics = _read_metrics(path)
        return progress

    def drop_steps(self) -> None:
        """Removes the backups within an epoch: their weights may have diverged."""
        for progress, path in self._finished():
            if progress.steps:
                path.unlink(missing_ok=True)

    def _path(self, progress: Progress) -> Path:
        return self._folder / name_of(progress)

    def _finished(self) -> list[tuple[Progress, Path]]:
        return backups_in(self._folder)


class MetricsOfEpoch(keras.callbacks.Callback):
    """A callback for hosts that make no backups: it only restores the metrics of an epoch that is continued.

    >>> MetricsOfEpoch(Backup(Path("/data/run/backup"))).on_epoch_begin(0)
    """

    def __init__(self, backup: Backup):
        """Constructs the callback.

        Args:
          backup: Backup that was restored.
        """
        super().__init__()
        self._backup = backup

    def set_model(self, model: keras.Model) -> None:
        """Called by Keras."""
        self._backup.set_model(model)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Called by Keras."""
        self._backup.on_epoch_begin(epoch)


@contextlib.contextmanager
def _whole_optimizer(path: Path) -> Iterator[None]:
    """Raises DestinationError if Keras leaves out the state of the optimizer in the block, of which it only warns."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
    for warning in said:
        if "Skipping variable loading for optimizer" in str(warning.message):
            raise DestinationError(
                f"{path} has the state of another optimizer, or of another precision, and without it the training "
                "would not be the one that was begun. Name another folder (--out), or --overwrite it."
            )
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


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


def _metrics(model: keras.Model) -> list[keras.Metric]:
    """Returns the metrics, those of `compile` one by one. With several devices two of them are called `loss`."""
    return [part for metric in model.metrics for part in getattr(metric, "metrics", [metric])]


def _read_metrics(path: Path) -> dict[str, list[np.ndarray]]:
    with open(path, "rb") as binary, h5py.File(binary, "r") as file:
        groups = file.get(_METRICS, {})
        return {name: [groups[name][str(number)][()] for number in range(len(groups[name]))] for name in groups}


def _restore_metrics(model: keras.Model, saved: dict[str, list[np.ndarray]]) -> None:
    zeros = np.zeros((1, model.output_shape[1]), np.float32)
    model.compute_metrics(None, zeros, zeros)  # with TensorFlow, Keras makes those of `compile` in the first step only
    model.reset_metrics()
    metrics = {metric.name: metric for metric in _metrics(model)}
    if saved.keys() != metrics.keys():
        _log.warning("The metrics of the epoch that is continued are those of its last steps alone.")
        return
    for name, values in saved.items():
        for variable, value in zip(metrics[name].variables, values, strict=True):
            variable.assign(value)
