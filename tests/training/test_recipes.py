"""Recipes of published trainings: the pieces they consist of, options that replace them, and what docs/training.md says of them."""

import logging
import re
from pathlib import Path

import pytest

from ilsvrc_tfds.cli.parser import parse
from ilsvrc_tfds.cli.recipe_options import recipe_of
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.training.recipe import Recipe
from ilsvrc_tfds.training.recipes import PUBLISHED, RECIPES

PAGE = Path(__file__).parents[2] / "docs/training.md"


def recipe_from(*words: str) -> Recipe:
    return recipe_of(parse(["train", "data", *words]))


def test_named_recipe_is_that_of_the_table():
    assert recipe_from("--recipe", "resnet50-600") == RECIPES["resnet50-600"]
    assert recipe_from() == Recipe()


def test_given_options_replace_those_of_a_recipe_also_by_their_defaults():
    recipe = recipe_from("--recipe", "resnet50-600", "--label-smoothing", "0.1", "--epochs", "90", "--seed", "3")
    assert recipe == RECIPES["resnet50-600"].changed(epochs=90, seed=3) and recipe.epochs == 90
    assert recipe_from("--recipe", "resnet50-90", "--label-smoothing", "0.1").label_smoothing == 0.1
    assert recipe_from("--scaled").scaled and not recipe_from("--no-scaled").scaled


def test_learning_rate_and_average_follow_the_batch_size():
    smaller = recipe_from("--recipe", "resnet50-600", "--batch-size", "256")
    assert smaller.learning_rate == 0.125 and smaller.ema == pytest.approx(0.999966**0.25)
    shorter = recipe_from("--recipe", "resnet50-600", "--epochs", "60")
    assert shorter.ema == pytest.approx(0.999966**10) and shorter.warmup == 5
    assert recipe_from("--recipe", "resnet50-90", "--epochs", "3").warmup == 1
    stated = recipe_from("--recipe", "resnet50-600", "--batch-size", "256", "--learning-rate", "0.2", "--ema", "0.9")
    assert (stated.learning_rate, stated.ema) == (0.2, 0.9)
    assert recipe_from("--recipe", "resnet50-90", "--batch-size", "1024").peak_learning_rate == pytest.approx(0.4)


def test_another_optimizer_gets_its_own_learning_rate_and_decay():
    recipe = recipe_from("--recipe", "resnet50-600", "--optimizer", "adamw", "--batch-size", "2048")
    assert (recipe.peak_learning_rate, recipe.decay) == (0.002, 0.05)
    stated = recipe_from("--recipe", "resnet50-600", "--optimizer", "adamw", "--learning-rate", "0.004")
    assert (stated.peak_learning_rate, stated.decay) == (0.004, 0.05)


def test_recipe_says_where_its_accuracy_comes_from(caplog):
    caplog.set_level(logging.INFO)
    recipe_from("--recipe", "resnet50-90")
    assert re.search(r"resnet50-90: top-1 76.40% is published \(Goyal et al. 2017, .*it was not run with", caplog.text)
    caplog.clear()
    recipe_from("--recipe", "resnet50-90", "--epochs", "1")
    assert "published" not in caplog.text  # not of this recipe


@pytest.mark.parametrize("name", PUBLISHED)
def test_docs_name_the_published_accuracy(name):
    (row,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{name}` |")]
    assert f"{PUBLISHED[name].top1:g}%" in row and "not run by us" in row


@pytest.mark.parametrize(
    "words, message",
    [
        ("128", "expected PIXELS:EPOCH,… as in 128:0,160:30, got '128'"),
        ("128:0,a:3", "got '128:0,a:3'"),
        ("128:0:1", "got '128:0:1'"),
        ("", "got ''"),
    ],
)
def test_sizes_that_are_not_pairs_are_a_usage_error(words, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        recipe_from("--sizes", words)
    assert message in capsys.readouterr().err


def test_sizes_are_pairs():
    recipe = recipe_from("--sizes", "128:0,160:30,192:60")
    assert recipe.sizes == ((128, 0), (160, 30), (192, 60))
    assert Recipe(sizes=[[128, 0], [160, 30]]) == Recipe(sizes=((128, 0), (160, 30)))  # as JSON has them


@pytest.mark.parametrize(
    "sizes, message",
    [
        (
            ((128, 1),),
            "sizes must be pairs of a side in pixels and its first epoch, which rises from 0 to less than 90",
        ),
        (((128, 0), (160, 30), (192, 30)), "rises from 0 to less than 90, got 128:0,160:30,192:30"),
        (((128, 0), (160, 60), (192, 30)), "rises from 0"),
        (((128, 0), (160, 90)), "rises from 0 to less than 90"),
        (((128, 0), (160, 1.5)), "rises from 0"),
        ((), "rises from 0"),
        ((128, 160), "rises from 0"),
        ("128:0", "rises from 0"),
        (((31, 0), (128, 3)), "sizes must be at least 32 pixels, got 31:0,128:3"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(OptionError, match=message):
        Recipe(sizes=sizes)
