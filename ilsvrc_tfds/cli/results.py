"""The result of a command: lines for people, or one JSON document for programs (`--json`)."""

import argparse
import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ilsvrc_tfds.cli.next_steps import Step, say_next
from ilsvrc_tfds.cli.streams import OutputError, say
from ilsvrc_tfds.storage.files import write_whole

# Increased if a key is renamed or removed, or means something else. New keys do not change it.
SCHEMA = 1


def tell(
    options: argparse.Namespace,
    lines: Iterable[object],
    values: Mapping[str, Any],
    steps: Iterable[Step] = (),
    *,
    ok: bool = True,
) -> int:
    """Prints the result of a command on standard output, and the next steps on standard error. Returns the status.

    With `--json` the result is one document, which docs/json.md describes: `values`, with the command, whether it
    succeeded, and the next steps.

    >>> from ilsvrc_tfds.cli.parser import parse
    >>> tell(parse(["index", "/data/tfrecords"]), ["2 indexes"], {"indexes": 2})
    2 indexes
    0
    >>> tell(parse(["index", "/data/tfrecords", "--json"]), ["2 indexes"], {"indexes": 2})
    {
      "schema": 1,
      "command": "index",
      "ok": true,
      "indexes": 2,
      "next": []
    }
    0

    Args:
      options: Options of the command.
      lines: Lines for people.
      values: Values for programs, in JSON's types.
      steps: What to run next.
      ok: Whether the command found no problems.
    """
    steps = list(steps)
    if options.as_json:
        following = [{"purpose": step.purpose, "line": step.line} for step in steps]
        options.told = True
        say(document(options, ok, {**values, "next": following}))
    else:
        say(*lines)
    say_next(steps)
    return 0 if ok else 1


def write_json(options: argparse.Namespace, path: Path | None, values: Mapping[str, Any]) -> None:
    """Writes the values of a result into a JSON file, with the schema and the command; None writes none.

    >>> from ilsvrc_tfds.cli.parser import parse
    >>> write_json(parse(["bench", "/data/x"]), Path("/data/figures.json"), {"load": 0.1})
    >>> json.loads(Path("/data/figures.json").read_bytes())
    {'schema': 1, 'command': 'bench', 'load': 0.1}
    """
    if path is not None:
        content = {"schema": SCHEMA, "command": options.command.__name__, **values}
        write_whole(path, json.dumps(content, indent=2).encode() + b"\n")


def say_error(options: argparse.Namespace, text: object) -> None:
    """Prints the document of a command that failed or was interrupted, with `--json`, unless its result is printed.

    It does nothing if the document cannot be written.

    >>> from ilsvrc_tfds.cli.parser import parse
    >>> say_error(parse(["index", "/data/x", "--json"]), "There is none.")
    {
      "schema": 1,
      "command": "index",
      "ok": false,
      "error": "There is none."
    }
    """
    if options.as_json and "told" not in options:
        options.told = True
        with contextlib.suppress(OutputError, BrokenPipeError):
            say(document(options, False, {"error": str(text)}))


def document(options: argparse.Namespace, ok: bool, values: Mapping[str, Any]) -> str:
    """Returns the JSON document of a result.

    >>> from ilsvrc_tfds.cli.parser import parse
    >>> json.loads(document(parse(["index", "/data/x"]), False, {"error": "There is none."}))["error"]
    'There is none.'
    """
    return json.dumps({"schema": SCHEMA, "command": options.command.__name__, "ok": ok, **values}, indent=2)
