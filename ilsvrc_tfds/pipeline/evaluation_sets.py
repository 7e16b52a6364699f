"""`evaluation_set`: batches of ReaL, ImageNet-V2, -A, -R, -Sketch and -C, like those of `for_evaluation`."""

import os
from collections.abc import Iterable

import tensorflow as tf

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import OptionError, require_integers
from ilsvrc_tfds.pipeline.batches import PREFETCHED_BATCHES
from ilsvrc_tfds.pipeline.delivery import counted, dealt, padded
from ilsvrc_tfds.pipeline.examples import mixed
from ilsvrc_tfds.pipeline.reading import RAISE
from ilsvrc_tfds.pipeline.schedule import Host, as_host
from ilsvrc_tfds.pipeline.sets import EvaluationSet, Part, find_set
from ilsvrc_tfds.pipeline.sets.found import SIDE_OF_C
from ilsvrc_tfds.pipeline.sets.streams import batches_of_part
from ilsvrc_tfds.pipeline.split import Data


def evaluation_set(
    path: str | os.PathLike,
    *,
    batch_size: int,
    ops: Iterable[preprocess.Op] | str | None = None,
    part: str | None = None,
    data: Data | None = None,
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    shard: tuple[int, int] | tf.distribute.InputContext = (0, 1),
    pad: bool | None = None,
    allow_incomplete: bool = False,
) -> tf.data.Dataset:
    """Returns batches of an evaluation set: each image exactly once, in a fixed order.

    A batch is (image, label), or (image, label, weight) if batches are padded, as from `for_evaluation`. Labels are
    class indices, 0 to 999. Of ImageNet-A and ImageNet-R, only the logits of the set's own 200 classes may compete:
    `pipeline.find_set(path).classes` lists them. A label of ReaL is float32 [1000], 1 for each right class, and its
    batches always have weights, which are 0 for images without a right class.

    Args:
      path: Path or name of the set, in any form that `pipeline.find_set` takes.
      batch_size: Number of examples in a batch of this host.
      ops: Ops for each image, or the name of a preset. If None, those of `resnet_eval`; for ImageNet-C, whose images
        have 224 x 224 pixels already, they are decoded and not changed.
      part: Corruption and severity of ImageNet-C, as in `fog/3`. Other sets have only one part.
      data: Data set with the validation images, which only `real.json` needs.
      data_dir: TFDS's data directory, in which names are looked up.
      label_offset: Label of the first class in exported TFRecords that do not state it, as in `for_evaluation`.
      shard: Pair (i, n) for host i of n, or `tf.distribute.InputContext`.
      pad: Whether to fill the last batches, as in `for_evaluation`.
      allow_incomplete: Whether the set may lack images. A warning then says which.

    Raises the errors of `pipeline.find_set`. While batches are read, an image that cannot be read or decoded is
    TensorFlow's error with a text that names it; within `pipeline.source_errors` it is a SourceError.

    >>> import ilsvrc_tfds
    >>> images = ilsvrc_tfds.evaluation_set("/data/imagenet-a", batch_size=4, allow_incomplete=True)
    >>> [(batch.shape, labels.numpy().tolist()) for batch, labels in images]
    [(TensorShape([4, 224, 224, 3]), [6, 6, 11, 11]), (TensorShape([2, 224, 224, 3]), [13, 13])]
    """
    found = find_set(path, data=data, data_dir=data_dir, label_offset=label_offset, allow_incomplete=allow_incomplete)
    ops = found.ops(SIDE_OF_C) if ops is None else preprocess.preset(ops) if isinstance(ops, str) else ops
    return batches_of_set(found, found.part(part), ops=ops, batch_size=batch_size, host=as_host(shard), pad=pad)


def batches_of_set(
    found: EvaluationSet,
    part: Part,
    *,
    ops: Iterable[preprocess.Op],
    batch_size: int,
    host: Host = Host(),
    pad: bool | None = None,
) -> tf.data.Dataset:
    """Returns batches of a part of an evaluation set, as `evaluation_set` does.

    Args:
      found: Evaluation set.
      part: Part of it.
      ops: Ops for each image, and for batches.
      batch_size: Number of examples in a batch of this host.
      host: Host that reads its share.
      pad: Whether to fill the last batches.

    >>> found = find_set("/data/imagenet-a", allow_incomplete=True)
    >>> batches = batches_of_set(found, found.part(None), ops=found.ops(64), batch_size=8, pad=True)
    >>> [weights.numpy().tolist() for images, labels, weights in batches]
    [[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]]
    """
    require_integers(batch_size=batch_size)
    if batch_size < 1:
        raise OptionError(f"batch_size must be at least 1, got {batch_size}.")
    if found.multi_label and pad is False:
        raise OptionError(
            f"{found.title} has images that do not count, so its batches have weights: leave out pad=False."
        )
    pad = host.count > 1 or found.multi_label if pad is None else pad
    ops, batch_ops = preprocess.split(ops)
    share = host.most(part.num_examples) if pad else host.examples(part.num_examples)
    steps = -(-share // batch_size)

    data = batches_of_part(part.load(), ops, host, batch_size)
    data = mixed(data, batch_ops, deterministic=True)
    data = data.map(lambda batch: (batch["image"], batch["label"]))
    data = padded(data, batch_size, steps) if pad else data
    data = data.map(_without_unlabelled) if found.multi_label else data
    data = counted(data, steps, RAISE)
    data = data.prefetch(PREFETCHED_BATCHES)
    return dealt(data, host.count, in_order=True)


def _without_unlabelled(
    image: tf.Tensor, label: tf.Tensor, weight: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the batch with the weight 0 for images that have no right class."""
    return image, label, weight * tf.cast(tf.reduce_any(label > 0, axis=1), tf.float32)
