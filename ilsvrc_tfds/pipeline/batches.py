"""`for_training` and `for_evaluation`: batches from a prepared data set or exported TFRecords."""

import dataclasses
import os
from collections.abc import Iterable

import tensorflow as tf

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import OptionError, require_integers
from ilsvrc_tfds.pipeline.delivery import counted, dealt, padded
from ilsvrc_tfds.pipeline.epochs import key_of, records_in_order, records_of_epochs, records_of_parts, share_of
from ilsvrc_tfds.pipeline.examples import batches_of, mixed
from ilsvrc_tfds.pipeline.reading import RAISE, require_known
from ilsvrc_tfds.pipeline.schedule import Course, as_host, as_part
from ilsvrc_tfds.pipeline.service import made_by_service
from ilsvrc_tfds.pipeline.split import Data, Split, find_split
from ilsvrc_tfds.pipeline.subsets import as_subset
from ilsvrc_tfds.pipeline.unchanged import with_size_compared

PREFETCHED_BATCHES = 2


def for_training(
    data: Data,
    *,
    batch_size: int,
    ops: str | Iterable[preprocess.Op] = "resnet_train",
    split: str = "train",
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    seed: int = 0,
    shuffle_buffer: int = 8192,
    epochs: int | None = None,
    drop_remainder: bool = True,
    start_step: int = 0,
    shard: tuple[int, int] | tf.distribute.InputContext = (0, 1),
    part: tuple[int, int] = (0, 1),
    classes: Iterable[str | int] | None = None,
    relabel: bool = False,
    fraction: float | None = None,
    per_class: int | None = None,
    deterministic: bool = True,
    on_error: str = "raise",
    service: str | None = None,
) -> tf.data.Dataset:
    """Returns batches (image, label) for training, in a new order each epoch.

    The order and the augmentation follow from `seed` alone, whatever the number of cores. Each epoch has every example
    once. It visits the shards in a random order and shuffles their records in a buffer. Epochs follow each other
    without a gap, so a batch may hold the end of one epoch and the beginning of the next.

    Memory: `shuffle_buffer` times the mean size of a record, 110 KB for original images and 44 KB for raw256 (8192
    records: 0.9 and 0.36 GB), plus 16 MB of read buffers and a few batches. The records of a subset (`classes`,
    `fraction`, `per_class`) are read one by one in a fully random order and need no buffer.

    To resume, save the iterator with `tf.train.Checkpoint`, which includes the shuffle buffer and the batches in
    progress. Or pass `start_step`, which needs no file: the stream starts at the same batch. To get there it reads the
    earlier records of that epoch, but decodes none of them.

    Under `tf.distribute` each example comes once as well. If each host gets its share (`shard`), TensorFlow does not
    divide it again. If all hosts get the whole stream, each decodes all of it and keeps its part. A whole stream
    without a fixed order (`service`, `deterministic=False`) cannot be divided, and TensorFlow raises an error.

    Args:
      data: Name of a data set, such as `ilsvrc2012/raw256`; folder of a prepared data set or of exported TFRecords; or
        TFDS builder that reads one folder. A string in the form of a name is always a name, even if the current folder
        contains that path. Write `./ilsvrc2012/raw256/1.0.0` for the folder.
      batch_size: Number of examples in a batch of this host, or of all parts if there are several.
      ops: Ops for each example `{image: JPEG bytes, label: int64 in [0, 1000), file_name}` and for batches, or the name
        of a preset.
      split: Name of the split, train or val.
      data_dir: TFDS's data directory, in which names are looked up.
      label_offset: Label of the first class, 0 or 1. Needed only for exported TFRecords that have no manifest and whose
        file names and synsets do not identify the class.
      seed: Seed of the order and of the augmentation, in [0, 2**62).
      shuffle_buffer: Number of records in the shuffle buffer. With 1, records keep the order of their shards, of which
        16 are read in turn.
      epochs: Number of epochs. If None, the stream is endless, as `model.fit` with `steps_per_epoch` expects; without
        `steps_per_epoch` the first epoch of `fit` never ends. If a number, every iteration starts again at the first
        epoch with the same order and crops, so all of Keras's epochs are alike. Keras warns of neither.
      drop_remainder: Whether to leave out a last batch that is not full. All hosts then have the same number of
        batches, unless `on_error="skip"` skips examples on one of them.
      start_step: Number of the first batch. Skipped examples are not accounted for: after skips it is a different
        batch.
      shard: Pair (i, n) for host i of n, or `tf.distribute.InputContext`. A host has the same examples in every epoch.
      part: Pair (k, m) for part k of m of each batch, which has `batch_size` / m examples. The parts together are the
        batches of (0, 1), so hosts may be added or removed without a change of the batches. Each part reads all
        records of the stream, and decodes its own. Ops on batches mix the examples of the part.
      classes: Wnids or class indices to read. If None, all classes.
      relabel: Whether to number the classes 0, 1, … in the order of `classes`. With `classes` sorted, this keeps the
        order of the class indices.
      fraction: Part of each class to read, in (0, 1].
      per_class: Largest number of images to read of each class.
      deterministic: If False, batches are returned as soon as they are ready. This is faster, but the order no longer
        follows from `seed`, and `start_step` and checkpoints do not resume exactly.
      on_error: What to do with a damaged record or an image that cannot be decoded. `raise` stops with an error that
        names shard, record and file name. `skip` logs and counts it and fills the batch with the next examples; if no
        record at all can be used, this is still an error. After skips, hosts may have different numbers of batches, and
        `start_step` starts at a different batch; a warning says so.
      service: Address of a tf.data service's dispatcher, `grpc://host:port`. Its workers read, decode and augment, and
        must see the shards under the same paths. Batches are returned as soon as they are ready, and consecutive epochs
        overlap by up to the contents of the workers' shuffle buffers. Over all epochs each example still comes equally
        often, unless a worker dies.

    Raises:
      OptionError: An option is invalid or contradicts the data.
      LabelError: The first records contradict each other or manifest.json.
      SourceError: The data do not exist, are incomplete, or cannot be read. While batches are read, such errors are
        TensorFlow's and contain this text; within `pipeline.source_errors` they are SourceErrors. A shard that cannot
        be opened is an error with either `on_error`.

    >>> train = for_training("ilsvrc2012", data_dir="/data/tfds", batch_size=8, seed=1)
    >>> images, labels = next(iter(train))
    >>> images.shape, images.dtype.name, labels.shape
    (TensorShape([8, 224, 224, 3]), 'uint8', TensorShape([8]))
    """
    found = _labelled(find_split(data, split, data_dir=data_dir, label_offset=label_offset))
    subset, host = as_subset(classes, relabel, fraction, per_class, found.renumbered), as_host(shard)
    require_integers(batch_size=batch_size, shuffle_buffer=shuffle_buffer)
    if shuffle_buffer < 1:
        raise OptionError(f"shuffle_buffer must be at least 1, got {shuffle_buffer}.")
    require_known(on_error)
    ops, batch_ops = _ops(ops, subset.num_labels if subset is not None else found.num_labels)
    key = key_of(seed, host)
    share = share_of(found, subset, host)
    course = Course(share.examples, share.fewest, batch_size, epochs, start_step, drop_remainder)
    parts = as_part(part, batch_size)
    if parts.count > 1 and not (deterministic and drop_remainder and service is None):
        raise OptionError(
            "With part=…, deterministic and drop_remainder must be True, and service None: all hosts must agree on "
            "the batches."
        )
    if service is not None:
        _require_plain(start_step, on_error)
        share = dataclasses.replace(share, read=with_size_compared(found, share.read))
        data = records_of_parts(share, epochs, key, shuffle_buffer=shuffle_buffer)
        data = batches_of(
            data,
            found,
            subset,
            ops,
            num_examples=share.examples,
            batch_size=batch_size,
            on_error=RAISE,
            deterministic=False,
            in_service=True,
        )
        data = mixed(data, batch_ops, deterministic=False)
        data = data.map(_pair)
        data = made_by_service(data, service, batch_size, drop_remainder)
    else:
        data = records_of_epochs(share, course, key, shuffle_buffer=shuffle_buffer, deterministic=deterministic)
        data = data.shard(parts.count, parts.index) if parts.count > 1 else data
        data = batches_of(
            data,
            found,
            subset,
            ops,
            num_examples=share.examples,
            batch_size=batch_size // parts.count,
            on_error=on_error,
            deterministic=deterministic,
            drop_remainder=drop_remainder,
            lost=_lost_by_skipping(host.count * parts.count, start_step),
        )
        data = mixed(data, batch_ops, deterministic)
        data = data.map(_pair)
    data = counted(data, course.steps and course.steps - start_step, on_error)
    data = data.prefetch(PREFETCHED_BATCHES)
    return dealt(data, host.count * parts.count, in_order=deterministic and service is None)


def for_evaluation(
    data: Data,
    *,
    batch_size: int,
    ops: str | Iterable[preprocess.Op] = "resnet_eval",
    split: str = "val",
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    shard: tuple[int, int] | tf.distribute.InputContext = (0, 1),
    pad: bool | None = None,
    classes: Iterable[str | int] | None = None,
    relabel: bool = False,
    fraction: float | None = None,
    per_class: int | None = None,
    on_error: str = "raise",
) -> tf.data.Dataset:
    """Returns batches for evaluation: each example exactly once, in the order on disk.

    A batch is (image, label), or (image, label, weight) if batches are padded.

    Args: As for `for_training`, and
      pad: Whether to fill the last batches with zeros up to `batch_size`. All hosts then have the same number of
        batches, and batches have a third part, float32 of shape (batch_size,): 1 for an example, 0 for padding. Without
        padding the last batch may be smaller, and the numbers of batches of two hosts may differ by one. If None,
        batches are padded if there are several hosts.

    With padding, Keras's `weighted_metrics` are exact. This includes the loss if it is a metric, as in
    `weighted_metrics=["accuracy", keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")]`. What Keras
    reports as `loss` is not exact, because it divides by the size of the batch with its padding; nor is it with
    `reduction="mean_with_sample_weight"`, because all batches then count the same. `metrics` ignore the weights.

    Raises: As `for_training`.

    >>> val = for_evaluation("ilsvrc2012", data_dir="/data/tfds", batch_size=4, pad=True)
    >>> [weights.numpy().tolist() for images, labels, weights in val]
    [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]
    """
    found = find_split(data, split, data_dir=data_dir, label_offset=label_offset)
    subset, host = as_subset(classes, relabel, fraction, per_class, found.renumbered), as_host(shard)
    if subset is not None:
        _labelled(found)
    require_integers(batch_size=batch_size)
    if batch_size < 1:
        raise OptionError(f"batch_size must be at least 1, got {batch_size}.")
    require_known(on_error)
    pad = host.count > 1 if pad is None else pad
    ops, batch_ops = _ops(ops, subset.num_labels if subset is not None else found.num_labels)
    key = key_of(0, host)
    share = share_of(found, subset, host)
    steps = -(-(share.most if pad else share.examples) // batch_size)

    data = records_in_order(share, key)
    data = batches_of(
        data,
        found,
        subset,
        ops,
        num_examples=share.examples,
        batch_size=batch_size,
        on_error=on_error,
        deterministic=True,
        lost=_lost_by_skipping(host.count),
    )
    data = mixed(data, batch_ops, deterministic=True)
    data = data.map(_pair)
    data = padded(data, batch_size, steps) if pad else data
    data = counted(data, steps, on_error)
    data = data.prefetch(PREFETCHED_BATCHES)
    return dealt(data, host.count, in_order=True)


def _labelled(split: Split) -> Split:
    if split.name == "test":
        raise OptionError("The test split has no labels. Choose train or val.")
    return split


def _lost_by_skipping(hosts: int, start_step: int = 0) -> str:
    """Returns the warning for the first skipped example, or "" if skipping affects nothing else."""
    lost = ["hosts may have different numbers of batches, and one may wait for another forever"] if hosts > 1 else []
    lost += [f"start_step={start_step} starts at another batch than without skipped records"] if start_step else []
    return f"A record was skipped (on_error='skip'), so {'; '.join(lost)}. Make the shard again." if lost else ""


def _require_plain(start_step: int, on_error: str) -> None:
    """Raises OptionError for options that need a single stream in this process, and so exclude a service."""
    if start_step or on_error != RAISE:
        raise OptionError(
            "With service=…, start_step must be 0 and on_error 'raise': its workers have no common order and cannot "
            "run Python functions of this process."
        )


def _ops(
    ops: str | Iterable[preprocess.Op], num_classes: int
) -> tuple[tuple[preprocess.Op, ...], tuple[preprocess.Op, ...]]:
    """Returns the ops for examples and the ops for batches. A preset gets the number of classes."""
    if isinstance(ops, str):
        ops = preprocess.preset(ops, num_classes=num_classes)
    return preprocess.split(ops)


def _pair(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    return batch["image"], batch["label"]
