"""Engines that run independent jobs: worker processes of this machine, Apache Beam, Dask.

Each has the methods of `Runner`. Beam and Dask are loaded when an engine is constructed, not when this package is
imported.

>>> list(RUNNERS)
['local', 'beam', 'dask']
"""

from ilsvrc_tfds.runners.beam import BeamRunner
from ilsvrc_tfds.runners.dask import DaskRunner
from ilsvrc_tfds.runners.local import LocalRunner
from ilsvrc_tfds.runners.runner import Runner

# By the names that the command line gives them.
RUNNERS: dict[str, type[Runner]] = {"local": LocalRunner, "beam": BeamRunner, "dask": DaskRunner}

__all__ = ["RUNNERS", "BeamRunner", "DaskRunner", "LocalRunner", "Runner"]
