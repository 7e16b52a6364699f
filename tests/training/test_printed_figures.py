"""The figures that a training prints and draws are those of Keras."""

import logging
import sys

import drawing
import keras
import pytest
from PIL import Image

import ilsvrc_tfds
from ilsvrc_tfds import training
from ilsvrc_tfds.training import fitting

pytestmark = pytest.mark.slow

RECIPE = training.Recipe(
    model="small", image_size=32, epochs=3, batch_size=4, warmup_epochs=1, learning_rate=0.05, shuffle_buffer=8
)


@pytest.mark.parametrize("warmup_epochs, optimizer", [(0, "sgd"), (1, "sgd"), (2, "adamw")])
def test_learning_rate_is_that_of_keras(warmup_epochs, optimizer):
    recipe = training.Recipe(model="small", epochs=5, warmup_epochs=warmup_epochs, optimizer=optimizer)
    schedule = fitting.new_model(recipe, 40).optimizer._learning_rate
    for step in range(0, 201, 8):
        assert recipe.learning_rate_at(step / 40) == pytest.approx(float(schedule(step)), rel=1e-5, abs=1e-9)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a training, its History of Keras, and what it printed."""
    root, histories = tmp_path_factory.mktemp("figures"), []
    source = drawing.official_archives(root / "source", drawing.miniature())
    options = {"config": "raw256", "workers": 1, "allow_incomplete": True}
    data = ilsvrc_tfds.prepare(source, root / "data", **options).data_dir
    fit, lines = keras.Model.fit, []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("ilsvrc_tfds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "fit", lambda *a, **k: histories.append(fit(*a, **k)))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            training.train(data, root / "run", RECIPE)
        finally:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
    (history,) = histories
    return root / "run", history.history, lines


def test_rows_have_the_numbers_of_kerass_history(trained):
    _, history, lines = trained
    rows = [line.split() for line in lines if line.lstrip()[1:2] == "/"]
    assert [row[0] for row in rows] == ["1/3", "2/3", "3/3"]
    for epoch, row in enumerate(rows):
        names = ("loss", "top1", "top5", "val_loss", "val_top1", "val_top5")
        for name, text in zip(names, row[1:7], strict=True):
            value = history[name][epoch]
            assert text == (f"{value:.3f}" if name.endswith("loss") else f"{100 * value:.2f}%")
    best = max(history["val_top1"])
    assert rows[history["val_top1"].index(best)][-1] == "best"


def test_curves_are_drawn_beside_the_model(trained):
    with Image.open(trained[0] / "curves.png") as image:
        assert image.size == (1485, 440) and image.format == "PNG"
        assert len(image.convert("RGB").getcolors(1 << 20)) > 100


def test_picture_that_cannot_be_written_leaves_the_model(trained, tmp_path, caplog, monkeypatch):
    (tmp_path / "curves.png").mkdir()
    training.curves.draw_curves(training.read_log(trained[0]), RECIPE, tmp_path / "curves.png")
    assert "The training is finished all the same." in caplog.text
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    training.curves.draw_curves(training.read_log(trained[0]), RECIPE, tmp_path / "other.png")
    assert "other.png cannot be drawn: import of matplotlib.figure halted" in caplog.text
