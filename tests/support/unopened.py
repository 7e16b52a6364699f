"""Reads data sets of which a shard cannot be opened, and prints what came of it: a program, so that it can be stopped from outside.

    python tests/support/unopened.py PREPARED WORK

A JSON line for each case: its name, the class of the error, its text.
"""

import json
import shutil
import sys
from pathlib import Path

from unprivileged import give_up_root

from ilsvrc_tfds import pipeline, training
from ilsvrc_tfds.pipeline import bench as stages
from ilsvrc_tfds.training import streams

RECIPE = training.Recipe(model="small", image_size=32, epochs=1, batch_size=4, warmup_epochs=0)


def shards(folder: Path, split: str) -> list[Path]:
    return sorted(folder.glob(f"ilsvrc2012-{split}.*"))


def forbid(path: Path) -> None:
    path.chmod(0)


READERS = {
    "training": ("train", lambda folder, **o: pipeline.for_training(folder, batch_size=4, ops=(), epochs=1, **o)),
    "evaluation": ("val", lambda folder, **o: pipeline.for_evaluation(folder, batch_size=4, ops=(), **o)),
}


def read(folder: Path, reader: str, harm, **options) -> None:
    split, stream = READERS[reader]
    data = stream(folder, **options)
    harm(shards(folder, split)[1])
    with pipeline.source_errors(folder):
        list(data)


def forbidden_from_the_start(folder: Path) -> None:
    forbid(shards(folder, "train")[1])
    pipeline.for_training(folder, batch_size=4)


def train(folder: Path) -> None:
    after(streams, "for_training", shards(folder, "train")[1].unlink)
    training.train(folder, folder / "run", RECIPE)


def evaluate(folder: Path) -> None:
    after(streams, "for_evaluation", shards(folder, "val")[1].unlink)
    training.evaluate(folder, training.build_model("small", image_size=32))


def bench(folder: Path) -> None:
    after(stages, "stages_of", shards(folder, "train")[1].unlink)
    stages.measure(folder, batch_size=4, seconds=0.1)


def after(module, name: str, harm) -> None:
    """Makes a function of a module do harm when it is done."""
    function = getattr(module, name)

    def harmful(*arguments, **options):
        result = function(*arguments, **options)
        harm()
        return result

    setattr(module, name, harmful)


def cases():
    for reader in READERS:
        for part, options in {"all": {}, "subset": {"fraction": 1.0}}.items():
            for on_error in ("raise", "skip"):
                for harm in (Path.unlink, forbid):
                    arguments = {**options, "reader": reader, "harm": harm, "on_error": on_error}
                    yield f"{reader}-{part}-{on_error}-{harm.__name__}", read, arguments
    for function in (forbidden_from_the_start, train, evaluate, bench):
        yield function.__name__, function, {}


def main(prepared: Path, work: Path) -> None:
    give_up_root()
    for name, function, arguments in cases():
        folder = shutil.copytree(prepared, work / name)
        try:
            function(folder, **arguments)
            print(json.dumps([name, "", ""]), flush=True)
        except Exception as error:
            print(json.dumps([name, type(error).__name__, str(error)]), flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
