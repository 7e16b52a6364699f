"""Run independent jobs: engines that are context managers and may be used again after `stop()`.

An engine has `run(function, jobs, shared)`, which yields `function(job)` for each job, in their order; `shared` is a folder that
all its workers see. Beam and Dask are loaded where they are used.
"""

from ilsvrc_tfds.runners.beam import BeamRunner
from ilsvrc_tfds.runners.dask import DaskRunner
from ilsvrc_tfds.runners.local import LocalRunner

Runner = LocalRunner | BeamRunner | DaskRunner
