"""The batches of a training and its validation, whole on one host, or the part of one of several hosts.

The order follows from the recipe alone, whatever the number of devices and hosts: the batches of all hosts together
are those of one host. `Recipe.shares` divides the examples into shares, each with an order of its own, of which a batch
has equal parts. A host that has whole shares reads nothing else. Otherwise several hosts read the same share, and each
decodes its part. Ops on batches, such as MixUp, see the part of a host alone.
"""

import dataclasses
import os
from typing import TypedDict

import tensorflow as tf

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.pipeline import for_evaluation, for_training
from ilsvrc_tfds.pipeline.split import Data
from ilsvrc_tfds.training.devices import Devices
from ilsvrc_tfds.training.recipe import Recipe


class Source(TypedDict):
    """The arguments of `for_training` and others that say how the data are found."""

    data_dir: str | os.PathLike | None
    label_offset: int | None


@dataclasses.dataclass(frozen=True)
class Streams:
    """The data of a training, as one host reads them.

    Attributes:
      data: Data set, in any form that `train` takes.
      source: How it is found.
      recipe: Hyperparameters.
      devices: Devices that train.
      service: Address of a tf.data service that makes the batches for training, or None.

    Raises OptionError if devices, hosts or shares do not divide a batch, or the service cannot serve them.

    >>> recipe = Recipe(model="small", batch_size=10)
    >>> Streams("ilsvrc2012", {"data_dir": None, "label_offset": None}, recipe, Devices(4))
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: batch_size must be a multiple of 4, the number of devices, got 10. Choose 8 or 12...
    """

    data: Data
    source: Source
    recipe: Recipe
    devices: Devices = Devices()
    service: str | None = None

    def __post_init__(self) -> None:
        batch_size, shares, hosts = self.recipe.batch_size, self.recipe.shares, self.devices.host.count
        self.devices.require_divided(batch_size)
        if shares % hosts and hosts % shares:
            raise OptionError(
                f"shares must be a multiple or a divisor of {hosts}, the number of hosts, got {shares}. It stays the "
                "same for a whole training, so change the number of hosts."
            )
        if self.service is not None and (hosts > 1 or shares > 1):
            raise OptionError(
                "With service=… (--service), there must be one host, and shares must be 1: the workers of a service "
                "have no common order that hosts could divide."
            )

    def training(self, ops: tuple[preprocess.Op, ...], start_step: int) -> tf.data.Dataset:
        """Returns the endless batches of this host from `start_step` on.

        A service has no order, so its stream begins anew, with another seed at each start.
        """
        recipe, host, shares = self.recipe, self.devices.host, self.recipe.shares
        if self.service is not None:
            seed = recipe.seed + (start_step << 32)
            return self._share(0, ops, batch_size=recipe.batch_size, seed=seed, service=self.service)
        size, each = recipe.batch_size // shares, max(host.count // shares, 1)  # hosts that read the same share
        own = range(*host.bounds(shares)) if each == 1 else [host.index // each]
        part = (host.index % each, each)
        streams = [self._share(share, ops, batch_size=size, part=part, start_step=start_step) for share in own]
        return streams[0] if len(streams) == 1 else tf.data.Dataset.zip(*streams).map(_joined)

    def _share(
        self,
        share: int,
        ops: tuple[preprocess.Op, ...],
        *,
        batch_size: int,
        seed: int | None = None,
        part: tuple[int, int] = (0, 1),
        start_step: int = 0,
        service: str | None = None,
    ) -> tf.data.Dataset:
        return for_training(
            self.data,
            **self.source,
            batch_size=batch_size,
            ops=ops,
            seed=self.recipe.seed if seed is None else seed,
            shuffle_buffer=-(-self.recipe.shuffle_buffer // self.recipe.shares),
            shard=(share, self.recipe.shares),
            part=part,
            start_step=start_step,
            service=service,
        )

    def validation(self, ops: tuple[preprocess.Op, ...]) -> tf.data.Dataset:
        """Returns this host's batches of the validation split, padded if there are several devices."""
        return evaluation_batches(self.data, self.source, "val", self.devices, self.recipe.batch_size, ops)


def evaluation_batches(
    data: Data,
    source: Source,
    split: str,
    devices: Devices,
    batch_size: int,
    ops: tuple[preprocess.Op, ...],
) -> tf.data.Dataset:
    """Returns this host's batches of a split, each example once over all hosts.

    With several devices the batches are padded with examples of weight 0, so that the devices divide each of them. Then
    only `weighted_metrics` are exact.

    Args:
      data: Data set.
      source: How it is found.
      split: Name of the split.
      devices: Devices that evaluate.
      batch_size: Number of examples in a batch of all hosts, a multiple of the number of devices.
      ops: Operations.

    >>> source = {"data_dir": "/data/tfds", "label_offset": None}
    >>> ops = preprocess.preset("resnet_eval", size=32)
    >>> [batch[0].shape[0] for batch in evaluation_batches("ilsvrc2012/raw256", source, "val", Devices(2), 4, ops)]
    [4, 4]
    """
    host = devices.host
    return for_evaluation(
        data,
        **source,
        split=split,
        batch_size=batch_size // host.count,
        ops=ops,
        shard=(host.index, host.count),
        pad=devices.several,
    )


def _joined(*batches: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    images, labels = zip(*batches)
    return tf.concat(images, 0), tf.concat(labels, 0)
