"""The commands that read prepared and exported data sets: check, look, train and measure."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ilsvrc_tfds
from ilsvrc_tfds.checks.record_values import record_values
from ilsvrc_tfds.cli.findings import folder_lines, folder_values
from ilsvrc_tfds.cli.next_steps import (
    check,
    evaluate_and_plot,
    keep_scores,
    look_and_train,
    mend,
    say_next,
    use_model,
)
from ilsvrc_tfds.cli.recipe_options import recipe_of
from ilsvrc_tfds.cli.results import tell
from ilsvrc_tfds.cli.streams import say
from ilsvrc_tfds.errors import OptionError, counted, first_few
from ilsvrc_tfds.storage.files import file_to_replace, write_whole

if TYPE_CHECKING:
    from ilsvrc_tfds.training import SetScores


def verify(options: argparse.Namespace) -> int:
    """Prints the report on a prepared or exported folder. Returns 1 if it has problems."""
    report = ilsvrc_tfds.verify(options.folder, decode=options.decode, workers=options.workers)
    steps = mend(options.folder) if report.problems else look_and_train(options.folder)
    values = {"folder": str(options.folder), **folder_values(report)}
    return tell(options, folder_lines(report), values, steps, ok=not report.problems)


def show(options: argparse.Namespace) -> int:
    text = ilsvrc_tfds.show(options.folder, split=options.split, num=options.num, out=options.out)
    lines = [text] if options.out is None else [text, "", f"{options.out}: the contact sheet of these records"]
    steps = [*look_and_train(options.folder)]
    steps = [check(options.folder), *(steps[:1] if options.out is None else steps[1:])]
    values = record_values(options.folder, options.split, options.num) if options.as_json else {}
    return tell(options, lines, {**values, "contact_sheet": options.out and str(options.out)}, steps)


def train(options: argparse.Namespace) -> int:
    from ilsvrc_tfds import training  # loads TensorFlow and Keras

    recipe = recipe_of(options)
    out = options.out or Path(f"ilsvrc2012-{recipe.model}")
    model = training.train(
        options.data,
        out,
        recipe,
        **_source(options),
        devices=options.devices,
        backup_every=options.backup_every,
        service=options.service,
        overwrite=options.overwrite,
    )
    *_, last = training.read_log(out)
    top1, top5 = last["val_top1"], last["val_top5"]
    say(f"{model}: validation top-1 {top1:.2%}, top-5 {top5:.2%} at the end of epoch {recipe.epochs}")
    say_next(evaluate_and_plot(options.data, model, **_source(options)))
    return 0


def evaluate(options: argparse.Namespace) -> int:
    from ilsvrc_tfds import training
    from ilsvrc_tfds.training.evaluation_sets import row_of_data

    json_path = None if options.json is None else file_to_replace(options.json)  # before the evaluation
    if options.on or options.data is None:
        return _evaluate_on_sets(options, json_path)
    scores = training.evaluate(
        options.data,
        options.model,
        weights=options.weights,
        batch_size=options.batch_size,
        split=options.split,
        **_source(options),
        devices=options.devices,
    )
    _write_scores(json_path, options.model, [row_of_data(options.split, options.data, scores)])
    accuracy = f"top-1 {scores.top1:.2%}, top-5 {scores.top5:.2%}"
    say(f"{accuracy}, loss {scores.loss:.4f}, on {counted(scores.examples, 'image')}, each once")
    say_next([use_model(options.model, options.weights)])
    return 0


def _evaluate_on_sets(options: argparse.Namespace, json_path: Path | None) -> int:
    from ilsvrc_tfds import training
    from ilsvrc_tfds.training.set_scores import UnfinishedScores, table

    names = [name for name, _ in options.on]
    if not names:
        raise OptionError("Name the data set to evaluate (DATA), or evaluation sets (--on v2=DIR), or both.")
    twice = sorted({name for name in names if names.count(name) > 1 or options.data and name == options.split})
    if twice:
        raise OptionError(f"Two rows would have the name {first_few(map(repr, twice))}. Rename one of them (--on).")
    try:
        rows = training.evaluate_on(
            dict(options.on),
            options.model,
            data=options.data,
            weights=options.weights,
            batch_size=options.batch_size,
            split=options.split,
            **_source(options),
            devices=options.devices,
            allow_incomplete=options.allow_incomplete,
        )
    except UnfinishedScores as error:
        if error.rows:
            _write_scores(json_path, options.model, error.rows)
            say(table(error.rows))
        raise
    _write_scores(json_path, options.model, rows)
    say(table(rows))
    say_next([*([keep_scores(options)] if json_path is None else []), use_model(options.model, options.weights)])
    return 0


def _write_scores(json_path: Path | None, model: str, rows: "Iterable[SetScores]") -> None:
    from ilsvrc_tfds.training.set_scores import with_name

    if json_path is not None:
        write_whole(json_path, json.dumps(with_name(rows, model), indent=2).encode() + b"\n")


def _source(options: argparse.Namespace) -> dict[str, Any]:
    return {"data_dir": options.data_dir, "label_offset": options.label_offset}


def bench(options: argparse.Namespace) -> int:
    from ilsvrc_tfds.pipeline.bench import measure  # loads TensorFlow

    json_path = None if options.json is None else file_to_replace(options.json)  # before the measurement
    report = measure(
        options.data,
        batch_size=options.batch_size,
        ops=options.ops,
        split=options.split,
        **_source(options),
        seconds=options.seconds,
    )
    if json_path is not None:
        write_whole(json_path, json.dumps(report.as_json(), indent=2).encode() + b"\n")
    say(report)
    return 0
