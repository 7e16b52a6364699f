"""`python -m ilsvrc_tfds`."""

from ilsvrc_tfds.cli import run

run()
