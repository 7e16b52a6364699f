"""The command `ilsvrc-tfds`: words to calls."""

import logging
import os
import sys

from ilsvrc_tfds.cli.words import parse
from ilsvrc_tfds.errors import IlsvrcError


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0; 1 for what the user can mend; 2 for usage; 130 for Ctrl-C.

    And 141, as a shell has it, where nobody reads the output any more: `| head`.
    """
    options = parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's ten lines about the processor
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")  # Dask's forty about each worker's coming and going
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("ilsvrc_tfds").setLevel(logging.INFO)
    try:
        status = options.command(options)
        sys.stdout.flush()
        return status
    except IlsvrcError as error:
        print(f"ilsvrc-tfds: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        kept = " What is finished is kept: run the same command again to continue." if options.continues else ""
        print(f"ilsvrc-tfds: Interrupted.{kept}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        return 141


