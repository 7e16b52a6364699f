"""The pages about a training and an evaluation: their numbers, and that they fit every width and theme."""

import re

import browsing
import numpy as np
import pytest
from browsing import THEMES, WIDTHS

from ilsvrc_tfds.pipeline.split import Split
from ilsvrc_tfds.training import Recipe, evaluation_report
from ilsvrc_tfds.training.epoch_table import in_percent
from ilsvrc_tfds.training.predictions import Predictions
from ilsvrc_tfds.training.run_page import Trained, run_page, write_run_page

TRAINED = Trained("/data/<b>&amp;", 1_281_167, 50_000, 25_557_032, 224)
NAMES = ("loss", "top1", "top5", "val_loss", "val_top1", "val_top5")


def log_of(epochs: int) -> list[dict[str, float]]:
    rows = []
    for k in range(epochs):
        top = 0.7 * (1 - 0.95**k) - (0.05 if k == epochs - 1 else 0)
        rows.append(
            {"epoch": float(k), **dict(zip(NAMES, (6.9 * 0.97**k, top, top + 0.1, 7 * 0.97**k, top, top + 0.2)))}
        )
    return rows


def text_of(content: bytes) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", content.decode().partition("<body>")[2]).split())


def test_page_says_how_far_the_training_is(tmp_path):
    recipe = Recipe(epochs=90)
    assert "Training, after epoch 30 of 90" in text_of(run_page(log_of(30), recipe, TRAINED, tmp_path))
    assert "Training, finished" in text_of(run_page(log_of(90), recipe, TRAINED, tmp_path))


def test_page_has_best_epoch_curves_recipe_and_all_epochs(tmp_path):
    log = log_of(30)
    content = run_page(log, Recipe(epochs=90, sizes=((128, 0), (160, 30))), TRAINED, tmp_path)
    parsed, text = browsing.Parser(content), text_of(content)
    best = max(log, key=lambda row: row["val_top1"])
    assert parsed.open == [] and parsed.labels[0] == "Loss of each epoch, for train and val" and len(parsed.labels) == 3
    assert f"Best top-1 of val {best['val_top1']:.2%} epoch {best['epoch'] + 1:.0f}" in text
    assert "25.6 M" in text and "128:0,160:30" in text and "1,281,167 train images, 50,000 of val" in text
    assert parsed.tags.count("tr") == 31 and text.count(" best ") == 1
    assert all(in_percent(row["val_top1"]) in text for row in log)


def test_diverged_training_has_no_best_epoch(tmp_path):
    nan = dict.fromkeys(NAMES, float("nan")) | {"val_top1": 0.0, "epoch": 0.0}
    text = text_of(run_page([nan], Recipe(epochs=5), TRAINED, tmp_path))
    assert "Training, diverged in epoch 1 of 5" in text and "every epoch has diverged" in text and " best " not in text
    later = text_of(run_page([*log_of(2), nan | {"epoch": 2.0}], Recipe(epochs=5), TRAINED, tmp_path))
    assert "Training, diverged in epoch 3 of 5" in later and later.count(" best ") == 1


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0015, 1e6, 0.1])
def test_marks_of_the_axes_are_not_cut(rate, browser, tmp_path):
    content = run_page(log_of(5), Recipe(epochs=5, learning_rate=rate), TRAINED, tmp_path)
    with browsing.opened(browser, content, tmp_path / "page.html") as own:
        for chart in own.locator("figure svg").all():
            left = chart.bounding_box()["x"]
            assert all(text.bounding_box()["x"] >= left - 0.5 for text in chart.locator("text.end").all())


def test_diverged_epochs_leave_gaps(tmp_path):
    log = log_of(5)
    log[3] = {key: value if key == "epoch" else float("nan") for key, value in log[3].items()}
    assert browsing.Parser(run_page(log, Recipe(epochs=5), TRAINED, tmp_path)).open == []


def test_page_that_cannot_be_written_does_not_end_the_training(tmp_path, caplog):
    for content in ("epoch,loss\n0,nan?\n", "epoch,loss\n0,6.9\n", None):
        (tmp_path / "log.csv").write_text(content) if content else (tmp_path / "log.csv").unlink()
        caplog.clear()
        write_run_page(tmp_path, Recipe(epochs=2), TRAINED)
        assert "The training goes on all the same." in caplog.text and not (tmp_path / "training.html").exists()
    rows = [",".join(log_of(1)[0]), *(",".join(map(str, row.values())) for row in log_of(2))]
    (tmp_path / "log.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "training.html").mkdir()
    caplog.clear()
    write_run_page(tmp_path, Recipe(epochs=2), TRAINED)
    assert "The training goes on all the same." in caplog.text


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> bytes:
    """The page about an evaluation of 600 images of 12 classes, whose pictures cannot be shown."""
    random = np.random.default_rng(0)
    label = random.integers(0, 12, 600)
    predicted = np.where(random.random(600) < 0.7, label, random.integers(0, 12, 600))
    confidence = random.random(600)
    found = Predictions(label, predicted, confidence, random.random(600), np.where(label == predicted, 0, 7))
    folder = tmp_path_factory.mktemp("evaluated")
    split = Split("val", folder, (), (600,), "tfds", 0, ())
    with pytest.MonkeyPatch.context() as patch:
        names = evaluation_report._Picture("ILSVRC2012_val_00000001.JPEG", b"")
        patch.setattr(evaluation_report, "_pictures", lambda split, positions: dict.fromkeys(positions, names))
        return evaluation_report.write_report(split, found, "resnet50")


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["training", "evaluation"])
def test_pages_fit_every_width_and_theme(kind, width, theme, browser, evaluated, tmp_path):
    content = evaluated if kind == "evaluation" else run_page(log_of(60), Recipe(epochs=90), TRAINED, tmp_path)
    with browsing.opened(browser, content, tmp_path / "page.html", width, theme) as own:
        assert own.evaluate("document.documentElement.scrollWidth") == width
        assert all(box.bounding_box()["width"] > 250 for box in own.locator("figure svg").all())


@pytest.mark.slow
def test_classes_of_an_evaluation_can_be_searched(browser, evaluated, tmp_path):
    with browsing.opened(browser, evaluated, tmp_path / "page.html") as own:
        rows = own.locator("#classes-rows tr")
        assert rows.count() == 12
        own.fill("#search", " N01443537 ")
        assert own.inner_text("#count") == f"{own.locator('#classes-rows tr:visible').count()} of 12 classes"
        assert "goldfish" in own.locator("#classes-rows tr:visible").first.inner_text()
        own.fill("#search", "no such class")
        assert own.inner_text("#count") == "0 of 12 classes"
        own.fill("#search", "")
        assert own.inner_text("#count") == "" and own.locator("#classes-rows tr:visible").count() == 12
