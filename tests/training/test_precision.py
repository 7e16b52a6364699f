"""What layers compute in: chosen by the device, kept by a training that goes on elsewhere, the same after a stop."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import stopping
import tensorflow as tf

from ilsvrc_tfds import training
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.training import devices, precision

RECIPE = training.Recipe(model="small", image_size=32, epochs=3, batch_size=8, warmup_epochs=1, shuffle_buffer=16)


@pytest.fixture
def gpu(monkeypatch):
    """Lets TensorFlow seem to have a GPU: the processor computes what it would, if slowly."""
    own = tf.config.list_physical_devices
    seen = {"GPU": ["GPU:0"]}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: seen.get(kind) or own(kind))


def computed_in(out: Path) -> set[str]:
    """Returns the types that the convolutions of a trained model compute in."""
    model = training.load_model(out)
    assert model.output.dtype == "float32"
    assert {str(weights.dtype) for weights in model.get_weights()} == {"float32"}
    return {layer.compute_dtype for layer in model.layers if layer.name.startswith("conv")}


@pytest.mark.parametrize("kind, expected", [("gpu", "float16"), ("tpu", "bfloat16"), ("cpu", "float32")])
def test_precision_of_jax_suits_the_device(kind, expected, monkeypatch):
    jax = pytest.importorskip("jax")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(jax, "default_backend", lambda: kind)
    assert precision.default_precision() == expected


def test_precision_of_tensorflow_suits_the_device(gpu):
    assert precision.default_precision() == "float16"


def test_policy_that_the_caller_has_set_counts():
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        assert precision.default_precision() == "bfloat16"
        assert training.build_model("small", num_classes=10).output.dtype == "float32"
    finally:
        keras.config.set_dtype_policy(before)


def test_unknown_precision_is_refused():
    with pytest.raises(OptionError, match="precision must be one of float32, float16, bfloat16, got 'half'"):
        training.Recipe(precision="half")


@pytest.mark.slow
def test_half_precision_is_for_a_gpu_and_goes_on_where_it_was_stopped(prepared, tmp_path, gpu, caplog):
    caplog.set_level("INFO", "ilsvrc_tfds")
    stopping.train_and_stop(prepared, tmp_path / "run", RECIPE, epoch=1)
    training.train(prepared, tmp_path / "run", RECIPE)
    assert "32 pixels, float16; 3 epochs" in caplog.text
    assert computed_in(tmp_path / "run") == {"float16"}
    assert keras.config.dtype_policy().name == "float32"
    assert [row["epoch"] for row in training.read_log(tmp_path / "run")] == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("begun", ["float32", "float16"])
def test_training_keeps_its_precision_on_another_device(begun, prepared, tmp_path, request):
    if begun == "float16":  # on a GPU, and goes on without
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ilsvrc_tfds.training.precision.kind_of_device", lambda: "gpu")
            stopping.train_and_stop(prepared, tmp_path / "run", RECIPE, epoch=1)
    else:
        stopping.train_and_stop(prepared, tmp_path / "run", RECIPE, epoch=1)
        request.getfixturevalue("gpu")
    training.train(prepared, tmp_path / "run", RECIPE)
    assert computed_in(tmp_path / "run") == {begun}


@pytest.mark.slow
def test_another_precision_is_another_training(prepared, tmp_path):
    stopping.train_and_stop(prepared, tmp_path / "run", RECIPE, epoch=1)
    half = training.Recipe(**{**vars(RECIPE), "precision": "float16"})
    with pytest.raises(OptionError, match="has a training with precision=float32, not float16.*--overwrite it"):
        training.train(prepared, tmp_path / "run", half)
    training.train(prepared, tmp_path / "run", half, overwrite=True)
    assert computed_in(tmp_path / "run") == {"float16"}


@pytest.mark.slow
def test_new_training_in_the_place_of_another_suits_the_device(prepared, tmp_path, gpu):
    other = training.Recipe(**{**vars(RECIPE), "epochs": 2, "precision": "float32"})
    training.train(prepared, tmp_path / "run", other)
    training.train(prepared, tmp_path / "run", RECIPE, overwrite=True)
    assert computed_in(tmp_path / "run") == {"float16"}


@pytest.mark.slow
def test_training_of_an_older_version_goes_on(prepared, tmp_path):
    stopping.train_and_stop(prepared, tmp_path / "run", RECIPE, epoch=1)
    record = tmp_path / "run/training.json"
    older = {name: value for name, value in json.loads(record.read_bytes()).items() if name != "precision"}
    record.write_text(json.dumps(older))
    training.train(prepared, tmp_path / "run", RECIPE)
    assert [row["epoch"] for row in training.read_log(tmp_path / "run")] == [0, 1, 2]
    assert computed_in(tmp_path / "run") == {"float32"}


WITH_JAX = """
import dataclasses, sys
from pathlib import Path
import keras, stopping, test_precision
from ilsvrc_tfds import training
assert keras.backend.backend() == "jax"
data, out = sys.argv[1], Path(sys.argv[2])
for precision in ("float16", "bfloat16"):
    folder = out / precision
    recipe = dataclasses.replace(test_precision.RECIPE, precision=precision, ema=0.9)
    training.train(data, folder / "undisturbed", recipe)
    stopping.train_and_stop(data, folder / "run", recipe, epoch=1)
    training.train(data, folder / "run", recipe)
    stopping.assert_equal_weights(folder / "run", folder / "undisturbed")
    assert test_precision.computed_in(folder / "run") == {precision}
    print(training.read_log(folder / "run")[-1]["val_loss"], training.evaluate(data, folder / "run").loss)
"""


@pytest.mark.slow
def test_stop_changes_no_bit_with_jax(prepared, tmp_path):
    printed = stopping.output_with_jax(WITH_JAX, __file__, prepared, tmp_path)
    for line in printed.splitlines():
        logged, evaluated = map(float, line.split())
        np.testing.assert_allclose(logged, evaluated, rtol=1e-3)


def test_tensorflow_leaves_the_gpu_to_the_other_backend(monkeypatch):
    hidden = []
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda seen, kind: hidden.append((seen, kind)))
    devices._leave_gpus_to_backend()
    assert not hidden
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with devices.use_devices():
        assert hidden == [([], "GPU")]


def test_memory_that_tensorflow_has_taken_is_named(monkeypatch, caplog):
    def taken(*arguments):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(tf.config, "set_visible_devices", taken)
    devices._leave_gpus_to_backend()
    assert "TensorFlow has taken the memory of the GPU, which jax needs." in caplog.text
