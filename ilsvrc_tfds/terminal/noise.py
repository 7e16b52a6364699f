"""What libraries write to standard error past Python, such as TensorFlow's lines about the processor."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Holds back what is written to descriptor 2 while the block runs. If the block fails it is printed after all.

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
        except BaseException:
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
