"""Trainings and evaluations on several devices that a processor pretends to be. Prints a JSON object of outcomes.

KERAS_BACKEND=… python tests/support/many_devices.py DEVICES PREPARED OUT
"""

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import drawing
import dropout
import keras

from ilsvrc_tfds import synsets, training
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.pipeline.sets.published import PUBLISHED
from ilsvrc_tfds.training import models
from ilsvrc_tfds.training.devices import use_devices

RECIPE = training.Recipe(
    model="small", image_size=32, epochs=4, batch_size=12, optimizer="adamw", warmup_epochs=1, shuffle_buffer=16
)


def environment(backend: str, devices: int) -> dict[str, str]:
    """Returns the environment of a process in which the backend has so many devices."""
    # JAX computes a step of all devices only if it has a thread for each; by itself it takes one for each core.
    threads = {"NPROC": "8", "PJRT_NPROC": "8"}
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    paths = [str(Path(__file__).parent), str(Path(training.__file__).parents[2])]
    return {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join(paths),
        **(threads | flags if backend == "jax" else {}),
    }


class Watch(keras.callbacks.LambdaCallback):
    """Notes the loss of each step, and interrupts the training at some moment, (epoch, step)."""

    losses: list[float] = []
    stop_at: tuple[int, int] | None = None

    def __init__(self, **hooks):
        super().__init__()  # its own methods, in place of those of the printer

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))
        if self.stop_at == (self.epoch, batch):
            raise KeyboardInterrupt


def watched(data: str, out: Path, recipe: training.Recipe, *runs: tuple[int, tuple[int, int] | None]) -> dict[str, Any]:
    """Trains in some runs of (number of devices, moment of the interrupt), and returns losses, log and weights."""
    Watch.losses = []
    keras.callbacks.LambdaCallback = Watch
    for devices, Watch.stop_at in runs:
        try:
            training.train(data, out, recipe, devices=devices, backup_every=2)
        except KeyboardInterrupt:
            continue
    weights = training.load_model(out).get_weights()
    return {"losses": Watch.losses, "log": training.read_log(out), "weights": [array.tolist() for array in weights]}


def scores_on_a(folder: Path, data: str, model: Path, devices: int) -> list[Any]:
    """Returns the scores on a drawn ImageNet-A of eleven images, after those on the data."""
    for number, label in enumerate(PUBLISHED["a"].classes[:11]):
        drawing.evaluation_folders(folder, {synsets.wnids()[label]: {f"{number}.jpg": drawing.jpeg(seed=number)}})
    options = {"data": data, "devices": devices, "batch_size": 4, "allow_incomplete": True}
    return [dataclasses.asdict(row)["parts"] for row in training.evaluate_on({"a": folder}, model, **options)]


def refusal(function: Callable, *arguments: Any, **options: Any) -> str:
    try:
        function(*arguments, **options)
    except OptionError as error:
        return str(error)
    return ""


def main(devices: int, data: str, out: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for count in (1, devices):
        found[f"trained on {count}"] = watched(data, out / f"on-{count}", RECIPE, (count, None))
    found["continued on others"] = watched(data, out / "others", RECIPE, (1, (1, 3)), (devices, None))
    found["evaluated on 1"] = training.evaluate(data, out / "on-1", devices=1, batch_size=8)
    found["evaluated on 3"] = training.evaluate(data, out / "on-1", devices=3, batch_size=8)
    found["evaluated on all"] = training.evaluate(data, training.load_model(out / "on-1"))
    for count in (1, 3):
        found[f"scores on {count}"] = scores_on_a(out / "imagenet-a", data, out / "on-1", count)
    models._small = dropout.network
    short = dataclasses.replace(RECIPE, epochs=2, optimizer="sgd")
    found["with dropout"] = watched(data, out / "dropout", short, (devices, None))
    runs = ((devices, (1, 3)), (devices, None))
    found["with dropout, interrupted"] = watched(data, out / "interrupted", short, *runs)
    found["scores with dropout"] = training.evaluate(data, out / "dropout", devices=1)
    uneven = dataclasses.replace(RECIPE, batch_size=devices * 2 + 1)
    found["uneven"] = refusal(training.train, data, out / "uneven", uneven), (out / "uneven").exists()
    found["too many"] = refusal(training.train, data, out / "uneven", RECIPE, devices=devices + 1)
    with use_devices():
        found["in a scope"] = refusal(training.train, data, out / "uneven", RECIPE, devices=1)
    found["left as it was"] = keras.distribution.distribution() is None
    return found


if __name__ == "__main__":
    count = int(sys.argv[1])
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        (processor,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * count)
    Path(sys.argv[3]).mkdir(exist_ok=True)
    print(json.dumps(main(count, sys.argv[2], Path(sys.argv[3]))))
