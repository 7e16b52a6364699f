"""Calibration, confusions and scores from predictions, against plain formulas, Keras and scikit-learn; and the page."""

import argparse
import dataclasses
import json
import math
import re

import browsing
import drawing
import keras
import numpy as np
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, training
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.cli.commands import reading
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.pipeline.schedule import Host
from ilsvrc_tfds.training import calibration, evaluation_report, predictions
from ilsvrc_tfds.training.devices import Devices
from ilsvrc_tfds.training.evaluating import scores_of
from ilsvrc_tfds.training.evaluation_sets import row_of_data

pytestmark = pytest.mark.slow

CLASSES = 7


@pytest.fixture(scope="module")
def drawn():
    """Labels and logits of 500 images, of a model that is often right and too sure."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, 500)
    logits = random.normal(0, 3, (500, CLASSES)).astype(np.float32)
    logits[np.arange(500), labels] += 3
    return labels, logits


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The folder of a prepared data set of 6 images of val, with a model."""
    root = tmp_path_factory.mktemp("predictions")
    source = drawing.official_archives(root / "source", drawing.miniature())
    options = {"config": "raw256", "workers": 1, "allow_incomplete": True}
    data = ilsvrc_tfds.prepare(source, root / "data", **options).data_dir
    training.build_model("small", image_size=32).save(root / "model.keras")
    return data, root / "model.keras"


def probabilities(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(1, keepdims=True)


def made_of(labels: np.ndarray, logits: np.ndarray) -> predictions.Predictions:
    shares, own = probabilities(logits), logits[np.arange(len(labels)), labels]
    loss = -np.log(shares[np.arange(len(labels)), labels])
    rank = (logits > own[:, None]).sum(1)
    return predictions.Predictions(labels, logits.argmax(1), shares.max(1), loss, rank)


def test_calibration_error_is_the_formula(drawn):
    labels, logits = drawn
    confidence, correct = probabilities(logits).max(1), logits.argmax(1) == labels
    error = 0.0
    for m in range(1, 16):
        inside = [k for k in range(500) if (m - 1) / 15 < confidence[k] <= m / 15]
        if inside:
            error += len(inside) / 500 * abs(np.mean(correct[inside]) - np.mean(confidence[inside]))
    bins = calibration.bins_of(confidence, correct)
    assert calibration.calibration_error(bins) == pytest.approx(error, abs=1e-12) and error > 0.02
    assert sum(one.images for one in bins) == 500 and made_of(labels, logits).ece == pytest.approx(error)


def test_bins_are_those_of_scikit_learn(drawn):
    sklearn = pytest.importorskip("sklearn.calibration")
    labels, logits = drawn
    confidence, correct = probabilities(logits).max(1), logits.argmax(1) == labels
    accuracy, sure = sklearn.calibration_curve(correct, confidence, n_bins=15)
    filled = [one for one in calibration.bins_of(confidence, correct) if one.images]
    np.testing.assert_allclose([one.accuracy for one in filled], accuracy)
    np.testing.assert_allclose([one.confidence for one in filled], sure)


@pytest.mark.parametrize("batch_size", [500, 64, 1])
def test_metric_of_keras_is_the_formula_and_leaves_padding_out(drawn, batch_size):
    labels, logits = drawn
    metric = calibration.CalibrationError()
    for start in range(0, 64 if batch_size == 1 else 500, batch_size):
        part = slice(start, start + batch_size)
        padding = np.zeros((3, CLASSES), np.float32)
        metric.update_state(
            np.concatenate([labels[part], [0, 0, 0]]),
            np.concatenate([logits[part], padding]),
            np.concatenate([np.ones(len(labels[part])), np.zeros(3)]),
        )
    expected = made_of(labels[: 64 if batch_size == 1 else 500], logits[: 64 if batch_size == 1 else 500]).ece
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_certain_and_wrong_is_an_error_of_one_and_certain_and_right_none():
    ones, right = np.ones(4), np.ones(4, bool)
    assert calibration.calibration_error(calibration.bins_of(ones, ~right)) == 1
    assert calibration.calibration_error(calibration.bins_of(ones, right)) == 0
    assert calibration.calibration_error(calibration.bins_of(np.zeros(0), np.zeros(0, bool))) == 0


def test_confusions_and_classes_are_those_of_the_confusion_matrix(drawn):
    labels, logits = drawn
    made = made_of(labels, logits)
    matrix = np.zeros((CLASSES, CLASSES), int)
    for label, predicted in zip(labels, logits.argmax(1)):
        matrix[label, predicted] += 1
    pairs = made.confusions(num=100)
    assert {(pair.label, pair.predicted): pair.images for pair in pairs} == {
        (a, b): matrix[a, b] for a in range(CLASSES) for b in range(CLASSES) if a != b and matrix[a, b]
    }
    assert [pair.images for pair in pairs] == sorted((pair.images for pair in pairs), reverse=True)
    assert made.confusions(num=2) == pairs[:2] and pairs[0].share == pairs[0].images / matrix[pairs[0].label].sum()
    for score in made.classes():
        row = matrix[score.label]
        assert score.images == row.sum() and score.top1 == pytest.approx(row[score.label] / row.sum())
        wrong = np.delete(row, score.label).max()
        assert row[score.taken_for] == wrong
    assert [score.top1 for score in made.classes()] == sorted(score.top1 for score in made.classes())


def test_worst_images_have_the_highest_losses(drawn):
    made = made_of(*drawn)
    assert made.loss[made.worst(5)].tolist() == sorted(made.loss.tolist())[:-6:-1]


@pytest.mark.parametrize("batch_size", [1, 4, 6, 256])
def test_predictions_are_those_of_a_plain_loop_in_the_order_on_disk(prepared, batch_size):
    data, path = prepared
    model = training.load_model(path)
    images, labels = next(iter(pipeline.for_evaluation(data, batch_size=6, ops=_ops(model))))
    expected = made_of(labels.numpy(), model(images).numpy())
    found = training.predictions_of(data, path, batch_size=batch_size)
    for field in dataclasses.fields(found):
        actual, wanted = getattr(found, field.name), getattr(expected, field.name)
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, err_msg=field.name)
    assert [actual.dtype for actual in (found.label, found.predicted, found.rank)] == [np.int64] * 3


def _ops(model: keras.Model):
    return ilsvrc_tfds.preprocess.preset("resnet_eval", size=model.input_shape[1])


def test_scores_are_those_of_keras(prepared):
    data, path = prepared
    ours = scores_of(training.predictions_of(data, path, batch_size=4))
    assert ours == pytest.approx(training.evaluate(data, path, batch_size=4), rel=1e-5)


def test_outputs_that_are_not_numbers_are_wrong(prepared, caplog):
    data, _ = prepared
    images = keras.Input((32, 32, 3), dtype="uint8")
    pixel = keras.ops.cast(images[:, 0, 0, :1], "float32")
    model = keras.Model(images, (pixel + 1) / 0.0 - (pixel + 1) / 0.0 + keras.ops.zeros((1, 1000)))
    made = training.predictions_of(data, model)
    assert (made.rank == 1000).all() and scores_of(made).top5 == 0
    assert "The loss is not finite" in caplog.text
    assert training.evaluate(data, model).ece == pytest.approx(scores_of(made).ece)


def test_figures_that_are_not_numbers_are_null_in_json():
    row = row_of_data("val", "/data", training.Scores(6, math.nan, 0.0, 0.0, math.inf))
    options = argparse.Namespace(model="small")
    table = reading._scores(options, [row], {"loss": math.nan, "ece": math.inf, "per_class": []})
    (scores,) = json.loads(json.dumps(table), parse_constant=pytest.fail)["sets"]
    assert scores["loss"] is None and scores["ece"] is None and scores["per_class"] == []


def test_several_hosts_are_refused(prepared):
    model = training.load_model(prepared[1])
    with pytest.raises(OptionError, match="Run the evaluation on one host"):
        predictions.predict(model, None, 4, Devices(2, Host(0, 2)))


def test_page_has_the_images_and_needs_no_network(prepared):
    data, path = prepared
    split = pipeline.find_split(data, "val")
    made = training.predictions_of(data, path)
    content = training.write_report(split, made, "small")
    page, text = browsing.Parser(content), content.decode()
    assert page.tags.count("img") == 6 and page.tags.count("script") == 2 and page.open == []
    pictures = [link for link in page.sources if link[0] != "#" and link != "data:,"]
    assert all(link.startswith("data:image/jpeg;base64,") for link in pictures) and len(pictures) == 6
    assert not re.search(r"https?://|@import|url\(", text)
    words = " ".join(page.text.split())
    assert f"{made.top1:.2%}" in words and f"{made.ece:.2%}" in words and "ILSVRC2012_val_" in words
    names = evaluation_report.class_words(split)
    assert all(names(int(label))[0] in words for label in made.label)
    assert page.tags.count("tr") == 2 + len(made.confusions()) + len(made.classes())


def test_names_of_files_models_and_folders_are_text_and_not_html(prepared, tmp_path, monkeypatch):
    hostile = '"><script>alert(1)</script>&amp;'
    picture = evaluation_report._Picture(hostile, b"not an image")
    monkeypatch.setattr(evaluation_report, "_pictures", lambda split, positions: dict.fromkeys(positions, picture))
    split = dataclasses.replace(pipeline.find_split(prepared[0], "val"), folder=tmp_path / hostile)
    page = browsing.Parser(training.write_report(split, training.predictions_of(*prepared), hostile))
    assert page.tags.count("script") == 2 and page.tags.count("img") == 6
    assert page.text.count(hostile) == 1 + 1 + 1 + 6  # title, heading, folder, pictures
    assert [link for link in page.sources if link[0] != "#"] == ["data:,"] * (1 + 6)  # the icon, and the pictures


def test_command_writes_page_and_json(prepared, tmp_path, capsys):
    data, path = prepared
    words = ["evaluate", str(data), "--model", str(path), "--json", str(tmp_path / "scores.json")]
    assert main([*words, "--report", str(tmp_path)]) == 0
    assert (tmp_path / "evaluation.html").read_text().startswith("<!DOCTYPE html>")
    said = capsys.readouterr()
    titles, _, row, scores_place, place = said.out.splitlines()
    assert scores_place.startswith(f"{tmp_path}/scores.json: ")
    assert titles.split() == ["set", "images", "top-1", "top-5", "loss", "ECE"] and row.split()[:2] == ["val", "6"]
    assert place.startswith(f"{tmp_path}/evaluation.html: ") and "load_model" in said.err
    (scores,) = json.loads((tmp_path / "scores.json").read_text())["sets"]
    assert row.split()[-1] == f"{scores['ece']:.2%}" and scores["classes"] == 1000
    assert sum(one["images"] for one in scores["calibration"]) == 6
    assert sum(one["images"] for one in scores["per_class"]) == 6
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[2] == row and "--report evaluation.html" in said.err


def test_report_on_evaluation_sets_is_refused(prepared, tmp_path, capsys):
    words = ["evaluate", "--model", str(prepared[1]), "--on", f"a={tmp_path}", "--report", str(tmp_path)]
    assert main(words) == 1
    assert "--report is for DATA alone" in capsys.readouterr().err


def test_wrong_model_name_is_noticed_before_anything_else(tmp_path, capsys):
    for command in (["train", str(tmp_path)], ["evaluate", str(tmp_path)]):
        assert main([*command, "--model", "resnet5"]) == 1
        assert capsys.readouterr().err.startswith("ilsvrc-tfds: Unknown model 'resnet5'. Did you mean resnet50")
