"""ImageNet (ILSVRC2012) from the archives on disk to a training run.

Importing this package registers the TFDS builder `ilsvrc2012`; it loads neither TensorFlow nor h5py. Other names are
loaded when they are first used.
"""

# ruff: noqa: E402
from ilsvrc_tfds.interrupts import end_at_interrupts

end_at_interrupts()  # before the imports, which take a second

# isort: split
import importlib
import os
from typing import TYPE_CHECKING, Any

from ilsvrc_tfds import errors, synsets
from ilsvrc_tfds.errors import IlsvrcError
from ilsvrc_tfds.synsets import class_names
from ilsvrc_tfds.terminal.noise import silence_libraries

# A worker process runs jobs and needs no builder, whose import of TensorFlow Datasets takes 0.2 s and 30 MB.
if "ILSVRC_TFDS_WORKER" in os.environ:
    silence_libraries()
else:
    from ilsvrc_tfds.outputs.builder import Ilsvrc2012

if TYPE_CHECKING:
    from ilsvrc_tfds import pipeline, preprocess, training
    from ilsvrc_tfds.checks.report.report import report
    from ilsvrc_tfds.checks.show import show
    from ilsvrc_tfds.checks.verify import verify
    from ilsvrc_tfds.formats import hdf5 as metadata
    from ilsvrc_tfds.outputs.alias import alias
    from ilsvrc_tfds.outputs.description import Ilsvrc2012Config
    from ilsvrc_tfds.outputs.export import export
    from ilsvrc_tfds.outputs.index import index_records
    from ilsvrc_tfds.outputs.prepare import prepare, prepare_all
    from ilsvrc_tfds.outputs.unpack import unpack
    from ilsvrc_tfds.pipeline import evaluation_set, for_evaluation, for_training
    from ilsvrc_tfds.runners import BeamRunner, DaskRunner

__all__ = [
    "BeamRunner",
    "DaskRunner",
    "Ilsvrc2012",
    "Ilsvrc2012Config",
    "IlsvrcError",
    "alias",
    "class_names",
    "errors",
    "evaluation_set",
    "export",
    "for_evaluation",
    "for_training",
    "index_records",
    "metadata",
    "pipeline",
    "prepare",
    "prepare_all",
    "preprocess",
    "report",
    "show",
    "synsets",
    "training",
    "unpack",
    "verify",
]

# The module of each name that is loaded when it is first used.
_MODULES = {
    "BeamRunner": "runners",
    "DaskRunner": "runners",
    "Ilsvrc2012Config": "outputs.description",
    "alias": "outputs.alias",
    "evaluation_set": "pipeline",
    "export": "outputs.export",
    "for_evaluation": "pipeline",
    "for_training": "pipeline",
    "index_records": "outputs.index",
    "metadata": "formats.hdf5",
    "pipeline": "pipeline",
    "prepare": "outputs.prepare",
    "prepare_all": "outputs.prepare",
    "preprocess": "preprocess",
    "report": "checks.report.report",
    "show": "checks.show",
    "training": "training",
    "unpack": "outputs.unpack",
    "verify": "checks.verify",
}
_WHOLE_MODULES = {"metadata", "pipeline", "preprocess", "training"}


def __getattr__(name: str) -> Any:
    """Loads a name when it is first used: some need TensorFlow, h5py, or many modules."""
    if name == "__version__":
        from importlib import metadata  # 5 ms, which each worker would take

        return metadata.version("ilsvrc-tfds")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"ilsvrc_tfds.{_MODULES[name]}")
    value = module if name in _WHOLE_MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
