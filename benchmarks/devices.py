"""How fast a device trains on the batches of `for_training`, against the same steps with one batch again and again.

    KERAS_BACKEND=jax python benchmarks/devices.py IMAGES [--gigabytes 4] [--repeats 3] [--only raw256] [--work DIR]

IMAGES are those of `prepare.py`, prepared first. The model is ResNet-50 at 224 pixels, in batches of 256, trained by Keras on all devices
that its backend sees, and the batches are made on all cores. A side runs in a process of its own, and makes some steps before the clock
starts. Prints JSON lines: one for each run, then one for each ratio, the median over the rounds.

raw256           the batches of raw256, against one batch: how much of the device's time the data leave to it
classification   the same with original images
precision        one batch in float16 and bfloat16, against float32

Compiled programs can be kept between the runs of JAX (JAX_COMPILATION_CACHE_DIR).
"""

import functools
import itertools
import shutil
import time
from pathlib import Path

from pipeline import prepare_records
from processes import in_fresh_process, report
from rivals import Records
from rounds import compare, report_ratio, run_benchmarks

_MODEL, _BATCH_SIZE = "resnet50", 256
_WARM_UP, _STEPS = 10, 60
# Archives, and the data set made of them.
_ROOM = 2


def fed(config: str, pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Training on the batches of a config, against training on one batch."""
    _compare(config, config, {"fed": (None, False), "one batch": (None, True)}, pictures, work, num_bytes, repeats)


def precisions(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Training on one batch in each precision."""
    sides = {precision: (precision, True) for precision in ("float16", "bfloat16", "float32")}
    _compare("precision", "raw256", sides, pictures, work, num_bytes, repeats)


BENCHMARKS = {
    "raw256": functools.partial(fed, "raw256"),
    "classification": functools.partial(fed, "classification"),
    "precision": precisions,
}


def _compare(
    benchmark: str,
    config: str,
    sides: dict[str, tuple[str | None, bool]],
    pictures: list[Path],
    work: Path,
    num_bytes: float,
    repeats: int,
) -> None:
    records = prepare_records(pictures, work, num_bytes, config)
    report(benchmark=benchmark, model=_MODEL, batch_size=_BATCH_SIZE, **in_fresh_process(computing))
    functions = {name: functools.partial(train, records, *how) for name, how in sides.items()}
    seconds = compare(benchmark, functions, records.folder, repeats, {"images": _STEPS * _BATCH_SIZE})
    for other in list(sides)[1:]:
        report_ratio(benchmark, seconds, other, goal=0.95)
    shutil.rmtree(work / config)


def computing() -> dict[str, object]:
    """Returns what computes: the backend, its version, the devices, and their default precision."""
    import importlib

    import keras

    from ilsvrc_tfds.training.devices import use_devices
    from ilsvrc_tfds.training.precision import default_precision

    backend = keras.backend.backend()
    with use_devices() as devices:
        about = {"backend": backend, "devices": devices.count, "precision": default_precision()}
    return {**about, "versions": {name: importlib.import_module(name).__version__ for name in ("keras", backend)}}


def train(records: Records, precision: str | None, only_one: bool, out: Path) -> float:
    """Returns the seconds of some steps.

    Args:
      records: Train split.
      precision: What the layers compute in. If None, what suits the device.
      only_one: Whether all steps take the same batch.
      out: Unused.
    """
    import keras
    import tensorflow as tf

    from ilsvrc_tfds import pipeline
    from ilsvrc_tfds.training import Recipe
    from ilsvrc_tfds.training.devices import use_devices
    from ilsvrc_tfds.training.fitting import new_model, training_ops

    class Clock(keras.callbacks.Callback):
        """Notes the time after the first steps and after the last one; to read the loss waits for the device."""

        def on_train_batch_end(self, batch, logs=None):
            if batch + 1 == _WARM_UP:
                float(logs["loss"])
                self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            float(logs["loss"])
            self.seconds = time.perf_counter() - self.start

    recipe = Recipe(model=_MODEL, batch_size=_BATCH_SIZE, precision=precision)
    with use_devices() as devices:
        images = pipeline.for_training(
            records.folder, batch_size=_BATCH_SIZE, ops=training_ops(recipe, 224), shuffle_buffer=records.buffer
        )
        if only_one:
            (batch,) = itertools.islice(images, 1)
            images = tf.data.Dataset.from_tensors(batch).repeat()
        model, clock = new_model(recipe, _STEPS, several=devices.several), Clock()
        model.fit(images, steps_per_epoch=_WARM_UP + _STEPS, callbacks=[clock], verbose=0)
    return clock.seconds


if __name__ == "__main__":
    run_benchmarks(__doc__, BENCHMARKS, room=_ROOM)
