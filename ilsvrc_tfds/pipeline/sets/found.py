"""An evaluation set that was found: its parts, and the places and labels of their images."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ilsvrc_tfds import preprocess
from ilsvrc_tfds.errors import OptionError, first_few
from ilsvrc_tfds.pipeline.sets.published import PUBLISHED, REAL, C
from ilsvrc_tfds.pipeline.sets.trees import File
from ilsvrc_tfds.pipeline.split import Split

# Side of the images of ImageNet-C, in pixels.
SIDE_OF_C = 224


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Images in files.

    Attributes:
      files: Place of each image.
      labels: Class index of each image, int64 of shape (n,).
    """

    files: tuple[File, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.files)


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """Images in TFRecords.

    Attributes:
      split: Shards with the records.
      labels: Lists of class indices for the numbers of validation images, if they take the place of the labels in the
        records; otherwise None.
      key: Key of the list of class indices in each record, or "" if a record has one label.
    """

    split: Split
    labels: tuple[tuple[int, ...], ...] | None = None
    key: str = ""

    def __len__(self) -> int:
        return self.split.num_examples


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """A part of an evaluation set that is measured by itself.

    Attributes:
      name: Corruption and severity, as in `fog/3`; empty if the set has only one part.
      num_examples: Number of images.
      load: Function that returns the places of the images. Those of all 95 parts of ImageNet-C would fill 1 GB.
    """

    name: str
    num_examples: int
    load: Callable[[], Images | Records]


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluationSet:
    """An evaluation set on the user's disk.

    Attributes:
      kind: One of `real`, `v2`, `a`, `r`, `sketch` and `c`.
      title: Name in papers, with the variant if there are several.
      path: Folder or file.
      parts: Parts that are measured by themselves. Only ImageNet-C has several.
      missing: What is missing if the set is not complete, in words; otherwise empty.
      allowed: Whether what is missing was allowed when the images were prepared or exported.

    >>> from ilsvrc_tfds.pipeline import find_set
    >>> found = find_set("/data/imagenet-a", allow_incomplete=True)
    >>> found.title, found.num_examples, len(found.classes)
    ('ImageNet-A', 6, 200)
    """

    kind: str
    title: str
    path: Path
    parts: tuple[Part, ...]
    missing: str = ""
    allowed: bool = False

    @property
    def classes(self) -> tuple[int, ...]:
        """Class indices whose logits compete: those of the complete set."""
        return PUBLISHED[self.kind].classes

    @property
    def num_examples(self) -> int:
        """Number of images in all parts. Those of ReaL that have no label are among them."""
        return sum(part.num_examples for part in self.parts)

    @property
    def multi_label(self) -> bool:
        """Whether an image has any number of right classes. Its label is then float32 [1000]: 1 for each of them."""
        return self.kind == REAL

    def ops(self, size: int) -> tuple[preprocess.Op, ...]:
        """Returns the operations on an image for a model whose input has this side, in pixels.

        They are those of `resnet_eval`. But images of ImageNet-C have been resized and cropped before the corruption:
        their central 224 x 224 pixels are taken as they are, as in the authors' code, and are only resized for a model
        of another size.
        """
        if self.kind != C:
            return preprocess.preset("resnet_eval", size=size)
        cropped = (preprocess.Decode(), preprocess.CenterCrop(SIDE_OF_C))
        # The second crop removes nothing: it only makes the shape known.
        return (
            cropped
            if size == SIDE_OF_C
            else (*cropped, preprocess.ResizeShorterSide(size), preprocess.CenterCrop(size))
        )

    def part(self, name: str | None) -> Part:
        """Returns a part by its name, or the only one if it is None. Raises OptionError."""
        parts = {part.name: part for part in self.parts}
        if name is None and len(parts) == 1:
            return self.parts[0]
        if name not in parts:
            known = f"one of {first_few(map(repr, parts), 5)}" if len(parts) > 1 else "None, because it is not divided"
            raise OptionError(f"{self.title} in {self.path}: part must be {known}, got {name!r}.")
        return parts[name]
