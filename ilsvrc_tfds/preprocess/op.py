"""What an op is, how ops compose, and the checks that they share."""

import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

import tensorflow as tf

from ilsvrc_tfds.errors import OptionError

Example = Mapping[str, tf.Tensor]


class Op:
    """From an example to an example; its children are frozen dataclasses.

    Attributes:
      batched: whether it takes a batch: `image` [B, h, w, 3], `label` float32 [B, classes].
      elementwise: whether it takes an example and a batch alike, each value by itself.
    """

    batched: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the changed example. `seed` is int32 of shape (2,); ops without chance in them ignore it."""
        raise NotImplementedError


# Nothing here is for AutoGraph to convert, which would take time and wrap an OptionError into one of its own.
@tf.autograph.experimental.do_not_convert
def apply(ops: Iterable[Op], example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the example after all ops in their order, each with a seed of its own that follows from its position.

    `seed` is int32 of shape (2,). In a graph the seeds that no op looks at are not computed.
    """
    for position, op in enumerate(ops):
        example = op(example, tf.bitwise.bitwise_xor(seed, _mask(position)))
    return dict(example)


def _mask(position: int) -> list[int]:
    """Returns two numbers of 31 bits, each unlike those of any other position.

    What a stateless op makes of a seed is mixed by its own hash; `tf.random.fold_in` would take 7 us an op to do so twice.
    Seeds that callers deal out in a row or at random never meet: two that differ by both numbers would have to be there.
    """
    return [(position + 1) * factor & 0x7FFF_FFFF for factor in (0x9E3779B1, 0x85EBCA77)]


def split(ops: Iterable[Op]) -> tuple[tuple[Op, ...], tuple[Op, ...]]:
    """Returns the ops for single examples, and those for batches: from the first batched op on.

    Raises OptionError where an op that takes single examples alone comes behind a batched one.
    """
    ops = tuple(ops)
    first = next((position for position, op in enumerate(ops) if op.batched), len(ops))
    for op in ops[first:]:
        if not (op.batched or op.elementwise):
            raise OptionError(
                f"{type(op).__name__} takes single examples and must come before {type(ops[first]).__name__}, which takes"
                " batches."
            )
    return ops[:first], ops[first:]


def check(op: Op, field: str, rule: str, holds: Callable[..., bool]) -> None:
    """Raises OptionError unless the rule, which is told in words, holds for the field's value."""
    value = getattr(op, field)
    try:
        held = holds(value)
    except (TypeError, ValueError):
        held = False
    if not held:
        raise OptionError(f"{type(op).__name__}: {field} must be {rule}, got {value!r}.")


def check_whole(op: Op, field: str) -> None:
    """Raises OptionError unless the field is a whole number from 1 up."""
    check(op, field, "a whole number from 1 up", lambda value: isinstance(value, numbers.Integral) and value >= 1)


def check_within(op: Op, field: str, low: float, high: float) -> None:
    """Raises OptionError unless the field is a number in [low, high]."""
    check(op, field, f"in [{low:g}, {high:g}]", lambda value: low <= value <= high)


def check_positive(op: Op, field: str) -> None:
    """Raises OptionError unless the field is a finite number above 0."""
    check(op, field, "above 0", lambda value: 0 < value < math.inf)


def check_interval(op: Op, field: str, high: float = math.inf) -> None:
    """Raises OptionError unless the field is (least, most) with 0 < least <= most <= high; makes it a tuple."""
    rule = "(least, most), 0 < least <= most" + (f" <= {high:g}" if high < math.inf else "")
    check(op, field, rule, lambda value: len(value) == 2 and 0 < value[0] <= value[1] <= high and value[1] < math.inf)
    object.__setattr__(op, field, tuple(getattr(op, field)))


def check_channels(op: Op, field: str, rule: str, holds: Callable[[float], bool]) -> None:
    """Raises OptionError unless the field is three numbers, red, green, blue, that obey the rule; makes it a tuple."""
    words = f"three numbers (red, green, blue) {rule}"
    check(op, field, words, lambda value: len(value) == 3 and all(math.isfinite(v) and holds(v) for v in value))
    object.__setattr__(op, field, tuple(getattr(op, field)))


def encoded(op: Op, example: Example) -> tf.Tensor:
    """Returns the example's JPEG. Raises OptionError where it is decoded already."""
    image = tf.convert_to_tensor(example["image"])
    if image.dtype != tf.string:
        raise OptionError(
            f"{type(op).__name__} takes a JPEG's bytes, got {image.dtype.name}: keep one decoding op, the first."
        )
    return image


def decoded(op: Op, example: Example) -> tf.Tensor:
    """Returns the example's pixels. Raises OptionError where it is not decoded."""
    image = tf.convert_to_tensor(example["image"])
    if image.dtype == tf.string:
        raise OptionError(
            f"{type(op).__name__} takes pixels, got a JPEG's bytes: put a decoding op, as Decode(), before it."
        )
    return image


def as_uint8(op: Op, example: Example) -> tf.Tensor:
    """Returns the example's pixels. Raises OptionError where they are not uint8."""
    image = decoded(op, example)
    if image.dtype != tf.uint8:
        raise OptionError(
            f"{type(op).__name__} takes uint8, got {image.dtype.name}: put it before Rescale or Standardize."
        )
    return image


def in_dtype_of(image: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns float values as the image has them: rounded where it is uint8; they must lie within [0, 255] then."""
    # A half goes up, as in Pillow; tf.round and tf.saturate_cast would take twice the time.
    return tf.cast(values + 0.5, tf.uint8) if image.dtype == tf.uint8 else tf.cast(values, image.dtype)
