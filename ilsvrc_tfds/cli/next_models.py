"""What to run next after `train`, `evaluate` and `bench`."""

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

from ilsvrc_tfds.cli.next_steps import Step, call, command, has_few, recipe_words
from ilsvrc_tfds.errors import IlsvrcError
from ilsvrc_tfds.formats.data_sets import folder_of
from ilsvrc_tfds.formats.folder import find_output


def evaluate_and_plot(data: str, model: Path, *, data_dir: Path | None, label_offset: int | None) -> Iterator[Step]:
    """Yields the steps after `train`: evaluate, and TensorBoard.

    >>> for step in evaluate_and_plot("ilsvrc2012", Path("run/model.keras"), data_dir=None, label_offset=None):
    ...     print(step.line)
    ilsvrc-tfds evaluate ilsvrc2012 --model run/model.keras --report evaluation.html
    tensorboard --logdir run/tensorboard
    """
    options: list[str | Path] = [] if data_dir is None else ["--data-dir", data_dir]
    options += [] if label_offset is None else ["--label-offset", str(label_offset)]
    options += ["--model", model, "--report", "evaluation.html"]
    yield Step("measure the accuracy, and see which images are wrong", command("evaluate", data, *options))
    yield Step(
        "plot the loss of each epoch", shlex.join(["tensorboard", "--logdir", f"{model.parent / 'tensorboard'}"])
    )


def after_bench(options: argparse.Namespace, speed: float | None) -> Iterator[Step]:
    """Yields the step after `bench`: a training whose speed can be compared, or the same command again.

    >>> from ilsvrc_tfds.cli.parser import parse
    >>> for step in after_bench(parse(["bench", "ilsvrc2012"]), 933.3):
    ...     print(step.purpose, step.line, sep=": ")
    train: with far fewer than 933 images/s, the model is the limit and not the data: ...

    Args:
      options: Options of the command.
      speed: Images in a second of the whole pipeline, or None if it could not be measured.
    """
    words: list[str | Path] = [options.data, *([] if options.data_dir is None else ["--data-dir", options.data_dir])]
    words += [] if options.label_offset is None else ["--label-offset", str(options.label_offset)]
    if speed is None:
        words += [] if options.ops is None else ["--ops", options.ops]
        words += [] if options.split == "train" else ["--split", options.split]
        words += [] if options.batch_size == 128 else ["--batch-size", str(options.batch_size)]
        words += ["--seconds", f"{3 * options.seconds:g}"]
        yield Step("again, longer, when the machine is idle", command("bench", *words))
    else:
        purpose = f"train: with far fewer than {speed:,.0f} images/s, the model is the limit and not the data"
        yield Step(purpose, command("train", *words, *recipe_words(few=_has_few(options))))


def _has_few(options: argparse.Namespace) -> bool:
    try:
        return has_few(find_output(folder_of(options.data, options.data_dir)))
    except IlsvrcError:  # it has been measured, and has vanished since
        return False


def use_model(model: str, weights: str | None) -> Step:
    """Returns the step after `evaluate`: the model in Python.

    >>> use_model("resnet50", "imagenet").line
    'ilsvrc_tfds.training.load_model("resnet50", weights="imagenet")'
    """
    line = call("ilsvrc_tfds.training.load_model", model, weights=weights)
    return Step("use the model in Python, after `import ilsvrc_tfds`", line)


def look_at_errors(options: argparse.Namespace) -> Step:
    """Returns the step after `evaluate`: the same command with a page about its errors.

    >>> from ilsvrc_tfds.cli.parser import parse
    >>> look_at_errors(parse(["evaluate", "/data/my a", "--model", "m.keras", "--split", "train"])).line
    "ilsvrc-tfds evaluate '/data/my a' --split train --model m.keras --report evaluation.html"
    """
    return Step("look at what it gets wrong", command(*_evaluation(options), "--report", "evaluation.html"))


def keep_scores(options: argparse.Namespace) -> Step:
    """Returns the step after `evaluate --on`: the same command, which keeps the exact scores in a file.

    >>> from ilsvrc_tfds.cli.parser import parse
    >>> keep_scores(parse(["evaluate", "--model", "m.keras", "--on", "a=/data/my a"])).line
    "ilsvrc-tfds evaluate --model m.keras --on 'a=/data/my a' --json scores.json"
    """
    words = [*_evaluation(options), *(["--allow-incomplete"] if options.allow_incomplete else [])]
    words += ["--on", *(f"{name}={place}" for name, place in options.on), "--json", "scores.json"]
    return Step("keep the exact scores in a file", command(*words))


def _evaluation(options: argparse.Namespace) -> list[str | Path]:
    words: list[str | Path] = ["evaluate", *([] if options.data is None else [options.data])]
    words += [] if options.data_dir is None else ["--data-dir", options.data_dir]
    words += [] if options.label_offset is None else ["--label-offset", str(options.label_offset)]
    words += [] if options.split == "val" else ["--split", options.split]
    words += ["--model", options.model, *([] if options.weights is None else ["--weights", options.weights])]
    for option, value, usual in (("--batch-size", options.batch_size, 256), ("--devices", options.devices, None)):
        words += [] if value == usual else [option, str(value)]
    return words
