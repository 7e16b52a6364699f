import pytest

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.training.recipe import Recipe


@pytest.mark.parametrize(
    "options, message",
    [
        ({"optimizer": "adam"}, "optimizer must be one of sgd, adamw, got 'adam'"),
        ({"image_size": 16}, "image_size must be at least 32, got 16"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"learning_rate": -1.0}, "learning_rate must be a finite number from 0 up, got -1.0"),
        ({"weight_decay": float("nan")}, "weight_decay must be a finite number from 0 up, got nan"),
        ({"epochs": 5, "warmup_epochs": 5}, r"warmup_epochs must be in \[0, 5\), as there are 5 epochs, got 5"),
        ({"shuffle_buffer": 0}, "shuffle_buffer must be at least 1"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be in \[0, 1\)"),
        ({"ema": 1.0}, r"ema must be in \(0, 1\), got 1.0"),
        ({"ema": float("nan")}, r"ema must be in \(0, 1\), got nan"),
        ({"seed": 1 << 32}, r"seed must be in \[0, 2\*\*32\)"),
    ],
)
def test_impossible_recipe_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        Recipe(**options)


def test_defaults_go_with_batch_size_and_optimizer():
    assert Recipe().peak_learning_rate == 0.1 and Recipe(batch_size=1024).peak_learning_rate == 0.4
    assert Recipe(optimizer="adamw", batch_size=1024).peak_learning_rate == 0.001
    assert (Recipe().decay, Recipe(optimizer="adamw").decay, Recipe(weight_decay=0.0).decay) == (1e-3, 0.05, 0.0)


def test_warm_up_is_shorter_than_the_training():
    assert [Recipe(epochs=epochs).warmup for epochs in (1, 2, 3, 10, 90)] == [0, 0, 1, 4, 5]
