"""The devices that train and evaluate: all that Keras's backend sees on this host, and with JAX those of all hosts.

TensorFlow copies a model to the devices of one host (`tf.distribute.MirroredStrategy`), and each copy takes an equal
part of a batch. JAX divides the batches among the devices of all hosts (`keras.distribution.DataParallel`). PyTorch
uses one device.
"""

import contextlib
import dataclasses
import functools
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import keras
import tensorflow as tf

from ilsvrc_tfds.errors import OptionError, counted, first_few, require_integers
from ilsvrc_tfds.pipeline.schedule import Host
from ilsvrc_tfds.training.hosts import ending_together, join_hosts

_Device = TypeVar("_Device")

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Devices:
    """The devices that compute together.

    Attributes:
      count: Number of devices on all hosts. Each computes an equal part of a batch.
      host: This host, one of those that compute together.
      scoped: Whether models must be made where the devices are in use, because their variables are on all of them.

    >>> Devices(8).several, Devices().several
    (True, False)
    """

    count: int = 1
    host: Host = Host()
    scoped: bool = False

    @property
    def several(self) -> bool:
        """Whether there is more than one device."""
        return self.count > 1

    def dividing(self, batch_size: int) -> int:
        """Returns the smallest size of a batch, at least the given one, that the devices divide.

        >>> Devices(3).dividing(256)
        258
        """
        return -(-batch_size // self.count) * self.count

    def require_divided(self, batch_size: int) -> None:
        """Raises OptionError if the devices do not divide a batch into equal parts."""
        if batch_size % self.count:
            below = batch_size // self.count * self.count
            sizes = f"{below:,} or {below + self.count:,}" if below else f"{self.count:,}"
            raise OptionError(
                f"batch_size must be a multiple of {self.count}, the number of devices, got {batch_size:,}. Choose "
                f"{sizes}, or fewer devices (--devices)."
            )


@contextlib.contextmanager
def use_devices(wanted: int | None = None) -> Iterator[Devices]:
    """Lets Keras use several devices of its backend in the block, and yields them. With one, nothing is changed.

    If the caller has already chosen some, by the scope of a strategy of TensorFlow or by
    `keras.distribution.set_distribution`, these are used.

    Args:
      wanted: Number of devices on each host, the first ones. If None, all.

    Raises:
      OptionError: There are fewer devices, the caller has chosen others, or the backend cannot use them together.
      InterruptedRun: Another host has ended or cannot be reached.

    >>> with use_devices() as devices:
    ...     devices.count, devices.host
    (1, Host(index=0, count=1))
    >>> with use_devices(16):
    ...     pass
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: 16 devices are wanted, but there is 1 device: ...
    """
    if wanted is not None:
        require_integers(devices=wanted)
        if wanted < 1:
            raise OptionError(f"devices must be at least 1, got {wanted}.")
    _leave_gpus_to_backend()
    by_backend = {"tensorflow": _of_tensorflow, "jax": _of_jax}
    with by_backend.get(keras.backend.backend(), _one_device)(wanted) as devices, ending_together(devices.host):
        if devices.several:
            hosts = f" on {counted(devices.host.count, 'host')}" if devices.host.count > 1 else ""
            _log.info("%d devices%s compute together.", devices.count, hosts)
        yield devices


def kind_of_device() -> str:
    """Returns the kind of device that Keras's backend computes on: `gpu`, `tpu`, `cpu`, or what JAX calls it.

    >>> kind_of_device()
    'cpu'
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.default_backend()
    if backend == "torch":
        torch: Any = sys.modules["torch"]
        return "gpu" if torch.cuda.is_available() else "cpu"
    return next((kind.lower() for kind in ("TPU", "GPU") if tf.config.list_physical_devices(kind)), "cpu")


class StatisticsOfFirst(keras.callbacks.Callback):
    """A callback that gives all devices the moving statistics of the first one before each validation.

    With TensorFlow, each device has those of its own parts of the batches, and Keras saves those of the first device.
    So the validation is that of the model which is saved, and a training that is resumed is the same.

    >>> statistics = StatisticsOfFirst()
    """

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Called by Keras."""
        if keras.backend.backend() == "tensorflow":
            for variable in self.model.non_trainable_weights:
                variable.assign(keras.ops.convert_to_numpy(variable))


def _leave_gpus_to_backend() -> None:
    """Hides the GPUs from TensorFlow if it only makes the batches: it would take the memory that the backend needs."""
    if keras.backend.backend() == "tensorflow" or not tf.config.get_visible_devices("GPU"):
        return
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:  # it has computed already, with the GPUs
        _log.warning(
            "TensorFlow has taken the memory of the GPU, which %s needs. If that runs out, call "
            'tf.config.set_visible_devices([], "GPU") before anything else of TensorFlow.',
            keras.backend.backend(),
        )


@contextlib.contextmanager
def _of_tensorflow(wanted: int | None) -> Iterator[Devices]:
    _refuse_workers()
    if tf.distribute.has_strategy():
        count = tf.distribute.get_strategy().num_replicas_in_sync
        _require_same(wanted, count)
        yield Devices(count)
        return
    seen = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    names = tuple(device.name for device in _first(seen, wanted))
    if len(names) == 1:
        yield Devices()
        return
    with _mirrored(names).scope():
        yield Devices(len(names), scoped=True)


@functools.cache
def _mirrored(names: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    """Returns the strategy for devices. The numbers of a second one in a process would be those of the first.

    TensorFlow numbers the reductions of each strategy from 100, and takes those of a second strategy for those of the
    first one, which have other shapes. Devices do not need numbers if one of them adds, as it does for processors, and
    for other GPUs than the first ones.
    """
    if "GPU" in names[0] and not _mirrored.cache_info().currsize:
        return tf.distribute.MirroredStrategy(names)
    return tf.distribute.MirroredStrategy(names, cross_device_ops=tf.distribute.ReductionToOneDevice())


def _refuse_workers() -> None:
    """Raises OptionError for several hosts of TensorFlow, which Keras 3 does not support."""
    strategy = tf.distribute.get_strategy()
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or _workers_of_environment() > 1:
        raise OptionError(
            "With TensorFlow, train and evaluate run on one host: `fit` of Keras 3 fails under "
            "MultiWorkerMirroredStrategy with any data set. Use JAX (KERAS_BACKEND=jax) on several hosts, or a loop of "
            "your own, as in docs/hosts.md. For one host, unset TF_CONFIG."
        )


def _workers_of_environment() -> int:
    """Returns the number of processes in TF_CONFIG that compute."""
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        return sum(len(cluster.get(kind, ())) for kind in ("chief", "worker"))
    except (ValueError, AttributeError, TypeError):
        return 0  # not a cluster that TensorFlow would take


@contextlib.contextmanager
def _of_jax(wanted: int | None) -> Iterator[Devices]:
    import jax

    join_hosts()
    host = Host(jax.process_index(), jax.process_count())
    chosen: Any = keras.distribution.distribution()
    if chosen is not None:
        _require_same(wanted, chosen.num_model_replicas)
        with _undivided(chosen):
            yield Devices(chosen.num_model_replicas, host)
        return
    by_host = [[device for device in jax.devices() if device.process_index == index] for index in range(host.count)]
    chosen_by_host = [_first(devices, wanted) for devices in by_host]
    if len(set(map(len, chosen_by_host))) > 1:
        raise OptionError(
            f"The hosts have {', '.join(str(len(devices)) for devices in by_host)} devices, and each must use as many. "
            "Name a number that all have (--devices)."
        )
    names = [f"{device.platform}:{device.id}" for devices in chosen_by_host for device in devices]
    if len(names) == 1:
        yield Devices()
        return
    distribution = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)
    with distribution.scope():
        yield Devices(len(names), host, scoped=True)


@contextlib.contextmanager
def _undivided(distribution: Any) -> Iterator[None]:
    """Keeps Keras from dividing the data among the hosts once more."""
    before = distribution.auto_shard_dataset
    distribution.auto_shard_dataset = False
    try:
        yield
    finally:
        distribution.auto_shard_dataset = before


@contextlib.contextmanager
def _one_device(wanted: int | None) -> Iterator[Devices]:
    if wanted is not None and wanted > 1:
        raise OptionError(
            f"train and evaluate use one device with {keras.backend.backend()}, not {wanted}. Use TensorFlow or JAX "
            "(KERAS_BACKEND), or a loop of your own under DistributedDataParallel, in which each process reads its "
            "share: for_training(…, shard=(rank, n))."
        )
    torch: Any = sys.modules.get("torch")
    if wanted is None and torch is not None and torch.cuda.device_count() > 1:
        _log.warning("PyTorch sees %d devices, and one of them is used.", torch.cuda.device_count())
    yield Devices()


def _first(seen: Sequence[_Device], wanted: int | None) -> Sequence[_Device]:
    if wanted is not None and wanted > len(seen):
        named = first_few(getattr(device, "name", device) for device in seen)
        there = counted(len(seen), "device", "devices").join(("is " if len(seen) == 1 else "are ", ""))
        raise OptionError(f"{counted(wanted, 'device')} are wanted, but there {there}: {named}.")
    return seen[:wanted]


def _require_same(wanted: int | None, count: int) -> None:
    if wanted not in (None, count):
        raise OptionError(
            f"devices={wanted}, but the strategy or distribution that is in use has {counted(count, 'device')}. Leave "
            "the option out."
        )
