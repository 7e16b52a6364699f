"""Keeps away what libraries write to standard error although nobody asked, such as TensorFlow's lines about the
processor. Their errors are shown."""

import contextlib
import importlib.abc
import importlib.machinery
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from types import ModuleType

# TensorFlow's C++ code shows errors (2) and nothing less.
_VARIABLES = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "DASK_LOGGING__DISTRIBUTED": "warning",  # hides forty lines about workers
}
# Exists where NVIDIA's driver is loaded. What fails there is worth reading.
_DRIVER = "/proc/driver/nvidia/version"
_LOGGERS = ("tensorflow", "absl", "apache_beam", "jax")


def silence_libraries() -> None:
    """Makes TensorFlow, absl, Keras, Beam and Dask say nothing but errors, in this process and those that it starts.

    Call it before anything loads TensorFlow. What is loaded already stays loaded, and only its loggers change.

    >>> silence_libraries()
    >>> import tensorflow
    """
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    if not any(isinstance(finder, _QuietImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietImport())


class _QuietImport(importlib.abc.MetaPathFinder):
    """Loads TensorFlow without its first lines, which it writes before it reads TF_CPP_MIN_LOG_LEVEL."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _QuietLoader(spec.loader)
        return spec


class _QuietLoader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader):
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        with held_back():
            self._loader.exec_module(module)
            if not os.path.exists(_DRIVER):
                # Without a GPU the first search for one writes that CUDA does not work, as an error.
                module.config.list_physical_devices("GPU")
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Holds back what is written to descriptor 2 while the block runs. If the block fails it is printed after all,
    but not if it is interrupted.

    TensorFlow 2.21 writes its first lines before it reads TF_CPP_MIN_LOG_LEVEL, so that only this silences them. Lines
    of Python, such as warnings, are held back too: keep to the import in the block.

    >>> with held_back():
    ...     import tensorflow
    """
    with contextlib.ExitStack() as stack:
        try:
            _flush()
            kept = os.dup(2)
            stack.callback(os.close, kept)
            file = stack.enter_context(tempfile.TemporaryFile())
            os.dup2(file.fileno(), 2)
        except OSError:  # no descriptor 2, or no place for temporary files: the noise is shown
            yield
            return
        try:
            yield
        except Exception:  # not for an interrupt
            _flush()
            os.dup2(kept, 2)
            file.seek(0)
            with contextlib.suppress(OSError):
                os.write(2, file.read())
            raise
        finally:
            _flush()
            os.dup2(kept, 2)


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()


@contextlib.contextmanager
def log_warnings_dropped() -> Iterator[None]:
    """Drops log records below errors, of all loggers, during the block: keep to the import of a library in it.

    >>> with log_warnings_dropped():
    ...     logging.warning("No package for a service that nobody uses.")
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
