"""The commands that read prepared and exported data sets: check, look, train and measure."""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import ilsvrc_tfds
from ilsvrc_tfds.cli.next_steps import (
    Step,
    call,
    check,
    evaluate_and_plot,
    look_and_train,
    say_next,
)
from ilsvrc_tfds.cli.recipe_options import recipe_of
from ilsvrc_tfds.cli.streams import say, say_report
from ilsvrc_tfds.errors import counted
from ilsvrc_tfds.storage.files import file_to_replace, write_whole

_log = logging.getLogger(__name__)


def verify(options: argparse.Namespace) -> int:
    """Prints the report on a prepared or exported folder. Returns 1 if it has problems."""
    report = ilsvrc_tfds.verify(options.folder, decode=options.decode, workers=options.workers)
    skipped = counted(report.left_out, "damaged image was", "damaged images were")
    verdict = f"No problems found. {skipped} left out when it was made." if report.left_out else "No problems found."
    status = say_report(report.facts, report.problems, verdict)
    if not status:
        say_next(look_and_train(options.folder))
    return status


def show(options: argparse.Namespace) -> int:
    say(ilsvrc_tfds.show(options.folder, split=options.split, num=options.num, out=options.out))
    if options.out is not None:
        _log.info("Drew the contact sheet %s", options.out)
    steps = [*look_and_train(options.folder)]
    say_next([check(options.folder), *(steps[:1] if options.out is None else steps[1:])])
    return 0


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

    scores = training.evaluate(
        options.data,
        options.model,
        weights=options.weights,
        batch_size=options.batch_size,
        split=options.split,
        **_source(options),
        devices=options.devices,
    )
    accuracy = f"top-1 {scores.top1:.2%}, top-5 {scores.top5:.2%}"
    say(f"{accuracy}, loss {scores.loss:.4f}, on {counted(scores.examples, 'image')}, each once")
    load = call("ilsvrc_tfds.training.load_model", options.model, weights=options.weights)
    say_next([Step("use the model in Python, after `import ilsvrc_tfds`", load)])
    return 0


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
