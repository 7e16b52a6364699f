"""Builds what Keras needs for a recipe: a compiled model with optimizer and metrics, and the operations on examples."""

import logging

import keras

from ilsvrc_tfds import preprocess, synsets
from ilsvrc_tfds.training.devices import kind_of_device
from ilsvrc_tfds.training.models import build_model
from ilsvrc_tfds.training.precision import default_precision, dtype_policy
from ilsvrc_tfds.training.recipe import Recipe
from ilsvrc_tfds.training.sizes import any_size

_log = logging.getLogger(__name__)

_MOMENTUM = 0.9
# Variables of batch normalization, and biases, as in the papers.
_NOT_DECAYED = ["gamma", "beta", "bias"]


def new_model(
    recipe: Recipe, steps_per_epoch: int, num_classes: int = synsets.NUM_CLASSES, *, several: bool = False
) -> keras.Model:
    """Returns the recipe's model, compiled, with random weights that follow from its seed.

    The layers compute in the recipe's precision, with float32 weights. If TensorFlow has a GPU, XLA compiles the steps.
    On a CPU, XLA would make them slower. With `sizes` the model takes images of any size. Raises OptionError for an
    unknown model, or one that does not take the sizes.

    With several devices, `loss` is exact for padded batches too, because it is a weighted metric. Keras's own would
    divide by the padded size.

    Args:
      recipe: Hyperparameters.
      steps_per_epoch: Number of batches in an epoch, on which the learning rate's schedule depends.
      num_classes: Number of outputs.
      several: Whether several devices train.

    >>> new_model(Recipe(model="small"), steps_per_epoch=5004).input_shape
    (None, 64, 64, 3)
    """
    if recipe.ema is not None and recipe.epochs * steps_per_epoch * (1 - recipe.ema) < 1:
        _log.warning(
            "The average of the weights (ema) is over some %.0f steps, and the training has %d: the model will be near "
            "the one with random weights. Make ema smaller.",
            *(1 / (1 - recipe.ema), recipe.epochs * steps_per_epoch),
        )
    compiled = keras.backend.backend() == "tensorflow" and kind_of_device() == "gpu"
    keras.utils.set_random_seed(recipe.seed)
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(dtype_policy(recipe.precision or default_precision()))
        model = build_model(recipe.model, image_size=recipe.image_size, num_classes=num_classes)
        if recipe.sizes is not None:
            model = any_size(model, [side for side, _ in recipe.sizes])
    finally:
        keras.config.set_dtype_policy(before)
    metrics = [keras.metrics.CategoricalAccuracy("top1"), keras.metrics.TopKCategoricalAccuracy(5, "top5")]
    model.compile(
        _optimizer(recipe, steps_per_epoch),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        weighted_metrics=[keras.metrics.CategoricalCrossentropy("loss", from_logits=True)] * several + metrics,
        jit_compile=compiled_by_xla(several, alone=compiled),
    )
    return model


def compiled_by_xla(several: bool, *, alone: bool = False) -> bool:
    """Returns whether XLA compiles the steps of a model.

    Args:
      several: Whether several devices compute. TensorFlow's copies on several devices cannot be compiled: Keras would
        compile one function over all of them. JAX always needs it: without it each operation runs by itself, and a
        step of `small` took twelve times as long on two cores.
      alone: Whether XLA compiles for a single device of TensorFlow.

    >>> compiled_by_xla(True, alone=True), compiled_by_xla(False, alone=True)
    (False, True)
    """
    return keras.backend.backend() == "jax" or alone and not several


def training_ops(recipe: Recipe, image_size: int, num_classes: int = synsets.NUM_CLASSES) -> tuple[preprocess.Op, ...]:
    """Returns the operations of the recipe's preset, followed by smoothed one-hot labels. Raises OptionError.

    Args:
      recipe: Hyperparameters.
      image_size: Side of the images in pixels.
      num_classes: Number of classes.

    >>> training_ops(Recipe(), 224)[-1]
    OneHot(...smoothing=0.1...)
    """
    one_hot = preprocess.OneHot(num_classes=num_classes, smoothing=recipe.label_smoothing)
    ops = preprocess.preset(recipe.ops, size=image_size, scaled=recipe.scaled)
    if any(isinstance(op, preprocess.OneHot) for op in ops):
        return tuple(one_hot if isinstance(op, preprocess.OneHot) else op for op in ops)
    return (*ops, one_hot)


def validation_ops(image_size: int, num_classes: int = synsets.NUM_CLASSES) -> tuple[preprocess.Op, ...]:
    """Returns the operations of evaluation, followed by one-hot labels.

    Args:
      image_size: Side of the images in pixels.
      num_classes: Number of classes.

    >>> validation_ops(224)[-1]
    OneHot(...)
    """
    return (*preprocess.preset("resnet_eval", size=image_size), preprocess.OneHot(num_classes=num_classes))


def _optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    peak, warmup = recipe.peak_learning_rate, recipe.warmup * steps_per_epoch
    learning_rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else peak,
        decay_steps=recipe.epochs * steps_per_epoch - warmup,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
    options = {"weight_decay": recipe.decay}
    if recipe.ema is not None:
        options |= {"use_ema": True, "ema_momentum": recipe.ema}
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(learning_rate, momentum=_MOMENTUM, **options)
    else:
        optimizer = keras.optimizers.AdamW(learning_rate, **options)
    optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return optimizer
