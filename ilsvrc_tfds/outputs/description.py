"""The texts and configs by which TFDS describes the data set `ilsvrc2012`."""

import dataclasses
from typing import cast

import tensorflow_datasets as tfds

from ilsvrc_tfds.images import CONFIGS, Original, Resized
from ilsvrc_tfds.sources.subset_lists import Classes, Images, as_subset

DESCRIPTION = """\
ILSVRC2012, the subset of ImageNet used in the Large Scale Visual Recognition Challenge of 2012: 1,281,167 training and
50,000 validation images of 1000 classes, each a synset of WordNet, and 100,000 test images without labels (label -1).
A class's index is the position of its WordNet identifier (wnid) in sorted order. Images are JPEGs, grey or RGB: the \
CMYK
and PNG files among the originals are turned into RGB JPEGs of the same colours.
"""

CITATION = """\
@article{ILSVRC15,
  author = {Olga Russakovsky and Jia Deng and Hao Su and Jonathan Krause and Sanjeev Satheesh and Sean Ma \
and Zhiheng Huang
            and Andrej Karpathy and Aditya Khosla and Michael Bernstein and Alexander C. Berg and Li Fei-Fei},
  title = {{ImageNet Large Scale Visual Recognition Challenge}},
  journal = {International Journal of Computer Vision},
  year = {2015},
  volume = {115},
  number = {3},
  pages = {211--252},
  doi = {10.1007/s11263-015-0816-y},
}
"""

INSTRUCTIONS = """\
  Get ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar (and ILSVRC2012_img_test_v10102019.tar, if wanted) from
  https://image-net.org/download-images and put them into manual_dir, or set the environment variable ILSVRC2012_DIR to
  the folder that contains them. Unpacked folders and Kaggle's layout work as well; `ilsvrc-tfds doctor FOLDER` checks a
  folder.
  """


@dataclasses.dataclass(eq=False)
class Ilsvrc2012Config(tfds.core.BuilderConfig):
    """A config of the data set: how its images are processed, and which of them it has.

    >>> import ilsvrc_tfds
    >>> config = ilsvrc_tfds.Ilsvrc2012Config(name="raw160", shorter_side=160, quality=90)
    >>> config.op
    Resized(shorter_side=160, quality=90)

    Attributes:
      name: Name of the config, a part of the path of the data set.
      shorter_side: Length of the shorter side after resizing, in pixels; None keeps the images as they are.
      quality: JPEG quality of resized images, in [1, 100].
      classes: For a subset, the path of a list of wnids, or the wnids or class indices themselves; None for all.
      relabel: Whether the classes are numbered 0, 1, … in the order of the list. Otherwise labels stay in [0, 1000).
      images: For a subset, the path of a list of official file names, or the names themselves; None for all.
      subset: The subset that these three describe.

    Raises OptionError for invalid values, and SourceError if a list cannot be read.
    """

    shorter_side: int | None = None
    quality: int = 95
    classes: Classes | None = dataclasses.field(default=None, repr=False)
    relabel: bool = False
    images: Images | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.op  # raises OptionError
        self.subset = as_subset(self.classes, self.relabel, self.images)

    @property
    def op(self) -> Original | Resized:
        """Operation that turns the bytes of an image in the source into those of the record."""
        return Original() if self.shorter_side is None else Resized(self.shorter_side, self.quality)


BUILDER_CONFIGS = [
    Ilsvrc2012Config(name="classification", description="The images as they are."),
    Ilsvrc2012Config(
        name="raw256",
        description="Shorter side of 256 pixels, Lanczos filter, JPEG quality 95.",
        shorter_side=cast(Resized, CONFIGS["raw256"]).shorter_side,
    ),
]
