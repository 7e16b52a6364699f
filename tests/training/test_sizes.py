"""Train images whose size changes: each epoch has its own size, whatever stops in between, and models that cannot are refused."""

import dataclasses
import json

import drawing
import keras
import numpy as np
import pytest
import stopping

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, training
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.training import fitting, sizes

pytestmark = pytest.mark.slow

SIZES = ((32, 0), (48, 1), (40, 2))
RECIPE = training.Recipe(
    model="small", image_size=56, epochs=4, batch_size=8, warmup_epochs=1, shuffle_buffer=16, sizes=SIZES
)
STEPS = 5  # of 42 images, so that epochs and batches drift apart


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("sizes")
    source = drawing.official_archives(root / "source", drawing.miniature(train=14, val=3))
    return ilsvrc_tfds.prepare(source, root / "data", config="raw256", workers=1, allow_incomplete=True).data_dir


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    training.train(prepared, out, RECIPE)
    return out


def stream(data):
    """Returns the function that makes the batches of one size."""

    def images_of(side, start_step):
        ops = fitting.training_ops(RECIPE, side)
        return pipeline.for_training(data, batch_size=8, ops=ops, shuffle_buffer=16, start_step=start_step)

    return images_of


def test_each_batch_is_that_of_its_step_in_the_size_of_its_epoch(prepared):
    of_side = {side: list(stream(prepared)(side, 0).take(4 * STEPS).as_numpy_iterator()) for side, _ in SIZES}
    for start in (0, STEPS - 1, STEPS, 3 * STEPS):
        steps = range(start, min(start + STEPS + 2, 4 * STEPS))
        batches = list(sizes.in_stages(RECIPE, STEPS, start, stream(prepared)).take(len(steps)).as_numpy_iterator())
        assert len(batches) == len(steps)
        for step, batch in zip(steps, batches):
            for part, wanted in zip(batch, of_side[{0: 32, 1: 48}.get(step // STEPS, 40)][step], strict=True):
                np.testing.assert_array_equal(part, wanted)


@pytest.mark.parametrize("epoch", [0, 2])
def test_stopped_training_ends_with_the_same_weights(epoch, prepared, trained, tmp_path):
    stopping.train_and_stop(prepared, tmp_path / "run", RECIPE, epoch)
    training.train(prepared, tmp_path / "run", RECIPE)
    stopping.assert_equal_weights(tmp_path / "run", trained)


def test_model_has_the_size_of_the_evaluation(prepared, trained):
    model = training.load_model(trained / "model.keras")
    assert model.input_shape == (None, 56, 56, 3)
    last, scores = training.read_log(trained)[-1], training.evaluate(prepared, model)
    np.testing.assert_allclose(last["val_loss"], scores.loss, rtol=1e-5)


def test_one_size_that_is_the_models_changes_nothing(prepared, tmp_path):
    plain = dataclasses.replace(RECIPE, sizes=None, epochs=2)
    for name, recipe in (("plain", plain), ("sized", dataclasses.replace(plain, sizes=((56, 0),)))):
        training.train(prepared, tmp_path / name, recipe)
    losses = [[row["loss"] for row in training.read_log(tmp_path / name)] for name in ("plain", "sized")]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_finished_training_of_an_older_version_is_taken_as_it_is(prepared, trained):
    asked = json.loads((trained / "training.json").read_text())
    (trained / "training.json").write_text(
        json.dumps({key: asked[key] for key in asked if key not in ("ema", "scaled")})
    )
    assert training.train(prepared, trained, RECIPE) == trained / "model.keras"
    with pytest.raises(OptionError, match="has a training with sizes=32:0,48:1,40:2, not none"):
        training.train(prepared, trained, dataclasses.replace(RECIPE, sizes=None))


@pytest.mark.parametrize("name", ["mobilenetv2", "convnexttiny"])
def test_application_for_any_size_computes_the_same(name):
    model = training.build_model(name, image_size=64, num_classes=10)
    flexible = sizes.any_size(model, [32, 48])
    images = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), np.uint8)
    smaller = training.build_model(name, image_size=48, num_classes=10)
    smaller.set_weights(model.get_weights())
    for other, shown in ((model, images), (sizes.one_size(flexible, 64), images), (smaller, images[:, :48, :48])):
        np.testing.assert_allclose(flexible(shown), other(shown), rtol=1e-5, atol=1e-6)
    assert {id(weight) for weight in flexible.weights} == {id(weight) for weight in model.weights}


def flattening(images: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
    return keras.layers.Dense(num_classes)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images)))


def test_model_of_one_size_is_refused(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(training.models, "_small", flattening)
    with pytest.raises(
        OptionError,
        match=r"small cannot be trained with images of 32 and 48 and 40 pixels .*: Input 0 .* 'dense.* expected axis -1",
    ):
        training.train(prepared, tmp_path / "run", RECIPE)
    assert not (tmp_path / "run").exists()


def test_size_that_a_model_cannot_take_is_refused():
    recipe = training.Recipe(model="inceptionv3", image_size=96, sizes=((32, 0), (96, 3)))
    with pytest.raises(OptionError, match=r"inceptionv3 cannot be trained with images of 32 and 96 pixels .sizes.: \w"):
        fitting.new_model(recipe, 5, 10)
