"""`python -m ilsvrc_tfds.cli`."""

from ilsvrc_tfds.cli import run

run()
