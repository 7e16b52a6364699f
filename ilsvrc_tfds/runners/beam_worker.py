"""A worker process of Beam on this machine, which writes errors and not 20 lines about its channels.

Run as `python -m ilsvrc_tfds.runners.beam_worker`, by the runner that `quiet_runner` returns.
"""

import logging
import shlex
import sys
from typing import TYPE_CHECKING, Any

from ilsvrc_tfds.runners.local import WORKER_VARIABLE
from ilsvrc_tfds.terminal.noise import log_warnings_dropped

if TYPE_CHECKING:
    from apache_beam.runners.runner import PipelineRunner


def quiet_runner() -> "PipelineRunner":
    """Returns Beam's FnApiRunner, whose worker processes run this module.

    >>> type(quiet_runner()).__mro__[1].__name__
    'FnApiRunner'
    """
    from apache_beam.portability import python_urns
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    class QuietRunner(FnApiRunner):
        """FnApiRunner, which runs the pipeline in this process or in processes of this machine."""

        def run_via_runner_api(self, pipeline_proto: Any, options: Any) -> Any:
            for environment in pipeline_proto.components.environments.values():
                if environment.urn == python_urns.SUBPROCESS_SDK:
                    environment.payload = _command().encode()
            return super().run_via_runner_api(pipeline_proto, options)

    return QuietRunner()


def _command() -> str:
    """Returns the line for a shell that starts a worker process."""
    return f"{WORKER_VARIABLE}=1 exec {shlex.quote(sys.executable)} -m ilsvrc_tfds.runners.beam_worker"


def main() -> None:
    """Runs a worker until Beam ends it. Its other arguments are in the environment."""
    with log_warnings_dropped():
        from apache_beam.runners.worker import sdk_worker_main
    shown = logging.StreamHandler()
    shown.setLevel(logging.ERROR)
    logging.getLogger().addHandler(shown)
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
    main()
