"""Batches for training and for evaluation."""

import dataclasses
import os
from collections.abc import Iterable

import tensorflow as tf

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import OptionError, require_integers
from ilsvrc_tfds.pipeline.epochs import key_of, records_in_order, records_of_epochs, records_of_parts, share_of
from ilsvrc_tfds.pipeline.examples import batches_of, mixed
from ilsvrc_tfds.pipeline.reading import RAISE, SKIP, require_known
from ilsvrc_tfds.pipeline.schedule import Course, Host, as_host
from ilsvrc_tfds.pipeline.service import made_by_service
from ilsvrc_tfds.pipeline.split import Data, Split, find_split
from ilsvrc_tfds.pipeline.subsets import Subset, as_subset
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
    classes: Iterable[str | int] | None = None,
    relabel: bool = False,
    fraction: float | None = None,
    per_class: int | None = None,
    deterministic: bool = True,
    on_error: str = "raise",
    service: str | None = None,
) -> tf.data.Dataset:
    """Returns batches (image, label) in another order each epoch, the same for the same seed, on any number of cores.

    An epoch has each example once: its shards in the order, and its records through a shuffle buffer, that follow from seed
    and epoch. Epochs follow each other without a cut; a batch may hold the end of one and the beginning of the next.

    Memory: `shuffle_buffer` times the mean size of a record, 110 KB of original images and 44 KB of raw256 (8192: 0.9 and
    0.36 GB), 16 MB of read buffers, and a few batches. A subset (`classes`, `fraction`, `per_class`) is read record by record in
    a wholly random order and needs no buffer.

    The iterator can be saved with `tf.train.Checkpoint`, the shuffle buffer and batches in work with it. `start_step` needs no
    file: it begins with the same batch, having read the records of the epoch so far, but decoded none.

    Under `tf.distribute`, each example comes once as well: a host's share is left as it is, and of a whole stream each host takes
    a part, having decoded all. Of a whole stream that has no fixed order (`service`, `deterministic=False`) that is an error.

    Args:
      data: name as `ilsvrc2012/raw256`; the folder of a prepared data set or of exported TFRecords; a TFDS builder of one folder.
        A string of that form is a name, whatever lies in the current folder: `./ilsvrc2012/raw256/1.0.0` is a folder.
      batch_size: examples of a batch of this host.
      ops: what becomes of an example `{image: JPEG bytes, label: int64 in [0, 1000), file_name}`; or the name of a preset.
      split: train or val.
      data_dir: TFDS's data directory, for a name.
      label_offset: of exported TFRecords without a manifest whose records tell no class by file name or synset: 0 or 1.
      seed: of order and augmentation, in [0, 2**62).
      shuffle_buffer: records; 1 leaves them in the order of the shards, of which 16 are read in turn.
      epochs: how many; None for no end, as `model.fit` with `steps_per_epoch` wants it: without that its first epoch never
        ends. A data set with an end begins anew with its first epoch, the same order and crops, each time that it is iterated,
        as for each of Keras's epochs. Keras warns of neither.
      drop_remainder: whether a last batch that is not full is left out. All hosts have as many batches then, unless
        `on_error="skip"` leaves some out on one of them.
      start_step: number of the first batch. It counts as if no example had been skipped: after skips it is not the same batch.
      shard: (i, n) for host i of n, or a `tf.distribute.InputContext`. An example is one host's in every epoch.
      classes: wnids or class indices; all where None.
      relabel: whether labels become 0, 1, … in the order of `classes` as given; of sorted ones, in that of the class indices.
      fraction: of each class, in (0, 1].
      per_class: images of each class at most.
      deterministic: False gives batches as they get ready, the seed notwithstanding; `start_step` and checkpoints go astray.
      on_error: `raise` stops at a damaged record, or an image that cannot be decoded, and names shard, record and file name;
        `skip` logs it, counts it, and fills the batch with what follows. If nothing that is read can be used, that is an error.
        Hosts may have different numbers of batches then, and `start_step` begins elsewhere than a stream that has skipped; a
        warning says so.
      service: address of a tf.data service's dispatcher, `grpc://host:port`, whose workers read, decode and augment; they must
        see the shards under the same paths. Batches come as they get ready, and epochs mix where they meet, by as much as the
        workers' shuffle buffers hold; over all epochs each example still comes exactly so often, if no worker dies.

    Raises:
      OptionError: an option makes no sense, or contradicts the data.
      LabelError: the first records contradict each other or manifest.json.
      SourceError: the data is not there, half prepared, or cannot be read. While batches are read it comes as an error of
        TensorFlow that has its text; in `pipeline.source_errors` it is one. A shard that cannot be opened is one with either
        `on_error`.
    """
    found = _labelled(find_split(data, split, data_dir=data_dir, label_offset=label_offset))
    subset, host = as_subset(classes, relabel, fraction, per_class), as_host(shard)
    require_integers(batch_size=batch_size, shuffle_buffer=shuffle_buffer)
    if shuffle_buffer < 1:
        raise OptionError(f"shuffle_buffer must be at least 1, got {shuffle_buffer}.")
    require_known(on_error)
    ops, batch_ops = _ops(ops, subset)
    key = key_of(seed, host)
    share = share_of(found, subset, host)
    course = Course(share.examples, share.fewest, batch_size, epochs, start_step, drop_remainder)
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
        data = batches_of(
            data,
            found,
            subset,
            ops,
            num_examples=share.examples,
            batch_size=batch_size,
            on_error=on_error,
            deterministic=deterministic,
            drop_remainder=drop_remainder,
            lost=_lost_by_skipping(host, start_step),
        )
        data = mixed(data, batch_ops, deterministic)
        data = data.map(_pair)
    data = _counted(data, course.steps and course.steps - start_step, on_error)
    data = data.prefetch(PREFETCHED_BATCHES)
    return _dealt(data, host, in_order=deterministic and service is None)


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
    """Returns batches (image, label) or (image, label, weight) of each example exactly once, in the order on disk.

    Args: as of `for_training`, and
      pad: whether the last batches are filled up with zeros to `batch_size`. Batches have a third part then, float32 of shape
        (batch_size,): 1 for an example, 0 for padding, and all hosts have as many batches. Where None: if there are several
        hosts. Without, the last batch may be smaller, and hosts may differ in their number of batches by one.

    With padding, Keras's `weighted_metrics` are exact: accuracy, and the loss as a metric, as with
    `weighted_metrics=["accuracy", keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")]`. What Keras calls `loss`
    is not, for it divides by the size of a batch, padding included; with `reduction="mean_with_sample_weight"` it is not
    either, for all batches count alike. `metrics` take no weights.

    Raises: as `for_training`.
    """
    found = find_split(data, split, data_dir=data_dir, label_offset=label_offset)
    subset, host = as_subset(classes, relabel, fraction, per_class), as_host(shard)
    if subset is not None:
        _labelled(found)
    require_integers(batch_size=batch_size)
    if batch_size < 1:
        raise OptionError(f"batch_size must be at least 1, got {batch_size}.")
    require_known(on_error)
    pad = host.count > 1 if pad is None else pad
    ops, batch_ops = _ops(ops, subset)
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
        lost=_lost_by_skipping(host),
    )
    data = mixed(data, batch_ops, deterministic=True)
    data = data.map(_pair)
    data = _padded(data, batch_size, steps) if pad else data
    data = _counted(data, steps, on_error)
    data = data.prefetch(PREFETCHED_BATCHES)
    return _dealt(data, host, in_order=True)


def _labelled(split: Split) -> Split:
    if split.name == "test":
        raise OptionError("The test split has no labels. Choose train or val.")
    return split


def _lost_by_skipping(host: Host, start_step: int = 0) -> str:
    """Returns what a user must know once an example was skipped; empty if it changes nothing but the examples."""
    lost = ["hosts may have different numbers of batches, and one would wait for another"] if host.count > 1 else []
    lost += [f"start_step={start_step} is not the batch that it would be without skipped records"] if start_step else []
    return (
        f"With on_error='skip' and a record that was skipped, {'; '.join(lost)}. Make the shard anew." if lost else ""
    )


def _require_plain(start_step: int, on_error: str) -> None:
    """Raises OptionError for what needs one stream in one process, where a service makes the batches."""
    if start_step or on_error != RAISE:
        raise OptionError(
            "With service=…, start_step must be 0 and on_error 'raise': its workers share no order, and run no Python."
        )


def _ops(
    ops: str | Iterable[preprocess.Op], subset: Subset | None
) -> tuple[tuple[preprocess.Op, ...], tuple[preprocess.Op, ...]]:
    """Returns the ops for examples, and those for batches. A preset's labels get as many classes as there are."""
    if isinstance(ops, str):
        ops = preprocess.preset(ops, num_classes=subset.num_labels if subset is not None else None)
    return preprocess.split(ops)


def _pair(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    return batch["image"], batch["label"]


def _padded(data: tf.data.Dataset, batch_size: int, steps: int) -> tf.data.Dataset:
    """Returns `steps` batches (image, label, weight) of `batch_size`; those that are not there are all padding."""
    if not all(spec.shape[1:].is_fully_defined() for spec in data.element_spec):
        raise OptionError("Padding needs images of one size. Put an op that resizes or crops last, or pass pad=False.")
    empty = tuple(tf.zeros([0, *spec.shape[1:]], spec.dtype) for spec in data.element_spec)

    def fill(*parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        count = tf.shape(parts[0])[0]
        padding = [tf.zeros([batch_size - count, *part.shape[1:]], part.dtype) for part in parts]
        filled = [tf.ensure_shape(tf.concat(pair, 0), [batch_size, *pair[0].shape[1:]]) for pair in zip(parts, padding)]
        return *filled, tf.cast(tf.range(batch_size) < count, tf.float32)

    return data.concatenate(tf.data.Dataset.from_tensors(empty).repeat()).take(steps).map(fill)


def _counted(data: tf.data.Dataset, steps: int | None, on_error: str) -> tf.data.Dataset:
    """Returns the first `steps` batches, all where None; the data set knows their number, as Keras's progress bar wants."""
    if steps is None:
        return data.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    data = data.take(steps)
    return data if on_error == SKIP else data.apply(tf.data.experimental.assert_cardinality(steps))


def _dealt(data: tf.data.Dataset, host: Host, in_order: bool) -> tf.data.Dataset:
    """Returns the data with what `tf.distribute` is to do with them on several hosts; on one it does nothing.

    Its default would take the host's share for the whole and cut it again, or deal out epochs.
    """
    policies = tf.data.experimental.AutoShardPolicy
    if host.count > 1:
        policy = policies.OFF
    elif in_order:
        policy = policies.DATA  # each host takes its examples of the whole
    else:
        policy = (
            policies.FILE
        )  # an error: in two orders, some examples would be twice among those of all hosts, and some never
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = policy
    return data.with_options(options)
