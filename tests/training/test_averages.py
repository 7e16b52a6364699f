"""The moving average of the weights: it is what is evaluated and saved, and a stopped training ends with the same."""

import dataclasses
from pathlib import Path

import drawing
import keras
import numpy as np
import pytest
import stopping
import tensorflow as tf

import ilsvrc_tfds
from ilsvrc_tfds import training

pytestmark = pytest.mark.slow

MOMENTUM = 0.8
RECIPE = training.Recipe(
    model="small", image_size=32, epochs=2, batch_size=8, warmup_epochs=1, shuffle_buffer=16, ema=MOMENTUM
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("averages")
    source = drawing.official_archives(root / "source", drawing.miniature(train=14, val=3))
    return ilsvrc_tfds.prepare(source, root / "data", config="raw256", workers=1, allow_incomplete=True).data_dir


class Watch(keras.callbacks.Callback):
    """Keeps the trainable weights after each step."""

    steps: list[list[np.ndarray]]

    def on_train_begin(self, logs=None):
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append([np.asarray(variable).copy() for variable in self.model.trainable_variables])


@pytest.fixture(scope="module")
def watched(prepared, tmp_path_factory):
    """The folder of a finished training, and its weights after each step."""
    out, watch = tmp_path_factory.mktemp("averaged") / "run", Watch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.callbacks, "LambdaCallback", lambda **_: watch)
        training.train(prepared, out, RECIPE)
    return out, watch.steps


def test_model_has_the_average_of_its_weights(watched):
    out, steps = watched
    average = steps[0]
    for weights in steps[1:]:
        average = [MOMENTUM * old + (1 - MOMENTUM) * new for old, new in zip(average, weights, strict=True)]
    saved = training.load_model(out / "model.keras").trainable_variables
    for wanted, got, last in zip(average, saved, steps[-1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)
        assert np.abs(wanted - last).max() > 1e-5  # the weights of the last step would not do


def test_validation_evaluates_the_average(prepared, watched):
    last = training.read_log(watched[0])[-1]
    scores = training.evaluate(prepared, watched[0] / "model.keras")
    np.testing.assert_allclose([last["val_loss"], last["val_top1"]], [scores.loss, scores.top1], rtol=1e-5)


def test_average_leaves_the_steps_as_they_are(prepared, watched, tmp_path):
    training.train(prepared, tmp_path / "run", dataclasses.replace(RECIPE, ema=None))
    plain, averaged = (training.read_log(out) for out in (tmp_path / "run", watched[0]))
    np.testing.assert_allclose([row["loss"] for row in plain], [row["loss"] for row in averaged], rtol=1e-5)
    assert plain[-1]["val_loss"] != averaged[-1]["val_loss"]


def test_stopped_training_ends_with_the_same_average(prepared, tmp_path):
    recipe = dataclasses.replace(RECIPE, optimizer="adamw")
    training.train(prepared, tmp_path / "undisturbed", recipe)
    stopping.train_and_stop(prepared, tmp_path / "run", recipe, epoch=1)
    training.train(prepared, tmp_path / "run", recipe)
    stopping.assert_equal_weights(tmp_path / "run", tmp_path / "undisturbed")


def test_training_stopped_within_an_epoch_ends_with_the_same_average(prepared, watched, tmp_path):
    stopping.train_and_stop(prepared, tmp_path / "run", RECIPE, epoch=1, backup_every=2)
    assert (tmp_path / "run/backup/00001-000002.weights.h5").exists()
    training.train(prepared, tmp_path / "run", RECIPE)
    stopping.assert_equal_weights(tmp_path / "run", watched[0])
    for mine, other in zip(training.read_log(tmp_path / "run"), training.read_log(watched[0]), strict=True):
        assert mine == pytest.approx(other, rel=1e-6), "metrics of an epoch are those of all its steps"


def test_training_stopped_while_it_was_saved_ends_with_the_same_average(prepared, watched, tmp_path, monkeypatch):
    save = keras.Model.save

    def stop(model, path):
        save(model, path)
        if Path(path).name == "unfinished.keras":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            training.train(prepared, tmp_path / "run", RECIPE)
    assert (tmp_path / "run/backup/00002.weights.h5").exists()
    training.train(prepared, tmp_path / "run", RECIPE)
    stopping.assert_equal_weights(tmp_path / "run", watched[0])


def test_half_precision_averages_too(prepared, tmp_path, monkeypatch):
    # A processor computes what a GPU would, if slowly.
    devices = tf.config.list_physical_devices
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: devices(kind) or ["GPU:0"])
    recipe = dataclasses.replace(RECIPE, sizes=((32, 0), (40, 1)))
    training.train(prepared, tmp_path / "run", recipe)
    last, scores = training.read_log(tmp_path / "run")[-1], training.evaluate(prepared, tmp_path / "run/model.keras")
    np.testing.assert_allclose(last["val_loss"], scores.loss, rtol=1e-3)


WITH_JAX = """
import dataclasses, sys
from pathlib import Path
import keras, stopping, test_averages
from ilsvrc_tfds import training
assert keras.backend.backend() == "jax"
data, out = sys.argv[1], Path(sys.argv[2])
recipe = dataclasses.replace(test_averages.RECIPE, sizes=((32, 0), (40, 1)))
training.train(data, out / "undisturbed", recipe)
stopping.train_and_stop(data, out / "run", recipe, epoch=1)
training.train(data, out / "run", recipe)
stopping.assert_equal_weights(out / "run", out / "undisturbed")
print(training.read_log(out / "run")[-1]["val_loss"], training.evaluate(data, out / "run/model.keras").loss)
"""


def test_jax_averages_and_changes_sizes_too(prepared, tmp_path):
    printed = stopping.output_with_jax(WITH_JAX, __file__, prepared, tmp_path)
    logged, evaluated = map(float, printed.splitlines()[-1].split())
    np.testing.assert_allclose(logged, evaluated, rtol=1e-5)
