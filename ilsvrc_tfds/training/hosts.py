"""Several processes of JAX that train or evaluate together, usually one on each host.

Keras's environment variables describe the job, and `keras.distribution.initialize` connects its processes:

    KERAS_DISTRIBUTION_JOB_ADDRESSES=host0:1234 KERAS_DISTRIBUTION_NUM_PROCESSES=2 KERAS_DISTRIBUTION_PROCESS_ID=0
"""

import contextlib
import os
from collections.abc import Callable, Iterator

import keras
import numpy as np

from ilsvrc_tfds.errors import InterruptedRun
from ilsvrc_tfds.pipeline.schedule import Host

_PROCESSES = "KERAS_DISTRIBUTION_NUM_PROCESSES"
_SUCCESS, _FAILURE = 1, 0


def join_hosts() -> None:
    """Connects this process to the others if the environment names them and nobody has done so.

    >>> join_hosts()
    """
    import jax

    if os.environ.get(_PROCESSES, "1") != "1" and not jax.distributed.is_initialized():
        keras.distribution.initialize()


def on_first_host(host: Host, work: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    """Runs a function on the first host, and returns its result on all of them. All wait for it.

    Args:
      host: This host. All hosts must make the same call.
      work: Function without arguments that returns two whole numbers. If it fails, its error is raised on the first
        host.

    Raises:
      InterruptedRun: The function has failed, and this is another host.

    >>> on_first_host(Host(), lambda: (3, 7))
    (3, 7)
    """
    if host.count == 1:
        return work()
    outcome = (_FAILURE, 0, 0)
    try:
        if host.index == 0:
            outcome = (_SUCCESS, *work())
    finally:
        status, first, second = _broadcast(outcome)
    if status == _FAILURE:
        raise InterruptedRun("The first host has stopped the run. Its message says why.")
    return first, second


def _broadcast(values: tuple[int, ...]) -> tuple[int, ...]:
    from jax.experimental import multihost_utils

    return tuple(map(int, multihost_utils.broadcast_one_to_all(np.array(values, np.int32))))


@contextlib.contextmanager
def on_this_host_alone() -> Iterator[None]:
    """Lets one host save a model in the block: for that Keras makes variables, and else waits for all hosts to do so.

    >>> with on_this_host_alone():
    ...     pass
    """
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


@contextlib.contextmanager
def ending_together(host: Host) -> Iterator[None]:
    """Raises InterruptedRun if JAX fails in the block because another host has ended. With one host, does nothing.

    >>> with ending_together(Host()):
    ...     pass
    """
    if host.count == 1:
        yield
        return
    import jax

    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        raise InterruptedRun(
            f"Host {host.index} of {host.count} has lost another one, or its devices have failed: {error} Run the same "
            "command again on all hosts to continue."
        ) from error
