"""How a training goes, in numbers."""

import dataclasses
import math

from ilsvrc_tfds.errors import OptionError

# Peaks of the learning rate for an example of a batch: Goyal et al. 2017 (arXiv:1706.02677); DeiT (arXiv:2012.12877).
_LEARNING_RATES = {"sgd": 0.1 / 256, "adamw": 0.001 / 1024}
# Keras takes it off the weights beside the gradient. 1e-3 at momentum 0.9 is the papers' 1e-4 inside the gradient.
_WEIGHT_DECAYS = {"sgd": 1e-3, "adamw": 0.05}

OPTIMIZERS = tuple(_LEARNING_RATES)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A training: model, order, optimizer. Raises OptionError for values that make no sense.

    The learning rate rises evenly to its peak in `warmup_epochs`, and falls as a cosine to 0 at the end of `epochs`.

    Attributes:
      model: a name of `training.model_names()`.
      image_size: side in pixels; the one that the model was designed for where None.
      epochs: how many; an epoch is as many whole batches as the examples give.
      batch_size: examples of a batch.
      ops: name of a preset for training.
      optimizer: `sgd` (momentum 0.9) or `adamw`.
      learning_rate: its peak; where None 0.1 for 256 examples of a batch and in proportion (sgd), 0.001 for 1024 (adamw).
      weight_decay: of a step, times the learning rate; where None 0.001 (sgd), 0.05 (adamw). Not of biases or normalization.
      warmup_epochs: in which the learning rate rises; where None 5, or fewer than half of the epochs.
      label_smoothing: taken from the label's class and spread over all, in [0, 1).
      shuffle_buffer: records.
      seed: of weights, order and augmentation.
    """

    model: str = "resnet50"
    image_size: int | None = None
    epochs: int = 90
    batch_size: int = 256
    ops: str = "resnet_train"
    optimizer: str = "sgd"
    learning_rate: float | None = None
    weight_decay: float | None = None
    warmup_epochs: int | None = None
    label_smoothing: float = 0.1
    shuffle_buffer: int = 8192
    seed: int = 0

    def __post_init__(self) -> None:
        self._require("optimizer", f"one of {', '.join(OPTIMIZERS)}", self.optimizer in OPTIMIZERS)
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
        self._require("shuffle_buffer", "at least 1", self.shuffle_buffer >= 1)
        self._require("seed", "in [0, 2**32)", 0 <= self.seed < 1 << 32)  # NumPy's, which Keras sets

    def _require(self, field: str, rule: str, holds: bool) -> None:
        if not holds:
            raise OptionError(f"{field} must be {rule}, got {getattr(self, field)!r}.")

    @property
    def warmup(self) -> int:
        """Epochs in which the learning rate rises."""
        return min(5, (self.epochs - 1) // 2) if self.warmup_epochs is None else self.warmup_epochs

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate at the end of the warm-up."""
        return _LEARNING_RATES[self.optimizer] * self.batch_size if self.learning_rate is None else self.learning_rate

    @property
    def decay(self) -> float:
        """The weight decay of a step, as a multiple of the learning rate."""
        return _WEIGHT_DECAYS[self.optimizer] if self.weight_decay is None else self.weight_decay
