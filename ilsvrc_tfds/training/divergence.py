"""Stops a training when its loss becomes NaN or infinite, before the last good backup is overwritten."""

import logging
import math

import keras

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.training.backup import Backup
from ilsvrc_tfds.training.recipe import Recipe

_log = logging.getLogger(__name__)


class StopAtDivergence(keras.callbacks.Callback):
    """A callback that ends the training with an OptionError at the end of an epoch whose validation loss is not finite.

    It must come before the callback that makes the backups. The validation decides, because it shows the weights: in
    half precision the loss of a single batch may overflow, and the optimizer then leaves that step out.

    >>> from pathlib import Path
    >>> stop = StopAtDivergence(Recipe(), Backup(Path("/data/run/backup")))
    >>> stop.on_epoch_end(0, {"loss": 6.9, "val_loss": 6.8})
    >>> stop.on_epoch_end(0, {"loss": float("nan"), "val_loss": float("nan")})
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: The training diverged in epoch 1 of 90: its loss is nan, in validation nan. ...
    """

    def __init__(self, recipe: Recipe, backup: Backup):
        """Constructs the callback.

        Args:
          recipe: Hyperparameters of the training.
          backup: Callback that makes the backups.
        """
        super().__init__()
        self._recipe, self._backup = recipe, backup

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Called by Keras."""
        loss, validation = logs["loss"], logs["val_loss"]
        if math.isfinite(validation):
            if not math.isfinite(loss):
                _log.warning("The loss of epoch %d is %s, but that of its validation is finite.", epoch + 1, loss)
            return
        self._backup.drop_steps()
        done = self._backup.progress.epochs
        kept = (
            f"The state after epoch {done} is kept, and the same command resumes there. Another recipe needs another "
            "folder (--out), or --overwrite."
            if done
            else "No epoch was finished, so the folder can be used again."
        )
        raise OptionError(
            f"The training diverged in epoch {epoch + 1} of {self._recipe.epochs}: its loss is {loss:.4g}, in "
            f"validation {validation:.4g}. Try a lower --learning-rate than {self._recipe.peak_learning_rate:g}, or "
            f"more --warmup-epochs. {kept}"
        )
