"""The differences between the training in a folder and the one that is wanted, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from ilsvrc_tfds.training.recipe import sizes_in_words

# Key of the fingerprint of the data in the record of a training. The others are those of the recipe.
DATA = "data"


def differences(begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yields what is different in a training that was begun: its value, and the one that is wanted.

    >>> list(differences({"epochs": 3, "seed": 0, "data": "00"}, {"epochs": 2, "seed": 0, "data": "01"}))
    ['epochs=3, not 2', 'other data']

    Args:
      begun: Record of the training in the folder.
      wanted: Record that the wanted training would have.
    """
    for key, value in wanted.items():
        if begun.get(key) != value:
            yield (
                "other data" if key == DATA else f"{key}={_in_words(key, begun.get(key))}, not {_in_words(key, value)}"
            )


def _in_words(key: str, value: object) -> str:
    if key == "sizes" and value is not None:
        return sizes_in_words(value)
    return "none" if value is None else f"{value}"
