"""Options that are whole numbers: a float, a text or True is refused at once, in words."""

import pytest

import ilsvrc_tfds
from ilsvrc_tfds import pipeline
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.images import Resized
from ilsvrc_tfds.pipeline.bench import measure
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.shards.encoders import ClassicExample
from ilsvrc_tfds.sources import demo
from ilsvrc_tfds.training.recipe import Recipe

WRONG = (1.0, 2.5, True, "1")


def test_pipeline_refuses_what_is_no_whole_number(prepare):
    folder = prepare().data_dir
    for value in WRONG:
        for name in ("batch_size", "shuffle_buffer", "epochs", "start_step", "seed", "per_class"):
            with pytest.raises(OptionError, match=f"^{name} must be a whole number, got {value!r}"):
                pipeline.for_training(folder, **{"batch_size": 1, name: value})
        for name in ("batch_size", "per_class"):
            with pytest.raises(OptionError, match=f"^{name} must be a whole number, got {value!r}"):
                pipeline.for_evaluation(folder, **{"batch_size": 1, name: value})
        for shard in ((value, 2), (0, value)):
            with pytest.raises(OptionError, match=rf"of shard=\(i, n\) must be a whole number, got {value!r}"):
                pipeline.for_training(folder, batch_size=1, shard=shard)
        with pytest.raises(OptionError, match="rounds must be a whole number"):
            measure(folder, rounds=value)
    for value in (1.5, True, None, b"n01440764"):
        with pytest.raises(OptionError, match="A class index must be a whole number"):
            pipeline.for_training(folder, batch_size=1, classes=[value])
    for classes in (3, "n01440764"):
        with pytest.raises(OptionError, match="classes must be a list of wnids or class indices"):
            pipeline.for_training(folder, batch_size=1, classes=classes)
    for fraction in (True, "0.5"):
        with pytest.raises(OptionError, match=r"fraction must be in \(0, 1\]"):
            pipeline.for_training(folder, batch_size=1, fraction=fraction)
    for offset in (False, 0.0):
        with pytest.raises(OptionError, match="label_offset must be 0 or 1"):
            pipeline.for_training(folder, batch_size=1, label_offset=offset)


@pytest.mark.parametrize("value", WRONG)
def test_preparation_refuses_what_is_no_whole_number(value, archives, tmp_path):
    for name in ("max_examples", "num_shards", "workers"):
        options = {"workers": 1, "allow_incomplete": True, name: value}
        with pytest.raises(OptionError, match=f"^{name} must be a whole number, got {value!r}"):
            ilsvrc_tfds.prepare(archives, tmp_path / "data", **options)
    with pytest.raises(OptionError, match="num_shards must be a whole number"):
        ilsvrc_tfds.export(archives, tmp_path / "out", workers=1, allow_incomplete=True, num_shards={"train": value})
    with pytest.raises(OptionError, match="num_shards must name splits, as in {'train': 1024}"):
        ilsvrc_tfds.export(archives, tmp_path / "out", workers=1, allow_incomplete=True, num_shards=value)


@pytest.mark.parametrize("value", WRONG)
def test_values_refuse_what_is_no_whole_number(value):
    with pytest.raises(OptionError, match="shorter_side must be a whole number"):
        Resized(value)
    with pytest.raises(OptionError, match="quality must be a whole number"):
        Resized(256, value)
    with pytest.raises(OptionError, match="label_offset must be a whole number"):
        ClassicExample(label_offset=value)
    with pytest.raises(OptionError, match="workers must be a whole number"):
        LocalRunner(value)


@pytest.mark.parametrize("value", [1.5, "3", True])
def test_drawing_showing_and_training_refuse_what_is_no_whole_number(value, tmp_path):
    with pytest.raises(OptionError, match="train_per_class must be a whole number"):
        demo.draw(tmp_path / "nothing", train_per_class=value)
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(OptionError, match="num must be a whole number"):
        ilsvrc_tfds.show(tmp_path, num=value)
    with pytest.raises(OptionError, match="epochs must be a whole number"):
        Recipe(epochs=value)
