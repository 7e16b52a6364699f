"""ImageNet (ILSVRC2012) from the archives on disk to a training run.

Importing this package registers the TFDS builder `ilsvrc2012`; it loads neither TensorFlow nor h5py.
"""

from ilsvrc_tfds import errors, metadata, synsets
from ilsvrc_tfds.builder import Ilsvrc2012, Ilsvrc2012Config, prepare, prepare_all
from ilsvrc_tfds.errors import IlsvrcError

__all__ = [
    "Ilsvrc2012",
    "Ilsvrc2012Config",
    "IlsvrcError",
    "errors",
    "metadata",
    "prepare",
    "prepare_all",
    "synsets",
]
