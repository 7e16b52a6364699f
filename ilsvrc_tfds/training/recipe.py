"""The hyperparameters of a training."""

import dataclasses
import math
import numbers
from typing import Any

from ilsvrc_tfds.errors import OptionError, require_integers

# Peak learning rate per example of a batch: Goyal et al. 2017 (arXiv:1706.02677); DeiT (arXiv:2012.12877).
_LEARNING_RATES = {"sgd": 0.1 / 256, "adamw": 0.001 / 1024}
# Keras subtracts the decay from the weights, not through the gradient. With momentum 0.9, 1e-3 equals the papers' 1e-4.
_WEIGHT_DECAYS = {"sgd": 1e-3, "adamw": 0.05}

OPTIMIZERS = tuple(_LEARNING_RATES)
PRECISIONS = ("float32", "float16", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The hyperparameters of a training. Raises OptionError for invalid values.

    The learning rate rises linearly to its peak in `warmup_epochs`, and falls as a cosine to 0 at the end of `epochs`.

    Attributes:
      model: Name from `training.model_names()`.
      image_size: Side of the images in pixels. If None, the side that the model was designed for.
      epochs: Number of epochs. An epoch has as many whole batches as the examples fill.
      batch_size: Number of examples in a batch.
      ops: Name of a preset for training.
      scaled: Whether train images are decoded at a smaller size where their crop is large enough, as in
        `DecodeAndRandomCrop`.
      sizes: Pairs (side in pixels, first epoch), in the order of the epochs, the first of them from epoch 0: sides of
        the train images that change between epochs. If None, they have the side of the model. Images are always
        evaluated at `image_size`.
      optimizer: `sgd` (momentum 0.9) or `adamw`.
      learning_rate: Peak of the learning rate. If None, `batch_size` times 0.1 / 256 (sgd) or times 0.001 / 1024
        (adamw).
      weight_decay: Decay of the weights in each step, as a multiple of the learning rate. If None, 0.001 (sgd) or 0.05
        (adamw). Biases and normalization are not decayed.
      warmup_epochs: Number of epochs in which the learning rate rises. If None, 5, but fewer than half of the epochs.
      label_smoothing: Probability that is taken from the label's class and spread over all classes, in [0, 1).
      ema: Momentum of a moving average of the weights, in (0, 1), updated in each step. The average is what each
        validation evaluates and what is saved in the end. The statistics of batch normalization are an average already.
        If None, the weights of the last step.
      shuffle_buffer: Size of the shuffle buffer, in records.
      seed: Seed of weights, order and augmentation.
      shares: Number of equal shares of the examples, each with an order of its own, of which a batch has equal parts.
        With as many shares as hosts, a host only reads its own. It must divide `batch_size`.
      precision: What the layers compute in: `float32`, `float16` (with a scaled loss) or `bfloat16`. The weights are
        float32, and so are the logits. If None, what suits the device, as in `default_precision`.

    >>> from ilsvrc_tfds import training
    >>> recipe = training.Recipe(model="resnet50", epochs=90, batch_size=1024)
    >>> recipe.peak_learning_rate, recipe.warmup
    (0.4, 5)
    """

    model: str = "resnet50"
    image_size: int | None = None
    epochs: int = 90
    batch_size: int = 256
    ops: str = "resnet_train"
    scaled: bool = False
    sizes: tuple[tuple[int, int], ...] | None = None
    optimizer: str = "sgd"
    learning_rate: float | None = None
    weight_decay: float | None = None
    warmup_epochs: int | None = None
    label_smoothing: float = 0.1
    ema: float | None = None
    shuffle_buffer: int = 8192
    seed: int = 0
    shares: int = 1
    precision: str | None = None

    def __post_init__(self) -> None:
        wanted = ("image_size", "epochs", "batch_size", "warmup_epochs", "shuffle_buffer", "seed", "shares")
        require_integers(**{name: value for name in wanted if (value := getattr(self, name)) is not None})
        self._require("optimizer", f"one of {', '.join(OPTIMIZERS)}", self.optimizer in OPTIMIZERS)
        self._require(
            "precision", f"one of {', '.join(PRECISIONS)}", self.precision is None or self.precision in PRECISIONS
        )
        self._require("image_size", "at least 32", self.image_size is None or self.image_size >= 32)
        self._require("epochs", "at least 1", self.epochs >= 1)
        self._require("batch_size", "at least 1", self.batch_size >= 1)
        for field in ("learning_rate", "weight_decay"):
            value = getattr(self, field)
            self._require(field, "a finite number from 0 up", value is None or 0 <= value < math.inf)
        self._require(
            "warmup_epochs", f"in [0, {self.epochs}), as there are {self.epochs} epochs", 0 <= self.warmup < self.epochs
        )
        self._require("label_smoothing", "in [0, 1)", 0 <= self.label_smoothing < 1)
        self._require("ema", "in (0, 1)", self.ema is None or 0 < self.ema < 1)
        self._check_sizes()
        self._require("shuffle_buffer", "at least 1", self.shuffle_buffer >= 1)
        divides = 0 < self.shares and not self.batch_size % self.shares
        self._require(
            "shares",
            f"a divisor of batch_size={self.batch_size:,}",
            divides,
        )
        self._require("seed", "in [0, 2**32)", 0 <= self.seed < 1 << 32)  # NumPy's, which Keras sets

    def _check_sizes(self) -> None:
        if self.sizes is None:
            return
        try:
            sizes = tuple((side, first) for side, first in self.sizes)
        except (TypeError, ValueError):
            sizes = ()
        whole = [number for pair in sizes for number in pair]
        firsts = [first for _, first in sizes]
        rises = firsts[:1] == [0] and all(first < after for first, after in zip(firsts, [*firsts[1:], self.epochs]))
        self._require(
            "sizes",
            f"pairs of a side in pixels and its first epoch, which rises from 0 to less than {self.epochs}",
            all(isinstance(number, numbers.Integral) for number in whole) and rises,
        )
        self._require("sizes", "at least 32 pixels", all(side >= 32 for side, _ in sizes))
        # JSON has lists, and callers may have lists and NumPy's numbers.
        object.__setattr__(self, "sizes", tuple((int(side), int(first)) for side, first in sizes))

    def changed(self, **fields: Any) -> "Recipe":
        """Returns the recipe with other values of some fields.

        Unless they are among the fields themselves, stated values follow others: the learning rate stays the same for
        each example if the batch size changes, the average stays over the same share of the training, another optimizer
        gets its own learning rate and decay, and a warm-up that would not end becomes the default one.

        >>> Recipe(batch_size=1024, learning_rate=0.5).changed(batch_size=256).learning_rate
        0.125
        """
        require_integers(**{name: fields[name] for name in ("batch_size", "epochs") if name in fields})
        batch_size, epochs = fields.get("batch_size", self.batch_size), fields.get("epochs", self.epochs)
        times = batch_size / self.batch_size
        if fields.get("optimizer", self.optimizer) != self.optimizer:
            fields = {"learning_rate": None, "weight_decay": None, **fields}
        elif self.learning_rate is not None and times != 1:
            fields = {"learning_rate": self.learning_rate * times, **fields}
        if self.ema is not None and epochs > 0:
            fields = {"ema": self.ema ** (times * self.epochs / epochs), **fields}
        if self.warmup_epochs is not None and self.warmup_epochs >= epochs:
            fields = {"warmup_epochs": None, **fields}
        return dataclasses.replace(self, **fields)

    def _require(self, field: str, rule: str, holds: bool) -> None:
        if not holds:
            value = getattr(self, field)
            raise OptionError(
                f"{field} must be {rule}, got {sizes_in_words(value) if field == 'sizes' else repr(value)}."
            )

    @property
    def warmup(self) -> int:
        """Number of epochs in which the learning rate rises."""
        return min(5, (self.epochs - 1) // 2) if self.warmup_epochs is None else self.warmup_epochs

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate at the end of the warm-up."""
        return _LEARNING_RATES[self.optimizer] * self.batch_size if self.learning_rate is None else self.learning_rate

    def learning_rate_at(self, epochs: float) -> float:
        """Returns the learning rate after some epochs, a number that need not be whole.

        >>> recipe = Recipe(epochs=90, batch_size=256)
        >>> recipe.learning_rate_at(2.5), recipe.learning_rate_at(5), round(recipe.learning_rate_at(47.5), 3)
        (0.05, 0.1, 0.05)
        """
        if epochs < self.warmup:
            return self.peak_learning_rate * epochs / self.warmup
        done = min((epochs - self.warmup) / (self.epochs - self.warmup), 1.0)
        return self.peak_learning_rate * (1 + math.cos(math.pi * done)) / 2

    @property
    def decay(self) -> float:
        """The weight decay of a step, as a multiple of the learning rate."""
        return _WEIGHT_DECAYS[self.optimizer] if self.weight_decay is None else self.weight_decay


def sizes_in_words(sizes: object) -> str:
    """Returns the sizes of a training as the command line takes them, or what was given if it is something else.

    >>> sizes_in_words(((128, 0), (160, 30)))
    '128:0,160:30'
    """
    if not isinstance(sizes, (list, tuple)) or not all(isinstance(p, (list, tuple)) and len(p) == 2 for p in sizes):
        return repr(sizes)
    return ",".join(f"{side}:{first}" for side, first in sizes) or "none"
