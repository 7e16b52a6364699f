"""The commands: each function takes the parsed options, does the work, prints the result, and returns a status."""

from ilsvrc_tfds.cli.commands.reading import bench, evaluate, show, train, verify
from ilsvrc_tfds.cli.commands.reporting import report
from ilsvrc_tfds.cli.commands.trying import demo
from ilsvrc_tfds.cli.commands.writing import alias, doctor, export, index, metadata, prepare, unpack

__all__ = [
    "alias",
    "bench",
    "demo",
    "doctor",
    "evaluate",
    "export",
    "index",
    "metadata",
    "prepare",
    "report",
    "show",
    "train",
    "unpack",
    "verify",
]
