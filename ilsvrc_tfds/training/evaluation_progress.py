"""The progress of an evaluation on the terminal, by the calls that Keras makes."""

import contextlib
import threading
from collections.abc import Iterator

import keras

from ilsvrc_tfds.terminal.progress import Progress, progress

_COMPILING = "compiling"


@contextlib.contextmanager
def evaluation_progress(label: str, images: int, batch_size: int, *, shown: bool) -> Iterator[list]:
    """Yields the callbacks for `evaluate` or `predict` of a model, and shows how far it is until the block ends.

    >>> with evaluation_progress("val", 6, 4, shown=True) as callbacks:
    ...     callbacks[0].on_test_batch_end(0)

    Args:
      label: Name of what is evaluated.
      images: Number of images.
      batch_size: Number of images in a batch.
      shown: Whether this host shows it.
    """
    if not shown:
        yield []
        return
    with progress(label, images) as work:
        work.label = f"{label}: {_COMPILING}"
        yield [_Follow(work, label, batch_size)]


class _Follow(keras.callbacks.Callback):
    # Keras then calls it from a thread, and does not wait for the device after each batch.
    async_safe = True

    def __init__(self, work: Progress, label: str, batch_size: int):
        super().__init__()
        self._work, self._label, self._batch_size = work, label, batch_size
        self._lock = threading.Lock()

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        with self._lock:
            self._work.move_to(min(max(self._work.finished, (batch + 1) * self._batch_size), self._work.total))
            if self._work.label != self._label:  # the first batch has compiled the model
                self._work.label = self._label
                self._work.restart()

    on_predict_batch_end = on_test_batch_end
