"""The class `Op`, functions that apply and split tuples of ops, and the checks that ops share."""

import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from ilsvrc_tfds.errors import OptionError

Example = Mapping[str, tf.Tensor]


class Op:
    """Base class of the ops: callables that take an example and return a changed one.

    A subclass is a frozen dataclass, so that ops can be compared, hashed and printed.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Grey(Op):
    ...     def __call__(self, example, seed):
    ...         return {**example, "image": tf.image.rgb_to_grayscale(example["image"])}
    >>> Grey()({"image": pixels}, seed=(0, 1))["image"].shape
    TensorShape([36, 48, 1])
    """

    @property
    def batched(self) -> bool:
        """Whether the op takes batches: `image` [B, h, w, 3], `label` float32 [B, classes]."""
        return False

    @property
    def elementwise(self) -> bool:
        """Whether the op takes batches as well as single examples, because it changes each value by itself."""
        return False

    def __call__(self, example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the changed example.

        Args:
          example: Example or batch, which is not changed itself.
          seed: Seed of everything that is random, int32 of shape (2,). Other ops ignore it.
        """
        raise NotImplementedError


# There is nothing to convert for AutoGraph, which would take time and wrap an OptionError in an error of its own.
@tf.autograph.experimental.do_not_convert
def apply(ops: Iterable[Op], example: Example, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the example after all ops, applied in their order. Each gets its own seed, derived from its position.

    Args:
      ops: Ops to apply.
      example: Example or batch, which is not changed itself.
      seed: Seed of the example or batch, int32 of shape (2,). Equal seeds give equal results.

    >>> ops = (Decode(), FlipLeftRight(), OneHot(10))
    >>> result = apply(ops, {"image": jpeg, "label": 3}, seed=(0, 1))
    >>> result["image"].shape, result["label"].shape
    (TensorShape([36, 48, 3]), TensorShape([10]))
    """
    # In a graph, the seeds of ops that ignore them are not computed.
    for position, op in enumerate(ops):
        example = op(example, tf.bitwise.bitwise_xor(seed, _mask(position)))
    return dict(example)


def _mask(position: int) -> list[int]:
    """Returns two numbers of 31 bits, which differ from those of every other position.

    Stateless ops hash their seeds, so an exclusive or is enough here; `tf.random.fold_in` would hash them once more,
    for 7 us an op. Two ops could share a seed only if two of the caller's seeds differed by both numbers, which does
    not happen with consecutive or random seeds.
    """
    return [(position + 1) * factor & 0x7FFF_FFFF for factor in (0x9E3779B1, 0x85EBCA77)]


def split(ops: Iterable[Op]) -> tuple[tuple[Op, ...], tuple[Op, ...]]:
    """Returns the ops to apply before batching, and those to apply after it, beginning with the first batched op.

    Raises OptionError if an op that takes only single examples comes after a batched one.

    >>> split((Decode(), OneHot(10), MixUp(), Rescale()))[1]
    (MixUp(alpha=0.2), Rescale(scale=0.00392156862745098, offset=0.0))
    """
    ops = tuple(ops)
    first = next((position for position, op in enumerate(ops) if op.batched), len(ops))
    for op in ops[first:]:
        if not (op.batched or op.elementwise):
            raise OptionError(
                f"{type(op).__name__} takes single examples and must come before {type(ops[first]).__name__},"
                " which takes batches."
            )
    return ops[:first], ops[first:]


def check(op: Op, field: str, rule: str, holds: Callable[[Any], bool]) -> None:
    """Raises OptionError unless a field's value obeys a rule.

    Args:
      op: Op that has the field.
      field: Name of the field.
      rule: The rule in words, for the message: "<field> must be <rule>".
      holds: Function that returns whether a value obeys the rule. A TypeError or ValueError counts as False.
    """
    value = getattr(op, field)
    try:
        held = holds(value)
    except (TypeError, ValueError):
        held = False
    if not held:
        raise OptionError(f"{type(op).__name__}: {field} must be {rule}, got {value!r}.")


def check_whole(op: Op, field: str) -> None:
    """Raises OptionError unless the field is a whole number of at least 1."""
    check(op, field, "a whole number from 1 up", lambda value: value >= 1 and isinstance(value, numbers.Integral))


def check_within(op: Op, field: str, low: float, high: float) -> None:
    """Raises OptionError unless the field is a number in [low, high]."""
    check(op, field, f"in [{low:g}, {high:g}]", lambda value: low <= value <= high)


def check_positive(op: Op, field: str) -> None:
    """Raises OptionError unless the field is a finite number above 0."""
    check(op, field, "above 0", lambda value: 0 < value < math.inf)


def check_interval(op: Op, field: str, high: float = math.inf) -> None:
    """Raises OptionError unless the field is (least, most) with 0 < least <= most <= high. Turns it into a tuple."""
    rule = "(least, most), 0 < least <= most" + (f" <= {high:g}" if high < math.inf else "")
    check(op, field, rule, lambda value: len(value) == 2 and 0 < value[0] <= value[1] <= high and value[1] < math.inf)
    object.__setattr__(op, field, tuple(getattr(op, field)))


def check_channels(op: Op, field: str, rule: str, holds: Callable[[float], bool]) -> None:
    """Raises OptionError unless the field is three finite numbers that obey the rule. Turns it into a tuple."""
    words = f"three numbers (red, green, blue) {rule}"
    check(op, field, words, lambda value: len(value) == 3 and all(math.isfinite(v) and holds(v) for v in value))
    object.__setattr__(op, field, tuple(getattr(op, field)))


def encoded(op: Op, example: Example) -> tf.Tensor:
    """Returns the bytes of the example's JPEG. Raises OptionError if the image is decoded already."""
    image = tf.convert_to_tensor(example["image"])
    if image.dtype != tf.string:
        raise OptionError(
            f"{type(op).__name__} takes a JPEG's bytes, got {image.dtype.name}: keep only the first decoding op."
        )
    return image


def decoded(op: Op, example: Example) -> tf.Tensor:
    """Returns the example's pixels. Raises OptionError if the image is not decoded yet."""
    image = tf.convert_to_tensor(example["image"])
    if image.dtype == tf.string:
        raise OptionError(
            f"{type(op).__name__} takes pixels, got a JPEG's bytes: put a decoding op, such as Decode(), before it."
        )
    return image


def as_uint8(op: Op, example: Example) -> tf.Tensor:
    """Returns the example's pixels. Raises OptionError if they are not uint8."""
    image = decoded(op, example)
    if image.dtype != tf.uint8:
        raise OptionError(
            f"{type(op).__name__} takes uint8, got {image.dtype.name}: put it before Rescale or Standardize."
        )
    return image


def in_dtype_of(image: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns float values in the image's dtype. For uint8 they are rounded, and must be in [0, 255]."""
    # Halves are rounded up, as in Pillow. tf.round and tf.saturate_cast would take twice the time.
    return tf.cast(values + 0.5, tf.uint8) if image.dtype == tf.uint8 else tf.cast(values, image.dtype)
