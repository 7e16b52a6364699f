"""The commands that read prepared and exported data sets: check, look, train and measure."""

import argparse
import functools
import importlib
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ilsvrc_tfds
from ilsvrc_tfds.checks.record_values import record_values
from ilsvrc_tfds.cli.findings import folder_lines, folder_values
from ilsvrc_tfds.cli.next_models import after_bench, evaluate_and_plot, keep_scores, look_at_errors, use_model
from ilsvrc_tfds.cli.next_steps import check, look_and_train, make_again
from ilsvrc_tfds.cli.recipe_options import recipe_of
from ilsvrc_tfds.cli.results import tell, write_json
from ilsvrc_tfds.errors import OptionError, first_few
from ilsvrc_tfds.storage.files import files_to_replace, write_whole
from ilsvrc_tfds.terminal.tables import mark, wrapped
from ilsvrc_tfds.training.epoch_table import best_epoch, in_percent
from ilsvrc_tfds.training.kept import CURVES, PAGE, kept_by_stopped
from ilsvrc_tfds.training.printing import working

if TYPE_CHECKING:
    from ilsvrc_tfds.training import SetScores


def verify(options: argparse.Namespace) -> int:
    """Prints the report on a prepared or exported folder. Returns 1 if it has problems."""
    report = ilsvrc_tfds.verify(options.folder, decode=options.decode, workers=options.workers)
    steps = make_again(options.folder) if report.problems else look_and_train(options.folder)
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
    recipe = recipe_of(options)
    out = options.out or Path(f"ilsvrc2012-{recipe.model}")
    options.kept = functools.partial(kept_by_stopped, out)  # what Ctrl-C says

    _load("ilsvrc_tfds.training.runs")
    from ilsvrc_tfds import training

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
    log = training.read_log(out)
    top1, top5, best = log[-1]["val_top1"], log[-1]["val_top5"], best_epoch(log)
    is_best = ", the best one" if best == len(log) > 1 else ""
    accuracy = f"validation top-1 {in_percent(top1)}, top-5 {in_percent(top5)}"
    lines = [f"{model}: {accuracy} at the end of epoch {recipe.epochs}{is_best}"]
    if best is not None and best < len(log):
        highest = in_percent(log[best - 1]["val_top1"])
        lines += [f"Best epoch: {best}, with top-1 {highest}. The model is that of the last epoch."]
    page, curves = (out / name if (out / name).is_file() else None for name in (PAGE, CURVES))
    lines += [f"{page}: curves, recipe and epochs, for the browser"] if page else []
    lines += [f"{curves}: the curves as a picture"] if curves else []
    values = {"model": str(model), "page": page and str(page), "curves": curves and str(curves)}
    values |= {"best_epoch": best, "epochs": log}
    steps = evaluate_and_plot(options.data, model, **_source(options))
    return tell(options, map(wrapped, lines), values, steps)


def _load(module: str) -> None:
    """Loads a module that loads TensorFlow, which takes some seconds."""
    with working("loading TensorFlow"):
        importlib.import_module(module)


def evaluate(options: argparse.Namespace) -> int:
    _load("ilsvrc_tfds.training.evaluating")
    from ilsvrc_tfds import training
    from ilsvrc_tfds.pipeline import find_split
    from ilsvrc_tfds.training.evaluating import scores_of
    from ilsvrc_tfds.training.evaluation_sets import row_of_data
    from ilsvrc_tfds.training.set_scores import TITLES, aligned

    json_path, report_path = files_to_replace(options.json, _report_path(options.report))  # before the evaluation
    if options.on or options.data is None:
        return _evaluate_on_sets(options, json_path)
    wanted: dict[str, Any] = {"weights": options.weights, "batch_size": options.batch_size, "split": options.split}
    wanted |= {**_source(options), "devices": options.devices}
    if report_path is None:
        scores, details = training.evaluate(options.data, options.model, **wanted), {}
    else:
        predictions = training.predictions_of(options.data, options.model, **wanted)
        scores, details = scores_of(predictions), predictions.as_json()
    row = row_of_data(options.split, options.data, scores)
    values = _scores(options, [row], {"loss": scores.loss, "ece": scores.ece, **details})
    write_json(options, json_path, values)
    figures = (f"{scores.examples:,}", in_percent(scores.top1), in_percent(scores.top5))
    found = (row.name, *figures, f"{scores.loss:.4f}", f"{scores.ece:.2%}")
    lines: list[object] = [aligned([(*TITLES, "loss", "ECE"), found]), *_named(json_path, "the exact scores as JSON")]
    steps = [use_model(options.model, options.weights)]
    if report_path is None:
        return tell(options, lines, values, [look_at_errors(options), *steps])
    split = find_split(options.data, options.split, **_source(options))
    try:
        write_whole(report_path, training.write_report(split, predictions, Path(options.model).name))
    except BaseException as error:  # also Ctrl-C: the scores are hours of work
        tell(options, lines, {**values, "error": str(error) or type(error).__name__}, ok=False)
        raise
    lines += _named(report_path, "calibration, classes, confusions and the worst images")
    return tell(options, lines, {**values, "page": str(report_path)}, steps)


def _report_path(path: Path | None) -> Path | None:
    """Returns the page to write: in a folder that exists, a file in it."""
    return path / "evaluation.html" if path is not None and path.is_dir() else path


def _evaluate_on_sets(options: argparse.Namespace, json_path: Path | None) -> int:
    from ilsvrc_tfds import training
    from ilsvrc_tfds.training.set_scores import UnfinishedScores, table

    if options.report is not None:
        raise OptionError("--report is for DATA alone. Leave out --on, or evaluate the sets with another command.")
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
            values = _scores(options, error.rows)
            write_json(options, json_path, values)
            lines = [table(error.rows), *_named(json_path, "the exact scores of these sets as JSON")]
            tell(options, lines, {**values, "error": str(error)}, ok=False)
        raise
    values = _scores(options, rows)
    write_json(options, json_path, values)
    keep = [keep_scores(options)] if json_path is None and not options.as_json else []
    lines = [table(rows), *_named(json_path, "the exact scores as JSON")]
    return tell(options, lines, values, [*keep, use_model(options.model, options.weights)])


def _scores(
    options: argparse.Namespace, rows: "Iterable[SetScores]", details: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Returns the table in JSON's types. Details belong to its first row."""
    from ilsvrc_tfds.training.set_scores import with_name

    table = with_name(rows, options.model)
    for key, value in (details or {}).items():  # JSON has neither NaN nor infinity
        table["sets"][0][key] = None if isinstance(value, float) and not math.isfinite(value) else value
    return table


def _named(path: Path | None, what: str) -> list[object]:
    return [] if path is None else [wrapped(f"{path}: {what}")]


def _source(options: argparse.Namespace) -> dict[str, Any]:
    return {"data_dir": options.data_dir, "label_offset": options.label_offset}


def bench(options: argparse.Namespace) -> int:
    _load("ilsvrc_tfds.pipeline.bench")
    from ilsvrc_tfds.pipeline.bench import measure
    from ilsvrc_tfds.pipeline.speeds_chart import draw_speeds

    json_path, chart_path = files_to_replace(options.json, options.chart)  # before the measurement
    if chart_path is not None:
        _require_matplotlib()
    report = measure(
        options.data,
        batch_size=options.batch_size,
        ops=options.ops,
        split=options.split,
        **_source(options),
        seconds=options.seconds,
    )
    write_json(options, json_path, report.as_json())
    if chart_path is not None:
        write_whole(chart_path, draw_speeds(report))
    lines = [
        *(report.table, mark(wrapped(report.verdict), "" if report.sure and report.steady else "yellow")),
        *_named(chart_path, "the chart of these speeds"),
        *_named(json_path, "the same figures as JSON"),
    ]
    steps = after_bench(options, report.stages[-1].images_per_second if report.steady else None)
    return tell(options, lines, report.as_json(), steps)


def _require_matplotlib() -> None:
    try:
        importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise OptionError(f"--chart needs Matplotlib, which cannot be imported: {error}. Install it again.") from error
