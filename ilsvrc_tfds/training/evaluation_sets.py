"""Evaluates a model on ReaL, ImageNet-V2, -A, -R, -Sketch and -C, each image exactly once."""

import contextlib
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError, SourceError, counted, require_integers
from ilsvrc_tfds.pipeline import find_set, source_errors
from ilsvrc_tfds.pipeline.evaluation_sets import batches_of_set
from ilsvrc_tfds.pipeline.schedule import Host
from ilsvrc_tfds.pipeline.sets import EvaluationSet, Part, kind_named
from ilsvrc_tfds.pipeline.sets.found import SIDE_OF_C
from ilsvrc_tfds.pipeline.sets.published import ALEXNET_ERRORS, PUBLISHED, C
from ilsvrc_tfds.pipeline.split import Data
from ilsvrc_tfds.preprocess import Op
from ilsvrc_tfds.training.devices import Devices, use_devices
from ilsvrc_tfds.training.evaluating import Scores, evaluate, made_for
from ilsvrc_tfds.training.evaluation_progress import evaluation_progress
from ilsvrc_tfds.training.fitting import compiled_by_xla
from ilsvrc_tfds.training.models import require_loadable
from ilsvrc_tfds.training.set_scores import PartScores, SetScores, UnfinishedScores

_EXAMPLES, _TOP1, _TOP5, _LOSS = "examples", "top1", "top5", "cross_entropy"

_log = logging.getLogger(__name__)


def evaluate_on(
    sets: Mapping[str, str | os.PathLike],
    model: str | os.PathLike | keras.Model,
    *,
    data: Data | None = None,
    weights: str | os.PathLike | None = None,
    batch_size: int = 256,
    split: str = "val",
    data_dir: str | os.PathLike | None = None,
    label_offset: int | None = None,
    devices: int | None = None,
    allow_incomplete: bool = False,
) -> tuple[SetScores, ...]:
    """Returns the scores of a model on evaluation sets, after those on `data` if it is given.

    Images are cropped and resized as by `evaluate`, except for those of ImageNet-C: they have 224 x 224 pixels already,
    which are taken as they are. On ImageNet-A and ImageNet-R, only the logits of the set's 200 classes compete. On
    ReaL, an image is correct if its highest logit is that of any of its classes, and images without a class are left
    out; there is no top-5.

    All sets are found and checked before the first one is evaluated.

    Args:
      sets: Path or name of each set by the name of its row, in any form that `pipeline.find_set` takes. Which set it
        is, its layout says. A name that is usual for another set (`real`, `v2`, `a`, `r`, `sketch`, `c`) is an error.
      model: Keras model from uint8 images to 1000 logits, or a path or name that `load_model` takes.
      data: Data set of ILSVRC2012, whose split is evaluated too, and which ReaL needs.
      weights: Weights for a model given by its name, in any form that `load_model` takes.
      batch_size: Number of examples in a batch.
      split: Split of `data`, `val` or `train`.
      data_dir: TFDS's data directory, in which names are looked up.
      label_offset: Label of the first class in exported TFRecords that do not state it, as in `for_evaluation`.
      devices: Number of devices to use on each host. If None, all that Keras's backend sees.
      allow_incomplete: Whether sets may lack images. Warnings then say which.

    Raises:
      OptionError: An option is invalid, the model does not have 1000 outputs, or a row has the name of another set.
      IncompleteError: A set is not complete, and this is not allowed.
      SourceError: A set, its images, or the model do not exist or cannot be read. If it is an image of a set, this is
        an `UnfinishedScores`, which has the scores of the sets before it.
      LabelError: Names of images contradict their folders.

    >>> from ilsvrc_tfds import training
    >>> sets, model = {"a": "/data/imagenet-a"}, training.build_model("small")
    >>> (scores,) = training.evaluate_on(sets, model, allow_incomplete=True)
    >>> scores.title, scores.images, scores.classes
    ('ImageNet-A', 6, 200)
    """
    require_integers(batch_size=batch_size)
    require_loadable(model)
    source: dict[str, Any] = {"data_dir": data_dir, "label_offset": label_offset}
    with use_devices(devices) as used, _no_advice_on_tracing():
        model = made_for(used, model, weights)
        _require_all_classes(model)
        found = {
            name: find_set(path, data=data, allow_incomplete=allow_incomplete, **source) for name, path in sets.items()
        }
        for name, one in found.items():
            _require_named(name, one)
        rows = []
        if data is not None:
            same = None if used.several else 1  # several are in use already
            scores = evaluate(data, model, batch_size=batch_size, split=split, **source, devices=same)
            rows.append(row_of_data(split, data, scores))
        for name, one in found.items():
            try:
                rows.append(_scores_of(name, sets[name], one, model, batch_size, used))
            except SourceError as error:  # such as a damaged image
                raise UnfinishedScores(f"{name}: {error}", tuple(rows)) from error
            _log.info("%s: top-1 %.2f%%", name, 100 * rows[-1].top1)
    return tuple(rows)


def row_of_data(split: str, data: Data, scores: Scores) -> SetScores:
    """Returns the scores on a split of ILSVRC2012 as a row of the table.

    >>> from ilsvrc_tfds import training
    >>> row_of_data("val", "ilsvrc2012", training.Scores(examples=4, loss=0.5, top1=0.75, top5=1.0)).parts[0].correct
    3
    """
    correct = (round(share * scores.examples) for share in (scores.top1, scores.top5))
    part = PartScores("", scores.examples, *correct)
    return SetScores(split, "ILSVRC2012", str(data), synsets.NUM_CLASSES, (part,))


@contextlib.contextmanager
def _no_advice_on_tracing() -> Iterator[None]:
    """Hides TensorFlow's warning that functions are traced again: each set has a model of its own, traced once."""

    def is_other(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger = tf.get_logger()
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def _require_named(name: str, found: EvaluationSet) -> None:
    """Raises OptionError if a row is named as another set than the one that was found."""
    kind = kind_named(name)
    if kind not in (None, found.kind):
        raise OptionError(
            f"{name}={found.path} is {found.title}, and not {PUBLISHED[kind].title}. Name it "
            f"{found.kind}={found.path}, or name the right folder."
        )


def _require_all_classes(model: keras.Model) -> None:
    if model.output_shape != (None, synsets.NUM_CLASSES):
        raise OptionError(
            f"Evaluation sets need a model with {synsets.NUM_CLASSES} outputs, one for each class of ILSVRC2012 in the "
            f"order of the wnids, but {model.name} has {model.output_shape}."
        )


def _scores_of(
    name: str, path: str | os.PathLike, found: EvaluationSet, model: keras.Model, batch_size: int, used: Devices
) -> SetScores:
    size = model.input_shape[1] or SIDE_OF_C  # a model for images of any size gets those of `resnet_eval`
    ops = found.ops(size)
    steps = " > ".join(map(repr, ops))
    _log.info("%s: %s in %s, %s images: %s", name, found.title, found.path, f"{found.num_examples:,}", steps)
    # As in the authors' code: the logits of the set's own classes, and the position of the label among them.
    classes = np.array(found.classes, np.int32)
    logits = model.outputs[0]
    if len(classes) < synsets.NUM_CLASSES:
        logits = keras.ops.take(logits, classes, axis=-1)
    own = keras.Model(model.input, logits)  # not `inputs`: JAX would warn of a list
    loss: keras.losses.Loss = (
        keras.losses.CategoricalCrossentropy(from_logits=True)
        if found.multi_label
        else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    own.compile(loss=loss, weighted_metrics=_metrics(found), jit_compile=compiled_by_xla(used.several))
    batch_size = used.dividing(batch_size) // used.host.count
    parts = tuple(_part_scores(own, found, part, ops, batch_size, used.host) for part in found.parts)
    reference = tuple(ALEXNET_ERRORS.items()) if found.kind == C else ()
    left_out = found.num_examples - sum(part.images for part in parts)
    return SetScores(name, found.title, os.fspath(path), len(classes), parts, reference, left_out, found.missing)


def _part_scores(
    model: keras.Model, found: EvaluationSet, part: Part, ops: tuple[Op, ...], batch_size: int, host: Host
) -> PartScores:
    if part.name:
        _log.info("%s: %s, %s images", found.title, part.name, f"{part.num_examples:,}")
    images = batches_of_set(found, part, ops=ops, batch_size=batch_size, host=host, pad=True)
    if not found.multi_label:
        images = images.map(_relabeller(found))
    label, size = f"{found.title} {part.name}".rstrip(), batch_size * host.count
    following = evaluation_progress(label, part.num_examples, size, shown=host.index == 0)
    with source_errors(found.path), following as callbacks:
        values = model.evaluate(images, verbose=0, return_dict=True, callbacks=callbacks)
    # Float32 counts exactly up to 2**24 images.
    count = round(float(values[_EXAMPLES]))
    if not count or not found.multi_label and count != part.num_examples:
        raise SourceError(
            f"{found.path}: {counted(count, 'image was', 'images were')} evaluated, expected {part.num_examples:,}. "
            "The set has changed since it was found, or has no image with a right class."
        )
    if not found.multi_label and not math.isfinite(values[_LOSS]):
        _log.warning("%s: the loss is not finite: outputs of the model are not numbers.", found.title)
    top5 = None if found.multi_label else round(values[_TOP5] * count)
    return PartScores(part.name, count, round(values[_TOP1] * count), top5)


def _relabeller(found: EvaluationSet) -> Callable[..., tuple[tf.Tensor, ...]]:
    """Returns a function of (images, labels, weights) that makes each label its position among the set's classes."""
    positions = np.full(synsets.NUM_CLASSES, -1, np.int64)
    positions[list(found.classes)] = np.arange(len(found.classes))
    # In the form of an error of our own, which `source_errors` recognizes.
    strange = f"SourceError: {found.path} has a label that is not of the {len(found.classes)} classes of {found.title}."

    def relabelled(image: tf.Tensor, label: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, ...]:
        position = tf.where(weight > 0, tf.gather(positions, label), 0)
        with tf.control_dependencies([tf.debugging.assert_non_negative(position, strange)]):
            return image, tf.identity(position), weight

    return relabelled


def _metrics(found: EvaluationSet) -> list[keras.metrics.Metric]:
    if found.multi_label:
        return [_Examples(_EXAMPLES), keras.metrics.MeanMetricWrapper(_is_any, _TOP1)]
    return [
        _Examples(_EXAMPLES),
        keras.metrics.SparseCategoricalAccuracy(_TOP1),
        keras.metrics.SparseTopKCategoricalAccuracy(5, _TOP5),
        keras.metrics.SparseCategoricalCrossentropy(_LOSS, from_logits=True),
    ]


class _Examples(keras.metrics.Sum):
    """The number of examples, without padding."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Called by Keras."""
        return super().update_state(keras.ops.ones_like(y_pred[:, 0]), sample_weight)


def _is_any(labels: Any, logits: Any) -> Any:
    """Returns 1 for each example whose highest logit is that of one of its classes, and 0 for others."""
    highest = keras.ops.argmax(logits, axis=-1)
    return keras.ops.sum(labels * keras.ops.one_hot(highest, synsets.NUM_CLASSES, dtype=labels.dtype), axis=-1)
