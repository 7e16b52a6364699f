"""The command line: the table of its commands, and the parser made of it."""

import argparse
import dataclasses
import importlib.metadata
from collections.abc import Callable

from ilsvrc_tfds.cli import arguments, commands
from ilsvrc_tfds.cli.options import count


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of the command line.

    Attributes:
      name: Name on the command line, and of the function in `commands` that carries it out.
      text: What it does, for the help: an imperative without a full stop.
      add_options: Function that adds its options to its parser.
      resumes: Whether the same command resumes an interrupted run.
      reads: Whether it reads with TensorFlow, which may wait where Python's signal handlers do not run.
      makes_files: Whether it is run for the files that it makes, and not for what it prints. `--out` and `--json` make this
        true of the others.
      has_workers: Whether it has the option `--workers`.
    """

    name: str
    text: str
    add_options: Callable[[argparse.ArgumentParser], None]
    resumes: bool = False
    reads: bool = False
    makes_files: bool = False
    has_workers: bool = True


COMMANDS = (
    Command("doctor", "say what lies in a source and what is wrong with it", arguments.doctor),
    Command(
        "prepare",
        "make a TFDS data set; continues where an earlier run stopped",
        arguments.prepare,
        resumes=True,
        makes_files=True,
    ),
    Command("metadata", "write the HDF5 metadata (dbcollection's layout) alone", arguments.metadata, makes_files=True),
    Command(
        "export",
        "make classic TFRecords, train-00000-of-01024 and so on; continues where an earlier run stopped",
        arguments.export,
        resumes=True,
        makes_files=True,
    ),
    Command("index", "write an index for DALI and tfrecord beside each shard", arguments.index, makes_files=True),
    Command("verify", "check all that was prepared or exported", arguments.verify),
    Command(
        "unpack",
        "write the images of a prepared data set as files, with metadata.h5",
        arguments.unpack,
        resumes=True,
        makes_files=True,
    ),
    Command("show", "say what records hold, and draw a contact sheet", arguments.show, has_workers=False),
    Command(
        "train",
        "train a Keras model; continues where an earlier run stopped",
        arguments.train,
        resumes=True,
        reads=True,
        makes_files=True,
        has_workers=False,
    ),
    Command("evaluate", "say how good a Keras model is", arguments.evaluate, reads=True, has_workers=False),
    Command(
        "bench",
        "measure how many images a second each stage of an input pipeline makes: what bounds a training",
        arguments.bench,
        reads=True,
        has_workers=False,
    ),
    Command(
        "demo", "draw a miniature ILSVRC2012, prepare it and read it back", arguments.demo, reads=True, makes_files=True
    ),
)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Returns the options of a command line; ends the process for wrong usage.

    The options have `command`, the function that carries it out, and the `Command`'s own `resumes`, `reads` and `makes_files`.
    """
    text = "ImageNet (ILSVRC2012) from the archives on disk to tfds.load."
    parser = argparse.ArgumentParser(prog="ilsvrc-tfds", description=text)
    parser.add_argument(
        "--version", action="version", version=f"ilsvrc-tfds {importlib.metadata.version('ilsvrc-tfds')}"
    )
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        text = command.text
        own = parsers.add_parser(command.name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        own.set_defaults(
            command=getattr(commands, command.name),
            resumes=command.resumes,
            reads=command.reads,
            makes_files=command.makes_files,
        )
        command.add_options(own)
        if command.has_workers:
            own.add_argument("--workers", type=count, metavar="N", help="processes (default: all cores)")
    options = parser.parse_args(words)
    options.makes_files |= any(getattr(options, name, None) is not None for name in ("out", "json"))
    return options
